import { statSync } from 'node:fs';
import type { ProcStat } from './proc-parse.ts';

/** Numbers of the kernel's kinds of terminals. Source: Linux, admin-guide/devices.txt. */
const CONSOLE_MAJOR = 4;
const SERIAL_FROM_MINOR = 64;
const PTS_MAJOR = 136;
const PTS_MAJORS = 8;
const PTS_PER_MAJOR = 256;
/** How far up a terminal's ancestors are looked through for who let somebody in. */
const ANCESTORS_MAX = 20;
const DOORS: Readonly<Record<string, string>> = {
  'ssm-session-wor': 'Session Manager',
  sshd: 'ssh',
  'sshd-session': 'ssh',
  login: 'the console',
  'tmux: server': 'tmux',
  screen: 'screen',
};

/** The device of a terminal by its number in /proc/<pid>/stat; null for one of a kind that nobody types at. */
export function terminalPath(tty: number): string | null {
  const major = (tty >> 8) & 0xfff;
  const minor = (tty & 0xff) | ((tty >>> 12) & 0xfff00);
  if (major >= PTS_MAJOR && major < PTS_MAJOR + PTS_MAJORS) return `/dev/pts/${(major - PTS_MAJOR) * PTS_PER_MAJOR + minor}`;
  if (major !== CONSOLE_MAJOR || minor === 0) return null;
  return minor < SERIAL_FROM_MINOR ? `/dev/tty${minor}` : `/dev/ttyS${minor - SERIAL_FROM_MINOR}`;
}

/** Who let somebody in to a terminal, by the ancestors of its processes. */
export function doorOf(leader: ProcStat, byPid: ReadonlyMap<number, ProcStat>): string {
  let stat: ProcStat | undefined = leader;
  for (let level = 0; stat !== undefined && level < ANCESTORS_MAX; level += 1) {
    const door = DOORS[stat.comm];
    if (door !== undefined) return door;
    stat = byPid.get(stat.ppid);
  }
  return 'elsewhere';
}

/**
 * Sees that somebody types at a terminal, whoever opened it. The kernel notes when a program last read from one, to some eight seconds;
 * that is what `w` shows as idle time. Sessions of logind that have a terminal are among them.
 */
export class Terminals {
  #readAtMs: Map<string, number> | null = null;

  /** @param left terminals that are known already @returns in words, who has typed since the last look; null: nobody */
  look(all: readonly ProcStat[], left: ReadonlySet<number>): string | null {
    const leaders = new Map<string, ProcStat>();
    for (const stat of all) {
      const path = stat.tty === 0 || left.has(stat.tty) ? null : terminalPath(stat.tty);
      if (path !== null && (stat.pid === stat.session || !leaders.has(path))) leaders.set(path, stat);
    }
    const before = this.#readAtMs;
    const now = new Map<string, number>();
    for (const path of leaders.keys()) now.set(path, readAtMs(path));
    this.#readAtMs = now;
    // What was typed before the first look may be long ago; a terminal that is new since then was opened by somebody.
    const found = [...now].find(([path, atMs]) => before !== null && atMs > (before.get(path) ?? 0));
    if (found === undefined) return null;
    const [path] = found;
    const byPid = new Map(all.map((stat) => [stat.pid, stat]));
    return `${path.slice('/dev/'.length)}, by ${doorOf(leaders.get(path) as ProcStat, byPid)}`;
  }
}

function readAtMs(path: string): number {
  // It may have gone with its session.
  return statSync(path, { throwIfNoEntry: false })?.atimeMs ?? 0;
}
