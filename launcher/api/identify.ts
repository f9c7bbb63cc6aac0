import type { Operation } from '../contract/routes.ts';
import type { BoxCaller, Caller } from './operation.ts';

/** What a request has with it of who sends it. */
export interface Shown {
  authorization: string | undefined;
  /** Header in which a box names the owner of its session. */
  boxOwner: string | undefined;
  /** Address of the other side; empty where there is none. */
  remote: string;
  /** Who has signed it, as whatever checked the signature tells; undefined where nobody has. Not looked into yet. */
  signedBy: unknown;
}

/** How a launcher knows who calls. */
export interface Identify {
  /** Value of the header WWW-Authenticate in an answer to who is not known. */
  readonly challenge: string;
  /**
   * Who calls, with the scopes that they have: null for an operation that is for everybody.
   * @throws DevctlError unauthorized, forbidden, rate_limited; unavailable when it cannot be told now
   */
  callerOf(scope: Operation['scope'], shown: Shown): Promise<Caller | BoxCaller | null>;
}
