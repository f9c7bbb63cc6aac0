import { everyPage } from '../ledger/pages.ts';
import type { SessionKey } from '../ports/store.ts';
import type { ControllerDeps } from './deps.ts';
import { reconcile } from './reconcile.ts';
import type { LocalSignals } from './signals.ts';

export interface Worker {
  /** Takes up every live session, then goes on with what is due or poked. */
  start(): Promise<void>;
  /** Takes nothing new and waits for what is under way. */
  stop(): Promise<void>;
  /** One pass over what is due now, for a cron. Returns how many sessions were looked at. */
  runDue(): Promise<number>;
}

const DUE_EVERY_MS = 1000;
const ERROR_PAUSE_MS = 2000;
/** The longest that a timer may sleep: the due index is what really counts. */
const TIMER_MAX_MS = 60_000;

/** Runs reconcile for many sessions, each of them one at a time and at most `limits.concurrency` together. */
export function createWorker(deps: ControllerDeps & { signals: LocalSignals }): Worker {
  const queue: SessionKey[] = [];
  const queued = new Set<string>();
  const running = new Map<string, Promise<void>>();
  const again = new Set<string>();
  const timers = new Map<string, NodeJS.Timeout>();
  let stopped = true;
  let dueTimer: NodeJS.Timeout | undefined;

  const nameOf = (key: SessionKey): string => `${key.owner} ${key.id}`;

  function enqueue(key: SessionKey): void {
    const name = nameOf(key);
    clearTimeout(timers.get(name));
    timers.delete(name);
    if (running.has(name)) again.add(name);
    else if (!queued.has(name)) {
      queued.add(name);
      queue.push({ owner: key.owner, id: key.id });
    }
    pump();
  }

  function pump(): void {
    while (!stopped && running.size < deps.limits.concurrency) {
      const key = queue.shift();
      if (key === undefined) break;
      queued.delete(nameOf(key));
      running.set(nameOf(key), runOne(key));
    }
    deps.telemetry.gauge('devctl_queue_depth', queue.length);
  }

  async function runOne(key: SessionKey): Promise<void> {
    const name = nameOf(key);
    let nextMs: number | null;
    try {
      nextMs = await reconcile(deps, key);
    } catch (error) {
      deps.telemetry.error({ op: 'reconcile', outcome: 'error', sessionId: key.id, owner: key.owner, detail: String(error) });
      deps.telemetry.count('devctl_reconcile_errors_total');
      nextMs = deps.clock.now() + ERROR_PAUSE_MS;
    }
    running.delete(name);
    if (again.delete(name)) enqueue(key);
    else if (nextMs !== null && !stopped) sleep(key, nextMs);
    pump();
  }

  function sleep(key: SessionKey, untilMs: number): void {
    const delayMs = Math.min(TIMER_MAX_MS, Math.max(1, untilMs - deps.clock.now()));
    const timer = setTimeout(() => enqueue(key), delayMs);
    timers.set(nameOf(key), timer);
  }

  function forgetTimers(): void {
    for (const timer of timers.values()) clearTimeout(timer);
    timers.clear();
  }

  async function enqueueDue(): Promise<number> {
    const due = await deps.store.listDue(deps.clock.now(), deps.limits.dueBatch);
    for (const key of due) enqueue(key);
    return due.length;
  }

  async function lookForDue(): Promise<void> {
    try {
      await enqueueDue();
    } catch (error) {
      deps.telemetry.error({ op: 'worker.due', outcome: 'error', detail: String(error) });
    }
    if (!stopped) dueTimer = setTimeout(() => void lookForDue(), DUE_EVERY_MS);
  }

  async function idle(): Promise<void> {
    while (running.size > 0 || (!stopped && queue.length > 0)) await Promise.all(running.values());
  }

  async function enqueueLive(): Promise<void> {
    const { items } = await everyPage((page) => deps.store.listLive(page));
    for (const key of items) enqueue(key);
  }

  deps.signals.onPoke(enqueue);
  return {
    async start() {
      stopped = false;
      await enqueueLive();
      await lookForDue();
    },
    async stop() {
      stopped = true;
      clearTimeout(dueTimer);
      forgetTimers();
      await idle();
    },
    async runDue() {
      const wasStopped = stopped;
      stopped = false;
      const count = await enqueueDue();
      await idle();
      stopped = wasStopped;
      if (wasStopped) forgetTimers();
      return count;
    },
  };
}
