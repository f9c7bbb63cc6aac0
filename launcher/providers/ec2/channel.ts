import type { QuiesceReport } from '../../contract/receipt.ts';
import type { BoxRef } from '../../ports/compute.ts';

/** How a box is told to do something. Every method may throw ComputeError `unreachable` or `transient`. */
export interface BoxChannel {
  /** Stops every writer, flushes and unmounts the workspace. Repeating with the same operation gives the first report. */
  quiesce(box: BoxRef, operationId: string): Promise<QuiesceReport>;
  /** Flushes the workspace and holds every writer still. The box lets them go on by itself after `maxMs`. */
  freeze(box: BoxRef, maxMs: number): Promise<void>;
  /** @returns false when the box had gone on by itself before */
  thaw(box: BoxRef): Promise<boolean>;
}
