import type { Mount, SandboxSpec } from './sandbox-spec.ts';

/** Argument vector of bubblewrap (0.5 or newer) for a box. */
export function bubblewrapArgv(bwrap: string, spec: SandboxSpec): string[] {
  const { identity } = spec;
  return [
    bwrap,
    ...['--unshare-pid', '--unshare-ipc', '--unshare-uts', '--unshare-cgroup-try'],
    ...(identity.kind === 'map' ? ['--unshare-user', '--uid', String(identity.uid), '--gid', String(identity.gid)] : []),
    ...(spec.network ? [] : ['--unshare-net']),
    ...['--hostname', spec.hostname],
    ...['--proc', '/proc', '--dev', '/dev', '--perms', '1777', '--tmpfs', '/dev/shm'],
    ...withParents(spec.mounts).flatMap(mountArgs),
    ...['--remount-ro', '/', '--chdir', spec.cwd, '--'],
    ...(identity.kind === 'drop' ? WHOLE_PROC : []),
    ...innerArgv(spec),
  ];
}

/**
 * The folders that lead to each mount, made first and for everyone to pass: those that bubblewrap makes by itself belong
 * to root alone when root runs it.
 */
function withParents(mounts: readonly Mount[]): Array<Mount | { kind: 'dir'; to: string }> {
  const made = new Set<string>();
  const bound: string[] = [];
  const all: Array<Mount | { kind: 'dir'; to: string }> = [];
  for (const mount of mounts) {
    const parts = mount.to.split('/').slice(1, -1);
    for (let depth = 1; depth <= parts.length; depth += 1) {
      const folder = `/${parts.slice(0, depth).join('/')}`;
      if (made.has(folder) || bound.some((target) => folder === target || folder.startsWith(`${target}/`))) continue;
      made.add(folder);
      all.push({ kind: 'dir', to: folder });
    }
    if (mount.kind === 'ro' || mount.kind === 'rw') bound.push(mount.to);
    if (mount.kind === 'tmpfs') made.add(mount.to);
    all.push(mount);
  }
  return all;
}

function mountArgs(mount: Mount | { kind: 'dir'; to: string }): string[] {
  switch (mount.kind) {
    case 'dir':
      return ['--perms', '0755', '--dir', mount.to];
    case 'ro':
      return ['--ro-bind', mount.from, mount.to];
    case 'rw':
      return ['--bind', mount.from, mount.to];
    case 'tmpfs':
      return ['--perms', mount.mode.toString(8), '--tmpfs', mount.to];
    case 'link':
      return ['--symlink', mount.target, mount.to];
  }
}

/**
 * Root's bubblewrap covers parts of /proc, and the kernel lets nobody mount a new /proc where the old one is covered: without a
 * whole one no sandbox (a browser's, another devctl's) could start in the box. What was covered is writable by root alone,
 * and nothing of root is left in the box.
 */
const WHOLE_PROC = ['/bin/sh', '-c', 'mount -n -t proc -o nosuid,nodev,noexec proc /proc && exec "$@"', 'box'];

/** What runs inside once everything is mounted: gives up what it has, then becomes the command. */
export function innerArgv(spec: SandboxSpec): string[] {
  const { identity, processLimit } = spec;
  const ids = [`--reuid=${identity.uid}`, `--regid=${identity.gid}`, '--clear-groups', '--bounding-set=-all', '--inh-caps=-all'];
  return [
    ...(processLimit === null ? [] : ['/usr/bin/prlimit', `--nproc=${processLimit}`, '--']),
    ...['/usr/bin/setpriv', ...(identity.kind === 'drop' ? ids : []), '--no-new-privs', '--'],
    ...spec.command,
  ];
}
