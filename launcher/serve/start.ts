import { setTimeout as sleep } from 'node:timers/promises';
import { createApp } from '../api/app.ts';
import { type Listener, listen } from '../api/server.ts';
import type { ReapResult } from '../contract/api.ts';
import { isPoolWanted } from '../contract/pool.ts';
import { createReapLoop } from '../controllers/reap-loop.ts';
import { compareRecords, reap } from '../controllers/reaper.ts';
import { createWorker } from '../controllers/worker.ts';
import type { ServeConfig } from './config.ts';
import { clearRunning, openHome, writeRunning } from './home.ts';
import { assembleAtHome, type HomeParts } from './home-parts.ts';
import { ensureLocalToken } from './local-token.ts';
import { VERSION } from './version.ts';

export interface Launcher {
  url: string;
  /** Stops serving. Boxes live on; whoever starts next takes their sessions up. */
  stop(): Promise<void>;
}

const REAP_EVERY_MS = 60_000;
const EXPIRE_EVERY_MS = 3_600_000;
const STOP_GRACE_MS = 5_000;

/**
 * Starts the launcher process: takes up live boxes and sessions, then listens.
 * @throws DevctlError when it cannot: state folder in use or of a newer version, port in use, nothing to isolate boxes with
 */
export async function startLauncher(config: ServeConfig): Promise<Launcher> {
  const home = openHome(config.home);
  const parts = await assembleAtHome(config, home);
  const worker = createWorker(parts.controller);
  const reaper = createReapLoop(parts.controller, parts.poolKeeper, REAP_EVERY_MS);
  try {
    await parts.provider.start();
    await compareRecords(parts.controller, { dryRun: false });
    const token = await ensureLocalToken(parts.api, home, config.owner);
    const app = createApp(parts.api);
    const server = await listen(app, parts.api, { host: config.host, port: config.port });
    const boxServer = config.ec2 && (await listenForBoxes(parts, config.ec2.boxListen));
    // Known from the start: whoever fails to show a token from this address, a box for instance, does not hold this one up.
    await app.fetch(new Request(`${server.url}/whoami`, { headers: { authorization: `Bearer ${token}` } }));
    await worker.start();
    reaper.start();
    const expiry = setInterval(() => void expire(parts), EXPIRE_EVERY_MS);
    writeRunning(home, { url: server.url, pid: process.pid, version: VERSION, startedAt: new Date().toISOString() });
    parts.telemetry.info({
      op: 'launcher.start',
      outcome: 'ok',
      url: server.url,
      provider: parts.provider.name,
      isolation: parts.provider.isolation,
    });
    return {
      url: server.url,
      async stop() {
        clearRunning(home);
        clearInterval(expiry);
        await Promise.all([server.close(), boxServer?.close()]);
        const quiet = Promise.all([reaper.stop(), worker.stop()]);
        // What is under way is taken up by the next launcher, and need not be waited for: a restore may take an hour.
        await Promise.race([quiet, sleep(STOP_GRACE_MS, undefined, { ref: false })]);
        await parts.close();
      },
    };
  } catch (error) {
    await parts.close();
    throw error;
  }
}

/** Boxes on other machines call here: `/boxes/*` and nothing else. */
function listenForBoxes({ api, boxApp }: HomeParts, address: string): Promise<Listener> {
  const at = address.lastIndexOf(':');
  return listen(boxApp, api, { host: address.slice(0, at).replace(/^\[|\]$/g, ''), port: Number(address.slice(at + 1)) });
}

async function expire(parts: HomeParts): Promise<void> {
  try {
    const removed = await parts.removeExpired();
    parts.telemetry.info({ op: 'table.expire', outcome: 'ok', removed });
  } catch (error) {
    parts.telemetry.error({ op: 'table.expire', outcome: 'error', detail: String(error) });
  }
}

/** For a cron: what is due now, one pass of the reaper and one of the pool, then nothing is left running. */
export async function reapOnce(config: ServeConfig): Promise<ReapResult> {
  const home = openHome(config.home);
  const parts: HomeParts = await assembleAtHome(config, home);
  try {
    await parts.provider.start();
    const sessionsLookedAt = config.dryRun ? 0 : await createWorker(parts.controller).runDue();
    const result = await reap(parts.controller, { dryRun: config.dryRun });
    // Who says nothing of a pool leaves it as it is.
    if (!config.dryRun && isPoolWanted(config.pool)) await parts.poolKeeper.tend();
    return { ...result, sessionsLookedAt };
  } finally {
    await parts.close();
  }
}
