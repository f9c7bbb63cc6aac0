import { createHash } from 'node:crypto';
import type { Snapshot } from '@aws-sdk/client-ec2';
import type { Random } from '../../ports/clock.ts';
import { ComputeError, type ResourceTags, type SnapshotRequest, type VolumeCopy } from '../../ports/compute.ts';
import type { Calls } from './calls.ts';
import { classOf } from './errors.ts';
import type { Ec2Limits } from './limits.ts';
import { TAGS, tagList, tagOf } from './tags.ts';
import { type Time, within } from './timers.ts';

interface CopiesOptions {
  calls: Calls;
  time: Time;
  limits: Ec2Limits;
  random: Random;
  deployment: string;
}

/** Volumes that were copied, in the order in which they were asked for; none, and why. */
export type Copied = { volumeIds: string[]; because?: string };

const NONE: Copied = { volumeIds: [] };

/**
 * Copies of a volume at the moment of its snapshot, in its zone, for workspaces that begin there. A copy whose call was not answered
 * while the box stood still may have been made after it: it is never used. Which are is written into the snapshot's own tags
 * as it is made, so that whoever finds the snapshot knows.
 */
export class Copies {
  readonly #options: CopiesOptions;

  constructor(options: CopiesOptions) {
    this.#options = options;
  }

  /** One for each workspace that was asked for, or none at all. It never fails: without them the snapshot is what they begin with. */
  async make({ copies = [], liveBox, volumeId, ref }: SnapshotRequest): Promise<Copied> {
    const { limits, time } = this.#options;
    if (copies.length === 0 || liveBox === null) return NONE;
    if (copies.length > limits.copies) return { ...NONE, because: `AWS copies ${limits.copies} volumes at once, not ${copies.length}` };
    // A repeat of this standstill is the same call; the next standstill is another one, with other bytes.
    const standstill = Buffer.from(this.#options.random.bytes(8)).toString('hex');
    const made = copies.map((tags) => this.#copy(volumeId, tags, `${tags.workspaceId} ${standstill}`, ref));
    try {
      const late = () => new ComputeError('transient', `CopyVolumes took longer than ${limits.copyMs} ms`);
      return { volumeIds: await within(time, limits.copyMs, Promise.all(made), late) };
    } catch (error) {
      const kind = error instanceof ComputeError ? 'late' : classOf(error);
      if (kind === null) throw error;
      for (const copy of made) void copy.then((id) => this.drop([id])).catch(() => {});
      return { ...NONE, because: kind === 'late' ? (error as Error).message : `${(error as Error).name}: ${(error as Error).message}` };
    }
  }

  /** Lets go of copies that nothing will use. What stays behind belongs to no workspace, and the reaper finds it. */
  async drop(volumeIds: readonly string[]): Promise<void> {
    for (const VolumeId of volumeIds) await this.#options.calls.make('deleteVolume', { VolumeId }).catch(() => {});
  }

  async #copy(SourceVolumeId: string, tags: ResourceTags, name: string, parent: SnapshotRequest['ref']): Promise<string> {
    const { calls, deployment } = this.#options;
    const Tags = tagList(tags, { deployment, ttl: 'keep', parent });
    const { Volumes: [volume] = [] } = await calls.make('copyVolumes', {
      SourceVolumeId,
      ClientToken: createHash('sha256').update(`${deployment} copy ${name}`).digest('hex').slice(0, 40),
      TagSpecifications: [{ ResourceType: 'volume', Tags }],
    });
    if (volume?.VolumeId === undefined) throw new ComputeError('transient', 'CopyVolumes named no volume');
    return volume.VolumeId;
  }
}

/** The copies that were made with a snapshot, by its tags. */
export function copiesOf(snapshot: Snapshot, asked: SnapshotRequest['copies'] = []): VolumeCopy[] {
  const ids = (tagOf(snapshot.Tags, TAGS.copies) ?? '').split(' ').filter((id) => id !== '');
  if (ids.length !== asked.length) return [];
  const gib = snapshot.VolumeSize === undefined ? {} : { volumeGiB: snapshot.VolumeSize };
  return asked.map(({ workspaceId, workspace }, index) => ({ workspaceId, workspace, volumeId: ids[index] ?? '', ...gib }));
}
