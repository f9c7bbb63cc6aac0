import { createHmac, randomBytes } from 'node:crypto';
import { createBoxApp } from '../api/app.ts';
import type { ApiDeps } from '../api/deps.ts';
import { DevctlError } from '../contract/errors.ts';
import { makeBoxToken } from '../contract/tokens.ts';
import type { ControllerDeps } from '../controllers/deps.ts';
import { createPoolKeeper, type PoolKeeper } from '../controllers/pool.ts';
import { reap } from '../controllers/reaper.ts';
import { recover } from '../controllers/recover.ts';
import { createSignals, type LocalSignals } from '../controllers/signals.ts';
import { LIMITS, type Limits } from '../core/limits.ts';
import type { Clock, Random } from '../ports/clock.ts';
import type { Provider } from '../ports/provider.ts';
import { openAwsTable, type Table } from '../stores/dynamo/aws.ts';
import { tableChecks } from '../stores/dynamo/doctor.ts';
import { openEmbeddedDynamo, StateFolderInUseError, StateFolderUnusableError, StateFolderVersionError } from '../stores/dynamo/embedded.ts';
import { createDynamoStore } from '../stores/dynamo/store.ts';
import { ensureTable } from '../stores/dynamo/table.ts';
import { createTelemetry, type LauncherTelemetry } from '../telemetry/index.ts';
import { asAwsError } from './aws-errors.ts';
import { embeddedTableCheck, launcherChecks } from './checks.ts';
import type { ServeConfig } from './config.ts';
import type { Ec2Settings } from './ec2-settings.ts';
import { type Home, masterSecret } from './home.ts';
import { PROVIDERS } from './providers.ts';
import { VERSION } from './version.ts';

const TABLE = 'devctl';

/** Everything that one launcher process is made of, wired together and not yet started. */
export interface Parts {
  api: ApiDeps;
  /** `/boxes/*` alone. */
  boxApp: ReturnType<typeof createBoxApp>;
  controller: ControllerDeps & { signals: LocalSignals };
  provider: Provider;
  poolKeeper: PoolKeeper;
  telemetry: LauncherTelemetry;
  /** Removes rows whose keep time is over: DynamoDB does it by itself, the embedded table does not. */
  removeExpired(): Promise<number>;
  /** Lets go of the provider's sockets and closes the table. Boxes live on. */
  close(): Promise<void>;
}

export async function assemble(config: ServeConfig, home: Home): Promise<Parts> {
  const table = await openTable(config, home);
  const clock: Clock = { now: () => Date.now() };
  const random: Random = { bytes: (length) => randomBytes(length) };
  const telemetry = createTelemetry({ dir: home.logDir, clock });
  const store = createDynamoStore({ client: table.client, tableName: table.name, clock, random, telemetry, keepMs: LIMITS.sessionKeepMs });
  const signals = createSignals();
  const master = masterSecret(home);
  const derive = (purpose: string): Buffer => createHmac('sha256', master).update(purpose).digest();
  const ledger = { store, clock, signals, telemetry };

  let boxHandler: (request: Request) => Promise<Response> = async () => new Response(null, { status: 503 });
  const provider = await PROVIDERS[config.provider]({
    config,
    home,
    clock,
    random,
    telemetry,
    boxHandler: (request) => boxHandler(request),
    onBoxGone: (box, owner) => signals.poke({ owner, id: box.sessionId }),
    accessKey: ({ sessionId, generation }) => derive(`access ${sessionId} ${generation}`).toString('hex'),
  });
  const limits = limitsOf(config);
  const controller = {
    ...ledger,
    compute: provider,
    access: provider,
    limits,
    budgets: config.budgets,
    pool: config.pool,
    boxToken: ({ owner, id }: { owner: string; id: string }, generation: number) =>
      makeBoxToken(owner, derive(`box ${owner} ${id} ${generation}`)),
  };
  const api: ApiDeps = {
    ...ledger,
    ...(provider.machines && { machines: provider.machines }),
    access: provider,
    random,
    limits,
    quotas: { liveSessions: LIMITS.quotaLiveSessions, workspaces: LIMITS.quotaWorkspaces, snapshotBytes: LIMITS.quotaSnapshotBytes },
    money: { storagePrices: provider.storagePrices, budgets: config.budgets },
    pool: { plan: config.pool, port: provider.pool },
    config: {
      version: VERSION,
      providerName: provider.name,
      offers: provider.offers,
      isolation: provider.isolation,
      allowedHosts: config.allowedHosts,
      cursorSecret: derive('cursors').toString('hex'),
    },
    startedAtMs: clock.now(),
    reap: async (dryRun) => ({ ...(await reap(controller, { dryRun })), sessionsLookedAt: 0 }),
    recover: (dryRun) => recover(controller, { dryRun }),
    checks: () =>
      launcherChecks(provider, home, () => (config.ec2 === null ? embeddedTableCheck(store) : tableChecks(table.client, table.name))),
    launcherLogs: (options) => telemetry.logs(options),
    metricsText: () => telemetry.metricsText(),
  };
  const boxApp = createBoxApp(api);
  boxHandler = async (request) => boxApp.fetch(request);
  return {
    api,
    boxApp,
    controller,
    provider,
    poolKeeper: createPoolKeeper({ ...controller, random }),
    telemetry,
    removeExpired: () => table.removeExpired(clock.now()),
    async close() {
      await provider.stop();
      await table.close();
      telemetry.close();
    },
  };
}

/** Those that an account may have its own of. */
function limitsOf({ ec2 }: ServeConfig): Limits {
  return {
    ...LIMITS,
    ...(ec2?.bootstrapTimeout !== undefined && { bootstrapMs: ec2.bootstrapTimeout }),
    ...(ec2?.hardLimitGrace !== undefined && { hardGraceMs: ec2.hardLimitGrace }),
  };
}

/** Boxes in an account have their records there, too; those of this machine have them in its state folder. */
const openTable = ({ ec2 }: ServeConfig, home: Home): Promise<Table> => (ec2 === null ? openEmbeddedTable(home) : openTableOf(ec2));

async function openTableOf(settings: Ec2Settings): Promise<Table> {
  try {
    return await openAwsTable(settings);
  } catch (error) {
    throw asAwsError(error, settings);
  }
}

async function openEmbeddedTable(home: Home): Promise<Table> {
  try {
    const table = await openEmbeddedDynamo({ dir: home.tableDir });
    await ensureTable(table.client, TABLE);
    return { ...table, name: TABLE, removeExpired: (nowMs) => table.removeExpired(TABLE, nowMs) };
  } catch (error) {
    if (error instanceof StateFolderInUseError) {
      throw new DevctlError('in_use', error.message, { hint: 'use the launcher that is running: devctl serve --status', cause: error });
    }
    if (error instanceof StateFolderVersionError) {
      throw new DevctlError('invalid_request', error.message, {
        hint: 'update devctl, or give another folder in DEVCTL_HOME',
        cause: error,
      });
    }
    if (error instanceof StateFolderUnusableError)
      throw new DevctlError('unavailable', error.message, { hint: 'see devctl doctor', cause: error });
    throw error;
  }
}
