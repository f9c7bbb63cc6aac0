import type { Cloud } from './cloud.ts';
import { textsOf } from './disks.ts';
import type { Tags } from './tags.ts';

/** What the tags of a resource say of whom it belongs to. */
export interface Belonging {
  workspace: string;
  generation: number | null;
}

export interface Leftover {
  kind: 'instance' | 'volume' | 'snapshot';
  id: string;
  tags: Tags;
}

type Texts = Readonly<Record<string, string>>;

/**
 * What must hold however the world behaved, by the letters of the promises: W no durable bytes are lost, X one writer at a
 * time, L nothing is left that belongs to nobody.
 */
export class Invariants {
  readonly #cloud: Cloud;
  readonly #read: (tags: Tags) => Belonging | null;
  readonly #promised = new Map<string, Texts>();

  constructor(cloud: Cloud, read: (tags: Tags) => Belonging | null) {
    this.#cloud = cloud;
    this.#read = read;
  }

  /** From now on these files of the workspace must be found somewhere, whatever happens. */
  promise(workspace: string, files: Texts): void {
    this.#promised.set(workspace, { ...this.#promised.get(workspace), ...files });
  }

  /** Its owner has deleted the workspace. */
  forget(workspace: string): void {
    this.#promised.delete(workspace);
  }

  /** All that is broken, in words. */
  broken(): string[] {
    return [...this.#cloud.violations, ...this.lostBytes(), ...this.writersOutOfOrder()];
  }

  /** W: workspaces whose promised files are in no volume and in no completed snapshot any more. */
  lostBytes(): string[] {
    const kept = this.#images();
    return [...this.#promised].flatMap(([workspace, files]) => {
      const whole = kept.some((image) => image.workspace === workspace && holds(image.texts, files));
      return whole ? [] : [`W: ${workspace} has lost ${JSON.stringify(files)}`];
    });
  }

  /** X: a machine wrote to a workspace after one of a later generation, or beside another one of its own. */
  writersOutOfOrder(): string[] {
    const latest = new Map<string, { generation: number; instanceId: string }>();
    return this.#cloud.writes.flatMap(({ instanceId, volumeId, tags }) => {
      const { workspace, generation } = this.#read(tags) ?? { workspace: null, generation: null };
      if (workspace === null || generation === null) return [];
      const last = latest.get(workspace);
      if (last === undefined || generation > last.generation) latest.set(workspace, { generation, instanceId });
      else if (generation < last.generation)
        return [`X: ${instanceId} of generation ${generation} wrote to ${workspace} (${volumeId}) after generation ${last.generation}`];
      else if (instanceId !== last.instanceId)
        return [`X: ${instanceId} and ${last.instanceId}, both of generation ${generation}, wrote to ${workspace}`];
      return [];
    });
  }

  /** L: what is there and belongs to nobody. Root volumes go with their instances, root snapshots with their images. */
  leftovers(belongs: (resource: Leftover) => boolean): Leftover[] {
    const { instances, volumes, snapshots, catalog } = this.#cloud;
    const roots = new Set([...catalog.images.values()].map(({ rootSnapshotId }) => rootSnapshotId));
    const all: Leftover[] = [
      ...instances
        .all()
        .filter(({ state }) => state !== 'terminated' && state !== 'shutting-down')
        .map(({ id, tags }) => ({ kind: 'instance' as const, id, tags })),
      ...volumes
        .all()
        .filter(({ state, attachment }) => state !== 'deleting' && attachment?.deleteOnTermination !== true)
        .map(({ id, tags }) => ({ kind: 'volume' as const, id, tags })),
      ...snapshots
        .all()
        .filter(({ id }) => !roots.has(id))
        .map(({ id, tags }) => ({ kind: 'snapshot' as const, id, tags })),
    ];
    return all.filter((resource) => !belongs(resource));
  }

  #images(): Array<{ workspace: string | undefined; texts: Texts }> {
    const volumes = this.#cloud.volumes.all().filter(({ state }) => state !== 'deleting' && state !== 'error');
    const snapshots = this.#cloud.snapshots.all().filter(({ state }) => state === 'completed');
    const whole = [...volumes.map(({ tags, disk }) => ({ tags, image: disk.image })), ...snapshots];
    return whole
      .filter(({ image }) => !image.damaged)
      .map(({ tags, image }) => ({ workspace: this.#read(tags)?.workspace, texts: textsOf(image.files) }));
  }
}

const holds = (texts: Texts, files: Texts): boolean => Object.entries(files).every(([path, text]) => texts[path] === text);
