import { isFinal } from '../../contract/phases.ts';
import type { SessionRecord } from '../../contract/records.ts';
import { reconcile } from '../../controllers/reconcile.ts';
import type { SessionKey } from '../../ports/store.ts';
import type { LambdaParts } from './parts.ts';

/** How far a look has brought a session, and who sees to it from then on. */
type Outcome =
  /** Nothing is left to be done, or what is next comes by itself: by a request, an event, or the next minute. */
  | 'rests'
  /** Somebody else looks after it since. */
  | 'taken'
  /** There is more to be done soon than this function has time for. */
  | 'unfinished';

interface LookOptions {
  key: SessionKey;
  /** Of this run of the function. */
  holder: string;
  /** When it must have come to an end, ms since the epoch. */
  endMs: number;
  sleep(ms: number): Promise<void>;
}

/** The cron looks each minute at what is due. */
const MINUTE_MS = 60_000;
/** A snapshot that is on its way is looked at so long; then its end comes as an event. */
const SAVING_MS = 60_000;
const ERROR_PAUSE_MS = 2000;
const ERRORS = 5;

/** Reconciles one session again and again, as long as something is to be done soon. Who begins a look takes over from who has one. */
export async function lookAfter(parts: LambdaParts, { key, holder, endMs, sleep }: LookOptions): Promise<Outcome> {
  const { store, clock } = parts.controller;
  const turn = `look ${key.owner} ${key.id}`;
  await store.takeTurn(turn, { holder, untilMs: endMs }, { nowMs: clock.now(), fromOthers: true });
  for (let errors = 0; ; ) {
    const nextMs = await step(parts, key);
    if (nextMs === 'failed') errors += 1;
    const dueMs = nextMs === 'failed' ? clock.now() + ERROR_PAUSE_MS : nextMs;
    const session = dueMs === null ? null : await store.getSession(key);
    const isOver = session === null || dueMs === null || errors >= ERRORS || dueMs - clock.now() >= MINUTE_MS;
    if (isOver || isAtRest(session, clock.now())) {
      await store.endTurn(turn, holder);
      return 'rests';
    }
    if (dueMs >= endMs) return 'unfinished';
    await sleep(Math.max(1, dueMs - clock.now()));
    if (!(await store.hasTurn(turn, holder))) return 'taken';
    if (clock.now() >= endMs) return 'unfinished';
  }
}

async function step({ controller }: LambdaParts, key: SessionKey): Promise<number | null | 'failed'> {
  const { telemetry } = controller;
  try {
    return await reconcile(controller, key);
  } catch (error) {
    telemetry.error({ op: 'reconcile', outcome: 'error', sessionId: key.id, owner: key.owner, detail: String(error) });
    telemetry.count('devctl_reconcile_errors_total');
    return 'failed';
  }
}

/** What moves it on is not a look that comes soon: its box reports, its user asks, or its time comes, which the cron sees. */
function isAtRest({ phase, phaseSince, op, snapshot, checkpoint, desired }: SessionRecord, nowMs: number): boolean {
  if (isFinal(phase)) return true;
  if (phase === 'ready' || phase === 'parked') return desired === phase && op === null && snapshot === null && checkpoint === null;
  return phase === 'saving' && op === null && nowMs - phaseSince >= SAVING_MS;
}
