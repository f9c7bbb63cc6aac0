import type { Duplex, Readable } from 'node:stream';
import type { Scope } from '../contract/records.ts';
import type { OPERATIONS, OperationId, OperationRequest, OperationResponse } from '../contract/routes.ts';
import type { ApiDeps } from './deps.ts';

/** Who is calling, from a token or a signature that was checked. */
export interface Caller {
  owner: string;
  /** Null: there is no token. */
  tokenId: string | null;
  scopes: readonly Scope[];
  /** When the token ends; null: never. */
  expiresAtMs: number | null;
  /** Who AWS says it is. */
  arn?: string;
}

/** A box, by what it has shown: a token of its own, or which machine it is. Which session and generation it is of is checked against the body. */
export interface BoxCaller {
  owner: string;
  shown: { tokenHash: string } | { boxId: string };
}

type ScopeOf<Id extends OperationId> = (typeof OPERATIONS)[Id]['scope'];
type CallerOf<Id extends OperationId> = ScopeOf<Id> extends 'public' ? null : ScopeOf<Id> extends 'box' ? BoxCaller : Caller;

/** Fields for the canonical log event of the request. */
export interface Note {
  owner?: string;
  sessionId?: string;
  workspace?: string;
}

/** One request after its checks: what a handler gets. */
export interface Call<Id extends OperationId> extends OperationRequest<Id> {
  deps: ApiDeps;
  caller: CallerOf<Id>;
  requestId: string;
  /** Path as it was asked for, without the query. */
  path: string;
  idempotencyKey: string | null;
  header(name: string): string | undefined;
  /** Aborted when the client goes away. */
  signal: AbortSignal;
  /** The uploaded body, bounded in size and in pauses. `onChunk` is called for each part of it. */
  upload(onChunk: () => void): Upload;
  /** Where a request to upgrade puts the stream that the socket is joined with; null for an ordinary request. */
  upgrade: UpgradeSlot | null;
  /** Adds to the log event of this request. */
  note(fields: Note): void;
}

export interface Upload {
  stream: Readable;
  /** Why the upload was cut off, if it was: tells more than the error of whoever was reading it. */
  failure(): Error | null;
}

export interface UpgradeSlot {
  stream: Duplex | null;
  /** Called for input of the client. */
  onInput: () => void;
}

export interface JsonReply<T> {
  body: T;
  headers?: Readonly<Record<string, string>>;
}
export type Reply<Id extends OperationId> = (typeof OPERATIONS)[Id] extends { stream: string }
  ? Response
  : JsonReply<OperationResponse<Id>>;

export type Handler<Id extends OperationId> = (call: Call<Id>) => Promise<Reply<Id>>;
/** One handler for each operation of the contract: a missing one does not compile. */
export type Handlers = { readonly [Id in OperationId]: Handler<Id> };

/** A call of an operation by a user: what the use-cases share. */
export type UserCall = Pick<Call<'whoami'>, 'deps' | 'caller' | 'requestId' | 'path' | 'idempotencyKey' | 'signal' | 'note'>;
