import { DevctlError, notFound } from '../contract/errors.ts';
import type { SessionRecord } from '../contract/records.ts';
import { LIMITS } from '../core/limits.ts';
import { applyChange, type Change, outboxIsFull } from '../core/session.ts';
import type { Clock } from '../ports/clock.ts';
import type { Signals } from '../ports/signals.ts';
import type { SessionKey, StorePort } from '../ports/store.ts';
import type { Telemetry } from '../ports/telemetry.ts';

export interface LedgerDeps {
  store: StorePort;
  clock: Clock;
  signals: Signals;
  telemetry: Telemetry;
}

/**
 * Saves one change of a session. Its events are saved with it, in the record itself; once many have gathered there, they go to
 * items of their own before the save that leaves them out, so that no crash can lose any.
 * @returns the stored record, or null when somebody else was first: read again and decide again
 */
export async function commitSession(deps: LedgerDeps, session: SessionRecord, change: Change): Promise<SessionRecord | null> {
  const key = { owner: session.owner, id: session.id };
  const isFull = outboxIsFull(session, change);
  if (isFull) await deps.store.putEvents(key, session.outbox);
  const saved = await deps.store.saveSession(applyChange(isFull ? { ...session, outbox: [] } : session, change, deps.clock.now()));
  if (saved === null) return null;
  deps.signals.changed(key);
  if (saved.phase !== session.phase) measure(deps, session, saved);
  return saved;
}

function measure(deps: LedgerDeps, before: SessionRecord, after: SessionRecord): void {
  deps.telemetry.observe('devctl_phase_seconds', (after.phaseSince - before.phaseSince) / 1000, { phase: before.phase });
  if (after.phase === 'failed') deps.telemetry.count('devctl_session_failures_total', { code: after.failure?.code ?? 'internal' });
}

/**
 * Reads, decides and saves until the save wins. `decide` gives null to leave the record as it is, and may throw.
 * @param known the record as it was read a moment ago: the first try decides on it
 * @throws DevctlError not_found, conflict (lost too often)
 */
export async function changeSession(
  deps: LedgerDeps,
  key: SessionKey,
  decide: (session: SessionRecord) => Change | null,
  known: SessionRecord | null = null,
): Promise<SessionRecord> {
  for (let attempt = 0; attempt < LIMITS.casAttempts; attempt += 1) {
    const session: SessionRecord | null = attempt === 0 && known !== null ? known : await deps.store.getSession(key);
    if (session === null) throw notFound('session', `there is no session ${key.id}`);
    const change = decide(session);
    if (change === null) return session;
    const saved = await commitSession(deps, session, change);
    if (saved !== null) return saved;
  }
  throw new DevctlError('conflict', `session ${key.id} is being changed by others all the time`);
}
