import type { Interruption, SessionRecord, WorkspaceRecord } from '../contract/records.ts';
import { formatDuration } from '../contract/units.ts';
import { decideEnding, decideQuiescing, decideSaving, toQuiescing } from './decide-down.ts';
import { decideParked, decideParking, toParking } from './decide-park.ts';
import { decideRescuing, launchOperation, toLaunching } from './decide-rescue.ts';
import { fail, failed, finish, letGo, stopLaunch } from './ends.ts';
import { leaseEndedBy, leaseEndMs, leaseReason, warnAtMs } from './lease.ts';
import type { Limits } from './limits.ts';
import { laterToday } from './outcome.ts';
import type { Change } from './session.ts';
import { dailyDueAtMs, readyDueAtMs } from './session-due.ts';
import { endOrWait, hasStopped, isLost, type LaunchSource, type Observed, type Step, snapshotOrWatch } from './steps.ts';
import { savedCopyOf } from './workspace.ts';

/** Decides from what is known, and from nothing else: no I/O, no clock, no randomness. */
export function decide(session: SessionRecord, workspace: WorkspaceRecord | null, observed: Observed, nowMs: number, limits: Limits): Step {
  if (workspace === null || workspace.id !== session.workspaceId) return decideWithoutWorkspace(session, observed, nowMs, limits);
  switch (session.phase) {
    case 'requested':
      return decideRequested(session, nowMs);
    case 'launching':
      return decideLaunching(session, workspace, observed, nowMs, limits);
    case 'bootstrapping':
      return decideBootstrapping(session, observed, nowMs, limits);
    case 'ready':
      return decideReady(session, workspace, observed, nowMs, limits);
    case 'quiescing':
      return decideQuiescing(session, workspace, observed, nowMs);
    case 'parking':
      return decideParking(session, observed, nowMs, limits);
    case 'parked':
      return decideParked(session, workspace, observed, nowMs, limits);
    case 'rescuing':
      return decideRescuing(session, workspace, observed, nowMs, limits);
    case 'ending':
      return decideEnding(session, workspace, observed, nowMs, limits);
    case 'saving':
      return decideSaving(session, workspace, observed, nowMs, limits);
    case 'stopped':
    case 'failed':
      return { do: 'wait', untilMs: Number.POSITIVE_INFINITY };
  }
}

/** The workspace is gone from the store: its volume is the reaper's to judge; here only the box is let go. */
function decideWithoutWorkspace(session: SessionRecord, observed: Observed, nowMs: number, limits: Limits): Step {
  if (session.phase === 'stopped' || session.phase === 'failed') return { do: 'wait', untilMs: Number.POSITIVE_INFINITY };
  if (session.box !== null && observed.box !== 'gone') return endOrWait(session, observed, nowMs, limits);
  return finish({ ...session, failure: session.failure ?? failed('not_found', `workspace ${session.workspace} is gone`) }, null);
}

function decideRequested(session: SessionRecord, nowMs: number): Step {
  if (session.desired === 'stopped') return finish(session, null);
  return {
    do: 'change',
    change: {
      patch: { phase: 'launching', op: launchOperation(session, nowMs), dueAt: nowMs },
      events: [{ type: 'session.launching', message: `launching a ${session.size} box` }],
    },
  };
}

function decideLaunching(session: SessionRecord, workspace: WorkspaceRecord, observed: Observed, nowMs: number, limits: Limits): Step {
  const op = session.op;
  if (op === null) return { do: 'change', change: { patch: { op: launchOperation(session, nowMs) } } };
  if (nowMs < op.notBeforeMs) return { do: 'wait', untilMs: op.notBeforeMs };
  if (nowMs >= op.startedAt + limits.launchingMs)
    return fail(session, nowMs, 'timeout', `no box came up within ${formatDuration(limits.launchingMs)}`);
  const isStranded = workspace.volume !== null && workspace.volume.id === op.strandedVolumeId;
  if (isStranded && savedCopyOf(workspace) === null) return decideStranded(session, op.id, observed, nowMs, limits);
  if (sourceOf(workspace) !== null) return { do: 'launch' };
  return fail(session, nowMs, 'workspace_quarantined', `neither a volume nor a snapshot of workspace ${workspace.name} is recorded`);
}

/** There is no machine beside the volume: what is on it, with no box to write to it, goes into a snapshot, which can be anywhere. */
function decideStranded(session: SessionRecord, launchId: string, observed: Observed, nowMs: number, limits: Limits): Step {
  if (session.desired === 'stopped') return { do: 'change', change: stopLaunch(session, nowMs) };
  const operationId = `${launchId}.rescue`;
  if (session.snapshot === null) return { do: 'allocate', operationId, reason: 'rescue', note: null, clean: false };
  const record = observed.snapshot;
  const isNone = record === null || isLost(record, nowMs, limits);
  // That of the box before this one came to nothing: this launch has its own still to make.
  if (isNone && session.snapshot.operationId !== operationId) return { do: 'change', change: { patch: { snapshot: null, dueAt: nowMs } } };
  if (isNone)
    return fail(session, nowMs, 'snapshot_failed', 'there is no machine where the volume is, and no snapshot of it could be made');
  if (record.state !== 'completed') return snapshotOrWatch(session, record, false, nowMs);
  const events = [{ type: 'snapshot.completed', message: `${record.id} is the head`, data: { snapshot: record.id } }];
  return { do: 'settle', snapshot: record, change: { patch: { snapshot: null, dueAt: nowMs }, events } };
}

/**
 * What the disk of the next box begins with: the live volume, else the head, else nothing where nothing ever was. Null when
 * content is lost. Only of a workspace as its claim left it: before, another session may still be changing it.
 */
export function sourceOf(workspace: WorkspaceRecord): LaunchSource | null {
  if (workspace.volume !== null) return { kind: 'volume', volumeId: workspace.volume.id, saved: savedCopyOf(workspace) };
  if (workspace.head !== null) return { kind: 'snapshot', snapshot: workspace.head };
  return workspace.content === 'empty' ? { kind: 'blank' } : null;
}

/**
 * When a deadline that a silent box has let pass may be acted on; null: now. After the launcher itself was away (this look is
 * long overdue) the box first gets the time to be heard again.
 */
function heardAgainMs(session: SessionRecord, nowMs: number, limits: Limits): number | null {
  const dueAt = session.dueAt ?? nowMs;
  if (nowMs - dueAt > limits.silentMs) return nowMs + limits.silentMs;
  return dueAt > nowMs ? dueAt : null;
}

function decideBootstrapping(session: SessionRecord, observed: Observed, nowMs: number, limits: Limits): Step {
  if (session.desired === 'stopped')
    return {
      do: 'change',
      change: letGo(session, nowMs, session.readyAt === null ? 'none' : 'crash', 'the box is let go before it was ready'),
    };
  if (hasStopped(observed.box)) return relaunch(session, nowMs, limits);
  const registered = session.box?.registeredAt ?? null;
  const deadlineMs = session.phaseSince + (registered === null ? limits.bootstrapMs : limits.prepareMs);
  if (nowMs < deadlineMs) return { do: 'wait', untilMs: Math.min(deadlineMs, nowMs + limits.pollMs) };
  const heardMs = heardAgainMs(session, nowMs, limits);
  if (heardMs !== null) return { do: 'wait', untilMs: heardMs };
  return fail(
    session,
    nowMs,
    'bootstrap_failed',
    registered === null
      ? `the box did not register within ${formatDuration(limits.bootstrapMs)}`
      : `the workspace was not prepared within ${formatDuration(limits.prepareMs)}`,
  );
}

/** The box died before it was ready: the same volume in the next generation, a bounded number of times. */
function relaunch(session: SessionRecord, nowMs: number, limits: Limits): Step {
  const launchAttempts = session.launchAttempts + 1;
  if (launchAttempts >= limits.launchAttempts)
    return fail(session, nowMs, 'bootstrap_failed', `the box died ${launchAttempts} times before it was ready`);
  return { do: 'change', change: toLaunching({ ...session, launchAttempts }, nowMs, 'the box died before it was ready') };
}

function decideReady(session: SessionRecord, workspace: WorkspaceRecord, observed: Observed, nowMs: number, limits: Limits): Step {
  const isGone = hasStopped(observed.box);
  if (session.interruption && !isGone) return { do: 'change', change: toRescuing(session.interruption, nowMs) };
  const endMs = leaseEndMs(session.lease);
  const isOver = session.desired !== 'ready' || nowMs >= endMs;
  const isParked = isOver && session.persistent && session.desired !== 'stopped';
  // A box that is gone is replaced at once, and one that is kept stopped: a snapshot whose point in time is fixed does not need it.
  const isPassedOn = session.snapshot?.started === true && (isParked || (isGone && !isOver));
  if (session.snapshot !== null && !isPassedOn) return decideCheckpoint(session, observed, nowMs, limits);
  if (isOver) {
    const heardMs = isUnheard(session, observed, nowMs, limits) ? heardAgainMs(session, nowMs, limits) : null;
    if (heardMs !== null) return { do: 'wait', untilMs: heardMs };
    return { do: 'change', change: isParked ? toParking(session, nowMs) : toQuiescing(session, nowMs) };
  }
  if (isGone) {
    return {
      do: 'change',
      change: {
        patch: { phase: 'rescuing', dueAt: nowMs },
        events: [{ type: 'box.lost', message: 'the box is gone; its volume is taken over' }],
      },
    };
  }
  if (session.checkpoint !== null && (workspace.volume === null || workspace.quarantined !== null))
    return { do: 'change', change: noCheckpoint(session, nowMs, limits) };
  if (session.checkpoint !== null) {
    const { operationId, note, reason } = session.checkpoint;
    return { do: 'allocate', operationId, note, reason, clean: true };
  }
  if (nowMs >= warnAtMs(session.lease, limits) && session.lease.warnedForMs !== endMs)
    return { do: 'change', change: warning(session, nowMs, limits) };
  if (nowMs >= dailyDueAtMs(session, limits) && workspace.volume !== null && workspace.quarantined === null)
    return { do: 'change', change: daily(session, nowMs) };
  return { do: 'wait', untilMs: readyDueAtMs(session, nowMs, limits) };
}

/** A persistent session has a snapshot a day, so that it is not on one disk alone for long. */
const daily = (session: SessionRecord, nowMs: number): Change => ({
  patch: {
    checkpoint: { operationId: `${session.id}.daily.${session.version}`, note: 'of the day', reason: 'checkpoint' },
    dueAt: nowMs,
  },
  events: [{ type: 'snapshot.asked', message: 'the snapshot of the day' }],
});

/** Work goes on in another box: this one is made quiet, its volume saved, and let go, in the time that is left to it. */
function toRescuing({ endsAtMs }: Interruption, nowMs: number): Change {
  const endsInMs = Math.max(0, endsAtMs - nowMs);
  return {
    patch: { phase: 'rescuing', ...noMoreCheckpoint(nowMs), report: null },
    events: [
      {
        type: 'box.interrupted',
        message: `the box is taken away in ${formatDuration(endsInMs)}: its work goes on in another`,
        data: { endsInMs },
      },
    ],
  };
}

/** True when idleness is what ends it, and only because nothing was heard of its box, which may be at work. */
function isUnheard(session: SessionRecord, observed: Observed, nowMs: number, limits: Limits): boolean {
  if (session.desired !== 'ready' || hasStopped(observed.box) || leaseEndedBy(session.lease) === 'hard_limit') return false;
  return nowMs - (session.box?.heartbeatAt ?? session.phaseSince) > limits.silentMs;
}

function warning(session: SessionRecord, nowMs: number, limits: Limits): Change {
  const endMs = leaseEndMs(session.lease);
  const lease = { ...session.lease, warnedForMs: endMs };
  return {
    patch: { lease, dueAt: readyDueAtMs({ ...session, lease }, nowMs, limits) },
    events: [
      {
        type: 'lease.warning',
        message: `${session.persistent ? 'is parked' : 'stops'} in ${formatDuration(endMs - nowMs)}: ${leaseReason(session.lease)}`,
        data: { endsAtMs: endMs },
      },
    ],
  };
}

const noMoreCheckpoint = (nowMs: number): Change['patch'] => ({ snapshot: null, checkpoint: null, op: null, dueAt: nowMs });

const noCheckpoint = (session: SessionRecord, nowMs: number, limits: Limits): Change => ({
  patch: { ...noMoreCheckpoint(nowMs), ...laterToday(session, nowMs, limits) },
  events: [{ type: 'snapshot.failed', message: 'the snapshot was not made; nothing was changed' }],
});

function decideCheckpoint(session: SessionRecord, observed: Observed, nowMs: number, limits: Limits): Step {
  const record = observed.snapshot;
  if (record === null || isLost(record, nowMs, limits)) return { do: 'change', change: noCheckpoint(session, nowMs, limits) };
  if (record.state === 'completed') {
    return {
      do: 'settle',
      snapshot: record,
      change: {
        patch: noMoreCheckpoint(nowMs),
        events: [{ type: 'snapshot.completed', message: `${record.id} is the head`, data: { snapshot: record.id } }],
      },
    };
  }
  return snapshotOrWatch(session, record, true, nowMs);
}
