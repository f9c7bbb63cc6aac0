import { dirname, join } from 'node:path';
import { DevctlError } from '../contract/errors.ts';
import { isPoolWanted } from '../contract/pool.ts';
import { BOX_LIMITS, LIMITS } from '../core/limits.ts';
import { type BoxRef, ComputeError } from '../ports/compute.ts';
import type { Provider } from '../ports/provider.ts';
import type { Telemetry } from '../ports/telemetry.ts';
import { createLocalProvider } from '../providers/local/index.ts';
import type { ServeConfig } from './config.ts';
import type { Home } from './home.ts';
import type { ForProvider } from './parts.ts';

export interface ProviderDeps extends ForProvider {
  config: ServeConfig;
  home: Home;
  telemetry: Telemetry;
  /** Serves `/boxes/*` of one box. */
  boxHandler: (request: Request) => Promise<Response>;
  /** A box has just gone: a hint to look at its session now. */
  onBoxGone: (box: BoxRef, owner: string) => void;
}

/** Every provider that `serve --provider` can name: one without its maker does not compile. */
export const PROVIDERS: { readonly [Name in ServeConfig['provider']]: (deps: ProviderDeps) => Promise<Provider> } = {
  local: openLocal,
  ec2: openInAccount,
};

/** The SDK is large: it is loaded only here. */
async function openInAccount(deps: ProviderDeps): Promise<Provider> {
  const { ec2: settings } = deps.config;
  if (settings === null) throw new DevctlError('invalid_request', 'the provider ec2 has no settings');
  const { openEc2 } = await import('./ec2.ts');
  return openEc2(deps, settings);
}

/** @throws DevctlError unsupported when boxes cannot be kept in on this machine */
async function openLocal({ config, home, ...deps }: ProviderDeps): Promise<Provider> {
  if (isPoolWanted(config.pool))
    throw new DevctlError('unsupported', 'pool: the local provider keeps no boxes in reserve, and starts one in less than a second', {
      hint: 'leave out --pool and --pool-schedule (DEVCTL_POOL, DEVCTL_POOL_SCHEDULE)',
    });
  try {
    return await createLocalProvider({
      ...deps,
      stateDir: home.boxDir,
      agentBundlePath: join(dirname(process.argv[1] ?? '.'), 'agent.cjs'),
      isolation: config.isolation,
      extraReadOnlyPaths: config.readOnlyPaths,
      limits: BOX_LIMITS,
      quiesceTimeoutMs: LIMITS.quiesceMs,
    });
  } catch (error) {
    if (error instanceof ComputeError && error.kind === 'fatal')
      throw new DevctlError('unsupported', error.message, { hint: 'see devctl doctor', cause: error });
    throw error;
  }
}
