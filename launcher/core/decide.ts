import type { SessionRecord, SnapshotRecord, SnapshotRef, WorkspaceRecord } from '../contract/records.ts';
import { formatDuration } from '../contract/units.ts';
import { fail, failed, finish, letGo } from './ends.ts';
import { leaseEndedBy, leaseEndMs, leaseReason, warnAtMs } from './lease.ts';
import { backoffMs, type Limits } from './limits.ts';
import type { Change } from './session.ts';
import { readyDueAtMs } from './session-due.ts';

/** What the provider and the store know of a session's things at this moment. */
export interface Observed {
  /** Null when the session has no box. `unknown` is never a reason to destroy anything. */
  box: 'pending' | 'running' | 'gone' | 'unknown' | null;
  /** Record of the snapshot that the session is making. */
  snapshot: SnapshotRecord | null;
}

export type LaunchSource = { kind: 'blank' } | { kind: 'snapshot'; snapshot: SnapshotRef } | { kind: 'volume'; volumeId: string };

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
  | { do: 'end' }
  /** Find the boxes that a launch without an answer may have left, and let them go. */
  | { do: 'disown' }
  /** Give the workspace free for the next session; this one still has a snapshot to see through. */
  | { do: 'release' }
  /** Give everything free, then save the final change. */
  | { do: 'finish'; change: Change };

/** Decides from what is known, and from nothing else: no I/O, no clock, no randomness. */
export function decide(session: SessionRecord, workspace: WorkspaceRecord | null, observed: Observed, nowMs: number, limits: Limits): Step {
  if (workspace === null || workspace.id !== session.workspaceId) return decideWithoutWorkspace(session, observed, nowMs, limits);
  switch (session.phase) {
    case 'requested':
      return decideRequested(session, nowMs);
    case 'launching':
      return decideLaunching(session, workspace, nowMs);
    case 'bootstrapping':
      return decideBootstrapping(session, observed, nowMs, limits);
    case 'ready':
      return decideReady(session, workspace, observed, nowMs, limits);
    case 'quiescing':
      return decideQuiescing(session, workspace, observed, nowMs);
    case 'rescuing':
      return decideRescuing(session, observed, nowMs, limits);
    case 'ending':
      return decideEnding(session, observed, nowMs, limits);
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

/** The intent of a launch, saved before the call. One generation, one operation: repeats find what the first call made. */
export function launchOperation(session: SessionRecord, nowMs: number): NonNullable<SessionRecord['op']> {
  return { kind: 'launch', id: `${session.id}.g${session.generation}.launch`, attempt: 1, startedAt: nowMs, notBeforeMs: nowMs };
}

function decideLaunching(session: SessionRecord, workspace: WorkspaceRecord, nowMs: number): Step {
  const op = session.op;
  if (op === null) return { do: 'change', change: { patch: { op: launchOperation(session, nowMs) } } };
  if (nowMs < op.notBeforeMs) return { do: 'wait', untilMs: op.notBeforeMs };
  if (sourceOf(workspace) !== null) return { do: 'launch' };
  return fail(session, nowMs, 'workspace_quarantined', `neither a volume nor a snapshot of workspace ${workspace.name} is recorded`);
}

/**
 * What the disk of the next box begins with: the live volume, else the head, else nothing where nothing ever was. Null when
 * content is lost. Only of a workspace as its claim left it: before, another session may still be changing it.
 */
export function sourceOf(workspace: WorkspaceRecord): LaunchSource | null {
  if (workspace.volume !== null) return { kind: 'volume', volumeId: workspace.volume.id };
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
  if (observed.box === 'gone') return relaunch(session, nowMs, limits);
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

function toLaunching(session: SessionRecord, nowMs: number, because: string): Change {
  const next = { ...session, generation: session.generation + 1 };
  return {
    patch: {
      phase: 'launching',
      generation: next.generation,
      box: null,
      op: launchOperation(next, nowMs),
      launchAttempts: session.launchAttempts,
      rescues: session.rescues,
      dueAt: nowMs,
    },
    events: [
      { type: 'session.launching', message: `${because}: launching generation ${next.generation}`, data: { generation: next.generation } },
    ],
  };
}

function decideReady(session: SessionRecord, workspace: WorkspaceRecord, observed: Observed, nowMs: number, limits: Limits): Step {
  if (session.snapshot !== null) return decideCheckpoint(session, observed, nowMs);
  const endMs = leaseEndMs(session.lease);
  if (session.desired === 'stopped' || nowMs >= endMs) {
    const heardMs = isUnheard(session, observed, nowMs, limits) ? heardAgainMs(session, nowMs, limits) : null;
    if (heardMs !== null) return { do: 'wait', untilMs: heardMs };
    return { do: 'change', change: toQuiescing(session, nowMs) };
  }
  if (observed.box === 'gone') {
    return {
      do: 'change',
      change: {
        patch: { phase: 'rescuing', dueAt: nowMs },
        events: [{ type: 'box.lost', message: 'the box is gone; its volume is taken over' }],
      },
    };
  }
  if (session.checkpoint !== null && workspace.volume === null) return { do: 'change', change: noCheckpoint(nowMs) };
  if (session.checkpoint !== null) {
    const { operationId, note, reason } = session.checkpoint;
    return { do: 'allocate', operationId, note, reason, clean: true };
  }
  if (nowMs >= warnAtMs(session.lease, limits) && session.lease.warnedForMs !== endMs)
    return { do: 'change', change: warning(session, nowMs, limits) };
  return { do: 'wait', untilMs: readyDueAtMs(session, nowMs, limits) };
}

/** True when idleness is what ends it, and only because nothing was heard of its box, which may be at work. */
function isUnheard(session: SessionRecord, observed: Observed, nowMs: number, limits: Limits): boolean {
  if (session.desired === 'stopped' || observed.box === 'gone' || leaseEndedBy(session.lease) === 'hard_limit') return false;
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
        message: `stops in ${formatDuration(endMs - nowMs)}: ${leaseReason(session.lease)}`,
        data: { endsAtMs: endMs },
      },
    ],
  };
}

function toQuiescing(session: SessionRecord, nowMs: number): Change {
  const endReason = session.endReason ?? leaseEndedBy(session.lease);
  const why = session.endReason === 'user' ? 'asked to stop' : leaseReason(session.lease);
  return {
    patch: {
      phase: 'quiescing',
      desired: 'stopped',
      endReason,
      save: 'clean',
      report: null,
      op: null,
      checkpoint: null,
      failure: session.endReason === 'failed' ? session.failure : null,
      dueAt: nowMs,
    },
    events: [{ type: 'session.quiescing', message: `${why}: stopping every writer`, data: { endReason } }],
  };
}

const noMoreCheckpoint = (nowMs: number): Change['patch'] => ({ snapshot: null, checkpoint: null, op: null, dueAt: nowMs });

const noCheckpoint = (nowMs: number): Change => ({
  patch: noMoreCheckpoint(nowMs),
  events: [{ type: 'snapshot.failed', message: 'the snapshot was not made; nothing was changed' }],
});

function decideCheckpoint(session: SessionRecord, observed: Observed, nowMs: number): Step {
  const record = observed.snapshot;
  if (record === null || record.state === 'error' || record.state === 'deleting') return { do: 'change', change: noCheckpoint(nowMs) };
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

/** Takes the allocated snapshot, or looks after the one that is on its way. */
function snapshotOrWatch(session: SessionRecord, record: SnapshotRecord, live: boolean, nowMs: number): Step {
  const notBeforeMs = session.op?.notBeforeMs ?? nowMs;
  if (nowMs < notBeforeMs) return { do: 'wait', untilMs: notBeforeMs };
  return session.snapshot?.started === true ? { do: 'watch', snapshot: record } : { do: 'snapshot', snapshot: record, live };
}

function decideQuiescing(session: SessionRecord, workspace: WorkspaceRecord, observed: Observed, nowMs: number): Step {
  if (session.report === null) {
    if (observed.box === 'gone') return { do: 'change', change: letGo(session, nowMs, 'crash', 'the box died before it was quiet') };
    const op = session.op;
    if (op === null) {
      const id = `${session.id}.g${session.generation}.quiesce.${session.version}`;
      return { do: 'change', change: { patch: { op: { kind: 'quiesce', id, attempt: 1, startedAt: nowMs, notBeforeMs: nowMs } } } };
    }
    return nowMs < op.notBeforeMs ? { do: 'wait', untilMs: op.notBeforeMs } : { do: 'quiesce' };
  }
  const record = observed.snapshot;
  if (session.snapshot !== null && (session.snapshot.started || record?.state === 'completed'))
    return { do: 'change', change: letGo(session, nowMs, session.save, 'the snapshot is fixed: the box is let go') };
  // Nothing is left to keep for its owner: the volume has it all, and is saved without the box.
  if (observed.box === 'gone' || workspace.volume === null)
    return { do: 'change', change: letGo(session, nowMs, session.save, 'the box is gone: its volume is saved') };
  if (session.snapshot === null) return allocateForDown(session);
  if (record === null || record.state !== 'pending') return { do: 'change', change: { patch: { snapshot: null } } };
  return snapshotOrWatch(session, record, false, nowMs);
}

function allocateForDown(session: SessionRecord): Step {
  return {
    do: 'allocate',
    operationId: `${session.id}.g${session.generation}.down.${session.version}`,
    reason: 'down',
    note: null,
    clean: session.save === 'clean',
  };
}

function decideRescuing(session: SessionRecord, observed: Observed, nowMs: number, limits: Limits): Step {
  if (session.box !== null && observed.box !== 'gone') return endOrWait(session, observed, nowMs, limits);
  if (session.desired === 'stopped') return { do: 'change', change: letGo(session, nowMs, 'crash', 'asked to stop') };
  const rescues = session.rescues + 1;
  if (rescues > limits.rescues) return fail(session, nowMs, 'bootstrap_failed', `the box was lost ${rescues} times`);
  return { do: 'change', change: toLaunching({ ...session, rescues }, nowMs, 'the box was lost') };
}

/** Lets the box go; while the provider cannot tell, or the last try has to rest, it waits. */
function endOrWait(session: SessionRecord, observed: Observed, nowMs: number, limits: Limits): Step {
  const notBeforeMs = session.op?.kind === 'end' ? session.op.notBeforeMs : nowMs;
  if (nowMs < notBeforeMs) return { do: 'wait', untilMs: notBeforeMs };
  return observed.box === 'unknown' ? { do: 'wait', untilMs: nowMs + limits.pollMs } : { do: 'end' };
}

function decideEnding(session: SessionRecord, observed: Observed, nowMs: number, limits: Limits): Step {
  if (session.box !== null && observed.box !== 'gone') return endOrWait(session, observed, nowMs, limits);
  if (session.op?.kind === 'launch')
    return nowMs < session.op.notBeforeMs ? { do: 'wait', untilMs: session.op.notBeforeMs } : { do: 'disown' };
  if (session.save === 'none') return finish(session, null);
  return {
    do: 'change',
    change: {
      patch: { phase: 'saving', op: null, dueAt: nowMs },
      events: [{ type: 'session.saving', message: 'box gone; the snapshot completes' }],
    },
  };
}

function decideSaving(session: SessionRecord, workspace: WorkspaceRecord, observed: Observed, nowMs: number, limits: Limits): Step {
  if (session.snapshot === null) {
    const why = whyNoOther(session, workspace, limits);
    if (why === null) return allocateForDown(session);
    return finish({ ...session, failure: session.failure ?? failed('snapshot_failed', why) }, null);
  }
  const record = observed.snapshot;
  if (record === null || record.state === 'error' || record.state === 'deleting')
    return { do: 'change', change: retrySnapshot(session, nowMs, limits) };
  if (record.state === 'completed') {
    const last = finish(session, record);
    return workspace.headSeq >= record.seq ? last : { do: 'settle', snapshot: record, change: { patch: { dueAt: nowMs } } };
  }
  if (session.snapshot.started && workspace.claim?.sessionId === session.id) return { do: 'release' };
  return snapshotOrWatch(session, record, false, nowMs);
}

/**
 * Why no other snapshot is begun; null when one is. A session that had the volume since may be writing to it: only the end of
 * that one may save it.
 */
function whyNoOther(session: SessionRecord, workspace: WorkspaceRecord, limits: Limits): string | null {
  const { claim, volume } = workspace;
  if (volume === null) return 'the volume was let go before its snapshot was made';
  if (claim !== null && claim.sessionId !== session.id) return `the snapshot failed; ${claim.sessionId} uses the volume now, and saves it`;
  if (claim === null && workspace.deleting) return 'the workspace is being deleted';
  if (claim === null && workspace.quarantined !== null)
    return `the snapshot failed, and the workspace is damaged: ${workspace.quarantined}`;
  const isSpent = session.op !== null && session.op.attempt > limits.snapshotAttempts;
  return isSpent ? 'the snapshot failed again and again; the volume is kept' : null;
}

/** The snapshot went wrong after the box had gone: the volume has everything, so another one is begun. */
function retrySnapshot(session: SessionRecord, nowMs: number, limits: Limits): Change {
  const attempt = (session.op?.attempt ?? 1) + 1;
  const notBeforeMs = nowMs + backoffMs(attempt, limits);
  return {
    patch: {
      snapshot: null,
      op: { kind: 'snapshot', id: `${session.id}.retry.${session.version}`, attempt, startedAt: nowMs, notBeforeMs },
    },
    events: [{ type: 'snapshot.failed', message: `the snapshot failed; the volume is kept and it is tried again (${attempt})` }],
  };
}
