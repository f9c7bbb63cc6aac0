import type {
  BudgetRecord,
  ChargeRecord,
  IdempotencyRecord,
  PoolBoxRecord,
  SessionEvent,
  SessionRecord,
  SnapshotRecord,
  SnapshotRef,
  TokenRecord,
  UsageRecord,
  WorkspaceRecord,
} from '../contract/records.ts';

/** The store could not be reached or did not answer in time. Nothing is known of what a write did: read it back. */
export class StoreUnavailableError extends Error {
  override readonly name = 'StoreUnavailableError';
}

/** A row is there but cannot be understood: unknown phase, missing field, damage. It is left as it is. */
export class UnreadableRecordError extends Error {
  override readonly name = 'UnreadableRecordError';
  constructor(
    /** Key of the row, for a person who looks into the table. */
    readonly key: string,
    reason: string,
    options?: { cause?: unknown },
  ) {
    super(`record ${key} cannot be read: ${reason}`, options);
  }
}

/** The record does not fit into a row of the table. Nothing was written. */
export class RecordTooLargeError extends Error {
  override readonly name = 'RecordTooLargeError';
  constructor(
    readonly key: string,
    readonly bytes: number,
  ) {
    super(`record ${key} is too large for the store: ${bytes} bytes`);
  }
}

export interface Page<T> {
  items: T[];
  /** Opaque position for the next page; null at the end. Not authenticated: the API wraps it. */
  next: string | null;
  /** Rows that could not be read (unknown phase, missing fields): their keys. They are skipped, never dropped. */
  unreadable: string[];
}
export interface PageRequest {
  limit: number;
  after: string | null;
}

export interface SessionKey {
  owner: string;
  id: string;
}

/** A session that is let in by a budget. */
export interface Admission {
  /** As it stands in `admitted`. */
  entry: string;
  microUsd: number;
}

export interface Quotas {
  liveSessions: number;
  workspaces: number;
  snapshotBytes: number;
}

/** What may change in a snapshot's record. Only tombstoneSnapshot makes it `deleting`. */
export type SnapshotPatch = Partial<Pick<SnapshotRecord, 'completedAt' | 'bytes' | 'newBytes' | 'files' | 'clean'>> & {
  state?: Exclude<SnapshotRecord['state'], 'deleting'>;
};

/**
 * The records, and the only concurrency primitive: the single-item conditional write. A method that loses its condition
 * returns false or null (or the winner's record). It throws StoreUnavailableError; where it reads one record also
 * UnreadableRecordError; where it writes one also RecordTooLargeError; and a list whose cursor it did not make
 * DevctlError `invalid_cursor`. Every read of a single record is strongly consistent.
 */
export interface StorePort {
  // -- sessions
  getSession(key: SessionKey): Promise<SessionRecord | null>;
  /** Puts a new session (version as given). False when the id exists. */
  createSession(session: SessionRecord): Promise<boolean>;
  /**
   * Writes the whole record with `version + 1`, if the stored version still is `session.version`.
   * @returns the record as stored, or null when somebody else was first
   */
  saveSession(session: SessionRecord): Promise<SessionRecord | null>;
  /** Removes a session record that never had a box. Conditional on its version. */
  deleteSession(session: SessionRecord): Promise<boolean>;
  /** Newest first. */
  listSessions(owner: string, page: PageRequest): Promise<Page<SessionRecord>>;
  /** Keys of sessions with `dueAt <= nowMs`, soonest first: cost grows with what is due. Eventually consistent. */
  listDue(nowMs: number, limit: number): Promise<Array<SessionKey & { dueAt: number }>>;
  /**
   * Every session whose phase is not final, of every owner, by the same index. Eventually consistent, and a session whose
   * dueAt moves meanwhile may come twice or not at all: read the record before anything is done on the word of this list.
   */
  listLive(page: PageRequest): Promise<Page<SessionKey>>;

  // -- events of a session
  /** Idempotent: the same event twice is one. */
  putEvents(key: SessionKey, events: SessionEvent[]): Promise<void>;
  /** Events with id greater than `afterId` (all with null), oldest first. */
  listEvents(key: SessionKey, afterId: string | null, limit: number): Promise<SessionEvent[]>;

  // -- workspaces
  getWorkspace(owner: string, name: string): Promise<WorkspaceRecord | null>;
  createWorkspace(workspace: WorkspaceRecord): Promise<boolean>;
  /** As saveSession. */
  saveWorkspace(workspace: WorkspaceRecord): Promise<WorkspaceRecord | null>;
  deleteWorkspace(workspace: WorkspaceRecord): Promise<boolean>;
  /** By name. */
  listWorkspaces(owner: string, page: PageRequest): Promise<Page<WorkspaceRecord>>;
  /** Every owner that has anything, for the reaper. */
  listOwners(): Promise<string[]>;

  // -- snapshots
  getSnapshot(owner: string, ref: SnapshotRef): Promise<SnapshotRecord | null>;
  /** Puts a new record; false when the ref exists. */
  createSnapshot(snapshot: SnapshotRecord): Promise<boolean>;
  /** Sets outcome, sizes and completion of a snapshot. False when it is gone, is `deleting`, or has another outcome already. */
  updateSnapshot(owner: string, ref: SnapshotRef, patch: SnapshotPatch): Promise<boolean>;
  /** Adds a pin if the snapshot is `completed`: from then on it cannot be tombstoned. Repeating is fine. */
  pinSnapshot(owner: string, ref: SnapshotRef, workspaceId: string): Promise<boolean>;
  unpinSnapshot(owner: string, ref: SnapshotRef, workspaceId: string): Promise<void>;
  /** Marks it `deleting` if nothing pins it. False when pinned or gone. */
  tombstoneSnapshot(owner: string, ref: SnapshotRef): Promise<boolean>;
  /** Removes a tombstoned record. */
  deleteSnapshot(owner: string, ref: SnapshotRef): Promise<boolean>;
  /** Newest first. */
  listSnapshots(owner: string, workspaceId: string, page: PageRequest): Promise<Page<SnapshotRecord>>;

  // -- usage against quotas: each is one conditional write, and repeating it changes nothing
  reserveSession(owner: string, sessionId: string, quotas: Quotas): Promise<'ok' | 'sessions' | 'bytes'>;
  releaseSession(owner: string, sessionId: string): Promise<void>;
  reserveWorkspace(owner: string, workspaceId: string, quotas: Quotas): Promise<'ok' | 'workspaces' | 'bytes'>;
  releaseWorkspace(owner: string, workspaceId: string): Promise<void>;
  /** Counts `bytes` once per snapshot; removing takes off what the caller gives, so it must be the same number. */
  addSnapshotBytes(owner: string, ref: SnapshotRef, bytes: number): Promise<void>;
  removeSnapshotBytes(owner: string, ref: SnapshotRef, bytes: number): Promise<void>;
  getUsage(owner: string): Promise<UsageRecord>;

  // -- what a month costs an owner
  /** Writes an entry as a whole, unless the one that is there counts until a later time. Repeating is fine. */
  putCharge(charge: ChargeRecord): Promise<void>;
  /** The entries of a month, or those of one kind, in the order of their ids. Kept for 400 days. */
  listCharges(owner: string, of: { month: string; kind?: ChargeRecord['kind'] }, page: PageRequest): Promise<Page<ChargeRecord>>;

  // -- budgets of a month: of one owner, or (owner null) of all
  getBudget(owner: string | null, month: string): Promise<BudgetRecord | null>;
  /** As saveSession; version 0 makes the row. */
  saveBudget(budget: BudgetRecord): Promise<BudgetRecord | null>;
  /**
   * Counts one more session, if less than the budget is committed: one conditional write, which repeating does not change.
   * @returns false when it does not fit, or the row is not there
   */
  admitToBudget(budget: BudgetRecord, admission: Admission, budgetMicroUsd: number): Promise<boolean>;
  /** Takes that back. One that is not counted is fine. */
  leaveBudget(budget: Pick<BudgetRecord, 'owner' | 'month'>, admission: Admission): Promise<void>;

  // -- tokens
  getToken(owner: string, id: string): Promise<TokenRecord | null>;
  createToken(token: TokenRecord): Promise<boolean>;
  /** @returns false when there is no such token; revoking twice is fine */
  revokeToken(owner: string, id: string, atMs: number): Promise<boolean>;
  listTokens(owner: string, page: PageRequest): Promise<Page<TokenRecord>>;

  // -- idempotency
  /** Puts the record, or gives the one that is there and not expired at `nowMs`. */
  claimIdempotency(record: IdempotencyRecord, nowMs: number): Promise<IdempotencyRecord>;

  // -- the pool of boxes in reserve, which is nobody's
  getPoolBox(id: string): Promise<PoolBoxRecord | null>;
  createPoolBox(box: PoolBoxRecord): Promise<boolean>;
  /** As saveSession. */
  savePoolBox(box: PoolBoxRecord): Promise<PoolBoxRecord | null>;
  /** Conditional on its version. */
  deletePoolBox(box: PoolBoxRecord): Promise<boolean>;
  /** The oldest first. */
  listPoolBoxes(page: PageRequest): Promise<Page<PoolBoxRecord>>;

  // -- whose turn it is, among processes that could all do the same: nothing that must hold depends on it
  /**
   * Takes a turn until then, unless somebody else has it now; with `fromOthers` also then, and they find out (hasTurn).
   * @returns whether it was taken
   */
  takeTurn(name: string, turn: { holder: string; untilMs: number }, how: { nowMs: number; fromOthers: boolean }): Promise<boolean>;
  /** Nobody has taken it since. */
  hasTurn(name: string, holder: string): Promise<boolean>;
  /** Does nothing to a turn of somebody else. */
  endTurn(name: string, holder: string): Promise<void>;

  // -- what the table as a whole is worth
  /**
   * True when this very table is known to have a record of everything that the provider keeps: then, and only then, what has
   * no record is left over. A new table, one that was lost and made anew, and one that came out of a backup do not say so.
   */
  vouches(): Promise<boolean>;
  /** Notes that it does. The caller has compared it with a whole list of the provider. */
  vouch(): Promise<void>;

  /** A cheap read that shows whether the table answers. @throws StoreUnavailableError */
  ping(): Promise<void>;
}
