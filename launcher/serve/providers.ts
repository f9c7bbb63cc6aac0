import { dirname, join } from 'node:path';
import { DevctlError } from '../contract/errors.ts';
import { LIMITS } from '../core/limits.ts';
import type { Clock, Random } from '../ports/clock.ts';
import { type BoxRef, ComputeError } from '../ports/compute.ts';
import type { Provider } from '../ports/provider.ts';
import type { Telemetry } from '../ports/telemetry.ts';
import { createLocalProvider } from '../providers/local/index.ts';
import type { ServeConfig } from './config.ts';
import type { Home } from './home.ts';

export interface ProviderDeps {
  config: ServeConfig;
  home: Home;
  clock: Clock;
  random: Random;
  telemetry: Telemetry;
  /** Serves `/boxes/*` of one box. */
  boxHandler: (request: Request) => Promise<Response>;
  /** A box has just gone: a hint to look at its session now. */
  onBoxGone: (box: BoxRef, owner: string) => void;
}

/** Every provider that `serve --provider` can name: one without its maker does not compile. */
export const PROVIDERS: { readonly [Name in ServeConfig['provider']]: (deps: ProviderDeps) => Promise<Provider> } = {
  local: openLocal,
};

/** @throws DevctlError unsupported when boxes cannot be kept in on this machine */
async function openLocal({ config, home, ...deps }: ProviderDeps): Promise<Provider> {
  try {
    return await createLocalProvider({
      ...deps,
      stateDir: home.boxDir,
      agentBundlePath: join(dirname(process.argv[1] ?? '.'), 'agent.cjs'),
      isolation: config.isolation,
      extraReadOnlyPaths: config.readOnlyPaths,
      limits: {
        archiveBytes: LIMITS.uploadBytes,
        archiveFiles: LIMITS.uploadFiles,
        archiveRatio: LIMITS.uploadRatio,
        archiveRatioFloorBytes: LIMITS.uploadRatioFloorBytes,
        stopGraceMs: LIMITS.stopGraceMs,
        orphanLimitMs: LIMITS.orphanGraceMs,
      },
      quiesceTimeoutMs: LIMITS.quiesceMs,
    });
  } catch (error) {
    if (error instanceof ComputeError && error.kind === 'fatal')
      throw new DevctlError('unsupported', error.message, { hint: 'see devctl doctor', cause: error });
    throw error;
  }
}
