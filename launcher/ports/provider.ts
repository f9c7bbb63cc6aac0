import type { Check } from '../contract/api.ts';
import type { AccessPort } from './access.ts';
import type { ComputePort } from './compute.ts';

/** Where boxes come from, as a launcher is put together with it: the compute port, the way into boxes, and its own affairs. */
export interface Provider extends ComputePort, AccessPort {
  /** What keeps a box in, for people: `bubblewrap`, `instance`. */
  readonly isolation: string;
  /** What `doctor` shows of it. Never throws. */
  doctorChecks(): Promise<Check[]>;
  /** Takes up what an earlier launcher left, and the boxes that live. Before anything else. */
  start(): Promise<void>;
  /** Lets go of what this process holds; boxes go on. */
  stop(): Promise<void>;
}
