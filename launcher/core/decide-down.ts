import type { SessionRecord, WorkspaceRecord } from '../contract/records.ts';
import { failed, finish, letGo } from './ends.ts';
import { leaseEndedBy, leaseReason } from './lease.ts';
import type { Limits } from './limits.ts';
import { anotherSnapshot } from './outcome.ts';
import type { Change } from './session.ts';
import { endOrWait, hasStopped, isLost, type Observed, quietOrWait, type Step, snapshotOrWatch } from './steps.ts';
import { hasAllOf } from './workspace.ts';

export function toQuiescing(session: SessionRecord, nowMs: number): Change {
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

/** Makes the box quiet, then has the point in time fixed: only after both may the box go. */
export function decideQuiescing(session: SessionRecord, workspace: WorkspaceRecord, observed: Observed, nowMs: number): Step {
  if (session.report === null) {
    if (hasStopped(observed.box)) return { do: 'change', change: letGo(session, nowMs, 'crash', 'the box died before it was quiet') };
    return quietOrWait(session, 'quiesce', nowMs);
  }
  const record = observed.snapshot;
  if (session.snapshot !== null && (session.snapshot.started || record?.state === 'completed'))
    return { do: 'change', change: letGo(session, nowMs, session.save, 'the snapshot is fixed: the box is let go') };
  // Nothing is left to keep for its owner: the volume has it all, and is saved without the box.
  if (hasStopped(observed.box) || workspace.volume === null)
    return { do: 'change', change: letGo(session, nowMs, session.save, 'the box is gone: its volume is saved') };
  if (session.snapshot === null && workspace.quarantined !== null)
    return { do: 'change', change: letGo(session, nowMs, session.save, 'the workspace is damaged: the box is let go, its volume is kept') };
  if (session.snapshot === null) return allocateForDown(session);
  if (record === null || record.state !== 'pending') return { do: 'change', change: { patch: { snapshot: null } } };
  return snapshotOrWatch(session, record, false, nowMs);
}

/** The operation is named by what stays the same while heartbeats save the record: so a repeat finds the first one's snapshot. */
function allocateForDown(session: SessionRecord): Step {
  const attempt = session.op?.kind === 'snapshot' ? session.op.attempt : 1;
  return {
    do: 'allocate',
    operationId: `${session.id}.g${session.generation}.down.${session.phaseSince}.${attempt}`,
    reason: 'down',
    note: null,
    clean: session.save === 'clean',
  };
}

/**
 * Lets the box go, then sees to what is owed. A snapshot that the box before this one left does not have what this one wrote:
 * another one is made.
 */
export function decideEnding(session: SessionRecord, workspace: WorkspaceRecord, observed: Observed, nowMs: number, limits: Limits): Step {
  if (session.box !== null && observed.box !== 'gone') return endOrWait(session, observed, nowMs, limits);
  if (session.op?.kind === 'launch')
    return nowMs < session.op.notBeforeMs ? { do: 'wait', untilMs: session.op.notBeforeMs } : { do: 'disown' };
  if (session.save === 'none') return finish(session, null);
  const isPartial = observed.snapshot !== null && !hasAllOf(observed.snapshot, workspace);
  return {
    do: 'change',
    change: {
      patch: { phase: 'saving', op: null, snapshot: isPartial ? null : session.snapshot, dueAt: nowMs },
      events: [{ type: 'session.saving', message: 'box gone; the snapshot completes' }],
    },
  };
}

/** Sees the snapshot through until it is the head. The volume is the truth until then. */
export function decideSaving(session: SessionRecord, workspace: WorkspaceRecord, observed: Observed, nowMs: number, limits: Limits): Step {
  if (session.snapshot === null) {
    const why = whyNoOther(session, workspace, limits);
    if (why === null) return allocateForDown(session);
    return finish({ ...session, failure: session.failure ?? failed('snapshot_failed', why) }, null);
  }
  const record = observed.snapshot;
  if (record === null || isLost(record, nowMs, limits)) {
    const because = 'the snapshot failed; the volume is kept and it is tried again';
    return { do: 'change', change: anotherSnapshot(session, because, nowMs, limits) };
  }
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
  if (workspace.quarantined !== null) return `no snapshot is made of a damaged workspace, its volume is kept: ${workspace.quarantined}`;
  const isSpent = session.op !== null && session.op.attempt > limits.snapshotAttempts;
  return isSpent ? 'the snapshot failed again and again; the volume is kept' : null;
}
