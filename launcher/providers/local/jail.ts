import { ASSERT_PARENT, tiedTo } from './tie.ts';

/**
 * Runs a command in a root of its own, where nothing of the host is but the system's programs, one tree as /from (read-only)
 * and the folder /to. Copies are made in it: a box whose processes live on may swap a folder for a link under the copying program's feet: here
 * such a link leads nowhere. The text is constant; what varies is arguments: the two folders, then the command.
 *
 * The C library changes the mode of some files through /proc: it is one of a process namespace that has the command alone in it, since
 * another would lead out again. Both folders are held open before anything is mounted, since the new root may be laid over a folder above them.
 */
const JAIL_SCRIPT = `
set -eu
${ASSERT_PARENT}
exec 3<"$1" 4<"$2"
root=/tmp
shift 2
mount -n -t tmpfs -o mode=0755,nosuid,nodev none "$root"
for folder in usr bin sbin lib lib32 lib64 nix gnu; do
  if [ -L "/$folder" ]; then ln -s "$(readlink "/$folder")" "$root/$folder"
  elif [ -d "/$folder" ]; then mkdir "$root/$folder"; mount -n --rbind "/$folder" "$root/$folder"
  fi
done
mkdir "$root/from" "$root/to" "$root/proc"
mount -n -t proc -o nosuid,nodev,noexec proc "$root/proc" 2>/dev/null || :
mount -n --bind /proc/self/fd/3 "$root/from"
mount -n -o remount,bind,ro "$root/from" 2>/dev/null || :
mount -n --bind /proc/self/fd/4 "$root/to"
exec 3<&- 4<&-
exec chroot "$root" "$@"
`;

/** Tools of the system that the jail is made with. */
export const JAIL_TOOLS = ['unshare', 'setpriv', 'mount', 'chroot', 'cp'] as const;

/** Argument vector of the command in its jail, which ends with this process and with all that it has started. An ordinary user becomes root of a user namespace, who may read all of their boxes' files. */
export function jailArgv(
  unshare: string,
  setpriv: string,
  isRoot: boolean,
  from: string,
  to: string,
  command: readonly string[],
): string[] {
  return [
    ...(isRoot ? [] : [unshare, '--user', '--map-root-user', '--']),
    ...tiedTo(setpriv, process.pid),
    ...[unshare, '--mount', '--propagation', 'private', '--pid', '--fork', '--kill-child', '--'],
    ...['/bin/sh', '-c', JAIL_SCRIPT, 'jail', from, to, ...command],
  ];
}
