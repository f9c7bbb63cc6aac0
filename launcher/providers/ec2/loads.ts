import { createHash } from 'node:crypto';
import type { Instance } from '@aws-sdk/client-ec2';
import { PRICES } from '../../contract/prices.ts';
import { ComputeError, type LaunchRequest } from '../../ports/compute.ts';
import type { Calls } from './calls.ts';
import { classOf } from './errors.ts';
import type { Loading, VolumeState } from './launch-state.ts';
import { tagList } from './tags.ts';

interface LoadsOptions {
  calls: Calls;
  deployment: string;
  /** MiB a second that are paid for; null: snapshots are read in as they are used. */
  mibPerSecond: number | null;
}

/** `refused`: not at this rate; in words why. */
type Made = { volumeId: string } | { refused: string };

/** Most that reading a snapshot in costs, in dollars. */
const usdOf = ({ dataGiB }: Loading): string => ((dataGiB * PRICES.initializationMicroUsdPerGiB) / 1e6).toFixed(2);

export const toldOfLoading = (loading: Loading): string => `disk read in at ${loading.mibPerSecond} MiB/s for $${usdOf(loading)} at most`;

/** Volumes from snapshots whose data is read in at a rate that is paid for. */
export class Loads {
  readonly #options: LoadsOptions;

  constructor(options: LoadsOptions) {
    this.#options = options;
  }

  /** How a snapshot of this size is read in; undefined: as it is used. */
  of(dataGiB: number): Loading | undefined {
    const { mibPerSecond } = this.#options;
    return mibPerSecond === null ? undefined : { mibPerSecond, dataGiB };
  }

  /**
   * The volume, in the zone of the machine; made once for the machine and each rate.
   * @throws what AWS said, where it would not make one without the rate either
   */
  async make({ tags }: LaunchRequest, { boxId, disk, operationId }: VolumeState, { Placement }: Instance): Promise<Made> {
    const { calls, deployment } = this.#options;
    if (disk.kind !== 'snapshot') throw new ComputeError('fatal', 'there is no snapshot to make a volume of');
    const rate = disk.loading?.mibPerSecond;
    const name = `${deployment} ${operationId} ${boxId} ${rate ?? 'as used'}`;
    const ask = {
      AvailabilityZone: Placement?.AvailabilityZone,
      SnapshotId: disk.snapshotId,
      Size: disk.gib,
      VolumeType: 'gp3' as const,
      ...(rate !== undefined && { VolumeInitializationRate: rate }),
      ClientToken: createHash('sha256').update(name).digest('hex').slice(0, 40),
      TagSpecifications: [{ ResourceType: 'volume' as const, Tags: tagList(tags, { deployment, ttl: 'keep' }) }],
    };
    try {
      const { VolumeId: volumeId } = await calls.make('createVolume', ask, { repeat: rate === undefined ? 'safe' : 'once' });
      if (volumeId === undefined) throw new ComputeError('transient', 'CreateVolume named no volume');
      return { volumeId };
    } catch (error) {
      const { name: code, message } = error as Error;
      const isOfRate = rate !== undefined && (classOf(error) === 'fatal' || code === 'InsufficientVolumeCapacity');
      if (!isOfRate) throw error;
      return { refused: `${code}: ${message}` };
    }
  }
}
