import { chownSync, existsSync, lstatSync, mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { SnapshotRef } from '../../contract/records.ts';
import type { Clock } from '../../ports/clock.ts';
import {
  ComputeError,
  type ListedResource,
  type ResourceTags,
  type SnapshotRequest,
  type SnapshotStatus,
  type VolumeSource,
} from '../../ports/compute.ts';
import { type Layout, readJson, syncFolder, treePaths, volumeIdOf } from './layout.ts';
import { type SnapshotMeta, snapshotMetaSchema, type VolumeMeta, volumeMetaSchema } from './resources.ts';
import { dropIfEmpty, type TreeSize, type Trees, wholeEntries } from './trees.ts';

const TREE = 'tree';

interface DiskDeps {
  layout: Layout;
  trees: Trees;
  clock: Clock;
  /** Owner of the files of a volume; null: the launcher's own user. */
  uid: number | null;
  /** True while a box uses the volume. */
  inUse: (volumeId: string) => boolean;
}

/** Volumes and snapshots: folders with a tree, and their tags beside it. */
export class Disks {
  readonly #deps: DiskDeps;
  /** Snapshots that are being copied from, by path: they cannot be dropped. */
  readonly #reading = new Map<string, number>();
  readonly #copying = new Set<string>();

  constructor(deps: DiskDeps) {
    this.#deps = deps;
  }

  /**
   * The volume for a launch; made when the source is not one already. Repeating finds it.
   * @throws ComputeError missing, disk_full, transient
   */
  async provide(source: VolumeSource, tags: ResourceTags): Promise<string> {
    const { layout } = this.#deps;
    if (source.kind === 'volume') {
      if (!existsSync(layout.volume(source.volumeId).tree)) throw new ComputeError('missing', `there is no volume ${source.volumeId}`);
      return source.volumeId;
    }
    const volumeId = volumeIdOf(tags.operationId);
    if (existsSync(layout.volume(volumeId).dir)) return volumeId;
    if (source.kind === 'blank') this.#makeBlank(volumeId, tags);
    else await this.#restore(volumeId, tags, source.snapshot);
    return volumeId;
  }

  #makeBlank(volumeId: string, tags: ResourceTags): void {
    const { layout, uid } = this.#deps;
    const { dir } = layout.volume(volumeId);
    const partial = join(layout.volumes, `.partial-${volumeId}`);
    mkdirSync(join(partial, TREE), { recursive: true, mode: 0o755 });
    if (uid !== null) chownSync(join(partial, TREE), uid, uid);
    this.#describeVolume(partial, tags, null);
    renameSync(partial, dir);
    syncFolder(layout.volumes);
  }

  async #restore(volumeId: string, tags: ResourceTags, ref: SnapshotRef): Promise<void> {
    const { layout, trees } = this.#deps;
    const { dir, tree } = layout.snapshot(ref);
    const meta = this.#snapshotMeta(ref);
    if (!meta) throw new ComputeError('missing', `there is no snapshot ${ref.id} of ${ref.workspaceId}`);
    await this.#whileReading(dir, async () => {
      trees.assertFits(layout.volumes, meta);
      await trees.copy(tree, layout.volume(volumeId).dir, TREE, async (partial) => this.#describeVolume(partial, tags, ref));
    });
  }

  #describeVolume(dir: string, tags: ResourceTags, from: SnapshotRef | null): void {
    const meta: VolumeMeta = { tags, createdAtMs: this.#deps.clock.now(), from };
    writeFileSync(treePaths(dir).meta, JSON.stringify(meta), { mode: 0o600 });
  }

  /**
   * Copies a volume. `whole` is asked when the copy is done: false means that something wrote to the volume meanwhile.
   * @throws ComputeError missing, disk_full, transient
   */
  async snapshot(request: SnapshotRequest, begin: () => Promise<void>, whole: () => Promise<boolean>): Promise<SnapshotStatus> {
    const { layout } = this.#deps;
    const existing = this.#snapshotMeta(request.ref);
    if (existing) {
      if (existing.tags.operationId === request.tags.operationId) return statusOf(existing);
      throw new ComputeError('fatal', `${request.ref.id} was made by another operation`);
    }
    const { tree } = layout.volume(request.volumeId);
    if (!existsSync(tree)) throw new ComputeError('missing', `there is no volume ${request.volumeId}`);
    if (this.#copying.has(request.volumeId)) throw new ComputeError('busy', `${request.volumeId} is being copied`);
    this.#copying.add(request.volumeId);
    try {
      await this.#copy(request, tree, begin, whole);
    } finally {
      this.#copying.delete(request.volumeId);
    }
    return this.observe(request.ref);
  }

  /** True while a snapshot is taken of it: nothing new may write to it. */
  isCopying(volumeId: string): boolean {
    return this.#copying.has(volumeId);
  }

  async #copy(request: SnapshotRequest, tree: string, begin: () => Promise<void>, whole: () => Promise<boolean>): Promise<void> {
    const { layout, trees } = this.#deps;
    // Before anything is frozen: what does not fit should not stop anyone.
    const before = await trees.measure(tree);
    trees.assertFits(layout.snapshots, before);
    await begin();
    await trees.copy(tree, layout.snapshot(request.ref).dir, TREE, async (partial) => {
      if (!(await whole()))
        throw new ComputeError('transient', 'the box was not still while its volume was copied: the copy is thrown away');
      const size = request.liveBox ? await trees.measure(treePaths(partial).tree) : before;
      writeFileSync(treePaths(partial).meta, JSON.stringify(this.#describe(request, size)), { mode: 0o600 });
    });
  }

  #describe({ ref, tags, parent }: SnapshotRequest, size: TreeSize): SnapshotMeta {
    const { clock, trees } = this.#deps;
    // Shared blocks cannot be told apart: then nobody knows what was added.
    const newBytes = trees.reflink ? null : size.diskBytes;
    return { ref, tags, parent, createdAtMs: clock.now(), ...size, newBytes };
  }

  observe(ref: SnapshotRef): SnapshotStatus {
    const meta = this.#snapshotMeta(ref);
    return meta ? statusOf(meta) : { state: 'absent', bytes: null, newBytes: null, files: null };
  }

  async dropVolume(volumeId: string): Promise<void> {
    if (this.#deps.inUse(volumeId) || this.#copying.has(volumeId)) throw new ComputeError('busy', `a box uses ${volumeId}`);
    await this.#deps.trees.drop(this.#deps.layout.volume(volumeId).dir);
  }

  async dropSnapshot(ref: SnapshotRef): Promise<void> {
    const { dir } = this.#deps.layout.snapshot(ref);
    if (this.#reading.has(dir)) throw new ComputeError('busy', `${ref.id} is being restored`);
    await this.#deps.trees.drop(dir);
    dropIfEmpty(dirname(dir));
  }

  async #whileReading(dir: string, work: () => Promise<void>): Promise<void> {
    this.#reading.set(dir, (this.#reading.get(dir) ?? 0) + 1);
    try {
      await work();
    } finally {
      const left = (this.#reading.get(dir) ?? 1) - 1;
      if (left === 0) this.#reading.delete(dir);
      else this.#reading.set(dir, left);
    }
  }

  /** @throws ComputeError transient when it is there and cannot be read */
  #snapshotMeta(ref: SnapshotRef): SnapshotMeta | null {
    const raw = readJson(this.#deps.layout.snapshot(ref).meta);
    if (raw === null) return null;
    const parsed = snapshotMetaSchema.safeParse(raw);
    if (!parsed.success) throw new ComputeError('transient', `the description of ${ref.id} cannot be read`);
    return parsed.data;
  }

  /**
   * Every volume and snapshot. One whose description makes no sense has no tags: it is left alone, and the others go on.
   * `complete` is false when something could not be read at all.
   */
  list(): { items: ListedResource[]; complete: boolean } {
    const { layout } = this.#deps;
    const items: ListedResource[] = [];
    let complete = true;
    const add = (kind: 'volume' | 'snapshot', id: string, dir: string) => {
      const raw = readOrNull(treePaths(dir).meta);
      if (raw === undefined) complete = false;
      const parsed = (kind === 'volume' ? volumeMetaSchema : snapshotMetaSchema).safeParse(raw);
      const bytes = parsed.success && 'bytes' in parsed.data ? Number(parsed.data.bytes) : null;
      const createdAtMs = parsed.success ? parsed.data.createdAtMs : lstatSync(dir).ctimeMs;
      const lineage =
        parsed.success && 'parent' in parsed.data ? { state: 'completed' as const, parent: (parsed.data as SnapshotMeta).parent } : {};
      items.push({ kind, id, tags: parsed.success ? parsed.data.tags : null, createdAtMs, bytes, ...lineage });
    };
    for (const volumeId of wholeEntries(layout.volumes)) add('volume', volumeId, join(layout.volumes, volumeId));
    for (const workspaceId of wholeEntries(layout.snapshots)) {
      const folder = join(layout.snapshots, workspaceId);
      for (const id of wholeEntries(folder)) add('snapshot', `${workspaceId}/${id}`, join(folder, id));
    }
    return { items, complete };
  }

  /** Deletes what an earlier launcher has left half done. @returns why, for each that is left for the next time */
  async clear(): Promise<string[]> {
    const { layout, trees } = this.#deps;
    const workspaces = wholeEntries(layout.snapshots).map((workspaceId) => join(layout.snapshots, workspaceId));
    const left: string[] = [];
    for (const folder of [layout.volumes, layout.snapshots, ...workspaces]) left.push(...(await trees.clear(folder)));
    for (const folder of workspaces) dropIfEmpty(folder);
    return left;
  }
}

/** Null when it is not JSON, undefined when it could not be read. */
function readOrNull(path: string): unknown {
  try {
    return readJson(path);
  } catch (error) {
    return error instanceof SyntaxError ? null : undefined;
  }
}

const statusOf = ({ bytes, newBytes, files }: SnapshotMeta): SnapshotStatus => ({ state: 'completed', bytes, newBytes, files });
