import type { SessionRecord } from '../contract/records.ts';
import { leaseEndMs, warnAtMs } from './lease.ts';
import type { Limits } from './limits.ts';

/** When the snapshot of the day of a ready session is due; of one that is not persistent never. */
export const dailyDueAtMs = ({ persistent, nextSnapshotAt, createdAt }: SessionRecord, limits: Limits): number =>
  persistent ? (nextSnapshotAt ?? createdAt + limits.dailySnapshotMs) : Number.POSITIVE_INFINITY;

/**
 * When a ready session must be looked at again, if nothing happens: the warning, the end of its lease, the snapshot of the day, or a
 * silent box. A box that is silent already is looked at every `readyLookMs`.
 */
export function readyDueAtMs(session: SessionRecord, nowMs: number, limits: Limits): number {
  const endMs = leaseEndMs(session.lease);
  const warned = session.lease.warnedForMs === endMs;
  const silentAtMs = (session.box?.heartbeatAt ?? session.phaseSince) + limits.silentMs;
  const dailyMs = dailyDueAtMs(session, limits);
  return Math.min(
    warned ? endMs : warnAtMs(session.lease, limits),
    endMs,
    silentAtMs > nowMs ? silentAtMs : nowMs + limits.readyLookMs,
    dailyMs > nowMs ? dailyMs : Number.POSITIVE_INFINITY,
  );
}
