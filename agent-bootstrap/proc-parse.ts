/** Pure readers of the kernel's text files under /proc. */

export interface ProcStat {
  pid: number;
  comm: string;
  state: string;
  ppid: number;
  pgrp: number;
  session: number;
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
    tpgid: number(5),
    ownTicks: number(11) + number(12),
    reapedTicks: number(13) + number(14),
    startTicks: number(19),
  };
  return Number.isInteger(stat.pid) && Number.isInteger(stat.startTicks) ? stat : null;
}

/** Socket inodes of the established connections in `/proc/net/tcp` or `tcp6`. */
export function establishedInodes(text: string): Set<string> {
  const inodes = new Set<string>();
  for (const line of text.split('\n').slice(1)) {
    const fields = line.trim().split(/\s+/);
    if (fields[3] === '01' && fields[9] && fields[9] !== '0') inodes.add(fields[9]);
  }
  return inodes;
}

/** Arguments in `/proc/<pid>/cmdline`. */
export const parseCmdline = (text: string): string[] => text.replace(/\0$/, '').split('\0');
