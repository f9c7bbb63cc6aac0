import type { SessionRecord, SnapshotRecord, WorkspaceRecord } from '../contract/records.ts';
import { toQuiescing } from './decide-down.ts';
import { toLaunching } from './decide-rescue.ts';
import { letGo } from './ends.ts';
import { leaseEndedBy, leaseReason } from './lease.ts';
import type { Limits } from './limits.ts';
import { noDailySnapshot } from './outcome.ts';
import type { Change } from './session.ts';
import { hasStopped, isLost, type Observed, parkOperation, quietOrWait, type Step, snapshotOrWatch } from './steps.ts';
import { isUnsaved } from './workspace.ts';

/** The box of a persistent session is stopped and kept. A snapshot whose point in time is fixed goes on by itself. */
export function toParking(session: SessionRecord, nowMs: number): Change {
  const endReason = session.endReason ?? leaseEndedBy(session.lease);
  const why = session.endReason === 'user' ? 'asked to park' : leaseReason(session.lease);
  return {
    patch: { phase: 'parking', desired: 'parked', endReason, report: null, op: null, checkpoint: null, dueAt: nowMs },
    events: [{ type: 'session.parking', message: `${why}: stopping every writer, then the box`, data: { endReason } }],
  };
}

/**
 * Makes the box quiet, then stops it. Until it may have been stopped the session can still go on or end as any other; from then on
 * it first comes to rest.
 */
export function decideParking(session: SessionRecord, observed: Observed, nowMs: number, limits: Limits): Step {
  const { op, report, desired } = session;
  if (hasStopped(observed.box)) return { do: 'change', change: parked(observed.box === 'parked', nowMs) };
  if (op?.kind === 'park') return parkOrWait(session, observed, nowMs, limits);
  if (desired === 'stopped') return { do: 'change', change: toQuiescing(session, nowMs) };
  if (desired === 'ready') return { do: 'change', change: backToReady(session, nowMs) };
  if (report === null) return quietOrWait(session, 'park', nowMs);
  return { do: 'change', change: { patch: { op: parkOperation(session, nowMs), dueAt: nowMs } } };
}

function parkOrWait(session: SessionRecord, observed: Observed, nowMs: number, limits: Limits): Step {
  const notBeforeMs = session.op?.kind === 'park' ? session.op.notBeforeMs : nowMs;
  if (nowMs < notBeforeMs) return { do: 'wait', untilMs: notBeforeMs };
  return observed.box === 'unknown' ? { do: 'wait', untilMs: nowMs + limits.pollMs } : { do: 'park' };
}

function parked(isKept: boolean, nowMs: number): Change {
  const kept = isKept ? 'its box is stopped and kept' : 'its box is gone, its volume is kept';
  return {
    patch: { phase: 'parked', op: null, dueAt: nowMs, ...(!isKept && { box: null }) },
    events: [{ type: 'session.parked', message: `parked: ${kept}` }],
  };
}

/** Its user came back before the box was stopped. */
const backToReady = (session: SessionRecord, nowMs: number): Change => ({
  patch: { phase: 'ready', report: null, op: null, dueAt: nowMs },
  events: [{ type: 'session.ready', message: 'goes on: it is not parked', data: { generation: session.generation } }],
});

/** At rest: a snapshot when one is due, until its owner wants it to go on or to end. What a launch may have left goes first. */
export function decideParked(session: SessionRecord, workspace: WorkspaceRecord, observed: Observed, nowMs: number, limits: Limits): Step {
  const { op, box, desired } = session;
  if (observed.box === 'unknown') return { do: 'wait', untilMs: nowMs + limits.pollMs };
  if (op?.kind === 'launch') return nowMs < op.notBeforeMs ? { do: 'wait', untilMs: op.notBeforeMs } : { do: 'disown' };
  if (box !== null && observed.box === 'gone') return { do: 'change', change: lostBox(nowMs) };
  // Somebody else started it.
  if (box !== null && observed.box !== 'parked') return parkOrWait(session, observed, nowMs, limits);
  if (op?.kind === 'park') return { do: 'change', change: { patch: { op: null, dueAt: nowMs } } };
  const saving = session.snapshot === null ? null : saveParked(session, observed.snapshot, nowMs, limits);
  if (saving !== null) return saving;
  if (desired === 'stopped')
    return { do: 'change', change: letGo(session, nowMs, session.report === null ? 'crash' : 'clean', 'asked to stop') };
  if (desired === 'ready') return { do: 'change', change: wake(session, workspace, nowMs, limits) };
  const dueMs = snapshotDueMs(session, workspace, nowMs);
  if (nowMs < dueMs) return { do: 'wait', untilMs: Math.min(dueMs, nowMs + limits.parkedLookMs) };
  const operationId = `${session.id}.g${session.generation}.parked.${session.version}`;
  return { do: 'allocate', operationId, reason: 'park', note: 'of the day', clean: session.report !== null };
}

/** A volume that has nothing new needs none. */
function snapshotDueMs({ nextSnapshotAt }: SessionRecord, workspace: WorkspaceRecord, nowMs: number): number {
  if (!isUnsaved(workspace) || workspace.quarantined !== null) return Number.POSITIVE_INFINITY;
  return nextSnapshotAt ?? nowMs;
}

/** Once its point in time is fixed nobody has to wait for it. Null when that is so, and something else is wanted. */
function saveParked(session: SessionRecord, record: SnapshotRecord | null, nowMs: number, limits: Limits): Step | null {
  if (record === null || isLost(record, nowMs, limits)) return { do: 'change', change: noDailySnapshot(session, nowMs, limits) };
  if (record.state === 'completed') {
    const events = [{ type: 'snapshot.completed', message: `${record.id} is the head`, data: { snapshot: record.id } }];
    return { do: 'settle', snapshot: record, change: { patch: { snapshot: null, op: null, dueAt: nowMs }, events } };
  }
  const isFixed = session.snapshot?.started === true;
  return isFixed && session.desired !== 'parked' ? null : snapshotOrWatch(session, record, false, nowMs);
}

const lostBox = (nowMs: number): Change => ({
  patch: { box: null, op: null, dueAt: nowMs },
  events: [{ type: 'box.lost', message: 'the parked box is gone; its volume is kept' }],
});

/**
 * The next generation: the box that was kept, if it can go on, else another one with its volume. Where a snapshot has all of that, the
 * day begins anew.
 */
function wake(session: SessionRecord, workspace: WorkspaceRecord, nowMs: number, limits: Limits): Change {
  const { box, generation } = session;
  const { patch, events } = toLaunching({ ...session, launchAttempts: 0, rescues: 0 }, nowMs, 'asked to go on');
  const kept = box && { boxId: box.id, generation, launchedAt: box.launchedAt, box };
  const op = patch.op as NonNullable<SessionRecord['op']>;
  const nextSnapshotAt = isUnsaved(workspace) ? session.nextSnapshotAt : nowMs + limits.dailySnapshotMs;
  return { patch: { ...patch, nextSnapshotAt, op: { ...op, ...(kept && { parked: kept }) } }, ...(events && { events }) };
}
