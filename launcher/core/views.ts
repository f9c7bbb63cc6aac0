import type { Session, Snapshot, Why, Workspace } from '../contract/api.ts';
import { EVIDENCE, evidenceHolds } from '../contract/evidence.ts';
import { isFinal } from '../contract/phases.ts';
import type { Evidence, Hold, Lease, SessionRecord, SnapshotRecord, TokenRecord, WorkspaceRecord } from '../contract/records.ts';
import { burnOf, dollars, monthOf, spentInAll } from './cost.ts';
import { leaseEndMs, leaseReason, selfReportedLimitMs } from './lease.ts';
import type { Limits } from './limits.ts';
import { isUnsaved } from './workspace.ts';

const iso = (ms: number): string => new Date(ms).toISOString();
const isoOrNull = (ms: number | null): string | null => (ms === null ? null : iso(ms));

/** What silence is judged by. */
export interface Listening {
  nowMs: number;
  /** Since when this launcher hears heartbeats. */
  sinceMs: number;
  limits: Limits;
}

/** True when the box of a ready session should have been heard and was not. */
export function isSilent({ phase, box }: SessionRecord, { nowMs, sinceMs, limits }: Listening): boolean {
  return phase === 'ready' && box !== null && nowMs - Math.max(box.heartbeatAt ?? box.launchedAt, sinceMs) > limits.silentMs;
}

/** @param workspace of the session, or null when it is gone or was made anew */
export function sessionView(session: SessionRecord, workspace: WorkspaceRecord | null, provider: string, listening: Listening): Session {
  const { box, lease, createdAt } = session;
  const timings = Object.entries(session.timings).map(([phase, atMs]) => [phase, Math.max(0, atMs - createdAt)]);
  return {
    id: session.id,
    workspace: session.workspace,
    owner: session.owner,
    phase: session.phase,
    desired: session.desired,
    generation: session.generation,
    size: session.size,
    policy: session.policy,
    instanceTypes: session.instanceTypes,
    arch: session.arch,
    network: session.network,
    persistent: session.persistent,
    secrets: session.secrets,
    awsCredentials: session.awsCredentials,
    provider,
    box: box && {
      id: box.id,
      description: box.description,
      launchedAt: iso(box.launchedAt),
      heartbeatAt: isoOrNull(box.heartbeatAt),
      silent: isSilent(session, listening),
    },
    lease: {
      idleTtlMs: lease.idleTtlMs,
      maxTtlMs: lease.maxTtlMs,
      endsAt: iso(leaseEndMs(lease)),
      idleEndsAt: iso(lease.idleDeadlineMs),
      hardEndsAt: iso(lease.hardDeadlineMs),
      holds: lease.holds.map(holdView),
    },
    content: workspace?.content ?? 'empty',
    head: workspace?.head?.id ?? null,
    createdAt: iso(createdAt),
    readyAt: isoOrNull(session.readyAt),
    endedAt: isoOrNull(session.endedAt),
    endReason: session.endReason,
    timings: Object.fromEntries(timings),
    receipt: session.receipt,
    failure: session.failure,
    cost: moneyView(session, listening.nowMs),
    budget: session.budget?.month === monthOf(listening.nowMs) ? session.budget.level : null,
    links: {
      self: `/sessions/${session.id}`,
      events: `/sessions/${session.id}/events`,
      workspace: `/workspaces/${session.workspace}`,
    },
  };
}

function moneyView(session: SessionRecord, nowMs: number): Session['cost'] {
  if (session.spend === undefined) return null;
  const { boxMicroUsd, diskMicroUsd } = spentInAll(session, nowMs);
  return { usd: dollars(boxMicroUsd + diskMicroUsd), perHourUsd: dollars(burnOf(session)), about: session.spend.about };
}

export const holdView = (hold: Pick<Hold, 'name' | 'untilMs'>): { name: string; until: string } => ({
  name: hold.name,
  until: iso(hold.untilMs),
});

function sourceView(source: WorkspaceRecord['source']): Workspace['source'] {
  switch (source.kind) {
    case 'git':
      return { kind: 'git', from: source.ref === undefined ? source.url : `${source.url}#${source.ref}` };
    case 'fork':
      return { kind: 'fork', from: `${source.workspace}@${source.snapshot.id}` };
    default:
      return { kind: source.kind, from: null };
  }
}

/** @param head record of the head snapshot, where it is known */
export function workspaceView(workspace: WorkspaceRecord, head: SnapshotRecord | null): Workspace {
  const { source } = workspace;
  const isBorrowed = workspace.head !== null && workspace.head.workspaceId !== workspace.id;
  return {
    name: workspace.name,
    id: workspace.id,
    owner: workspace.owner,
    createdAt: iso(workspace.createdAt),
    content: workspace.content,
    source: sourceView(source),
    head: workspace.head?.id ?? null,
    headOf: isBorrowed ? (head?.workspace ?? (source.kind === 'fork' ? source.workspace : null)) : null,
    headAt: isoOrNull(head?.completedAt ?? null),
    bytes: head?.bytes ?? null,
    session: workspace.claim?.sessionId ?? null,
    unsaved: isUnsaved(workspace),
    setupAllowed: workspace.setupAllowed,
    quarantined: workspace.quarantined,
    retention: workspace.retention,
  };
}

export function snapshotView(snapshot: SnapshotRecord, workspace: WorkspaceRecord): Snapshot {
  return {
    id: snapshot.id,
    workspace: snapshot.workspace,
    parent: snapshot.parent,
    state: snapshot.state,
    reason: snapshot.reason,
    note: snapshot.note,
    clean: snapshot.clean,
    createdAt: iso(snapshot.createdAt),
    bytes: snapshot.bytes,
    newBytes: snapshot.newBytes,
    files: snapshot.files,
    isHead: workspace.head?.id === snapshot.id && workspace.head.workspaceId === snapshot.workspaceId,
  };
}

/** A token without anything of its secret. */
export function tokenView(token: TokenRecord) {
  return {
    id: token.id,
    name: token.name,
    owner: token.owner,
    scopes: token.scopes,
    createdAt: iso(token.createdAt),
    expiresAt: isoOrNull(token.expiresAt),
    revokedAt: isoOrNull(token.revokedAt),
  };
}

/** The moment that evidence counts as: a box's own word is capped. */
function countsAtMs(evidence: Evidence, lease: Lease, limits: Limits): number {
  return EVIDENCE[evidence.kind].seenBy === 'launcher'
    ? evidence.atMs
    : Math.min(evidence.atMs, lease.observedAtMs + limits.selfReportedMaxMs);
}

function because(session: SessionRecord): string {
  if (session.phase === 'failed') return session.failure?.detail ?? 'it failed';
  if (session.desired === 'parked' && session.failure !== null) return session.failure.detail;
  if (session.desired !== 'ready') return END_WORDS[session.endReason ?? ''] ?? 'it is stopped';
  return leaseReason(session.lease);
}

const END_WORDS: Readonly<Record<string, string>> = {
  user: 'its owner stopped it',
  idle: 'it was idle',
  hold: 'its hold was over',
  hard_limit: 'it had reached its hard limit',
  lost: 'its box was lost',
  failed: 'it could not go on',
};

/** What keeps a session alive, or will stop it, and when: newest evidence first. */
export function whyView(session: SessionRecord, listening: Listening): Why {
  const { lease } = session;
  const { nowMs, limits } = listening;
  const isLive = session.desired === 'ready' && !isFinal(session.phase);
  return {
    phase: session.phase,
    silent: isSilent(session, listening),
    since: iso(session.phaseSince),
    endsAt: isLive ? iso(leaseEndMs(lease)) : null,
    parks: session.persistent,
    because: because(session),
    evidence: [...lease.evidence]
      .sort((a, b) => b.atMs - a.atMs)
      .map((evidence) => ({
        kind: evidence.kind,
        at: iso(evidence.atMs),
        detail: evidence.detail,
        seenBy: EVIDENCE[evidence.kind].seenBy,
        counts: isLive && evidenceHolds(evidence.kind) && countsAtMs(evidence, lease, limits) + lease.idleTtlMs > nowMs,
      })),
    holds: lease.holds.filter((hold) => hold.untilMs > nowMs).map(holdView),
    idleEndsAt: isLive ? iso(lease.idleDeadlineMs) : null,
    hardEndsAt: isLive ? iso(lease.hardDeadlineMs) : null,
    selfReportedLimitAt: isLive ? iso(selfReportedLimitMs(lease, limits)) : null,
  };
}
