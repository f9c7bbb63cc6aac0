import type { Instance } from '@aws-sdk/client-ec2';
import type { LaunchRequest } from '../../ports/compute.ts';
import type { Boxes } from './boxes.ts';
import type { Calls } from './calls.ts';
import { classOf } from './errors.ts';
import type { Disk, TakeState } from './launch-state.ts';
import type { Ec2Limits } from './limits.ts';
import type { Loads } from './loads.ts';
import { Since } from './memory.ts';
import { readPoolId, readTags, tagList } from './tags.ts';
import type { Time } from './timers.ts';

interface TakesOptions {
  calls: Calls;
  boxes: Boxes;
  loads: Loads;
  time: Time;
  limits: Ec2Limits;
  deployment: string;
  ttl: string;
}

/** `again`: a call failed in a way that may pass. `left`: it cannot be had, and was let go; in words why. */
type Attached = Extract<Disk, { kind: 'attach' }>;
type Taken = { kind: 'started'; disk: Attached } | { kind: 'wait' } | { kind: 'again' } | { kind: 'left'; because: string };

/** Boxes of the pool on their way to be the box of a session. */
export class Takes {
  readonly #options: TakesOptions;
  readonly #unseen: Since;

  constructor(options: TakesOptions) {
    this.#options = options;
    this.#unseen = new Since(options.time, options.limits.remembered);
  }

  /** Gives the machine the tags of this launch, power, and, where the workspace has none, a volume beside it. May be repeated. */
  async start(request: LaunchRequest, state: TakeState): Promise<Taken> {
    const { boxes, limits } = this.#options;
    const { boxId } = state;
    const instance = await boxes.see(boxId);
    if (instance === null)
      return this.#unseen.still(boxId) < limits.readLagMs ? { kind: 'wait' } : { kind: 'left', because: 'is not there any more' };
    this.#unseen.over(boxId);
    const power = instance.State?.Name;
    if (power === 'terminated' || power === 'shutting-down') return { kind: 'left', because: 'has ended' };
    if (!this.#mayHave(instance, request, state)) return { kind: 'left', because: 'belongs to somebody else by its tags' };
    if (power === 'stopping') return { kind: 'wait' };
    try {
      await this.#power(request, boxId);
      return { kind: 'started', disk: await this.#diskOf(request, state, instance) };
    } catch (error) {
      const kind = classOf(error);
      if (kind === null) throw error;
      const isOver = kind === 'no_capacity' || kind === 'quota' || state.tries + 1 >= limits.takes;
      if (!isOver) return { kind: 'again' };
      await boxes.terminate(boxId);
      return { kind: 'left', because: `cannot be had: ${(error as Error).name}` };
    }
  }

  #mayHave({ Tags }: Instance, { tags }: LaunchRequest, { poolId }: TakeState): boolean {
    const { deployment } = this.#options;
    if (readPoolId(Tags, deployment) === poolId) return true;
    const found = readTags(Tags, deployment);
    return found?.sessionId === tags.sessionId && found.generation === tags.generation;
  }

  /** Tags come first: from its start on it is this session's, and the box reads from them which. */
  async #power(request: LaunchRequest, boxId: string): Promise<void> {
    const { calls, boxes, deployment, ttl } = this.#options;
    const { sessionId, generation, operationId } = request.tags;
    const tags = { ...request.tags, operationId: `${operationId}.pool` };
    await calls.make('createTags', { Resources: [boxId], Tags: tagList(tags, { deployment, ttl, wish: request }) });
    await calls.make('startInstances', { InstanceIds: [boxId] });
    boxes.noteWoken({ boxId, sessionId, generation });
  }

  /** The volume of before, or one that is made while the machine comes up. */
  async #diskOf(request: LaunchRequest, state: TakeState, instance: Instance): Promise<Attached> {
    const { disk } = state;
    if (disk.kind === 'attach') return disk;
    const made = await this.#options.loads.make(request, state, instance);
    if ('volumeId' in made) {
      const loading = disk.kind === 'snapshot' ? disk.loading : undefined;
      return { kind: 'attach', volumeId: made.volumeId, ...(loading && { loading }) };
    }
    // At a rate that AWS does not give now it is made without.
    const { loading: _, ...plain } = disk as Extract<Disk, { kind: 'snapshot' }>;
    return this.#diskOf(request, { ...state, disk: plain }, instance);
  }
}
