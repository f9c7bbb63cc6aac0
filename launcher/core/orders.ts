import type { Orders } from '../contract/box.ts';
import { isFinal, type Phase } from '../contract/phases.ts';
import type { SessionRecord, WorkspaceRecord } from '../contract/records.ts';
import { formatDuration } from '../contract/units.ts';
import { heartbeatEveryMs, leaseEndMs, leaseReason } from './lease.ts';
import type { Limits } from './limits.ts';

const STATES: Readonly<Record<Phase, Orders['state']>> = {
  requested: 'work',
  launching: 'work',
  bootstrapping: 'work',
  ready: 'work',
  quiescing: 'hold',
  parking: 'hold',
  parked: 'hold',
  rescuing: 'end',
  ending: 'end',
  saving: 'end',
  stopped: 'end',
  failed: 'end',
};

/** What a box still has to fetch: the source of a workspace that has no files yet. */
export function cloneOf(workspace: WorkspaceRecord): Orders['clone'] {
  const { source, content } = workspace;
  if (content !== 'empty' || source.kind !== 'git') return null;
  return { url: source.url, ...(source.ref !== undefined && { ref: source.ref }) };
}

/** True when the box has nothing to do before its owner may work in it. */
export const isPrepared = (workspace: WorkspaceRecord): boolean =>
  cloneOf(workspace) === null && !(workspace.setupAllowed && workspace.content === 'present');

/** A box that is taken away stays until its disk is saved. */
const isBeingSaved = ({ phase, desired, interruption }: SessionRecord): boolean =>
  phase === 'rescuing' && desired === 'ready' && interruption?.save === true;

/**
 * What the launcher wants of a box of this session. With no workspace (it was deleted) the box only waits for its end.
 * @param workspace as recorded, or null when it is gone
 */
export function ordersFor(session: SessionRecord, workspace: WorkspaceRecord | null, nowMs: number, limits: Limits): Orders {
  const wanted = isBeingSaved(session) ? 'hold' : STATES[session.phase];
  const state = workspace === null && wanted === 'work' ? 'hold' : wanted;
  const toPrepare = state === 'work' && session.desired === 'ready' ? workspace : null;
  return {
    state,
    clone: toPrepare && cloneOf(toPrepare),
    runSetup: toPrepare?.setupAllowed ?? false,
    heartbeatMs: heartbeatEveryMs(session.lease, limits),
    notice: noticeFor(session, nowMs),
    hardLimitInMs: Math.max(0, session.lease.hardDeadlineMs + limits.hardGraceMs - nowMs),
    ...(state === 'work' && session.secrets.length > 0 && { secrets: session.secrets }),
    ...(state === 'work' && session.awsCredentials && { awsCredentials: true }),
  };
}

const END_REASONS: Readonly<Record<string, string>> = {
  user: 'its owner asked for it',
  idle: 'it was idle',
  hold: 'its hold is over',
  hard_limit: 'its hard limit is reached',
};

/** The line for every terminal: a warning of the end of the lease, then word that it has come. */
function noticeFor(session: SessionRecord, nowMs: number): Orders['notice'] {
  if (isFinal(session.phase)) return null;
  const because = END_REASONS[session.endReason ?? ''] ?? 'it cannot go on';
  if (session.desired === 'stopped')
    return { id: `stop-${session.generation}`, text: `devctl: this box is being saved and stopped: ${because}` };
  if (session.desired === 'parked')
    return { id: `park-${session.generation}`, text: `devctl: this box is being parked: ${because}; devctl up goes on with it` };
  if (session.interruption)
    return { id: `away-${session.generation}`, text: 'devctl: this machine is taken away; your files go on in the next box: devctl shell' };
  const endMs = leaseEndMs(session.lease);
  if (session.lease.warnedForMs !== endMs) return null;
  const advice = endMs === session.lease.hardDeadlineMs ? 'your files are saved' : 'any work keeps it; so does devctl hold';
  return {
    id: `warn-${endMs}`,
    text: `devctl: this box ${session.persistent ? 'is parked' : 'stops'} in ${formatDuration(endMs - nowMs)} (${leaseReason(session.lease)}); ${advice}`,
  };
}
