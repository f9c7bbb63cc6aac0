import { createHash } from 'node:crypto';
import { closeSync, fsyncSync, mkdirSync, openSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { SnapshotRef } from '../../contract/records.ts';
import { ComputeError } from '../../ports/compute.ts';

/** Where everything of this provider is, under one folder that only its launcher may enter. */
export class Layout {
  readonly boxes: string;
  readonly volumes: string;
  readonly snapshots: string;

  constructor(stateDir: string) {
    this.boxes = join(stateDir, 'boxes');
    this.volumes = join(stateDir, 'volumes');
    this.snapshots = join(stateDir, 'snapshots');
    for (const folder of [this.boxes, this.volumes, this.snapshots]) mkdirSync(folder, { recursive: true, mode: 0o700 });
  }

  box = (boxId: string): BoxPaths => boxPaths(join(this.boxes, checked(boxId, /^box_[0-9a-f]{16}$/)));
  volume = (volumeId: string): TreePaths => treePaths(join(this.volumes, checked(volumeId, /^vol_[0-9a-f]{16}$/)));
  /** Folder of all snapshots of a workspace. */
  snapshotsOf = (workspaceId: string): string => join(this.snapshots, checked(workspaceId, /^ws_[0-9a-z]{16,32}$/));
  snapshot = (ref: SnapshotRef): TreePaths => treePaths(join(this.snapshotsOf(ref.workspaceId), checked(ref.id, /^snap_[1-9]\d{0,8}$/)));
}

export interface BoxPaths {
  dir: string;
  meta: string;
  /** Shown in the box, read-only: the socket of the launcher. */
  run: string;
  /** In `run`. Under it the box has memory of its own for the socket of its agent; where nothing is mounted, that is here. */
  agentRun: string;
  /** Configuration of the agent and the other files that are shown inside. */
  files: string;
  log: string;
  /** Made by the first start, which only one process can win. */
  started: string;
  /** `/proc/<pid>/stat` of the sandbox at its start. */
  outer: string;
  /** The first process inside. */
  inner: string;
  ended: string;
  /** There when the box is plain processes: it has no first process of its own, and no namespace that ends with one. */
  plain: string;
}

export interface TreePaths {
  dir: string;
  /** What is mounted at /workspace. */
  tree: string;
  /** Tags and figures, out of reach of the box. */
  meta: string;
}

const boxPaths = (dir: string): BoxPaths => ({
  dir,
  meta: join(dir, 'meta.json'),
  run: join(dir, 'run'),
  agentRun: join(dir, 'run', 'agent'),
  files: join(dir, 'files'),
  log: join(dir, 'agent.log'),
  started: join(dir, 'started'),
  outer: join(dir, 'outer'),
  inner: join(dir, 'inner'),
  ended: join(dir, 'ended'),
  plain: join(dir, 'plain'),
});

export const treePaths = (dir: string): TreePaths => ({ dir, tree: join(dir, 'tree'), meta: join(dir, 'meta.json') });

/** An id that was made here, before it becomes a path. */
function checked(id: string, pattern: RegExp): string {
  if (!pattern.test(id)) throw new ComputeError('missing', `${JSON.stringify(id.slice(0, 80))} is not an id of this provider`);
  return id;
}

const digestOf = (operationId: string): string => createHash('sha256').update(operationId).digest('hex').slice(0, 16);

/** Ids follow from the operation that makes the thing: a repeat finds it. */
export const boxIdOf = (operationId: string): string => `box_${digestOf(operationId)}`;
export const volumeIdOf = (operationId: string): string => `vol_${digestOf(operationId)}`;

/**
 * Writes a file so that it is there in full or not at all, whenever this process is killed. Not flushed: what it tells of a box
 * is of no use after a power cut, which no box survives.
 */
export function writeWhole(path: string, text: string): void {
  const partial = `${path}.partial`;
  writeFileSync(partial, text, { mode: 0o600 });
  renameSync(partial, path);
}

/** Makes renames and new names in a folder durable. */
export function syncFolder(path: string): void {
  const fd = openSync(path, 'r');
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

/** The JSON of a file; null when there is none. @throws SyntaxError and system errors other than ENOENT */
export function readJson(path: string): unknown {
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
}
