import type { SnapshotRef } from '../../launcher/contract/records.ts';
import { ComputeError, type ResourceTags, type SnapshotStatus } from '../../launcher/ports/compute.ts';

/** Files of a disk: path to content. */
export type Files = Readonly<Record<string, string>>;

export interface FakeVolume {
  id: string;
  tags: ResourceTags;
  createdAtMs: number;
  /** What a power cut leaves. */
  disk: Files;
  /** Written by the box and not flushed. */
  cache: Files;
}

export interface FakeSnapshot {
  ref: SnapshotRef;
  tags: ResourceTags;
  createdAtMs: number;
  files: Files;
  state: 'pending' | 'completed' | 'error';
  /** Looks until it is over, and how it ends. */
  looksLeft: number;
  outcome: 'completed' | 'error';
}

export const textOf = (files: Files): string => JSON.stringify(Object.entries(files).sort(([a], [b]) => (a < b ? -1 : 1)));
export const sameFiles = (a: Files, b: Files): boolean => textOf(a) === textOf(b);
const bytesOf = (files: Files): number => Object.values(files).reduce((sum, text) => sum + text.length, 0);
export const keyOfRef = (ref: SnapshotRef): string => `${ref.workspaceId}/${ref.id}`;

/** Volumes and snapshots of the fake provider, with their bytes. */
export class FakeDisks {
  readonly volumes = new Map<string, FakeVolume>();
  readonly snapshots = new Map<string, FakeSnapshot>();
  /** Promises that were broken, in words: letter first. */
  readonly violations: string[] = [];
  /** Workspaces whose owner wanted them gone: their bytes are nobody's any more. */
  readonly forgotten = new Set<string>();
  /** How many looks a new snapshot stays pending, and how it ends. */
  plan: { looks: number; outcome: 'completed' | 'error' } = { looks: 0, outcome: 'completed' };
  /** Contents that some completed snapshot has, or had before retention let it go. */
  readonly #everSaved = new Set<string>();
  #count = 0;

  makeVolume(tags: ResourceTags, files: Files, nowMs: number): FakeVolume {
    this.#count += 1;
    const volume = { id: `vol_${this.#count}`, tags, createdAtMs: nowMs, disk: files, cache: {} };
    this.volumes.set(volume.id, volume);
    return volume;
  }

  volume(id: string): FakeVolume {
    const volume = this.volumes.get(id);
    if (volume === undefined) throw new ComputeError('missing', `there is no volume ${id}`);
    return volume;
  }

  content(volumeId: string): Files {
    const { disk, cache } = this.volume(volumeId);
    return { ...disk, ...cache };
  }

  flush(volumeId: string): void {
    const volume = this.volume(volumeId);
    volume.disk = { ...volume.disk, ...volume.cache };
    volume.cache = {};
  }

  /** The files of a completed snapshot. */
  restore(ref: SnapshotRef): Files {
    const found = this.snapshots.get(keyOfRef(ref));
    if (found?.state !== 'completed') throw new ComputeError('missing', `there is no whole snapshot ${keyOfRef(ref)}`);
    return found.files;
  }

  take(ref: SnapshotRef, tags: ResourceTags, files: Files, nowMs: number): FakeSnapshot {
    const { looks, outcome } = this.plan;
    const state = looks === 0 ? outcome : 'pending';
    const made: FakeSnapshot = { ref, tags, createdAtMs: nowMs, files: { ...files }, state, looksLeft: looks, outcome };
    this.snapshots.set(keyOfRef(ref), made);
    this.#noteSaved(made);
    return made;
  }

  /** Each look brings a pending snapshot nearer to its end. */
  look(ref: SnapshotRef): SnapshotStatus {
    const found = this.snapshots.get(keyOfRef(ref));
    if (found === undefined) return { state: 'absent', bytes: null, newBytes: null, files: null };
    if (found.state === 'pending') {
      found.looksLeft -= 1;
      if (found.looksLeft <= 0) found.state = found.outcome;
      this.#noteSaved(found);
    }
    return this.status(found);
  }

  #noteSaved(snapshot: FakeSnapshot): void {
    if (snapshot.state === 'completed') this.#everSaved.add(textOf(snapshot.files));
  }

  status(found: FakeSnapshot): SnapshotStatus {
    const bytes = bytesOf(found.files);
    return { state: found.state, bytes, newBytes: null, files: Object.keys(found.files).length, detail: `snapshot is ${found.state}` };
  }

  dropVolume(volumeId: string): void {
    const volume = this.volumes.get(volumeId);
    if (volume === undefined) return;
    const files = this.content(volumeId);
    const saved = this.#everSaved.has(textOf(files));
    if (!saved && Object.keys(files).length > 0 && !this.forgotten.has(volume.tags.workspaceId))
      this.violations.push(`W: ${volumeId} of ${volume.tags.workspace} was dropped with ${textOf(files)}, which no snapshot ever had`);
    this.volumes.delete(volumeId);
  }
}
