import { makeId } from '../../launcher/contract/fields.ts';
import type { BoxRef, ComputePort, LaunchRequest, LaunchResult } from '../../launcher/ports/compute.ts';
import type { Ec2ProviderOptions } from '../../launcher/providers/ec2/index.ts';
import type { Templates } from '../../launcher/providers/ec2/templates.ts';
import { SeededRandom } from '../support/faults.ts';
import type { LaunchPatch } from '../support/launch-request.ts';
import { driven } from './driver.ts';
import { machineOf, providerOn, SimulatedChannel, templatesOn } from './ec2-subject.ts';
import { SimulatedMachine } from './simulated-machine.ts';
import { SimulatedAws } from './world.ts';

export interface Up extends LaunchResult {
  box: BoxRef;
  request: LaunchRequest;
  notes: string[];
}

/** The provider alone in a simulated account, asked as the controllers ask it. */
export class Ec2Bench {
  readonly aws: SimulatedAws;
  readonly channel: SimulatedChannel;
  readonly #random = new SeededRandom(5);
  readonly #templates: Templates;
  provider: ComputePort;

  private constructor(aws: SimulatedAws, templates: Templates) {
    this.aws = aws;
    this.channel = new SimulatedChannel(aws);
    this.#templates = templates;
    this.provider = this.another();
  }

  static async open(): Promise<Ec2Bench> {
    const aws = new SimulatedAws({ boot: SimulatedMachine.boot() });
    aws.cloud.pools.quotas.spotVcpus = 256;
    return new Ec2Bench(aws, await templatesOn(aws));
  }

  get clock() {
    return this.aws.cloud.clock;
  }

  /** As after a crash: it remembers nothing. */
  another(patch: Partial<Ec2ProviderOptions> = {}): ComputePort {
    return driven(providerOn(this.aws, this.#templates, { channel: this.channel, ...patch }), this.clock);
  }

  id(prefix: 'ws' | 'ses'): string {
    return makeId(prefix, this.clock.now(), this.#random.bytes(16));
  }

  request({ tags, ...rest }: LaunchPatch = {}): LaunchRequest {
    const sessionId = tags?.sessionId ?? this.id('ses');
    const generation = tags?.generation ?? 1;
    return {
      source: { kind: 'blank' },
      size: 'medium',
      policy: 'spot-preferred',
      instanceTypes: [],
      arch: null,
      network: true,
      persistent: false,
      parked: null,
      pooled: null,
      boxToken: 'box-token-canary',
      providerState: null,
      ...rest,
      tags: {
        owner: 'dev',
        workspace: 'shop',
        workspaceId: this.id('ws'),
        sessionId,
        generation,
        operationId: `${sessionId}.g${generation}.launch`,
        ...tags,
      },
    };
  }

  /** Every step, each with what the one before asked to be kept. What may pass is asked for again, as the controllers do. */
  async bring(request: LaunchRequest, tries = 3): Promise<Up> {
    let { providerState } = request;
    const notes: string[] = [];
    for (let failures = 0; ; ) {
      try {
        const answer = await this.provider.launch({ ...request, providerState });
        if (!answer.underway) {
          const { sessionId, generation } = request.tags;
          return { ...answer, notes, request, box: { boxId: answer.boxId, sessionId, generation, launchedAtMs: this.clock.now() } };
        }
        providerState = answer.providerState;
        notes.push(...answer.notes);
        await this.clock.pass(answer.retryAfterMs);
      } catch (error) {
        failures += 1;
        if ((error as { kind?: string }).kind !== 'transient' || failures >= tries) throw error;
        await this.clock.pass(1000);
      }
    }
  }

  /** The same for its end. */
  async end(box: BoxRef, tries = 10): Promise<void> {
    for (let failures = 1; ; failures += 1) {
      try {
        return await this.provider.end(box);
      } catch (error) {
        if ((error as { kind?: string }).kind !== 'transient' || failures >= tries) throw error;
        await this.clock.pass(1000);
      }
    }
  }

  async ready(box: BoxRef): Promise<SimulatedMachine> {
    await this.clock.until(() => machineOf(this.aws, box)?.state === 'ready', 600_000);
    return machineOf(this.aws, box) as SimulatedMachine;
  }

  /** A launch that goes on with the volume of another one. */
  next(up: Up, saved: null | { workspaceId: string; id: string } = null): LaunchRequest {
    const { sessionId, workspaceId, generation } = up.request.tags;
    const source = { kind: 'volume' as const, volumeId: up.volumeId, saved };
    return this.request({ source, tags: { sessionId, workspaceId, generation: generation + 1 } });
  }

  snapshotRequest(up: Up, id = 'snap_1') {
    const { workspaceId, sessionId } = up.request.tags;
    const tags = { ...up.request.tags, operationId: `${sessionId}.${id}` };
    return { tags, ref: { workspaceId, id }, volumeId: up.volumeId, liveBox: null, parent: null };
  }

  calls(op: string): number {
    return this.aws.cloud.ledger.of(op).length;
  }

  alive(): string[] {
    const over = new Set(['terminated', 'shutting-down']);
    return this.aws.cloud.instances
      .all()
      .filter(({ state }) => !over.has(state))
      .map(({ id }) => id);
  }
}
