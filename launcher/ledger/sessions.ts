import { DevctlError } from '../contract/errors.ts';
import type { SessionRecord } from '../contract/records.ts';
import { LIMITS } from '../core/limits.ts';
import { applyChange, type Change } from '../core/session.ts';
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
 * Saves one change of a session. Events of the previous save go to their own items first: those of the newest save are
 * read from the record itself, so that no crash can lose any.
 * @returns the stored record, or null when somebody else was first: read again and decide again
 */
export async function commitSession(deps: LedgerDeps, session: SessionRecord, change: Change): Promise<SessionRecord | null> {
  const key = { owner: session.owner, id: session.id };
  if (session.outbox.length > 0) await deps.store.putEvents(key, session.outbox);
  const saved = await deps.store.saveSession(applyChange(session, change, deps.clock.now()));
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
 * @throws DevctlError not_found, conflict (lost too often)
 */
export async function changeSession(
  deps: LedgerDeps,
  key: SessionKey,
  decide: (session: SessionRecord) => Change | null,
): Promise<SessionRecord> {
  for (let attempt = 0; attempt < LIMITS.casAttempts; attempt += 1) {
    const session = await deps.store.getSession(key);
    if (session === null) throw new DevctlError('not_found', `there is no session ${key.id}`);
    const change = decide(session);
    if (change === null) return session;
    const saved = await commitSession(deps, session, change);
    if (saved !== null) return saved;
  }
  throw new DevctlError('conflict', `session ${key.id} is being changed by others all the time`);
}
