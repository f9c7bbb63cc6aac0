import type { Instance } from '@aws-sdk/client-ec2';
import { type BoxRef, type BoxState, ComputeError, type PoolBoxRef } from '../../ports/compute.ts';
import type { Calls } from './calls.ts';
import { classOf } from './errors.ts';
import type { Ec2Limits } from './limits.ts';
import type { Looks } from './looks.ts';
import { Memory, Since } from './memory.ts';
import { readPoolId, readTags } from './tags.ts';
import type { Time } from './timers.ts';

interface BoxesOptions {
  calls: Calls;
  looks: Looks;
  time: Time;
  limits: Ec2Limits;
  deployment: string;
}

/** A box of a session, or one of the pool whose machine is known. */
export type AnyBox = BoxRef | (PoolBoxRef & { boxId: string });

const isPools = (box: AnyBox): box is PoolBoxRef & { boxId: string } => 'id' in box;
const holderOf = (box: AnyBox): string => (isPools(box) ? box.id : `${box.sessionId} ${box.generation}`);

/** What this process did with a box: describes may not show it yet. */
interface Doings {
  /** Whose it is. */
  holder: string;
  launchedAtMs: number;
}

const INSTANCE_ID = /^i-[0-9a-f]{8,17}$/;
const ENDED = new Set(['shutting-down', 'terminated']);
const OVER = new Set([...ENDED, 'stopping', 'stopped']);

/** It does not run any more. */
export const isOver = ({ State }: Instance): boolean => OVER.has(State?.Name ?? '');

/** Instances as boxes: whether they are there, and their end. */
export class Boxes {
  readonly #options: BoxesOptions;
  readonly #launched: Memory<Doings>;
  readonly #ended: Memory<true>;
  /** Boxes that are quiet, with their volume, which nothing has mounted any more, and since when: another process may have let one go on. */
  readonly #quiet: Memory<number>;
  readonly #unseen: Since;
  /** Boxes that were asked to stop. */
  readonly #stopping: Since;

  constructor(options: BoxesOptions) {
    this.#options = options;
    const { remembered } = options.limits;
    this.#launched = new Memory(remembered);
    this.#ended = new Memory(remembered);
    this.#quiet = new Memory(remembered);
    this.#unseen = new Since(options.time, remembered);
    this.#stopping = new Since(options.time, remembered);
  }

  noteLaunched(box: AnyBox): void {
    const known = this.#launched.get(box.boxId);
    this.#launched.set(box.boxId, { holder: holderOf(box), launchedAtMs: known?.launchedAtMs ?? this.#options.time.now() });
  }

  /** It was stopped, and goes on as the box of a later generation, or of a session that took it from the pool. */
  noteWoken(box: BoxRef): void {
    this.#launched.set(box.boxId, { holder: holderOf(box), launchedAtMs: this.#options.time.now() });
    this.#quiet.delete(box.boxId);
    this.#stopping.over(box.boxId);
    this.#options.looks.instance.forget(box.boxId);
  }

  noteQuiet(boxId: string): void {
    this.#quiet.set(boxId, this.#options.time.now());
  }

  noteOpen(boxId: string): void {
    this.#quiet.delete(boxId);
  }

  #isQuiet(boxId: string): boolean {
    const { time, limits } = this.#options;
    return time.now() - (this.#quiet.get(boxId) ?? Number.NEGATIVE_INFINITY) < limits.quietMs;
  }

  async observe(box: AnyBox): Promise<BoxState> {
    if (!INSTANCE_ID.test(box.boxId) || this.#ended.get(box.boxId)) return 'gone';
    const instance = await this.see(box.boxId);
    if (instance === null) return this.#isYoung(box) ? 'pending' : 'gone';
    // The tags of one that was parked, and what it did before, may still be shown just after it was started again.
    if (this.#isBefore(instance, box) && this.#isYoung(box)) return 'pending';
    if (!this.#isOf(instance, box)) return 'gone';
    return ENDED.has(instance.State?.Name ?? '') ? 'gone' : this.#stateOf(instance, box);
  }

  #stateOf({ State: state }: Instance, box: AnyBox): BoxState {
    if (state?.Name === 'running') return 'running';
    return state?.Name === 'stopped' && !this.#isYoung(box, this.#options.limits.readLagMs) ? 'parked' : 'pending';
  }

  /** Of an earlier generation of the same session, or still the pool's. */
  #isBefore({ Tags }: Instance, box: AnyBox): boolean {
    if (isPools(box)) return false;
    const tags = readTags(Tags, this.#options.deployment);
    if (tags === null) return readPoolId(Tags, this.#options.deployment) !== null;
    return tags.sessionId === box.sessionId && (tags.generation ?? 0) < box.generation;
  }

  /** The instance, and null when it is not to be seen. */
  async see(boxId: string, how: { soon?: boolean } = {}): Promise<Instance | null> {
    const [instance = null] = await this.#options.looks.instance.look(boxId, how);
    return instance;
  }

  /** True when it holds on to nothing any more: it has ended, or has not been there for longer than describes lag. */
  async isOver(boxId: string): Promise<boolean> {
    if (this.#ended.get(boxId)) return true;
    const instance = await this.see(boxId);
    if (instance !== null) {
      this.#unseen.over(boxId);
      return isOver(instance);
    }
    return this.#unseen.still(boxId) >= this.#options.limits.readLagMs;
  }

  async end(box: AnyBox): Promise<void> {
    if (!INSTANCE_ID.test(box.boxId) || this.#ended.get(box.boxId)) return;
    const instance = await this.see(box.boxId);
    if (instance === null) {
      const mine = this.#launched.get(box.boxId);
      if (mine !== undefined && mine.holder !== holderOf(box)) return;
      if (!this.#isYoung(box)) return;
    } else {
      if (!this.#isOf(instance, box)) return;
      if (ENDED.has(instance.State?.Name ?? '')) return;
      if (this.#isQuiet(box.boxId)) await this.#letGo(instance);
    }
    await this.terminate(box.boxId);
  }

  /** Stops it; its disks stay attached. One that is stopping or has ended is left alone. */
  async park(box: AnyBox): Promise<void> {
    const instance = await this.see(box.boxId);
    if (instance === null || !this.#isOf(instance, box) || isOver(instance)) return;
    if (instance.State?.Name !== 'running') throw new ComputeError('busy', `${box.boxId} is ${instance.State?.Name}`);
    // Describes may go on showing it as running for a while.
    if (this.#stopping.isSo(box.boxId) && this.#stopping.still(box.boxId) < this.#options.limits.readLagMs) return;
    await this.#options.calls.make('stopInstances', { InstanceIds: [box.boxId] });
    this.#stopping.over(box.boxId);
    this.#stopping.still(box.boxId);
    this.#options.looks.instance.forget(box.boxId);
  }

  /** @throws what AWS said, also that it does not see it yet */
  async terminate(boxId: string): Promise<void> {
    try {
      await this.#options.calls.make('terminateInstances', { InstanceIds: [boxId] });
    } catch (error) {
      if (classOf(error) === 'not_found') throw new ComputeError('transient', `${boxId} is not to be seen yet`, { cause: error });
      throw error;
    }
    this.#ended.set(boxId, true);
    this.#options.looks.instance.forget(boxId);
  }

  /** A volume that nothing has mounted is free within seconds, long before its instance has ended. It will be free in any case. */
  async #letGo(instance: Instance): Promise<void> {
    for (const { Ebs } of instance.BlockDeviceMappings ?? []) {
      if (Ebs?.VolumeId === undefined || Ebs.DeleteOnTermination !== false) continue;
      const ask = { VolumeId: Ebs.VolumeId, InstanceId: instance.InstanceId };
      await this.#options.calls.make('detachVolume', ask, { repeat: 'once' }).catch(() => {});
      this.#options.looks.volume.forget(Ebs.VolumeId);
    }
  }

  /** One that could not go on after it was parked has the tags of the generation before. A later one's is none of this caller's. */
  #isOf(instance: Instance, box: AnyBox): boolean {
    if (isPools(box)) return readPoolId(instance.Tags, this.#options.deployment) === box.id;
    const tags = readTags(instance.Tags, this.#options.deployment);
    return tags?.sessionId === box.sessionId && tags.generation !== null && tags.generation <= box.generation;
  }

  /** Launched so lately that describes need not show it. */
  #isYoung(box: AnyBox, ms: number = this.#options.limits.invisibleMs): boolean {
    const { time } = this.#options;
    const mine = this.#launched.get(box.boxId);
    const launchedAtMs = mine?.holder === holderOf(box) ? mine.launchedAtMs : box.launchedAtMs;
    return launchedAtMs !== undefined && Math.abs(time.now() - launchedAtMs) < ms;
  }
}
