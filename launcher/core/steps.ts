import type { SessionRecord, SnapshotRecord, SnapshotRef } from '../contract/records.ts';
import type { Limits } from './limits.ts';
import type { Change } from './session.ts';

/** What the provider and the store know of a session's things at this moment. */
export interface Observed {
  /** Null when the session has no box. `unknown` is never a reason to destroy anything. */
  box: 'pending' | 'running' | 'parked' | 'gone' | 'unknown' | null;
  /** Record of the snapshot that the session is making. */
  snapshot: SnapshotRecord | null;
}

/** The same shape as the compute port's. */
export type LaunchSource =
  | { kind: 'blank' }
  | { kind: 'snapshot'; snapshot: SnapshotRef }
  | { kind: 'volume'; volumeId: string; saved: SnapshotRef | null };

/** The one thing to do next. Whatever is not `wait` is followed by another look. */
export type Step =
  /** Nothing before this time. */
  | { do: 'wait'; untilMs: number }
  /** Save a change of the record. */
  | { do: 'change'; change: Change }
  /** Claim the workspace for this generation and start a box from what it then has (`sourceOf`). */
  | { do: 'launch' }
  | { do: 'quiesce' }
  /** Record the next snapshot of the workspace as pending. */
  | { do: 'allocate'; operationId: string; reason: SnapshotRecord['reason']; note: string | null; clean: boolean }
  /** Have the provider take the snapshot that was allocated. `live`: the box is using the volume. */
  | { do: 'snapshot'; snapshot: SnapshotRecord; live: boolean }
  /** Ask the provider how a started snapshot is getting on. */
  | { do: 'watch'; snapshot: SnapshotRecord }
  /** Make a completed snapshot the head, then save the change. */
  | { do: 'settle'; snapshot: SnapshotRecord; change: Change }
  /** Stop the box and keep it. */
  | { do: 'park' }
  | { do: 'end' }
  /** Find the boxes that a launch without an answer may have left, and let them go. */
  | { do: 'disown' }
  /** Give the workspace free for the next session; this one still has a snapshot to see through. */
  | { do: 'release' }
  /** Give everything free, then save the final change. */
  | { do: 'finish'; change: Change };

/** True when nothing will come of a snapshot any more: it failed, is being deleted, or has been on its way for too long. */
export const isLost = (record: SnapshotRecord, nowMs: number, limits: Limits): boolean =>
  record.state === 'error' ||
  record.state === 'deleting' ||
  (record.state === 'pending' && nowMs >= record.createdAt + limits.snapshotPendingMs);

/** Takes the allocated snapshot, or looks after the one that is on its way. */
export function snapshotOrWatch(session: SessionRecord, record: SnapshotRecord, live: boolean, nowMs: number): Step {
  const notBeforeMs = session.op?.notBeforeMs ?? nowMs;
  if (nowMs < notBeforeMs) return { do: 'wait', untilMs: notBeforeMs };
  return session.snapshot?.started === true ? { do: 'watch', snapshot: record } : { do: 'snapshot', snapshot: record, live };
}

/** True when nothing runs in the box any more, and nothing writes to its volume. */
export const hasStopped = (box: Observed['box']): boolean => box === 'gone' || box === 'parked';

/** Makes the box quiet: the intent first. `what` names the operation among the others of this generation. */
export function quietOrWait({ id, generation, version, op }: SessionRecord, what: string, nowMs: number): Step {
  if (op !== null) return nowMs < op.notBeforeMs ? { do: 'wait', untilMs: op.notBeforeMs } : { do: 'quiesce' };
  const operation = { id: `${id}.g${generation}.${what}.${version}`, attempt: 1, startedAt: nowMs, notBeforeMs: nowMs };
  return { do: 'change', change: { patch: { op: { kind: 'quiesce', ...operation } } } };
}

/** The intent to stop a box and keep it, saved before the call. */
export const parkOperation = (session: SessionRecord, nowMs: number): NonNullable<SessionRecord['op']> => ({
  kind: 'park',
  id: `${session.id}.g${session.generation}.park.${session.version}`,
  attempt: 1,
  startedAt: nowMs,
  notBeforeMs: nowMs,
});

/** Lets the box go; while the provider cannot tell, or the last try has to rest, it waits. */
export function endOrWait(session: SessionRecord, observed: Observed, nowMs: number, limits: Limits): Step {
  const notBeforeMs = session.op?.kind === 'end' ? session.op.notBeforeMs : nowMs;
  if (nowMs < notBeforeMs) return { do: 'wait', untilMs: notBeforeMs };
  return observed.box === 'unknown' ? { do: 'wait', untilMs: nowMs + limits.pollMs } : { do: 'end' };
}
