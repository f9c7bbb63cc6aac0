/** Pure readers of the kernel's text files under /proc. */

export interface ProcStat {
  pid: number;
  comm: string;
  state: string;
  ppid: number;
  pgrp: number;
  session: number;
  /** Number of its terminal, as the kernel puts a device's two numbers together; 0 when it has none. */
  tty: number;
  /** Foreground process group of its terminal; -1 when it has none. */
  tpgid: number;
  /** User and system time of the process itself, in clock ticks. */
  ownTicks: number;
  /** The same of children that it has waited for. */
  reapedTicks: number;
  startTicks: number;
}

/** `/proc/<pid>/stat`. The name is in parentheses and may itself have spaces and parentheses. Null when it is not such a line. */
export function parseStat(text: string): ProcStat | null {
  const open = text.indexOf('(');
  const close = text.lastIndexOf(')');
  if (open < 1 || close < open) return null;
  const fields = text
    .slice(close + 2)
    .trim()
    .split(' ');
  const number = (index: number) => Number(fields[index]);
  // fields[0] is the third field of the manual page, so field n of the manual is fields[n - 3].
  const stat = {
    pid: Number(text.slice(0, open)),
    comm: text.slice(open + 1, close),
    state: fields[0] ?? '',
    ppid: number(1),
    pgrp: number(2),
    session: number(3),
    tty: number(4),
    tpgid: number(5),
    ownTicks: number(11) + number(12),
    reapedTicks: number(13) + number(14),
    startTicks: number(19),
  };
  return Number.isInteger(stat.pid) && Number.isInteger(stat.startTicks) ? stat : null;
}

/** Real, effective, saved and file system ids in `/proc/<pid>/status`. */
export function parseIds(text: string): { uids: number[]; gids: number[] } {
  const ids = (name: string): number[] =>
    new RegExp(`^${name}:\\s+([\\d\\s]+)$`, 'm').exec(text)?.[1]?.trim().split(/\s+/).map(Number) ?? [];
  return { uids: ids('Uid'), gids: ids('Gid') };
}

/** A span of ids that belong to a user besides his own. */
export interface IdRange {
  first: number;
  count: number;
}

/** What `/etc/subuid` or `/etc/subgid` gives to a user, who is there by name or number. */
export function parseSubordinate(text: string, name: string, uid: number): IdRange[] {
  return text.split('\n').flatMap((line) => {
    const [who, first, count] = line.trim().split(':');
    if (who !== name && who !== String(uid)) return [];
    return /^\d+$/.test(first ?? '') && /^\d+$/.test(count ?? '') ? [{ first: Number(first), count: Number(count) }] : [];
  });
}

export const inRanges = (id: number, ranges: readonly IdRange[]): boolean =>
  ranges.some(({ first, count }) => id >= first && id < first + count);

/** Path of the tree of version 2 in `/proc/<pid>/cgroup`. */
export const cgroupPath = (text: string): string => /^0::(.*)$/m.exec(text)?.[1] ?? '';

/** Arguments in `/proc/<pid>/cmdline`. */
export const parseCmdline = (text: string): string[] => text.replace(/\0$/, '').split('\0');
