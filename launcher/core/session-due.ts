import type { SessionRecord } from '../contract/records.ts';
import { leaseEndMs, warnAtMs } from './lease.ts';
import type { Limits } from './limits.ts';

/**
 * When a ready session must be looked at again, if nothing happens: the warning, the end of its lease, or a silent box.
 * A box that is silent already is looked at every `readyLookMs`.
 */
export function readyDueAtMs(session: SessionRecord, nowMs: number, limits: Limits): number {
  const endMs = leaseEndMs(session.lease);
  const warned = session.lease.warnedForMs === endMs;
  const silentAtMs = (session.box?.heartbeatAt ?? session.phaseSince) + limits.silentMs;
  return Math.min(warned ? endMs : warnAtMs(session.lease, limits), endMs, silentAtMs > nowMs ? silentAtMs : nowMs + limits.readyLookMs);
}
