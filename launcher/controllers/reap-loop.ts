import type { ReapResult } from '../contract/api.ts';
import type { ControllerDeps } from './deps.ts';
import type { PoolKeeper } from './pool.ts';
import { reap } from './reaper.ts';

export interface ReapLoop {
  start(): void;
  stop(): Promise<void>;
}

/** Runs the reaper and looks after the pool every `everyMs`, one pass at a time; one that fails is logged and the next one comes. */
export function createReapLoop(deps: ControllerDeps, keeper: PoolKeeper, everyMs: number): ReapLoop {
  let timer: NodeJS.Timeout | undefined;
  let current: Promise<unknown> = Promise.resolve();
  let stopped = true;

  async function pass(): Promise<void> {
    const startedAtMs = deps.clock.now();
    try {
      const result: Omit<ReapResult, 'sessionsLookedAt'> = await reap(deps, { dryRun: false });
      deps.telemetry.gauge('devctl_reap_complete', result.complete ? 1 : 0);
    } catch (error) {
      deps.telemetry.error({ op: 'reap', outcome: 'error', detail: String(error) });
    }
    deps.telemetry.observe('devctl_reap_seconds', (deps.clock.now() - startedAtMs) / 1000);
    try {
      await keeper.tend();
    } catch (error) {
      deps.telemetry.error({ op: 'pool', outcome: 'error', detail: String(error) });
    }
    schedule();
  }

  function schedule(): void {
    if (stopped) return;
    timer = setTimeout(() => {
      current = pass();
    }, everyMs);
  }

  return {
    start() {
      stopped = false;
      schedule();
    },
    async stop() {
      stopped = true;
      clearTimeout(timer);
      await current;
    },
  };
}
