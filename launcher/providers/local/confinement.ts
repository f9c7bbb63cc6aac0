import { accessSync, constants, existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { SIZES, type Size } from '../../contract/fields.ts';

/** Most processes and threads of a box, per CPU of its size. */
const PROCESSES_PER_CPU = 2_048;
const PERIOD_US = 100_000;
const MIB = 1024 ** 2;
/** Folder of our boxes in each cgroup hierarchy. */
const FOLDER = 'devctl';
/** Where a launcher puts itself in a cgroup that is its own. */
const LAUNCHER_FOLDER = 'devctl-launcher';

/** How memory, CPU and number of processes of a box are bounded here. */
export interface Confinement {
  /** For people: what is in force. */
  description: string;
  /** Bound that the sandbox sets itself, where no cgroup counts processes. */
  processLimit: number | null;
  /** Folders that a box will be counted in; nothing is made yet. */
  foldersFor(boxId: string): string[];
  /** Makes the folders with their bounds. @returns the files to which the first process writes its number */
  open(folders: string[], size: Size): string[];
  /** Processes that are counted there now. */
  members(folders: string[]): number[];
  /** Removes the folders of a box that is gone. @returns those that are still there: the kernel may be a moment behind */
  close(folders: string[]): string[];
}

type Files = Record<string, string>;
interface Hierarchy {
  root: string;
  settings: (size: Size) => Files;
}

/**
 * Looks at what this launcher may use: all of it, or the cgroup that it was given (a service with Delegate=yes).
 * @param root of the cgroup file systems
 * @param self file that names the cgroups of this process
 */
export function findConfinement(root = '/sys/fs/cgroup', self = '/proc/self/cgroup'): Confinement {
  const own = ownFolder(root, self);
  const v2 = unified(root, own) ?? (own === null ? null : unified(own, own));
  if (v2) return cgroups('cgroup v2: memory, cpu and number of processes', [v2]);
  const v1 = [memoryV1, cpuV1, pidsV1].map((make) => make(root)).filter((hierarchy) => isWritable(hierarchy.root));
  if (v1.length === 3) return cgroups('cgroup v1: memory, cpu and number of processes', v1);
  return {
    description: 'number of processes only (prlimit): no cgroup here is for the launcher to divide, so memory is not bounded',
    processLimit: PROCESSES_PER_CPU,
    foldersFor: () => [],
    open: () => [],
    members: () => [],
    close: () => [],
  };
}

function cgroups(description: string, hierarchies: Hierarchy[]): Confinement {
  return {
    description,
    processLimit: null,
    foldersFor: (boxId) => hierarchies.map(({ root }) => join(root, FOLDER, boxId)),
    open(folders, size) {
      for (const [index, { settings }] of hierarchies.entries()) {
        const folder = folders[index] as string;
        mkdirSync(folder, { recursive: true });
        for (const [file, value] of Object.entries(settings(size))) setIfThere(join(folder, file), value);
      }
      return folders.map((folder) => join(folder, 'cgroup.procs'));
    },
    members: (folders) => [...new Set(folders.flatMap(membersOf))],
    close: (folders) => folders.filter((folder) => !isRemoved(folder)),
  };
}

function isRemoved(folder: string): boolean {
  try {
    rmdirSync(folder);
    return true;
  } catch {
    // Gone before, or a last process is still leaving.
    return !existsSync(folder);
  }
}

function membersOf(folder: string): number[] {
  try {
    const text = readFileSync(join(folder, 'cgroup.procs'), 'utf8').trim();
    return text === '' ? [] : text.split('\n').map(Number);
  } catch {
    // Removed: nothing is in it.
    return [];
  }
}

/** Version 2 hands controllers down one level at a time. */
function passOnControllers(root: string): void {
  for (const folder of [root, join(root, FOLDER)]) setIfThere(join(folder, 'cgroup.subtree_control'), '+memory +pids +cpu');
}

/** The folder of this process in version 2; null where there is none. */
function ownFolder(root: string, self: string): string | null {
  try {
    const [, path] = /^0::(\/.*)$/m.exec(readFileSync(self, 'utf8')) ?? [];
    return path === undefined ? null : join(root, path);
  } catch {
    return null;
  }
}

/**
 * Readies a folder for those of the boxes. One with processes in it hands nothing down, unless it is the root of all: when
 * this one is alone there, it goes a level down itself.
 * @returns false when that cannot be
 */
function divide(root: string, own: string | null): boolean {
  try {
    mkdirSync(join(root, FOLDER), { recursive: true });
    passOnControllers(root);
    return true;
  } catch {
    return root === own && makeRoom(root);
  }
}

function makeRoom(own: string): boolean {
  const folder = join(own, LAUNCHER_FOLDER);
  const moveTo = (place: string) => writeFileSync(join(place, 'cgroup.procs'), String(process.pid));
  try {
    mkdirSync(folder, { recursive: true });
    moveTo(folder);
    passOnControllers(own);
    return true;
  } catch {
    // Others are there as well.
  }
  try {
    moveTo(own);
    for (const made of [folder, join(own, FOLDER)]) rmdirSync(made);
  } catch {
    // Not ours at all: nothing was moved.
  }
  return false;
}

function setIfThere(path: string, value: string): void {
  if (existsSync(path)) writeFileSync(path, value);
}

function unified(root: string, own: string | null): Hierarchy | null {
  const controllers = join(root, 'cgroup.controllers');
  if (!existsSync(controllers) || !isWritable(root)) return null;
  const offered = readFileSync(controllers, 'utf8').trim().split(' ');
  if (!['memory', 'pids', 'cpu'].every((name) => offered.includes(name)) || !divide(root, own)) return null;
  return {
    root,
    settings: (size) => ({
      'memory.max': String(SIZES[size].memoryMiB * MIB),
      'memory.swap.max': '0',
      'pids.max': String(SIZES[size].cpus * PROCESSES_PER_CPU),
      'cpu.max': `${SIZES[size].cpus * PERIOD_US} ${PERIOD_US}`,
    }),
  };
}

const memoryV1 = (root: string): Hierarchy => ({
  root: join(root, 'memory'),
  settings: (size) => ({ 'memory.limit_in_bytes': String(SIZES[size].memoryMiB * MIB) }),
});
const cpuV1 = (root: string): Hierarchy => ({
  root: join(root, 'cpu'),
  settings: (size) => ({ 'cpu.cfs_period_us': String(PERIOD_US), 'cpu.cfs_quota_us': String(SIZES[size].cpus * PERIOD_US) }),
});
const pidsV1 = (root: string): Hierarchy => ({
  root: join(root, 'pids'),
  settings: (size) => ({ 'pids.max': String(SIZES[size].cpus * PROCESSES_PER_CPU) }),
});

function isWritable(folder: string): boolean {
  try {
    accessSync(folder, constants.W_OK | constants.X_OK);
    return true;
  } catch {
    // Not there or not ours: both mean no.
    return false;
  }
}
