import { DevctlError, notFound } from '../contract/errors.ts';
import type { Receipt } from '../contract/receipt.ts';
import type { Evidence, Hold, Interruption, Lease, SessionRecord, SnapshotRef, WorkspaceRecord } from '../contract/records.ts';
import { formatDuration } from '../contract/units.ts';
import { dueAfter } from './heartbeat.ts';
import { addEvidence, leaseEndMs, newLease } from './lease.ts';
import type { Limits } from './limits.ts';
import type { Change } from './session.ts';
import { isUnsaved } from './workspace.ts';

/** What the launcher saw itself is written at most this often: a typing person must not cost a write per key. */
const TOUCH_STEPS = 20;
const TOUCH_MIN_MS = 1000;

export const touchEveryMs = (lease: Lease): number => Math.max(TOUCH_MIN_MS, Math.floor(lease.idleTtlMs / TOUCH_STEPS));

/** What ends a session by itself: after it the caller lost a race, and did not ask for something out of turn. */
const LEASE_ENDS: ReadonlySet<string | null> = new Set(['idle', 'hold', 'hard_limit']);

function notOpen(session: SessionRecord): DevctlError {
  const { id, endReason, phase } = session;
  const extra = { sessionId: id };
  if (session.desired === 'parked') {
    const code = LEASE_ENDS.has(endReason) ? 'lease_ended' : 'wrong_phase';
    return new DevctlError(code, `session ${id} is parked (${phase})`, { ...extra, hint: 'run devctl up: it goes on as it was' });
  }
  if (session.desired === 'stopped') {
    if (LEASE_ENDS.has(endReason)) return new DevctlError('lease_ended', `the lease of session ${id} has ended (${phase})`, extra);
    return new DevctlError('wrong_phase', `session ${id} is being stopped or is over (${phase})`, extra);
  }
  if (session.readyAt === null) return new DevctlError('wrong_phase', `session ${id} is ${phase}, not ready`, extra);
  return new DevctlError('wrong_phase', `the work of session ${id} is being moved into another box (${phase})`, {
    ...extra,
    hint: 'try again in a moment: devctl up waits until it is ready',
  });
}

/**
 * The session may be worked in.
 * @throws DevctlError wrong_phase, lease_ended
 */
export function assertReady(session: SessionRecord, nowMs: number): void {
  if (session.phase !== 'ready' || session.desired !== 'ready') throw notOpen(session);
  if (nowMs >= leaseEndMs(session.lease))
    throw new DevctlError('lease_ended', `the lease of session ${session.id} has just ended`, { sessionId: session.id });
}

/**
 * Activity that the launcher saw itself. Null when the last such sign is so fresh that it is not worth a write.
 * @throws DevctlError wrong_phase, lease_ended
 */
export function touch(session: SessionRecord, evidence: Evidence, nowMs: number, limits: Limits): Change | null {
  assertReady(session, nowMs);
  if (session.lease.evidence.some(({ kind, atMs }) => kind === evidence.kind && nowMs - atMs < touchEveryMs(session.lease))) return null;
  const lease = addEvidence(session.lease, [evidence], nowMs, limits);
  return { patch: { lease, dueAt: dueAfter(session, { lease }, nowMs, limits) } };
}

/**
 * The box of a session is taken away at `endsAtMs`: its work goes on in another one. Null when that is known already.
 * @throws DevctlError wrong_phase
 */
export function interrupt(session: SessionRecord, notice: Omit<Interruption, 'save'>, nowMs: number): Change | null {
  if (session.interruption) return null;
  if (session.phase !== 'ready' || session.desired !== 'ready') throw notOpen(session);
  return { patch: { interruption: { ...notice, save: true }, dueAt: nowMs } };
}

/**
 * A hold more, or a later end of the one with its name. Holds that are over are left out.
 * @throws DevctlError wrong_phase, lease_ended, quota_exceeded
 */
export function addHold(session: SessionRecord, hold: Hold, nowMs: number, limits: Limits): Change | null {
  if (session.desired !== 'ready') throw notOpen(session);
  if (session.phase === 'ready') assertReady(session, nowMs);
  const others = session.lease.holds.filter((known) => known.name !== hold.name && known.untilMs > nowMs);
  const known = session.lease.holds.find(({ name }) => name === hold.name);
  if (known?.untilMs === hold.untilMs) return null;
  if (others.length >= limits.holds) throw new DevctlError('quota_exceeded', `a session has at most ${limits.holds} holds`);
  const lease = { ...session.lease, holds: [...others, hold] };
  return {
    patch: { lease, ...(session.phase === 'ready' && { dueAt: dueAfter(session, { lease }, nowMs, limits) }) },
    events: [
      { type: 'hold.created', message: `hold ${hold.name} for ${formatDuration(hold.untilMs - nowMs)}`, data: { untilMs: hold.untilMs } },
    ],
  };
}

/** @throws DevctlError not_found */
export function removeHold(session: SessionRecord, name: string, nowMs: number, limits: Limits): Change {
  const holds = session.lease.holds.filter((hold) => hold.name !== name);
  if (holds.length === session.lease.holds.length) throw notFound('hold', `session ${session.id} has no hold ${name}`);
  const lease = { ...session.lease, holds };
  return {
    patch: { lease, ...(session.phase === 'ready' && { dueAt: dueAfter(session, { lease }, nowMs, limits) }) },
    events: [{ type: 'hold.deleted', message: `hold ${name} is removed` }],
  };
}

/**
 * A checkpoint that the controller is to make; null when it is on its way.
 * @throws DevctlError wrong_phase (also: another one is being made), lease_ended
 */
export function askCheckpoint(
  session: SessionRecord,
  checkpoint: NonNullable<SessionRecord['checkpoint']>,
  nowMs: number,
  limits: Limits,
): Change | null {
  assertReady(session, nowMs);
  if (session.checkpoint?.operationId === checkpoint.operationId) return null;
  if (session.checkpoint !== null || session.snapshot !== null)
    throw new DevctlError('wrong_phase', `another snapshot of session ${session.id} is being made: repeat when it is done`, {
      sessionId: session.id,
    });
  const evidence: Evidence = { kind: 'api', atMs: nowMs, detail: 'snapshot asked for' };
  return {
    patch: { checkpoint, lease: addEvidence(session.lease, [evidence], nowMs, limits), dueAt: nowMs },
    events: [{ type: 'snapshot.asked', message: checkpoint.note ?? `a ${checkpoint.reason} snapshot was asked for` }],
  };
}

/** The wish of the owner that it stops; null when that is its way already. A failed `down` before is forgotten: it is tried again. */
export function askToStop(session: SessionRecord, nowMs: number): Change | null {
  if (session.desired === 'stopped') return null;
  return {
    patch: { desired: 'stopped', endReason: 'user', failure: null, dueAt: nowMs },
    events: [{ type: 'session.stop_asked', message: 'asked to stop by its owner' }],
  };
}

/**
 * The wish of the owner that its box is stopped and kept; null when that is its way already.
 * @throws DevctlError wrong_phase (also: it is not a persistent session)
 */
export function askToPark(session: SessionRecord, nowMs: number): Change | null {
  if (session.desired === 'parked') return null;
  if (session.phase !== 'ready' || session.desired !== 'ready') throw notOpen(session);
  if (!session.persistent)
    throw new DevctlError('wrong_phase', `session ${session.id} is not persistent: its box is not kept`, {
      sessionId: session.id,
      hint: 'devctl down saves it; devctl up --persistent makes one that can be parked',
    });
  return {
    patch: { desired: 'parked', endReason: 'user', failure: null, dueAt: nowMs },
    events: [{ type: 'session.park_asked', message: 'asked to park by its owner' }],
  };
}

/**
 * A parked session is to go on, with a new lease; null when it is not parked.
 * @throws DevctlError wrong_phase
 */
export function askToWake(session: SessionRecord, nowMs: number): Change | null {
  const { desired, lease } = session;
  if (desired === 'stopped') throw notOpen(session);
  if (desired === 'ready') return null;
  const { idleTtlMs, maxTtlMs, evidence } = lease;
  return {
    patch: { desired: 'ready', endReason: null, failure: null, lease: { ...newLease(nowMs, idleTtlMs, maxTtlMs), evidence }, dueAt: nowMs },
    events: [{ type: 'session.wake_asked', message: 'asked to go on by its owner' }],
  };
}

/** Sentences about what would be lost with this workspace; empty when everything is in a snapshot and pushed. */
export function unsavedWork(workspace: WorkspaceRecord, receipt: Receipt | null): string[] {
  const found: string[] = [];
  if (isUnsaved(workspace) && workspace.content === 'present') found.push('its live volume has work that is in no snapshot');
  for (const repository of receipt?.report?.repositories ?? []) {
    const { path, unpushedCommits, dirtyFiles } = repository;
    if (unpushedCommits > 0) found.push(`${path} has ${unpushedCommits} unpushed commits`);
    if (dirtyFiles > 0) found.push(`${path} has ${dirtyFiles} changed files`);
  }
  return found;
}

/** @throws DevctlError workspace_in_use */
export function assertFree(workspace: WorkspaceRecord): void {
  if (workspace.claim === null) return;
  const { sessionId } = workspace.claim;
  throw new DevctlError('workspace_in_use', `workspace ${workspace.name} is leased by ${sessionId}`, { sessionId });
}

/** @throws DevctlError unsaved_work */
export function assertSaved(workspace: WorkspaceRecord): void {
  if (!isUnsaved(workspace)) return;
  const { name, quarantined } = workspace;
  throw new DevctlError('unsaved_work', `the live volume of workspace ${name} has work that is in no snapshot`, {
    hint:
      quarantined === null
        ? 'run devctl up, then devctl down: that makes a snapshot of it'
        : 'its disk is damaged: name an earlier snapshot, see devctl snapshots',
  });
}

/**
 * The epoch of the live volume that a restore gives up with the work on it; null when nothing would be lost. Only a disk that
 * can be used no more is given up, and only on the explicit word of its owner.
 * @param damage why its disk cannot be used; null when it can, as far as is known
 * @throws DevctlError unsaved_work
 */
export function epochToGiveUp(workspace: WorkspaceRecord, damage: string | null, ask: { snapshot: string; force: boolean }): number | null {
  if (workspace.volume === null || !isUnsaved(workspace)) return null;
  if (damage === null) assertSaved(workspace);
  if (ask.force) return workspace.volume.epoch;
  const { name, head } = workspace;
  const since = head === null ? 'everything in it' : `everything since ${head.id}`;
  throw new DevctlError(
    'unsaved_work',
    `the disk of workspace ${name} is damaged (${damage}); ${since} is on that disk alone, and would be lost`,
    {
      hint: `give it up with devctl restore ${name} ${ask.snapshot} --force`,
    },
  );
}

/**
 * The workspace marked as being removed.
 * @throws DevctlError not_found (it is already), workspace_in_use, unsaved_work
 */
export function markDeleted(workspace: WorkspaceRecord, receipt: Receipt | null, force: boolean): WorkspaceRecord {
  if (workspace.deleting) throw notFound('workspace', `there is no workspace ${workspace.name}`);
  assertFree(workspace);
  const lost = force ? [] : unsavedWork(workspace, receipt);
  if (lost.length > 0) throw new DevctlError('unsaved_work', `workspace ${workspace.name}: ${lost.join('; ')}`);
  return { ...workspace, deleting: true };
}

export interface Restore {
  /** Decided when it was first asked for: a repeat has the same one. */
  id: string;
  /** Number of the head that it makes, decided with the id. */
  seq: number;
  /** What epochToGiveUp said: whoever has used the volume since raised its epoch. */
  givenUpEpoch: number | null;
}

/**
 * True when this very restore was done before. The head may have moved on since, but only by what came after it.
 * @throws DevctlError conflict: another head came in between, so that nobody can tell whether doing it now is still meant
 */
export function isRestored(workspace: WorkspaceRecord, { id, seq }: Pick<Restore, 'id' | 'seq'>): boolean {
  if (workspace.restoredBy === id) return true;
  if (workspace.headSeq < seq) return false;
  throw new DevctlError('conflict', `workspace ${workspace.name} has another head since this restore was asked for`, {
    hint: 'see devctl snapshots, then ask anew (with a new Idempotency-Key)',
  });
}

/**
 * The workspace with an earlier snapshot as its head; null when this restore was done before. Numbers go on rising, so that the
 * restored state counts as the newest and the next snapshot follows it. The volume is let go: it has nothing that no snapshot
 * has, or was given up.
 * @throws DevctlError workspace_in_use, unsaved_work, conflict
 */
export function restoredTo(workspace: WorkspaceRecord, head: SnapshotRef, restore: Restore): WorkspaceRecord | null {
  if (isRestored(workspace, restore)) return null;
  assertFree(workspace);
  if (restore.givenUpEpoch === null || workspace.volume?.epoch !== restore.givenUpEpoch) assertSaved(workspace);
  const seq = Math.max(restore.seq, workspace.snapshotSeq + 1);
  return {
    ...workspace,
    head,
    headSeq: seq,
    snapshotSeq: seq,
    content: 'present',
    volume: null,
    quarantined: null,
    restoredBy: restore.id,
  };
}
