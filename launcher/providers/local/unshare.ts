import { innerArgv } from './bubblewrap.ts';
import type { Mount, SandboxSpec } from './sandbox-spec.ts';

/**
 * Builds a box with the tools of util-linux, as the first process of new namespaces. Its text is constant: all that varies
 * comes as arguments, four per mount, up to `--`. An empty tmpfs becomes the root, so that what is not named does not exist.
 */
const BUILD = `
set -eu
die() { echo "devctl sandbox: $*" >&2; exit 70; }
hostname=$1 net=$2 cwd=$3; shift 3
umask 022
# Anything that no source of a mount can lie under: it is hidden from here on.
root=/sys
mount -t tmpfs -o mode=0755,nosuid,nodev devctl "$root"
target() {
  case $2 in
    d) mkdir -p "$root$1" ;;
    f) mkdir -p "$root\${1%/*}"; [ -e "$root$1" ] || : > "$root$1" ;;
  esac
}
read_only() {
  while read -r _ _ _ _ point _; do
    case $point in
      "$root$1"*\\\\*) die "a mount point below $1 has a name that cannot be handled" ;;
      "$root$1"|"$root$1"/*) mount -o remount,bind,ro,nosuid,nodev "$point" ;;
    esac
  done < /proc/self/mountinfo
}
while [ "$1" != -- ]; do
  kind=$1 from=$2 to=$3 mode=$4; shift 4
  case $kind in
    link) mkdir -p "$root\${to%/*}"; ln -s "$from" "$root$to" ;;
    tmpfs) target "$to" d; mount -t tmpfs -o "mode=$mode,nosuid,nodev" devctl "$root$to" ;;
    ro|rw|dev)
      if [ -d "$from" ]; then target "$to" d; else target "$to" f; fi
      mount --rbind "$from" "$root$to"
      case $kind in
        ro) read_only "$to" ;;
        rw) mount -o remount,bind,nosuid,nodev "$root$to" ;;
      esac ;;
    proc) target "$to" d; mount -t proc -o nosuid,nodev,noexec proc "$root$to" ;;
    pts) target "$to" d; mount -t devpts -o newinstance,ptmxmode=0666,mode=0620,nosuid,noexec devpts "$root$to" ;;
    *) die "unknown mount $kind" ;;
  esac
done
shift
hostname "$hostname" 2>/dev/null || :
[ "$net" = shared ] || ip link set lo up 2>/dev/null || :
cd "$root"
pivot_root . .
umount -l .
mount -o remount,bind,ro,nosuid,nodev /
cd "$cwd"
exec "$@"
`;

/** First process of the box: starts the agent, and collects what is orphaned, until the agent ends. */
const INIT = 'exec 3<&0; "$@" <&3 3<&- & exec 3<&- </dev/null; wait $!; exit $?';

const DEVICES = ['null', 'zero', 'full', 'random', 'urandom', 'tty'];

/** Argument vector of unshare for a box. */
export function unshareArgv(unshare: string, spec: SandboxSpec): string[] {
  const { identity } = spec;
  const [setUp, drop] = identity.kind === 'map' ? mapped(unshare, identity) : [[], []];
  return [
    unshare,
    ...setUp,
    ...['--mount', '--pid', '--fork', '--ipc', '--uts', '--cgroup', '--propagation', 'private'],
    ...(spec.network ? [] : ['--net']),
    ...['--', '/bin/sh', '-c', BUILD, 'devctl-sandbox', spec.hostname, spec.network ? 'shared' : 'none', spec.cwd],
    ...[...deviceMounts(), ...spec.mounts].flatMap(mountArgs),
    '--',
    ...drop,
    ...innerArgv({ ...spec, command: ['/bin/sh', '-c', INIT, 'devctl-init', ...spec.command] }),
  ];
}

/** An ordinary user is root in a first user namespace, to mount, and nobody special in a second one, to work. */
const mapped = (unshare: string, identity: { uid: number; gid: number }): [string[], string[]] => [
  ['--user', '--map-root-user'],
  [unshare, '--user', `--map-user=${identity.uid}`, `--map-group=${identity.gid}`, '--'],
];

type SetUpMount = Mount | { kind: 'dev' | 'proc' | 'pts'; from: string; to: string };

function deviceMounts(): SetUpMount[] {
  return [
    { kind: 'proc', from: 'proc', to: '/proc' },
    { kind: 'tmpfs', to: '/dev', mode: 0o755 },
    ...DEVICES.map((name): SetUpMount => ({ kind: 'dev', from: `/dev/${name}`, to: `/dev/${name}` })),
    { kind: 'pts', from: 'devpts', to: '/dev/pts' },
    { kind: 'tmpfs', to: '/dev/shm', mode: 0o1777 },
    { kind: 'link', target: 'pts/ptmx', to: '/dev/ptmx' },
    { kind: 'link', target: '/proc/self/fd', to: '/dev/fd' },
    { kind: 'link', target: '/proc/self/fd/0', to: '/dev/stdin' },
    { kind: 'link', target: '/proc/self/fd/1', to: '/dev/stdout' },
    { kind: 'link', target: '/proc/self/fd/2', to: '/dev/stderr' },
  ];
}

function mountArgs(mount: SetUpMount): string[] {
  switch (mount.kind) {
    case 'tmpfs':
      return ['tmpfs', '', mount.to, mount.mode.toString(8)];
    case 'link':
      return ['link', mount.target, mount.to, ''];
    default:
      return [mount.kind, mount.from, mount.to, ''];
  }
}
