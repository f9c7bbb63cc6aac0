import { EVIDENCE, evidenceHolds } from '../contract/evidence.ts';
import type { Evidence, Lease } from '../contract/records.ts';
import { formatDuration } from '../contract/units.ts';
import type { Limits } from './limits.ts';

/** The lease of a session that begins now. Times in milliseconds since the epoch. */
export function newLease(nowMs: number, idleTtlMs: number, maxTtlMs: number): Lease {
  return {
    idleTtlMs,
    maxTtlMs,
    hardDeadlineMs: nowMs + maxTtlMs,
    idleDeadlineMs: nowMs + idleTtlMs,
    observedAtMs: nowMs,
    evidence: [],
    holds: [],
    warnedForMs: null,
  };
}

/** `min(hard deadline, max(idle deadline, holds))`: the moment at which the session is stopped. */
export function leaseEndMs(lease: Lease): number {
  const held = Math.max(lease.idleDeadlineMs, ...lease.holds.map((hold) => hold.untilMs));
  return Math.min(lease.hardDeadlineMs, held);
}

/** Which of the three deadlines ends the lease. */
export function leaseEndedBy(lease: Lease): 'hard_limit' | 'hold' | 'idle' {
  const end = leaseEndMs(lease);
  if (end === lease.hardDeadlineMs) return 'hard_limit';
  return end === lease.idleDeadlineMs ? 'idle' : 'hold';
}

/** The box's own word moves the idle deadline no further than this. */
export const selfReportedLimitMs = (lease: Lease, limits: Limits): number =>
  lease.observedAtMs + limits.selfReportedMaxMs + lease.idleTtlMs;

/**
 * The lease after evidence. Deadlines only move forward; evidence from the future counts as now; the latest of each kind is
 * kept for `why`.
 */
export function addEvidence(lease: Lease, found: readonly Evidence[], nowMs: number, limits: Limits): Lease {
  const next = { ...lease, evidence: [...lease.evidence] };
  const isSeen = (item: Evidence): boolean => EVIDENCE[item.kind].seenBy === 'launcher';
  // What the launcher saw comes first: it says how far the box's own word may reach.
  for (const item of [...found.filter(isSeen), ...found.filter((item) => !isSeen(item))]) {
    const evidence = { ...item, atMs: Math.min(item.atMs, nowMs) };
    const index = next.evidence.findIndex((known) => known.kind === evidence.kind);
    const known = next.evidence[index];
    if (known === undefined) next.evidence.push(evidence);
    else if (known.atMs <= evidence.atMs) next.evidence[index] = evidence;
    if (!evidenceHolds(evidence.kind)) continue;

    let countsAtMs = evidence.atMs;
    if (isSeen(evidence)) next.observedAtMs = Math.max(next.observedAtMs, evidence.atMs);
    else countsAtMs = Math.min(countsAtMs, next.observedAtMs + limits.selfReportedMaxMs);
    next.idleDeadlineMs = Math.max(next.idleDeadlineMs, countsAtMs + next.idleTtlMs);
  }
  return next;
}

/** When to warn of the end: a quarter of the idle time before it, at most `warnBeforeMs`. */
export const warnAtMs = (lease: Lease, limits: Limits): number =>
  leaseEndMs(lease) - Math.min(limits.warnBeforeMs, Math.floor(lease.idleTtlMs / 4));

/** How often a box reports: often enough that its idle time is exact to a sixth. */
export const heartbeatEveryMs = (lease: Lease, limits: Limits): number =>
  Math.round(Math.min(limits.heartbeatMaxMs, Math.max(limits.heartbeatMinMs, lease.idleTtlMs / 6)));

/** In a few words, which deadline ends the session. */
export function leaseReason(lease: Lease): string {
  switch (leaseEndedBy(lease)) {
    case 'hard_limit':
      return `hard limit of ${formatDuration(lease.maxTtlMs)}`;
    case 'hold':
      return `hold ${lease.holds.reduce((last, hold) => (hold.untilMs > last.untilMs ? hold : last)).name} ends`;
    case 'idle':
      return `idle ${formatDuration(lease.idleTtlMs)} after the last evidence`;
  }
}
