import { readFileSync } from 'node:fs';
import type { BoxConfig } from '../launcher/contract/agent-config.ts';
import type { Cgroup } from './cgroup.ts';
import { cgroupPath, type IdRange, inRanges, type ProcStat, parseIds, parseSubordinate } from './proc-parse.ts';
import { readProc } from './read-proc.ts';

/** Which processes of this machine are the box's. */
export interface Scope {
  /** Looks now. @returns whether a process is one of the box */
  look(): (stat: ProcStat) => boolean;
  /** Nobody else's processes can be seen at all. */
  readonly isAll: boolean;
  /** Whether a user id is one of the workload; no where users do not tell. */
  ownsUid(uid: number): boolean;
}

const LAUNCHER_COMM = 'perl';
export const DOCKER_UNIT = 'devctl-docker.service';

/** Whether a process is of the box's own Docker: its daemons, and what runs in its containers. */
export const isOfDocker = (pid: number): boolean => cgroupOf(pid).split('/').includes(DOCKER_UNIT);

/** Whether a process is systemd's own for a user who is there. With it goes the folder of his sockets, Docker's among them. */
export const isUserManager = (pid: number): boolean => /\/user@\d+\.service\/init\.scope$/.test(cgroupOf(pid));

const cgroupOf = (pid: number): string => cgroupPath(readProc(`/proc/${pid}/cgroup`)?.toString() ?? '');

export function scopeOf(config: Pick<BoxConfig, 'processScope' | 'boxId' | 'user'>, cgroup: Cgroup | null): Scope {
  if (config.processScope === 'machine' && config.user !== null) return ofUser(config.user, cgroup);
  if (config.processScope === 'namespace') return { isAll: true, look: () => () => true, ownsUid: () => false };
  const marker = Buffer.from(`IN_DEVCTL_BOX=${config.boxId}\0`);
  return {
    isAll: false,
    ownsUid: () => false,
    look:
      () =>
      ({ pid }) =>
        readProc(`/proc/${pid}/environ`)?.includes(marker) ?? false,
  };
}

/** By the cgroup, which nothing leaves, and by the ids: somebody who came in by Session Manager is not in the cgroup. */
function ofUser({ name, uid, gid }: NonNullable<BoxConfig['user']>, cgroup: Cgroup | null): Scope {
  const uids = [{ first: uid, count: 1 }, ...subordinate('/etc/subuid', name, uid)];
  const gids = [{ first: gid, count: 1 }, ...subordinate('/etc/subgid', name, uid)];
  return {
    isAll: false,
    ownsUid: (id) => inRanges(id, uids),
    look() {
      const inCgroup = cgroup?.pids() ?? new Set();
      return ({ pid, ppid, comm }) => {
        if (inCgroup.has(pid)) return true;
        // On its way to become the user.
        if (ppid === process.pid && comm === LAUNCHER_COMM) return true;
        const ids = parseIds(readProc(`/proc/${pid}/status`)?.toString() ?? '');
        return ids.uids.some((id) => inRanges(id, uids)) || ids.gids.some((id) => inRanges(id, gids));
      };
    },
  };
}

function subordinate(path: string, name: string, uid: number): IdRange[] {
  try {
    return parseSubordinate(readFileSync(path, 'utf8'), name, uid);
  } catch {
    // A machine without such users.
    return [];
  }
}
