import { createHmac, randomBytes } from 'node:crypto';
import type { ApiConfig, ApiDeps } from '../api/deps.ts';
import type { Identify } from '../api/identify.ts';
import type { Check } from '../contract/api.ts';
import type { PoolPlan } from '../contract/pool.ts';
import { makeBoxToken } from '../contract/tokens.ts';
import type { ControllerDeps } from '../controllers/deps.ts';
import { createPoolKeeper, type PoolKeeper } from '../controllers/pool.ts';
import { reap } from '../controllers/reaper.ts';
import { recover } from '../controllers/recover.ts';
import { LIMITS, type Limits } from '../core/limits.ts';
import type { Budgets } from '../core/statement.ts';
import type { Clock, Random } from '../ports/clock.ts';
import type { Machines, Provider } from '../ports/provider.ts';
import type { Signals } from '../ports/signals.ts';
import type { StorePort } from '../ports/store.ts';
import type { Table } from '../stores/dynamo/aws.ts';
import { createDynamoStore } from '../stores/dynamo/store.ts';
import type { LauncherTelemetry } from '../telemetry/index.ts';
import { VERSION } from './version.ts';

/** What a launcher is made of wherever it runs. */
export interface Parts<S extends Signals = Signals> {
  api: ApiDeps;
  controller: ControllerDeps & { signals: S };
  provider: Provider;
  poolKeeper: PoolKeeper;
  telemetry: LauncherTelemetry;
}

/** What a provider needs of the launcher that it is opened for. */
export interface ForProvider {
  clock: Clock;
  random: Random;
  /** What a box that is reached over a network asks of its launcher. */
  accessKey: Machines['accessKey'];
}

/** What is another thing on a machine of somebody's than in Lambda. */
export interface Place<S extends Signals> {
  table: Pick<Table, 'client' | 'name'>;
  telemetry: LauncherTelemetry;
  signals: S;
  /** @default that of this machine */
  clock?: Clock;
  /** 32 bytes: cursors, and the tokens and keys of boxes, are derived from it. */
  master: Buffer;
  openProvider(deps: ForProvider): Promise<Provider>;
  /** @default LIMITS */
  limits?: Limits;
  budgets: Budgets;
  pool: PoolPlan;
  config: Pick<ApiConfig, 'allowedHosts' | 'reach'>;
  /** @default by tokens */
  identify?: Identify;
  /** What `doctor` shows of the launcher's side. */
  checks(provider: Provider, store: StorePort): Promise<Check[]>;
}

/** Wires the parts together; nothing is started. */
export async function assemble<S extends Signals>(place: Place<S>): Promise<Parts<S>> {
  const { table, telemetry, signals, master, budgets, pool, limits = LIMITS } = place;
  const clock = place.clock ?? { now: () => Date.now() };
  const random: Random = { bytes: (length) => randomBytes(length) };
  const store = createDynamoStore({ client: table.client, tableName: table.name, clock, random, telemetry, keepMs: limits.sessionKeepMs });
  const derive = (purpose: string): Buffer => createHmac('sha256', master).update(purpose).digest();
  const ledger = { store, clock, signals, telemetry };
  const provider = await place.openProvider({
    clock,
    random,
    accessKey: ({ sessionId, generation }) => derive(`access ${sessionId} ${generation}`).toString('hex'),
  });
  const controller = {
    ...ledger,
    compute: provider,
    access: provider,
    limits,
    budgets,
    pool,
    boxToken: ({ owner, id }: { owner: string; id: string }, generation: number) =>
      makeBoxToken(owner, derive(`box ${owner} ${id} ${generation}`)),
  };
  const api: ApiDeps = {
    ...ledger,
    ...(provider.machines && { machines: provider.machines }),
    ...(place.identify && { identify: place.identify }),
    access: provider,
    random,
    limits,
    quotas: { liveSessions: limits.quotaLiveSessions, workspaces: limits.quotaWorkspaces, snapshotBytes: limits.quotaSnapshotBytes },
    money: { storagePrices: provider.storagePrices, budgets },
    pool: { plan: pool, port: provider.pool },
    config: {
      version: VERSION,
      providerName: provider.name,
      offers: provider.offers,
      isolation: provider.isolation,
      cursorSecret: derive('cursors').toString('hex'),
      ...place.config,
    },
    startedAtMs: clock.now(),
    reap: async (dryRun) => ({ ...(await reap(controller, { dryRun })), sessionsLookedAt: 0 }),
    recover: (dryRun) => recover(controller, { dryRun }),
    checks: () => place.checks(provider, store),
    launcherLogs: (options) => telemetry.logs(options),
    metricsText: () => telemetry.metricsText(),
  };
  return { api, controller, provider, poolKeeper: createPoolKeeper({ ...controller, random }), telemetry };
}
