import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { promisify } from 'node:util';
import { ComputeError } from '../../ports/compute.ts';
import { bubblewrapArgv } from './bubblewrap.ts';
import { hostMounts, systemPath } from './host-view.ts';
import { DROPPED_UID, MAPPED_UID, type SandboxIdentity, type SandboxSpec } from './sandbox-spec.ts';
import { unshareArgv } from './unshare.ts';

const run = promisify(execFile);
const PROBE_TIMEOUT_MS = 10_000;

export type IsolationName = 'bubblewrap' | 'unshare' | 'none';
export type IsolationChoice = IsolationName | 'auto';

/** How boxes are kept in on this machine. */
export interface Isolation {
  name: IsolationName;
  identity: SandboxIdentity;
  argv(spec: SandboxSpec): string[];
}

/**
 * The strongest isolation that really works here: each candidate builds a sandbox once before it is taken.
 * @throws ComputeError fatal, with what to install, when none does; plain processes are only taken when asked for by name
 */
export async function chooseIsolation(choice: IsolationChoice, isRoot: boolean): Promise<Isolation> {
  const identity: SandboxIdentity = isRoot
    ? { kind: 'drop', uid: DROPPED_UID, gid: DROPPED_UID }
    : { kind: 'map', uid: MAPPED_UID, gid: MAPPED_UID };
  if (choice === 'none') return { name: 'none', identity, argv: (spec) => spec.command };
  const reasons: string[] = [];
  for (const name of choice === 'auto' ? (['bubblewrap', 'unshare'] as const) : [choice]) {
    const found = candidate(name, identity);
    const problem = found ? await probe(found) : 'not installed';
    if (found && problem === null) return found;
    reasons.push(`${name}: ${problem}`);
  }
  throw new ComputeError(
    'fatal',
    `boxes cannot be isolated here (${reasons.join('; ')}). Install bubblewrap (apt install bubblewrap, dnf install bubblewrap), ` +
      'allow unprivileged user namespaces, or choose isolation "none" to run boxes as plain processes with no protection',
  );
}

function candidate(name: 'bubblewrap' | 'unshare', identity: SandboxIdentity): Isolation | null {
  const tools = name === 'bubblewrap' ? ['bwrap', 'setpriv'] : ['unshare', 'setpriv', 'mount', 'umount', 'pivot_root', 'sh'];
  const found = tools.map(findTool);
  if (process.platform !== 'linux' || found.some((tool) => tool === null)) return null;
  const first = found[0] as string;
  return { name, identity, argv: (spec) => (name === 'bubblewrap' ? bubblewrapArgv(first, spec) : unshareArgv(first, spec)) };
}

/** Absolute path of a program of the system, not of whatever PATH says. */
export function findTool(name: string): string | null {
  const folders = ['/usr/bin', '/usr/sbin', '/bin', '/sbin', '/usr/local/bin', '/run/current-system/sw/bin'];
  return folders.map((folder) => `${folder}/${name}`).find((path) => existsSync(path)) ?? null;
}

/** Builds a sandbox that does nothing. @returns what went wrong, or null */
async function probe(isolation: Isolation): Promise<string | null> {
  const spec: SandboxSpec = {
    mounts: [...hostMounts(process.execPath, []), { kind: 'tmpfs', to: '/tmp', mode: 0o1777 }],
    env: {},
    hostname: 'probe',
    network: true,
    identity: isolation.identity,
    command: ['/usr/bin/env', 'true'],
    cwd: '/',
    processLimit: null,
  };
  const [program, ...args] = isolation.argv(spec);
  try {
    await run(program as string, args, { timeout: PROBE_TIMEOUT_MS, env: { PATH: systemPath() } });
    return null;
  } catch (error) {
    const { stderr, message } = error as Error & { stderr?: string };
    return (stderr || message).trim().split('\n').at(-1) ?? 'failed';
  }
}
