import { chmodSync, existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import type { BoxConfig, BoxLimits } from '../../contract/agent-config.ts';
import { BOX_PATHS } from '../../contract/agent-config.ts';
import type { LaunchRequest } from '../../ports/compute.ts';
import { writeEtc } from './etc.ts';
import { hostMounts, systemPath } from './host-view.ts';
import type { Isolation } from './isolation.ts';
import type { BoxPaths } from './layout.ts';
import type { Mount, SandboxSpec } from './sandbox-spec.ts';

const AGENT_DIR = '/opt/devctl';

export interface BoxSpecOptions {
  isolation: Isolation;
  agentBundlePath: string;
  /** Folder `@lydell` of node-pty and its binary. */
  nodePtyDir: string | null;
  extraReadOnlyPaths: readonly string[];
  limits: BoxLimits;
  processLimit: number | null;
}

/** Writes the files that a box needs from outside and says how it is built. May be repeated. */
export function prepareBox(options: BoxSpecOptions, request: LaunchRequest, boxId: string, paths: BoxPaths, tree: string): SandboxSpec {
  const { isolation } = options;
  const plain = isolation.name === 'none';
  for (const folder of [paths.run, paths.agentRun, paths.files]) mkdirSync(folder, { recursive: true, mode: 0o755 });
  // Whatever the umask of the launcher is: the box's user passes it.
  chmodSync(paths.run, 0o755);
  if (plain) writeFileSync(paths.plain, '');
  const env = boxEnv(plain ? tree : BOX_PATHS.workspace, boxId, request);
  const config: BoxConfig = {
    boxId,
    sessionId: request.tags.sessionId,
    generation: request.tags.generation,
    paths: plain ? { workspace: tree, run: paths.run } : { workspace: BOX_PATHS.workspace, run: BOX_PATHS.run },
    user: null,
    processScope: plain ? 'marker' : 'namespace',
    env,
    limits: options.limits,
  };
  writeFiles(paths, isolation, config, request.tags.workspace);
  const agent = plain ? options.agentBundlePath : `${AGENT_DIR}/agent.cjs`;
  return {
    mounts: plain ? [] : boxMounts(options, paths, tree),
    // What the agent itself runs, git for instance, never comes from a folder that the box can write.
    env: { ...env, PATH: systemPath() },
    hostname: request.tags.workspace,
    network: request.network,
    identity: isolation.identity,
    command: [process.execPath, agent, plain ? join(paths.files, 'box.json') : `${AGENT_DIR}/box.json`],
    cwd: '/',
    processLimit: options.processLimit,
  };
}

function boxEnv(workspace: string, boxId: string, request: LaunchRequest): Record<string, string> {
  const home = join(workspace, 'home');
  const cache = join(workspace, 'cache');
  return {
    PATH: `${home}/.local/bin:${systemPath()}`,
    HOME: home,
    USER: 'dev',
    LOGNAME: 'dev',
    SHELL: '/bin/bash',
    LANG: 'C.UTF-8',
    TERM: 'dumb',
    XDG_CACHE_HOME: cache,
    npm_config_cache: `${cache}/npm`,
    PIP_CACHE_DIR: `${cache}/pip`,
    // Tells a program that it is in a box, and in which: not one of devctl's own DEVCTL_* settings.
    IN_DEVCTL_BOX: boxId,
    IN_DEVCTL_WORKSPACE: request.tags.workspace,
  };
}

function writeFiles(paths: BoxPaths, isolation: Isolation, config: BoxConfig, hostname: string): void {
  const file = join(paths.files, 'box.json');
  writeFileSync(file, JSON.stringify(config));
  // Whatever the umask of the launcher is: the box's user reads it.
  chmodSync(file, 0o644);
  if (isolation.name !== 'none') writeEtc(join(paths.files, 'etc'), isolation.identity, hostname);
}

function boxMounts(options: BoxSpecOptions, paths: BoxPaths, tree: string): Mount[] {
  return [
    // Empty: a launcher that runs in the box lays the root of its own boxes over it.
    { kind: 'tmpfs', to: '/sys', mode: 0o555 },
    { kind: 'tmpfs', to: '/tmp', mode: 0o1777 },
    { kind: 'tmpfs', to: '/var/tmp', mode: 0o1777 },
    { kind: 'tmpfs', to: '/run', mode: 0o755 },
    { kind: 'link', target: '../run', to: '/var/run' },
    ...hostMounts(process.execPath, options.extraReadOnlyPaths),
    { kind: 'ro', from: join(paths.files, 'etc'), to: '/etc' },
    { kind: 'ro', from: options.agentBundlePath, to: `${AGENT_DIR}/agent.cjs` },
    ...(options.nodePtyDir ? [{ kind: 'ro', from: options.nodePtyDir, to: `${AGENT_DIR}/node_modules/@lydell` } as const] : []),
    { kind: 'ro', from: join(paths.files, 'box.json'), to: `${AGENT_DIR}/box.json` },
    { kind: 'rw', from: tree, to: BOX_PATHS.workspace },
    { kind: 'ro', from: paths.run, to: BOX_PATHS.run },
    // What is written there counts as memory of the box, and goes with it.
    { kind: 'tmpfs', to: dirname(BOX_PATHS.agentSocket), mode: 0o1777 },
  ];
}

/** Folder `@lydell` that belongs to an agent bundle; null when terminals cannot be had. */
export function findNodePty(agentBundlePath: string): string | null {
  try {
    const found = dirname(dirname(createRequire(agentBundlePath).resolve('@lydell/node-pty')));
    return existsSync(found) ? found : null;
  } catch {
    // Not installed on this platform: everything but terminals works.
    return null;
  }
}
