import { chmodSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, isAbsolute, join, resolve } from 'node:path';
import { DevctlError } from '../contract/errors.ts';
import { reasonOf } from '../contract/system-errors.ts';
import type { Env } from './parse.ts';
import { UsageError } from './usage-error.ts';

/** What lies where in the state folder. The launcher keeps its own things (store, boxes) beside these. */
export interface Home {
  readonly dir: string;
  /** Written by the launcher once it listens. */
  readonly launcherFile: string;
  /** The local token, made by the launcher on its first start. */
  readonly tokenFile: string;
  readonly logDir: string;
  readonly foldersDir: string;
  readonly contextsFile: string;
}

export function homeAt(flag: string | undefined, env: Env): Home {
  const chosen = flag ?? join(env['XDG_DATA_HOME'] || join(env['HOME'] || homedir(), '.local', 'share'), 'devctl');
  if (chosen.includes('\0') || chosen === '') throw new UsageError('--home is not a folder name');
  const dir = isAbsolute(chosen) ? resolve(chosen) : resolve(process.cwd(), chosen);
  return {
    dir,
    launcherFile: join(dir, 'launcher.json'),
    tokenFile: join(dir, 'token'),
    logDir: join(dir, 'log'),
    foldersDir: join(dir, 'folders'),
    contextsFile: join(dir, 'contexts.json'),
  };
}

/** A path as people write it: `~/…` for what is in the home folder. */
export function tilde(path: string, env: Env): string {
  const home = env['HOME'];
  if (!home || home === '/') return path;
  if (path === home) return '~';
  return path.startsWith(`${home}/`) ? `~${path.slice(home.length)}` : path;
}

/**
 * Does something with a file of the state folder. A system error says `what`, why, and what to do.
 * @throws DevctlError disk_full, invalid_request
 */
export function inState<T>(what: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (error instanceof DevctlError) throw error;
    const { code } = error as NodeJS.ErrnoException;
    throw new DevctlError(code === 'ENOSPC' || code === 'EDQUOT' ? 'disk_full' : 'invalid_request', `${what}: ${reasonOf(error)}`, {
      hint: 'give a folder of yours in DEVCTL_HOME',
      cause: error,
    });
  }
}

/** The text of a file of ours; null when it is not there. */
export function readIfThere(path: string): string | null {
  return inState(`${path} cannot be read`, () => {
    try {
      return readFileSync(path, 'utf8');
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'ENOENT' || code === 'ENOTDIR') return null;
      throw error;
    }
  });
}

/** JSON of a file of ours; null when it is missing or damaged: everything kept this way can be made again. */
export function readJson(path: string): unknown {
  const text = readIfThere(path);
  if (text === null) return null;
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return null;
  }
}

/**
 * A folder with all above it, for its owner only. One by one: under a file system that lets nobody make folders, as /proc, the
 * recursive call of Node never comes back.
 */
export function makeFolder(path: string): void {
  inState(`the state folder ${path} cannot be made`, () => {
    try {
      mkdirSync(path, { mode: 0o700 });
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'ENOENT' && !existsSync(dirname(path))) {
        makeFolder(dirname(path));
        makeFolder(path);
      } else if (code !== 'EEXIST') throw error;
      else if (!statSync(path).isDirectory()) throw new Error('a file of that name is there', { cause: error });
    }
  });
}

/** Replaces a file in one step, for its owner only. */
export function writeWhole(path: string, text: string): void {
  makeFolder(dirname(path));
  const next = `${path}.${process.pid}.new`;
  try {
    inState(`${path} cannot be written`, () => {
      writeFileSync(next, text, { mode: 0o600, flag: 'w' });
      chmodSync(next, 0o600);
      renameSync(next, path);
    });
  } catch (error) {
    rmSync(next, { force: true });
    throw error;
  }
}
