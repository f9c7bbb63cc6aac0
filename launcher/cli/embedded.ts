import type { ChildProcess } from 'node:child_process';
import { closeSync, existsSync, fstatSync, openSync, readSync, realpathSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { DevctlError, type Problem } from '../contract/errors.ts';
import { type Home, inState, makeFolder, readIfThere } from './home.ts';
import { findLauncher, type RunningLauncher, stopLauncher } from './launcher-process.ts';
import type { Env } from './parse.ts';
import { VERSION } from './version.ts';

const START_MS = 30_000;
const STOP_MS = 20_000;
const POLL_MS = 25;
const ERROR_TAIL_BYTES = 64 * 1024;

export interface StartOptions {
  env: Env;
  isolation: string | undefined;
  readOnlyPaths: readonly string[];
  /** Told when a launcher of another version is replaced. */
  say: (line: string) => void;
}

/** The launcher's bundle lies beside that of this program. */
export function launcherBundle(): string {
  const own = realpathSync(process.argv[1] ?? '.');
  const bundle = join(dirname(own), 'launcher.cjs');
  if (existsSync(bundle)) return bundle;
  throw new DevctlError('unavailable', `${bundle} is missing`, { hint: 'build it with npm run build, or install devctl again' });
}

/** The launcher gets the settings, and neither the token nor the address of another launcher. */
export function launcherEnv(env: Env): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(env).filter(([name]) => !name.startsWith('DEVCTL_')));
}

/** The launcher of this state folder, started in the background if none runs. `started` says whether this call did it. */
export async function ensureLauncher(home: Home, options: StartOptions): Promise<{ launcher: RunningLauncher; started: boolean }> {
  const found = findLauncher(home);
  if (found && found.version === VERSION) return { launcher: found, started: false };
  if (found) {
    options.say(`a launcher of version ${found.version} is running and this is ${VERSION}: it is restarted (boxes go on)`);
    if (!(await stopLauncher(found, STOP_MS))) {
      throw new DevctlError('unavailable', `the launcher of version ${found.version} (process ${found.pid}) does not end`, {
        hint: 'see devctl logs --launcher; end it yourself and run this again',
      });
    }
  }
  return startLauncher(home, options);
}

async function startLauncher(home: Home, options: StartOptions): Promise<{ launcher: RunningLauncher; started: boolean }> {
  const { spawn } = await import('node:child_process');
  makeFolder(home.logDir);
  const errorsPath = join(home.logDir, 'launcher.stderr.log');
  const errors = inState(`${errorsPath} cannot be written`, () => openSync(errorsPath, 'a+', 0o600));
  const from = fstatSync(errors).size;
  const args = ['serve', '--home', home.dir, '--port', '0', '--host', '127.0.0.1', '--provider', 'local'];
  args.push('--isolation', options.isolation ?? 'auto', ...options.readOnlyPaths.flatMap((path) => ['--read-only-path', resolve(path)]));
  const child = spawn(process.execPath, [launcherBundle(), ...args, '--detached-by-cli'], {
    cwd: '/',
    detached: true,
    env: launcherEnv(options.env),
    stdio: ['ignore', 'pipe', errors],
  });
  try {
    const outcome = await Promise.race([firstLine(child), exited(child), sleep(START_MS, 'late' as const, { ref: false })]);
    if (outcome === 'late') {
      child.kill('SIGKILL');
      throw new DevctlError('timeout', `the embedded launcher did not come up in ${START_MS / 1000} s`, {
        hint: `see ${errorsPath}, and devctl doctor`,
      });
    }
    const failure = outcome === 'exited' ? startFailure(tailFrom(errors, from), errorsPath) : null;
    // Another command was quicker: its launcher has the state folder.
    if (failure && failure.code !== 'in_use') throw failure;
    const launcher = await appeared(home, failure ? undefined : child.pid);
    if (launcher) return { launcher, started: launcher.pid === child.pid };
    throw failure ?? new DevctlError('unavailable', 'the embedded launcher does not say where it listens', { hint: `see ${errorsPath}` });
  } finally {
    closeSync(errors);
    child.stdout?.destroy();
    child.unref();
  }
}

function firstLine(child: ChildProcess): Promise<'listening'> {
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.stdout?.once('data', () => resolve('listening'));
  });
}

const exited = (child: ChildProcess): Promise<'exited'> => new Promise((resolve) => child.once('exit', () => resolve('exited')));

/**
 * Waits for launcher.json. When two commands start a launcher at the same time one of them is refused the state folder, and
 * its command uses the other's, which may need a moment more.
 */
async function appeared(home: Home, pid: number | undefined): Promise<RunningLauncher | null> {
  const limitMs = pid === undefined ? 3_000 : 5_000;
  for (let waitedMs = 0; ; waitedMs += POLL_MS) {
    const launcher = findLauncher(home);
    if (launcher && (pid === undefined || launcher.pid === pid)) return launcher;
    if (waitedMs >= limitMs) return null;
    await sleep(POLL_MS);
  }
}

function tailFrom(file: number, from: number): string {
  const length = Math.min(ERROR_TAIL_BYTES, Math.max(0, fstatSync(file).size - from));
  const bytes = Buffer.alloc(length);
  return bytes.subarray(0, readSync(file, bytes, 0, length, from)).toString('utf8');
}

/** What a launcher that could not start wrote: its own problem line if there is one. */
export function startFailure(text: string, logPath: string): DevctlError {
  const lines = text.split('\n').filter((line) => line.trim() !== '');
  for (const line of lines.toReversed()) {
    const problem = problemOfLine(line);
    if (problem) return DevctlError.fromProblem(problem);
  }
  return new DevctlError('unavailable', `the embedded launcher ended at once: ${lines.at(-1) ?? 'it wrote nothing'}`, {
    hint: `see ${logPath}`,
  });
}

export function problemOfLine(line: string): Problem | null {
  if (!line.startsWith('{')) return null;
  try {
    const { error } = JSON.parse(line) as { error?: Problem };
    return error && typeof error === 'object' && typeof error.code === 'string' ? error : null;
  } catch {
    return null;
  }
}

/** The token that the launcher made for the owner of the state folder. */
export function localToken(home: Home): string | undefined {
  return readIfThere(home.tokenFile)?.trim() || undefined;
}

/** Whether anything was ever kept in this state folder: if not, there is nothing that a launcher could tell. */
export const hasState = (home: Home): boolean => existsSync(home.tokenFile);
