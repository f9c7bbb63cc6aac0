/** Exit code of a tool that comes too late: its launcher is gone. */
const ORPHAN = 70;

/**
 * The signal comes for a death after it was asked for: one that died before is told by the parent, who is another one then.
 * What is started next finds this process, which becomes its parent, in `$parent`.
 */
const GUARD = `[ "$PPID" = "$1" ] || exit ${ORPHAN}; shift; parent=$$ exec "$@"`;

/** Goes before a program that must not outlive the process that starts it, however early that one is killed. */
export const tiedTo = (setpriv: string, pid: number): string[] => [
  ...[setpriv, '--pdeathsig', 'KILL', '--'],
  ...['/bin/sh', '-c', GUARD, 'tied', String(pid)],
];

/**
 * First lines of a script that `unshare --kill-child` starts under `tiedTo`: the same question once more, for an unshare that
 * was killed before its child had asked for the signal. In a namespace of its own only a /proc of the outer one can tell.
 */
export const ASSERT_PARENT = `
while read -r key value; do [ "$key" != PPid: ] || break; done < /proc/self/status
[ "$value" = "$parent" ] || exit ${ORPHAN}
unset key value parent
`;
