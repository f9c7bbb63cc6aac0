import type { Instance } from '@aws-sdk/client-ec2';
import type { LaunchRequest } from '../../ports/compute.ts';
import type { Boxes } from './boxes.ts';
import type { Calls } from './calls.ts';
import { classOf } from './errors.ts';
import { workspaceOf } from './fleet.ts';
import type { Ec2Limits } from './limits.ts';
import { Since } from './memory.ts';
import { readTags, TAGS } from './tags.ts';
import type { Time } from './timers.ts';

interface WakesOptions {
  calls: Calls;
  boxes: Boxes;
  time: Time;
  limits: Ec2Limits;
  deployment: string;
}

/** `left`: it cannot go on, and was let go; in words why. */
type Woken = { kind: 'started' } | { kind: 'wait' } | { kind: 'left'; because: string };

/** Machines that were parked, on their way to go on as the box of a later generation. */
export class Wakes {
  readonly #options: WakesOptions;
  readonly #unseen: Since;

  constructor(options: WakesOptions) {
    this.#options = options;
    this.#unseen = new Since(options.time, options.limits.remembered);
  }

  /** Starts the machine, with the tags of this launch: before, so that it is nobody's left-over while it comes up. May be repeated. */
  async start(request: LaunchRequest, boxId: string): Promise<Woken> {
    const { boxes, limits } = this.#options;
    const instance = await boxes.see(boxId);
    if (instance === null)
      return this.#unseen.still(boxId) < limits.readLagMs ? { kind: 'wait' } : { kind: 'left', because: 'is not there any more' };
    this.#unseen.over(boxId);
    const state = instance.State?.Name;
    if (state === 'terminated' || state === 'shutting-down') return { kind: 'left', because: 'has ended' };
    if (!this.#isOf(instance, request)) return { kind: 'left', because: 'belongs to somebody else by its tags' };
    if (request.source.kind !== 'volume' || workspaceOf(instance) !== request.source.volumeId)
      return this.#leave(boxId, 'has not the volume of the workspace');
    return state === 'stopping' ? { kind: 'wait' } : this.#go(request, boxId);
  }

  #isOf({ Tags }: Instance, { tags }: LaunchRequest): boolean {
    const found = readTags(Tags, this.#options.deployment);
    return found?.sessionId === tags.sessionId && (found.generation ?? 0) <= tags.generation;
  }

  async #go({ tags }: LaunchRequest, boxId: string): Promise<Woken> {
    const { calls, boxes } = this.#options;
    const Tags = [
      { Key: TAGS.generation, Value: String(tags.generation) },
      { Key: TAGS.operation, Value: tags.operationId },
    ];
    try {
      await calls.make('createTags', { Resources: [boxId], Tags });
      await calls.make('startInstances', { InstanceIds: [boxId] });
    } catch (error) {
      const kind = classOf(error);
      if (kind === 'state' || kind === 'not_found') return { kind: 'wait' };
      // Another one would need the same: this one is kept until there is room for it.
      if (kind !== 'no_capacity') throw error;
      return this.#leave(boxId, `cannot be started: ${(error as Error).name}`);
    }
    boxes.noteWoken({ boxId, sessionId: tags.sessionId, generation: tags.generation });
    return { kind: 'started' };
  }

  /** Its volume stays, and is free once it has ended. */
  async #leave(boxId: string, because: string): Promise<Woken> {
    await this.#options.boxes.terminate(boxId);
    return { kind: 'left', because };
  }
}
