import type { Heartbeat, Register } from '../contract/box.ts';
import { DevctlError, type ErrorCode } from '../contract/errors.ts';
import type { BoxRecord, Evidence, Interruption, SessionRecord, WorkspaceRecord } from '../contract/records.ts';
import { failed } from './ends.ts';
import { addEvidence } from './lease.ts';
import type { Limits } from './limits.ts';
import { cloneOf, isPrepared } from './orders.ts';
import type { Change, NewEvent } from './session.ts';
import { readyDueAtMs } from './session-due.ts';

/** A move of the idle deadline by less than this part of the idle time is not worth a write. */
const IDLE_STEPS = 20;
/** A heartbeat is written at least this many times in the time after which a box counts as silent. */
const BEATS_PER_SILENCE = 3;

/** @throws DevctlError stale_generation */
function assertGeneration(session: SessionRecord, generation: number): void {
  if (generation !== session.generation)
    throw new DevctlError('stale_generation', `generation ${generation} is over; the session is at ${session.generation}`);
}

/** The patch that makes a session ready, with everything that follows from it. */
function becomeReady(session: SessionRecord, patch: Change['patch'], nowMs: number, limits: Limits): Change['patch'] {
  const ready = { failure: null, ...patch, phase: 'ready' as const, readyAt: session.readyAt ?? nowMs, launchAttempts: 0 };
  return { ...ready, dueAt: readyDueAtMs({ ...session, ...ready, phaseSince: nowMs }, nowMs, limits) };
}

const readyEvent = (session: SessionRecord, nowMs: number): NewEvent => ({
  type: 'session.ready',
  message: `ready in generation ${session.generation}`,
  data: { generation: session.generation, tookMs: nowMs - session.createdAt },
});

/**
 * What the registration of a box changes: it is up, and ready at once when nothing is left to prepare. Null when that is
 * known already, or no longer matters.
 * @throws DevctlError stale_generation
 */
export function applyRegister(
  session: SessionRecord,
  workspace: WorkspaceRecord | null,
  register: Register,
  nowMs: number,
  limits: Limits,
): Change | null {
  assertGeneration(session, register.generation);
  if (session.phase !== 'bootstrapping' || session.box === null || session.box.registeredAt !== null) return null;
  const started: Evidence = { kind: 'started', atMs: nowMs, detail: `box of generation ${session.generation} came up` };
  const patch = {
    box: { ...session.box, registeredAt: nowMs, heartbeatAt: nowMs },
    lease: addEvidence(session.lease, [started], nowMs, limits),
  };
  const registered: NewEvent = {
    type: 'session.registered',
    message: 'the agent of the box is up',
    data: { agent: register.agentVersion },
  };
  if (session.desired !== 'ready' || workspace === null || !isPrepared(workspace)) return { patch, events: [registered] };
  return { patch: becomeReady(session, patch, nowMs, limits), events: [registered, readyEvent(session, nowMs)] };
}

/** What a heartbeat says of the workspace: it has files now, or its disk is damaged. Null when that is known. */
export function workspaceAfterHeartbeat(workspace: WorkspaceRecord, heartbeat: Heartbeat): WorkspaceRecord | null {
  const filled = heartbeat.contentPresent && workspace.content === 'empty';
  const damage = heartbeat.failure?.code === 'workspace_quarantined' ? heartbeat.failure.detail : null;
  const damaged = damage !== null && workspace.quarantined !== damage;
  if (!filled && !damaged) return null;
  return { ...workspace, ...(filled && { content: 'present' as const }), ...(damaged && { quarantined: damage }) };
}

/**
 * What a heartbeat changes of its session; null when it is not worth a write. A box's own word moves the lease only while
 * the session is in use.
 * @param workspace as it is after `workspaceAfterHeartbeat`
 * @throws DevctlError stale_generation
 */
export function applyHeartbeat(
  session: SessionRecord,
  workspace: WorkspaceRecord | null,
  heartbeat: Heartbeat,
  nowMs: number,
  limits: Limits,
): Change | null {
  assertGeneration(session, heartbeat.generation);
  if (session.box === null) return null;
  const box = { ...session.box, registeredAt: session.box.registeredAt ?? nowMs, heartbeatAt: nowMs };
  const stale = nowMs - (session.box.heartbeatAt ?? 0) >= limits.silentMs / BEATS_PER_SILENCE;
  switch (session.phase) {
    case 'bootstrapping':
      return session.desired === 'ready' ? whilePreparing(session, workspace, heartbeat, box, nowMs, limits) : null;
    case 'ready':
      return session.desired === 'ready' ? whileReady(session, heartbeat, { box, stale }, nowMs, limits) : null;
    case 'quiescing':
    case 'parking':
      return stale ? { patch: { box } } : null;
    default:
      return null;
  }
}

/** Evidence with our own time: the clock of a box is not trusted, only how long ago it saw something. */
const evidenceOf = (heartbeat: Heartbeat, nowMs: number): Evidence[] =>
  heartbeat.evidence.map(({ kind, agoMs, detail }) => ({ kind, atMs: nowMs - agoMs, detail }));

function whilePreparing(
  session: SessionRecord,
  workspace: WorkspaceRecord | null,
  heartbeat: Heartbeat,
  box: BoxRecord,
  nowMs: number,
  limits: Limits,
): Change | null {
  const progress = heartbeat.progress;
  const found = evidenceOf(heartbeat, nowMs);
  if (progress !== undefined) found.push({ kind: 'setup', atMs: nowMs, detail: progress });
  const patch = { box, lease: addEvidence(session.lease, found, nowMs, limits) };
  const failure = heartbeat.failure;
  if (failure !== undefined && failure.code !== 'setup_failed') return giveUp(patch, failure, nowMs);
  if (failure !== undefined) {
    const setup = failed(failure.code, failure.detail);
    return {
      patch: becomeReady(session, { ...patch, failure: setup }, nowMs, limits),
      events: [failureEvent(failure), readyEvent(session, nowMs)],
    };
  }
  const cloning = workspace === null || cloneOf(workspace) !== null;
  if (heartbeat.state === 'ready' && !cloning) {
    return { patch: becomeReady(session, patch, nowMs, limits), events: [readyEvent(session, nowMs)] };
  }
  if (progress === undefined || session.lease.evidence.some((known) => known.kind === 'setup' && known.detail === progress))
    return nowMs - (session.box?.heartbeatAt ?? 0) >= limits.silentMs / BEATS_PER_SILENCE ? { patch } : null;
  return { patch, events: [{ type: cloning ? 'source.progress' : 'setup.progress', message: progress }] };
}

type BoxFailure = NonNullable<Heartbeat['failure']>;

const FAILURE_EVENTS: Readonly<Record<BoxFailure['code'], string>> = {
  source_unavailable: 'source.failed',
  setup_failed: 'setup.failed',
  workspace_quarantined: 'workspace.quarantined',
  disk_unavailable: 'box.disk_unavailable',
  disk_full: 'box.disk_full',
};

const failureEvent = ({ code, detail }: BoxFailure): NewEvent => ({ type: FAILURE_EVENTS[code], message: detail, data: { code } });

/** The box is of no use: the controller lets it go, and the session becomes `failed` with this failure. */
function giveUp(patch: Change['patch'], failure: BoxFailure, nowMs: number): Change {
  const code: ErrorCode = failure.code;
  return {
    patch: { ...patch, failure: failed(code, failure.detail), desired: 'stopped', endReason: 'failed', dueAt: nowMs },
    events: [failureEvent(failure)],
  };
}

function whileReady(
  session: SessionRecord,
  heartbeat: Heartbeat,
  seen: { box: BoxRecord; stale: boolean },
  nowMs: number,
  limits: Limits,
): Change | null {
  const lease = addEvidence(session.lease, evidenceOf(heartbeat, nowMs), nowMs, limits);
  const patch: Change['patch'] = { box: seen.box, lease };
  const failure = heartbeat.failure;
  if (failure?.code === 'workspace_quarantined') return giveUp(patch, failure, nowMs);
  const isNews = failure !== undefined && (session.failure?.code !== failure.code || session.failure.detail !== failure.detail);
  const gainedMs = lease.idleDeadlineMs - session.lease.idleDeadlineMs;
  const interruption = noticeOf(session, heartbeat, nowMs);
  if (interruption !== null) return { patch: { ...patch, interruption, dueAt: nowMs } };
  if (!isNews && !seen.stale && gainedMs <= session.lease.idleTtlMs / IDLE_STEPS) return null;
  if (isNews) patch.failure = failed(failure.code, failure.detail);
  return { patch: { ...patch, dueAt: dueAfter(session, patch, nowMs, limits) }, ...(isNews && { events: [failureEvent(failure)] }) };
}

/** That the box is taken away, when it says so for the first time. */
function noticeOf(session: SessionRecord, { interruptionInMs }: Heartbeat, nowMs: number): Interruption | null {
  if (interruptionInMs === undefined || session.interruption) return null;
  return { endsAtMs: nowMs + interruptionInMs, source: 'box', save: true };
}

/** When a ready session is looked at next: with a snapshot under way, no later than that wants it. */
export function dueAfter(session: SessionRecord, patch: Change['patch'], nowMs: number, limits: Limits): number {
  const dueAt = readyDueAtMs({ ...session, ...patch }, nowMs, limits);
  const isBusy = session.op !== null || session.snapshot !== null || session.checkpoint !== null;
  return isBusy && session.dueAt !== null ? Math.min(dueAt, session.dueAt) : dueAt;
}
