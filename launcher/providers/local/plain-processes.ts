import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';

/** Kills every process that was started in a plain box: they carry its id in their environment. @returns how many there were */
export function killMarked(boxId: string): number {
  const pids =
    process.platform === 'linux'
      ? markedOnLinux(boxId)
      : markedByPs(boxId, execFileSync('ps', ['-axEww', '-o', 'pid=,command=']).toString());
  for (const pid of pids) {
    try {
      process.kill(pid, 'SIGKILL');
    } catch {
      // Gone meanwhile.
    }
  }
  return pids.length;
}

function markedOnLinux(boxId: string): number[] {
  const marker = `IN_DEVCTL_BOX=${boxId}\0`;
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((name) => {
      try {
        return readFileSync(`/proc/${name}/environ`).includes(marker);
      } catch {
        // Gone, or of another user: not ours.
        return false;
      }
    })
    .map(Number);
}

/** Lines of `ps -E`, which shows the environment after the command. */
export const markedByPs = (boxId: string, text: string): number[] =>
  text
    .split('\n')
    .filter((line) => ` ${line} `.includes(` IN_DEVCTL_BOX=${boxId} `))
    .map((line) => Number.parseInt(line, 10))
    .filter((pid) => pid > 1 && pid !== process.pid);
