import { parseArgs } from 'node:util';
import { DevctlError } from '../contract/errors.ts';
import { sizeSchema } from '../contract/fields.ts';
import { POOL_MAX, POOL_WINDOWS_MAX, type PoolPlan, parsePoolSize, parsePoolWindow } from '../contract/pool.ts';
import { parseUsd } from '../contract/units.ts';
import { type Ec2Settings, readEc2Settings } from './ec2-settings.ts';

export interface ServeConfig {
  /** State folder: DEVCTL_HOME. */
  home: string;
  host: string;
  /** 0: any free one. */
  port: number;
  provider: 'local' | 'ec2';
  /** What the provider has to know: null for `local`. */
  ec2: Ec2Settings | null;
  isolation: 'auto' | 'bubblewrap' | 'unshare' | 'none';
  /** Names, with port where it is not the listening one, that a Host header may have besides the listening address. */
  allowedHosts: string[];
  owner: string;
  /** Host folders that boxes may read, besides the system's own. */
  readOnlyPaths: string[];
  /** Micro-dollars a month; null: none. */
  budgets: { ownerMicroUsd: number | null; deploymentMicroUsd: number | null };
  /** Boxes that are kept in reserve. */
  pool: PoolPlan;
  /** One pass of the reaper, then exit. */
  reapOnce: boolean;
  dryRun: boolean;
}

const ISOLATIONS = ['auto', 'bubblewrap', 'unshare', 'none'] as const;

const refuse = (field: string, got: string, message: string): DevctlError =>
  new DevctlError('invalid_request', `${field} "${got}" ${message}`, { issues: [{ field, got, message }] });

function oneOf<T extends string>(field: string, got: string, allowed: readonly T[]): T {
  const found = allowed.find((value) => value === got);
  if (found === undefined) throw refuse(field, got, `is not one of ${allowed.join(', ')}`);
  return found;
}

/**
 * Reads the arguments of the launcher process. The CLI has looked at the flags that people write; what arrives here is
 * checked again, since a service manager may start the launcher too.
 * @throws DevctlError invalid_request, with the field
 */
export function parseServeArgs(argv: string[], env: Record<string, string | undefined>): ServeConfig {
  const { values } = parseArgs({
    args: argv.filter((argument) => argument !== 'serve'),
    options: {
      home: { type: 'string' },
      host: { type: 'string', default: '127.0.0.1' },
      port: { type: 'string', default: '0' },
      provider: { type: 'string', default: 'local' },
      config: { type: 'string' },
      isolation: { type: 'string', default: 'auto' },
      'allowed-host': { type: 'string', multiple: true, default: [] },
      'read-only-path': { type: 'string', multiple: true, default: [] },
      budget: { type: 'string' },
      'owner-budget': { type: 'string' },
      pool: { type: 'string', default: '0' },
      'pool-schedule': { type: 'string', multiple: true, default: [] },
      'pool-class': { type: 'string', default: 'medium' },
      owner: { type: 'string' },
      reap: { type: 'boolean', default: false },
      'dry-run': { type: 'boolean', default: false },
      'detached-by-cli': { type: 'boolean', default: false },
    },
    strict: true,
  });
  if (values.home === undefined || !values.home.startsWith('/')) throw refuse('home', values.home ?? '', 'must be an absolute folder');
  const port = Number(values.port);
  if (!/^\d{1,5}$/.test(values.port) || port > 65_535) throw refuse('port', values.port, 'is not a port (0 … 65535)');
  const provider = oneOf('provider', values.provider, ['local', 'ec2'] as const);
  return {
    home: values.home,
    host: values.host,
    port,
    provider,
    ec2: provider === 'ec2' ? ec2SettingsOf(values.config) : null,
    isolation: oneOf('isolation', values.isolation, ISOLATIONS),
    allowedHosts: values['allowed-host'],
    owner: values.owner ?? ownerOf(env),
    readOnlyPaths: values['read-only-path'],
    budgets: {
      ownerMicroUsd: budgetOf('owner-budget', values['owner-budget']),
      deploymentMicroUsd: budgetOf('budget', values.budget),
    },
    pool: poolOf(values),
    reapOnce: values.reap,
    dryRun: values['dry-run'],
  };
}

function ec2SettingsOf(path: string | undefined): Ec2Settings {
  if (path !== undefined) return readEc2Settings(path);
  throw new DevctlError('invalid_request', '--provider ec2 needs --config FILE: what there is in the account', {
    hint: 'see docs/EC2.md for an example',
  });
}

function budgetOf(field: string, text: string | undefined): number | null {
  if (text === undefined) return null;
  const microUsd = parseUsd(text);
  if (microUsd === null) throw refuse(field, text, 'is not an amount of dollars');
  return microUsd;
}

function poolOf(values: { pool: string; 'pool-schedule': string[]; 'pool-class': string }): PoolPlan {
  const base = parsePoolSize(values.pool);
  if (base === null) throw refuse('pool', values.pool, `is not a number of boxes (0 … ${POOL_MAX})`);
  const texts = values['pool-schedule'];
  if (texts.length > POOL_WINDOWS_MAX) throw refuse('pool-schedule', String(texts.length), `are more than ${POOL_WINDOWS_MAX} windows`);
  const windows = texts.map((text) => {
    const window = parsePoolWindow(text);
    if (typeof window === 'string') throw refuse('pool-schedule', text, window);
    return window;
  });
  return { base, windows, boxSize: oneOf('pool-class', values['pool-class'], sizeSchema.options) };
}

/** Owner of the first token: the name of the person who started the launcher, where it can be one. */
function ownerOf(env: Record<string, string | undefined>): string {
  const name = env['USER'] ?? env['LOGNAME'] ?? '';
  return /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/.test(name) ? name : 'dev';
}
