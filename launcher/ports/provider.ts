import type { Check } from '../contract/api.ts';
import type { AccessPort } from './access.ts';
import type { ComputePort } from './compute.ts';

/** Boxes that prove by their machine who they are. */
export interface Machines {
  /** The box that a machine's token was given to. @throws DevctlError unauthorized, unavailable */
  boxIdOf(token: string): Promise<string>;
  /** What a box asks of its launcher when that reaches in: the box is told it in every answer, and keeps it in memory only. */
  accessKey(box: { sessionId: string; generation: number }): string;
  /** How whoever may use the account gets to the agent of a box without the launcher; left out where there is no such way. */
  readonly sessionManager?: SessionManagerWay;
}

export interface SessionManagerWay {
  region: string;
  /** Where agents listen on the loopback of their machine. */
  agentPort: number;
  /** Session document that forwards a port: `AWS-StartPortForwardingSession`. */
  document: string;
}

/** Where boxes come from, as a launcher is put together with it: the compute port, the way into boxes, and its own affairs. */
export interface Provider extends ComputePort, AccessPort {
  /** What keeps a box in, for people: `bubblewrap`, `instance`. */
  readonly isolation: string;
  /** Left out where each box has a token of its own. */
  readonly machines?: Machines;
  /** What `doctor` shows of it. Never throws. */
  doctorChecks(): Promise<Check[]>;
  /** Takes up what an earlier launcher left, and the boxes that live. Before anything else. */
  start(): Promise<void>;
  /** Lets go of what this process holds; boxes go on. */
  stop(): Promise<void>;
}
