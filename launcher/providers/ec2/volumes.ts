import type { Volume, VolumeAttachment } from '@aws-sdk/client-ec2';
import { ComputeError } from '../../ports/compute.ts';
import type { Boxes } from './boxes.ts';
import type { Calls } from './calls.ts';
import { classOf } from './errors.ts';
import { WORKSPACE_DEVICE } from './fleet.ts';
import type { Ec2Limits } from './limits.ts';
import type { Looks } from './looks.ts';
import { Memory, Since } from './memory.ts';
import type { Time } from './timers.ts';

interface VolumesOptions {
  calls: Calls;
  looks: Looks;
  boxes: Boxes;
  time: Time;
  limits: Ec2Limits;
}

export const isVolumeId = (id: string): boolean => /^vol-[0-9a-f]{8,17}$/.test(id);

/** Where a volume is attached, or on its way on or off; null when it is free. */
export const holderOf = ({ Attachments = [] }: Volume): VolumeAttachment | null =>
  Attachments.find(({ State }) => State !== 'detached') ?? null;

/** EBS volumes on their way from one box to the next. */
export class Volumes {
  readonly #options: VolumesOptions;
  readonly #unseen: Since;
  readonly #detaching: Since;
  readonly #asked: Since;
  readonly #gib: Memory<number>;

  constructor(options: VolumesOptions) {
    this.#options = options;
    const { remembered } = options.limits;
    this.#unseen = new Since(options.time, remembered);
    this.#detaching = new Since(options.time, remembered);
    this.#asked = new Since(options.time, remembered);
    this.#gib = new Memory(remembered);
  }

  /** Size of a volume that was seen; 0 of one that was not. */
  gibOf(id: string): number {
    return this.#gib.get(id) ?? 0;
  }

  /** The volume; null while it may only not be to be seen yet. @throws missing */
  async see(id: string, how: { soon?: boolean } = {}): Promise<Volume | null> {
    const [volume] = isVolumeId(id) ? await this.#options.looks.volume.look(id, how) : [];
    const isGone = !isVolumeId(id) || volume?.State === 'deleting' || volume?.State === 'deleted';
    if (volume !== undefined && !isGone) {
      this.#unseen.over(id);
      this.#gib.set(id, volume.Size ?? 0);
      return volume;
    }
    if (!isGone && this.#unseen.still(id) < this.#options.limits.readLagMs) return null;
    throw new ComputeError('missing', `there is no volume ${id}`);
  }

  /**
   * Whether the volume may be attached now; gets on with freeing it when its box has ended.
   * @throws busy while a box uses it, missing
   */
  async isFree(id: string, how: { soon?: boolean } = {}): Promise<boolean> {
    const volume = await this.see(id, how);
    if (volume === null) return false;
    const holder = holderOf(volume);
    if (holder === null) {
      this.#detaching.over(id);
      this.#asked.over(id);
      return volume.State === 'available';
    }
    const isOver = await this.#options.boxes.isOver(holder.InstanceId ?? '');
    if (!isOver && holder.State !== 'detaching') throw new ComputeError('busy', `${id} is in use by ${holder.InstanceId}`);
    if (isOver) await this.#detach(id, holder);
    return false;
  }

  /** Asks for it to be attached; that it is being attached already is fine. */
  async attach(id: string, boxId: string): Promise<void> {
    try {
      await this.#options.calls.make('attachVolume', { VolumeId: id, InstanceId: boxId, Device: WORKSPACE_DEVICE }, { repeat: 'once' });
    } catch (error) {
      const kind = classOf(error);
      // Done already, or not yet possible: the next look tells.
      if (kind !== 'state' && kind !== 'not_found' && kind !== 'no_answer' && kind !== 'passing') throw error;
    }
    this.#options.looks.volume.forget(id);
  }

  async drop(id: string): Promise<void> {
    if (!isVolumeId(id)) return;
    try {
      await this.#options.calls.make('deleteVolume', { VolumeId: id });
    } catch (error) {
      // What hangs on a box that has ended is freed meanwhile, or the volume would never go.
      if (classOf(error) === 'state') await this.isFree(id);
      if (classOf(error) !== 'not_found') throw error;
    }
    this.#options.looks.volume.forget(id);
  }

  /** Off a box that has ended. Only of such a one, and only when it hangs, it is taken by force. */
  async #detach(id: string, { State: state, InstanceId }: VolumeAttachment): Promise<void> {
    const { calls, limits, looks } = this.#options;
    const hangs = this.#detaching.still(id) >= limits.detachMs;
    if (state === 'detaching' && !hangs) return;
    if (this.#asked.isSo(id) && this.#asked.still(id) < limits.detachAgainMs) return;
    this.#asked.over(id);
    this.#asked.still(id);
    try {
      await calls.make('detachVolume', { VolumeId: id, InstanceId, ...(hangs && { Force: true }) }, { repeat: 'once' });
    } catch (error) {
      if (classOf(error) === null || classOf(error) === 'fatal') throw error;
    }
    looks.volume.forget(id);
  }
}
