import type { ErrorCode } from '../contract/errors.ts';
import type { QuiesceReport } from '../contract/receipt.ts';
import type { BoxPrice, Failure, SessionRecord, SnapshotRecord, VolumeCopyRecord } from '../contract/records.ts';
import { fail, failed, letGo, stopLaunch } from './ends.ts';
import { backoffMs, type Limits } from './limits.ts';
import type { Change, NewEvent } from './session.ts';
import { parkOperation } from './steps.ts';

/** Why a provider call failed; the same words as the compute port has. */
export interface CallFailure {
  kind: 'transient' | 'busy' | 'capacity' | 'stranded' | 'unreachable' | 'disk_full' | 'missing' | 'unsupported' | 'fatal';
  message: string;
  /** What to do next, where the kind alone says less. */
  hint?: string;
  /** Of a launch: the live volume that it was to have. */
  volumeId?: string;
}

/** A box of the pool that a launch has claimed. */
type Pooled = NonNullable<NonNullable<SessionRecord['op']>['pooled']>;

const REFUSAL_CODES: Record<CallFailure['kind'], ErrorCode> = {
  transient: 'bootstrap_failed',
  unreachable: 'bootstrap_failed',
  fatal: 'bootstrap_failed',
  busy: 'timeout',
  capacity: 'no_capacity',
  stranded: 'no_capacity',
  disk_full: 'disk_full',
  missing: 'workspace_quarantined',
  unsupported: 'unsupported',
};

/**
 * What says that a launch has made no box that had the volume, and will make none. Only of a launch that had no other answer
 * before: after one that was lost nobody knows.
 */
const madeNoBox = (session: SessionRecord, { kind }: CallFailure): boolean =>
  session.op?.attempt === 1 && (kind === 'capacity' || kind === 'disk_full' || kind === 'unsupported');

export function launched(
  session: SessionRecord,
  result: { boxId: string; volumeId: string; description: string; price?: BoxPrice; providerState?: unknown },
  tokenHash: string,
  nowMs: number,
  limits: Limits,
): Change {
  return {
    patch: {
      phase: 'bootstrapping',
      op: null,
      box: {
        id: result.boxId,
        description: result.description,
        volumeId: result.volumeId,
        launchedAt: nowMs,
        registeredAt: null,
        heartbeatAt: null,
        tokenHash,
        ...(result.price && { price: result.price }),
      },
      providerState: result.providerState ?? session.providerState,
      dueAt: nowMs + limits.readyLookMs,
    },
    events: [
      {
        type: 'session.bootstrapping',
        message: `box launched: ${result.description}`,
        data: { box: result.boxId, generation: session.generation },
      },
    ],
  };
}

/** A step of the launch was made: what the provider keeps of it is saved before the next one, and the box of the pool that it has. */
export function launchUnderway(
  session: SessionRecord,
  step: { providerState: unknown; retryAfterMs: number; notes: string[]; pooled?: Pooled | null },
  nowMs: number,
): Change {
  if (session.desired === 'stopped') {
    const { patch, events } = stopLaunch(session, nowMs);
    return { patch: { ...patch, providerState: step.providerState }, events };
  }
  const notBeforeMs = nowMs + step.retryAfterMs;
  const op = session.op && { ...session.op, notBeforeMs, ...(step.pooled !== undefined && { pooled: step.pooled }) };
  return {
    patch: { providerState: step.providerState, op, dueAt: notBeforeMs },
    events: step.notes.map((message) => ({ type: 'launch.step', message })),
  };
}

export function launchRefused(session: SessionRecord, failure: CallFailure, nowMs: number, limits: Limits): Change {
  const op = session.op;
  const attempt = op?.attempt ?? 1;
  const refused = madeNoBox(session, failure);
  if (session.desired === 'stopped') return withPatch(stopLaunch(session, nowMs), { refused });
  if (op !== null && failure.kind === 'busy' && nowMs < op.startedAt + limits.snapshotMs) {
    return { patch: { op: { ...op, notBeforeMs: nowMs + limits.busyPollMs }, dueAt: nowMs + limits.busyPollMs } };
  }
  const { volumeId } = failure;
  if (op !== null && failure.kind === 'stranded' && volumeId !== undefined && op.strandedVolumeId !== volumeId) {
    return {
      patch: { op: { ...op, strandedVolumeId: volumeId, notBeforeMs: nowMs }, dueAt: nowMs },
      events: [{ type: 'launch.retry', message: `${failure.message}: its volume is saved, to begin from elsewhere`, data: { attempt } }],
    };
  }
  const mayPass = failure.kind === 'transient' || failure.kind === 'unreachable';
  if (op !== null && mayPass && attempt < limits.launchAttempts) {
    const notBeforeMs = nowMs + backoffMs(attempt, limits);
    return {
      patch: { op: { ...op, attempt: attempt + 1, notBeforeMs }, dueAt: notBeforeMs },
      events: [{ type: 'launch.retry', message: `launch failed (${failure.message}); trying again`, data: { attempt } }],
    };
  }
  return withPatch(fail(session, nowMs, REFUSAL_CODES[failure.kind], failure.message, failure.hint).change, { refused });
}

const withPatch = (change: Change, patch: Change['patch']): Change => ({ ...change, patch: { ...change.patch, ...patch } });

export function quiesced(report: QuiesceReport, nowMs: number): Change {
  const stopped = report.stoppedProcesses.length + report.killedProcesses.length;
  return {
    patch: { report, op: null, dueAt: nowMs },
    events: [{ type: 'box.quiet', message: `quiet: ${stopped} processes stopped`, data: { killed: report.killedProcesses.length } }],
  };
}

/** The box could not be made quiet: after a bounded number of tries it is ended, and its volume saved as a crash would leave it. */
export function quiesceRefused(session: SessionRecord, failure: CallFailure, nowMs: number, limits: Limits): Change {
  const op = session.op;
  if (op !== null && op.attempt < limits.quiesceAttempts) {
    return { patch: { op: { ...op, attempt: op.attempt + 1, notBeforeMs: nowMs + backoffMs(op.attempt, limits) } } };
  }
  if (session.phase === 'rescuing') {
    const message = `the box could not be made quiet (${failure.message}): its volume goes on as it is`;
    return { patch: { op: null, interruption: unsavedOf(session), dueAt: nowMs }, events: [{ type: 'box.not_quiet', message }] };
  }
  if (session.phase === 'parking') {
    const message = `the box could not be made quiet (${failure.message}): it is stopped as it is`;
    return { patch: { op: parkOperation(session, nowMs), dueAt: nowMs }, events: [{ type: 'box.not_quiet', message }] };
  }
  const because = `the box could not be made quiet (${failure.message}): it is ended, then its volume is saved`;
  return { ...letGo(session, nowMs, 'crash', because), events: [{ type: 'box.not_quiet', message: because }] };
}

/** A box that is taken away goes with nothing more done for it: its volume has what was flushed. */
const unsavedOf = (session: SessionRecord): SessionRecord['interruption'] =>
  session.interruption ? { ...session.interruption, save: false } : null;

export function allocated(session: SessionRecord, record: SnapshotRecord, nowMs: number): Change {
  const attempt = session.op?.kind === 'snapshot' ? session.op.attempt : 1;
  const notBeforeMs = session.op?.kind === 'snapshot' ? session.op.notBeforeMs : nowMs;
  const snapshot = { id: record.id, operationId: record.operationId, started: false };
  // A launch that waits for this snapshot goes on being the operation.
  if (session.op?.kind === 'launch') return { patch: { snapshot } };
  return {
    patch: {
      snapshot,
      op: { kind: 'snapshot', id: record.operationId, attempt, startedAt: nowMs, notBeforeMs },
    },
  };
}

/** The point in time is fixed. */
export function snapshotStarted(
  session: SessionRecord,
  record: SnapshotRecord,
  { copies, noCopies }: { copies?: VolumeCopyRecord[]; noCopies?: string },
  nowMs: number,
  limits: Limits,
): Change {
  const op = session.op && { ...session.op, notBeforeMs: nowMs + limits.pollMs };
  const snapshot = { id: record.id, operationId: record.operationId, started: true, ...(copies && { copies }) };
  const asWell = copies === undefined ? '' : `; its disk was copied for ${copies.length === 1 ? 'a fork' : `${copies.length} forks`}`;
  const instead = noCopies === undefined ? '' : `; its disk was not copied, so what forks it waits for it (${noCopies})`;
  const nextSnapshotAt = session.persistent ? nowMs + limits.dailySnapshotMs : null;
  return {
    patch: { snapshot, nextSnapshotAt, op, dueAt: nowMs + limits.pollMs },
    events: [{ type: 'snapshot.started', message: `${record.id} is being made${asWell}${instead}`, data: { snapshot: record.id } }],
  };
}

/** Look again later at a snapshot that is on its way. */
export function snapshotPending(session: SessionRecord, record: SnapshotRecord, nowMs: number, limits: Limits): Change {
  const notBeforeMs = nowMs + limits.pollMs;
  const op = session.op ?? { kind: 'snapshot' as const, id: record.operationId, attempt: 1, startedAt: nowMs, notBeforeMs };
  return { patch: { op: { ...op, notBeforeMs }, dueAt: notBeforeMs } };
}

/**
 * The snapshot could not be taken. What may pass is tried again. Else: of a live session nothing changes; a `down` keeps the
 * box and says so; after the box has gone the volume is kept and the next try begins a new snapshot.
 */
export function snapshotRefused(session: SessionRecord, failure: CallFailure, nowMs: number, limits: Limits): Change {
  const op = session.op;
  const mayPass = failure.kind === 'transient' || failure.kind === 'busy';
  if (op !== null && mayPass && op.attempt < limits.snapshotAttempts) {
    return { patch: { op: { ...op, attempt: op.attempt + 1, notBeforeMs: nowMs + backoffMs(op.attempt, limits) } } };
  }
  const message = `no snapshot: ${failure.message}`;
  if (session.phase === 'quiescing') {
    const code = failure.kind === 'disk_full' ? 'disk_full' : 'snapshot_failed';
    const event = { type: 'snapshot.failed', message: `no snapshot, so the box and its volume are kept: ${failure.message}` };
    return keepBox(session, failed(code, failure.message, failure.hint), event, nowMs, limits);
  }
  const event = { type: 'snapshot.failed', message };
  if (session.phase === 'saving') return anotherSnapshot(session, message, nowMs, limits);
  if (session.phase === 'rescuing') return { patch: { snapshot: null, op: null, interruption: unsavedOf(session) }, events: [event] };
  if (session.phase === 'launching') return fail(session, nowMs, 'snapshot_failed', failure.message, failure.hint).change;
  return { patch: { snapshot: null, checkpoint: null, op: null, ...laterToday(session, nowMs, limits) }, events: [event] };
}

/** The snapshot went wrong after the box had gone: the volume has everything, so another one is begun after a rest. */
export function anotherSnapshot(session: SessionRecord, message: string, nowMs: number, limits: Limits): Change {
  const attempt = (session.op?.attempt ?? 1) + 1;
  const notBeforeMs = nowMs + backoffMs(attempt, limits);
  const op = { kind: 'snapshot' as const, id: `${session.id}.retry.${session.version}`, attempt, startedAt: nowMs, notBeforeMs };
  return { patch: { snapshot: null, op }, events: [{ type: 'snapshot.failed', message }] };
}

/** What was to end or to be parked goes on for a while, and says why; then it is tried again. */
function keepBox(session: SessionRecord, failure: Failure, event: NewEvent, nowMs: number, limits: Limits): Change {
  const idleDeadlineMs = Math.max(session.lease.idleDeadlineMs, nowMs + limits.retryDownMs);
  const hardDeadlineMs = Math.max(session.lease.hardDeadlineMs, nowMs + limits.retryDownMs);
  return {
    patch: {
      phase: 'ready',
      desired: 'ready',
      endReason: null,
      save: 'none',
      report: null,
      snapshot: null,
      op: null,
      failure,
      lease: { ...session.lease, idleDeadlineMs, hardDeadlineMs, warnedForMs: null },
      dueAt: nowMs,
    },
    events: [event],
  };
}

/** A persistent session whose snapshot of the day failed has the next one sooner. */
export const laterToday = (session: SessionRecord, nowMs: number, limits: Limits): Change['patch'] =>
  session.persistent ? { nextSnapshotAt: nowMs + limits.dailySnapshotRetryMs } : {};

export const noDailySnapshot = (session: SessionRecord, nowMs: number, limits: Limits): Change => ({
  patch: { snapshot: null, op: null, dueAt: nowMs, ...laterToday(session, nowMs, limits) },
  events: [{ type: 'snapshot.failed', message: 'the snapshot of the day was not made; the volume is kept, and it is tried again' }],
});

/**
 * A box that is to be parked was asked to stop, and is not stopped yet; or the provider has refused.
 * @param failure null while it is on its way
 */
export function parkTried(session: SessionRecord, failure: CallFailure | null, nowMs: number, limits: Limits): Change {
  const op = session.op?.kind === 'park' ? session.op : parkOperation(session, nowMs);
  if (failure === null || failure.kind === 'busy') return { patch: { op: { ...op, notBeforeMs: nowMs + limits.parkPollMs } } };
  const mayPass = failure.kind === 'transient' || failure.kind === 'unreachable' || session.phase === 'parked';
  if (mayPass || op.attempt < limits.parkAttempts)
    return { patch: { op: { ...op, attempt: op.attempt + 1, notBeforeMs: nowMs + backoffMs(op.attempt, limits) } } };
  const event = { type: 'park.failed', message: `not parked, so the box is kept: ${failure.message}` };
  return keepBox(session, failed('park_failed', failure.message, failure.hint), event, nowMs, limits);
}

/** Boxes that a launch may have left: looked for again after a rest, until a whole list has none. */
export function disowned(session: SessionRecord, isClear: boolean, nowMs: number, limits: Limits): Change {
  if (isClear || session.op === null) return { patch: { op: null, dueAt: nowMs } };
  const attempt = session.op.attempt + 1;
  const notBeforeMs = nowMs + backoffMs(attempt, limits);
  // There was a box, or there may be one.
  return { patch: { op: { ...session.op, attempt, notBeforeMs }, refused: false, dueAt: notBeforeMs } };
}

export function endTried(session: SessionRecord, nowMs: number, limits: Limits): Change {
  const attempt = session.op?.kind === 'end' ? session.op.attempt + 1 : 1;
  const id = `${session.id}.g${session.generation}.end`;
  return { patch: { op: { kind: 'end', id, attempt, startedAt: nowMs, notBeforeMs: nowMs + backoffMs(attempt - 1, limits) } } };
}
