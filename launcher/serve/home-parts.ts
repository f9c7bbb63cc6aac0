import { createBoxApp } from '../api/app.ts';
import { DevctlError } from '../contract/errors.ts';
import { createSignals, type LocalSignals } from '../controllers/signals.ts';
import { LIMITS, type Limits } from '../core/limits.ts';
import { openAwsTable, type Table } from '../stores/dynamo/aws.ts';
import { tableChecks } from '../stores/dynamo/doctor.ts';
import { openEmbeddedDynamo, StateFolderInUseError, StateFolderUnusableError, StateFolderVersionError } from '../stores/dynamo/embedded.ts';
import { ensureTable } from '../stores/dynamo/table.ts';
import { createTelemetry } from '../telemetry/index.ts';
import { asAwsError } from './aws-errors.ts';
import { embeddedTableCheck, launcherChecks } from './checks.ts';
import type { ServeConfig } from './config.ts';
import type { Ec2Settings } from './ec2-settings.ts';
import { type Home, masterSecret } from './home.ts';
import { assemble, type Parts } from './parts.ts';
import { PROVIDERS } from './providers.ts';

const TABLE = 'devctl';

/** Everything that one launcher process is made of, wired together and not yet started. */
export interface HomeParts extends Parts<LocalSignals> {
  /** `/boxes/*` alone. */
  boxApp: ReturnType<typeof createBoxApp>;
  /** Removes rows whose keep time is over: DynamoDB does it by itself, the embedded table does not. */
  removeExpired(): Promise<number>;
  /** Lets go of the provider's sockets and closes the table. Boxes live on. */
  close(): Promise<void>;
}

/** A launcher with a home folder: its secret, its log and, without an account, its table are there. */
export async function assembleAtHome(config: ServeConfig, home: Home): Promise<HomeParts> {
  const table = await openTable(config, home);
  const clock = { now: () => Date.now() };
  const telemetry = createTelemetry({ dir: home.logDir, clock });
  const signals = createSignals();
  let boxHandler: (request: Request) => Promise<Response> = async () => new Response(null, { status: 503 });
  const parts = await assemble({
    table,
    telemetry,
    signals,
    clock,
    master: masterSecret(home),
    limits: limitsOf(config),
    budgets: config.budgets,
    pool: config.pool,
    config: { allowedHosts: config.allowedHosts },
    openProvider: (deps) =>
      PROVIDERS[config.provider]({
        ...deps,
        config,
        home,
        telemetry,
        boxHandler: (request) => boxHandler(request),
        onBoxGone: (box, owner) => signals.poke({ owner, id: box.sessionId }),
      }),
    checks: (provider, store) =>
      launcherChecks(provider, home, () => (config.ec2 === null ? embeddedTableCheck(store) : tableChecks(table.client, table.name))),
  });
  const boxApp = createBoxApp(parts.api);
  boxHandler = async (request) => boxApp.fetch(request);
  return {
    ...parts,
    boxApp,
    removeExpired: () => table.removeExpired(clock.now()),
    async close() {
      await parts.provider.stop();
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
