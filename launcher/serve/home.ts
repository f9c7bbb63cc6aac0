import { randomBytes } from 'node:crypto';
import { chmodSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DevctlError } from '../contract/errors.ts';
import { reasonOf } from '../contract/system-errors.ts';

/** Everything that the launcher keeps on this machine, under one folder of mode 0700. */
export interface Home {
  dir: string;
  /** Folder of the embedded table. */
  tableDir: string;
  /** Boxes, volumes and snapshots of the local provider. */
  boxDir: string;
  logDir: string;
  /** Token of the person who started the launcher, mode 0600. */
  tokenFile: string;
  /** Where the running launcher listens: `{url, pid, version, startedAt}`, mode 0600. */
  runningFile: string;
}

/** Makes the folders that are missing. @throws DevctlError disk_full, invalid_request */
export function openHome(dir: string): Home {
  const home: Home = {
    dir,
    tableDir: join(dir, 'table'),
    boxDir: join(dir, 'local'),
    logDir: join(dir, 'log'),
    tokenFile: join(dir, 'token'),
    runningFile: join(dir, 'launcher.json'),
  };
  try {
    mkdirSync(dir, { recursive: true, mode: 0o700 });
    for (const folder of [home.boxDir, home.logDir]) mkdirSync(folder, { recursive: true, mode: 0o700 });
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === 'ENOSPC') throw new DevctlError('disk_full', `no space for the state folder ${dir}`, { cause: error });
    throw new DevctlError('invalid_request', `the state folder ${dir} cannot be used: ${reasonOf(error)}`, {
      hint: 'give another folder in DEVCTL_HOME',
      cause: error,
    });
  }
  return home;
}

/** Replaces a file as a whole, mode 0600: a reader sees the old or the new one. */
export function writePrivate(file: string, text: string): void {
  const partial = `${file}.${process.pid}.tmp`;
  writeFileSync(partial, text, { mode: 0o600 });
  chmodSync(partial, 0o600);
  renameSync(partial, file);
}

/** 32 random bytes that stay the same for this folder: cursors and box tokens are derived from them. */
export function masterSecret(home: Home): Buffer {
  const file = join(home.dir, 'secret');
  if (!existsSync(file)) writePrivate(file, randomBytes(32).toString('hex'));
  const secret = Buffer.from(readFileSync(file, 'utf8').trim(), 'hex');
  if (secret.length !== 32)
    throw new DevctlError('invalid_request', `${file} is damaged`, { hint: 'remove it: live boxes will be replaced' });
  return secret;
}

export interface Running {
  url: string;
  pid: number;
  version: string;
  startedAt: string;
}

export const writeRunning = (home: Home, running: Running): void => writePrivate(home.runningFile, `${JSON.stringify(running)}\n`);

/** Removes the notice of this process, and of no other. A damaged one is nobody's, and stays for the next start to replace. */
export function clearRunning(home: Home): void {
  if (readRunningPid(home) === process.pid) rmSync(home.runningFile, { force: true });
}

function readRunningPid(home: Home): number | null {
  try {
    return (JSON.parse(readFileSync(home.runningFile, 'utf8')) as Running).pid;
  } catch {
    // Not there, or damaged: it does not name this process.
    return null;
  }
}

/** Bytes that an ordinary user may still write under the folder. */
export function freeBytes(dir: string): number {
  const { bavail, bsize } = statfsSync(dir);
  return bavail * bsize;
}
