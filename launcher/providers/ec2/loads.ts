import type { Instance } from '@aws-sdk/client-ec2';
import { PRICES } from '../../contract/prices.ts';
import { ComputeError, type LaunchRequest } from '../../ports/compute.ts';
import type { Calls } from './calls.ts';
import { classOf } from './errors.ts';
import { contentOf, tokenOf } from './fleet.ts';
import type { Loading, VolumeState } from './launch-state.ts';
import { tagList } from './tags.ts';

interface LoadsOptions {
  calls: Calls;
  deployment: string;
  /** MiB a second that are paid for; null: snapshots are read in as they are used. */
  mibPerSecond: number | null;
}

type Wanted = Pick<VolumeState, 'boxId' | 'disk' | 'operationId'>;

/** `refused`: not at this rate; in words why. */
type Made = { volumeId: string } | { refused: string };

/** Most that reading a snapshot in costs, in dollars. */
const usdOf = ({ dataGiB }: Loading): string => ((dataGiB * PRICES.initializationMicroUsdPerGiB) / 1e6).toFixed(2);

export const toldOfLoading = (loading: Loading): string => `disk read in at ${loading.mibPerSecond} MiB/s for $${usdOf(loading)} at most`;

/** Volumes for machines that are there: those read in at a rate that is paid for, and those of machines that came without one. */
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
  async make({ tags }: LaunchRequest, { boxId, disk, operationId }: Wanted, { Placement }: Instance): Promise<Made> {
    const { calls, deployment } = this.#options;
    if (disk.kind === 'attach') throw new ComputeError('fatal', `${disk.volumeId} is there already`);
    const rate = disk.kind === 'snapshot' ? disk.loading?.mibPerSecond : undefined;
    const ask = {
      AvailabilityZone: Placement?.AvailabilityZone,
      ...contentOf(disk),
      Size: disk.gib,
      VolumeType: 'gp3' as const,
      ...(rate !== undefined && { VolumeInitializationRate: rate }),
      ClientToken: tokenOf(deployment, operationId, `${boxId} ${rate ?? 'as used'}`),
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
