import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Home, readJson } from './home.ts';

/** What launcher.json says of the launcher that owns a state folder. */
export interface RunningLauncher {
  url: string;
  pid: number;
  version: string;
  startedAt: string;
}

const STOP_POLL_MS = 25;

/** The command line of a process; null when there is no such process (a zombie has none either). */
function commandLine(pid: number): string | null {
  if (process.platform === 'linux') {
    try {
      return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim() || null;
    } catch {
      return null;
    }
  }
  try {
    const { execFileSync } = process.getBuiltinModule('node:child_process');
    return (
      execFileSync('ps', ['-o', 'command=', '-p', String(pid)], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim() || null
    );
  } catch {
    return null;
  }
}

/** Whether this pid is a launcher, and not a stranger that was given the number after a restart of the machine. */
const isLauncher = (pid: number): boolean => / serve( |$)/.test(commandLine(pid) ?? '');

/** The launcher of a state folder, if it lives. What a dead one left behind is not believed. */
export function findLauncher(home: Home): RunningLauncher | null {
  const found = readJson(home.launcherFile) as Partial<RunningLauncher> | null;
  if (typeof found?.url !== 'string' || !Number.isSafeInteger(found.pid) || (found.pid as number) <= 1) return null;
  if (!isLauncher(found.pid as number)) return null;
  return { url: found.url, pid: found.pid as number, version: String(found.version ?? ''), startedAt: String(found.startedAt ?? '') };
}

/** Asks the launcher to end and waits until it has. False when it has not ended in time. */
export async function stopLauncher(launcher: RunningLauncher, timeoutMs: number): Promise<boolean> {
  try {
    process.kill(launcher.pid, 'SIGTERM');
  } catch {
    return commandLine(launcher.pid) === null;
  }
  for (let waitedMs = 0; waitedMs < timeoutMs; waitedMs += STOP_POLL_MS) {
    if (!isLauncher(launcher.pid)) return true;
    await sleep(STOP_POLL_MS);
  }
  return !isLauncher(launcher.pid);
}
