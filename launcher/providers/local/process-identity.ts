import { readFileSync, readlinkSync } from 'node:fs';

/** A process that cannot be taken for another one with the same number: its start in clock ticks since this boot, and the boot. */
export interface ProcessIdentity {
  pid: number;
  startTicks: string;
  bootId: string;
}

/** Id of this boot of the kernel; the empty text where there is none. */
export const currentBootId = (): string => readOrNull('/proc/sys/kernel/random/boot_id')?.trim() ?? '';

/** Reads a line of `/proc/<pid>/stat`. Null when it is not whole. */
export function identityFromStat(text: string, bootId: string): (ProcessIdentity & { state: string; ppid: number }) | null {
  const close = text.lastIndexOf(')');
  const fields = text
    .slice(close + 2)
    .trim()
    .split(' ');
  const pid = Number.parseInt(text, 10);
  const startTicks = fields[19];
  if (close < 0 || !Number.isInteger(pid) || startTicks === undefined) return null;
  return { pid, startTicks, bootId, state: fields[0] ?? '', ppid: Number(fields[1]) };
}

/** The process with this number now; null when there is none, or it has ended and only waits for its parent. */
export function identify(pid: number): (ProcessIdentity & { ppid: number }) | null {
  const text = readOrNull(`/proc/${pid}/stat`);
  const found = text === null ? null : identityFromStat(text, currentBootId());
  return found && found.state !== 'Z' && found.state !== 'X' ? found : null;
}

/** Whether that very process still runs. */
export function isAlive(identity: ProcessIdentity): boolean {
  const found = identify(identity.pid);
  return found !== null && found.startTicks === identity.startTicks && found.bootId === identity.bootId;
}

/** Children of a process, by the kernel's word. */
export function childrenOf(pid: number): number[] {
  const text = readOrNull(`/proc/${pid}/task/${pid}/children`) ?? '';
  return text.trim() === '' ? [] : text.trim().split(' ').map(Number);
}

/** Whether a process lives in another PID namespace than this one. False when that cannot be told. */
export function hasOwnPidNamespace(pid: number): boolean {
  try {
    return readlinkSync(`/proc/${pid}/ns/pid`) !== readlinkSync('/proc/self/ns/pid');
  } catch {
    // Gone meanwhile.
    return false;
  }
}

/** Kills that very process. False when it was gone. */
export function kill(identity: ProcessIdentity, signal: NodeJS.Signals = 'SIGKILL'): boolean {
  if (!isAlive(identity)) return false;
  try {
    process.kill(identity.pid, signal);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false;
    throw error;
  }
}

function readOrNull(path: string): string | null {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    // Gone, or not ours to see: both mean that nothing can be said of it.
    return null;
  }
}
