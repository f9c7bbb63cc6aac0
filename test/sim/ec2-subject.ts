import { createHash } from 'node:crypto';
import type { QuiesceReport } from '../../launcher/contract/receipt.ts';
import { type BoxRef, ComputeError, type ComputePort } from '../../launcher/ports/compute.ts';
import type { Ec2Api } from '../../launcher/providers/ec2/api.ts';
import type { BoxChannel } from '../../launcher/providers/ec2/channel.ts';
import type { Templates } from '../../launcher/providers/ec2/choice.ts';
import { createEc2Provider, type Ec2ProviderOptions, ensureLaunchTemplate } from '../../launcher/providers/ec2/index.ts';
import { SeededRandom } from '../support/faults.ts';
import { SimulatedMachine } from './simulated-machine.ts';
import type { SimulatedAws } from './world.ts';

export const DEPLOYMENT = 'test';
const ANSWER_MS = 40;

/** The machine of a box, if it is this box's and has power. */
export function machineOf(aws: SimulatedAws, box: BoxRef): SimulatedMachine | null {
  const machine = aws.machineOf(box.boxId);
  if (!(machine instanceof SimulatedMachine)) return null;
  const tags = machine.host.imds.tags();
  const isSame = tags['devctl:session'] === box.sessionId && tags['devctl:generation'] === String(box.generation);
  return isSame ? machine : null;
}

/** Speaks to simulated machines as a network would: a little later, or not at all. */
export class SimulatedChannel implements BoxChannel {
  /** Boxes that do not answer. */
  readonly deaf = new Set<string>();
  readonly #aws: SimulatedAws;
  readonly #reports = new Map<string, QuiesceReport>();

  constructor(aws: SimulatedAws) {
    this.#aws = aws;
  }

  async quiesce(box: BoxRef, operationId: string): Promise<QuiesceReport> {
    const machine = await this.#reach(box);
    const known = this.#reports.get(operationId);
    if (known) return known;
    const files = machine.state === 'ready' ? machine.files() : {};
    const text = JSON.stringify(Object.entries(files).sort());
    machine.quiesce();
    const report = {
      stoppedProcesses: [],
      killedProcesses: [],
      repositories: [],
      files: Object.keys(files).length,
      bytes: text.length,
      canary: { path: 'canary', sha256: createHash('sha256').update(text).digest('hex') },
      truncated: false,
      tookMs: ANSWER_MS,
    };
    this.#reports.set(operationId, report);
    return report;
  }

  async freeze(box: BoxRef, maxMs: number): Promise<void> {
    const machine = await this.#reach(box);
    if (machine.state !== 'ready') throw new ComputeError('unreachable', `the box is ${machine.state}`);
    machine.freeze(maxMs);
  }

  async thaw(box: BoxRef): Promise<boolean> {
    return (await this.#reach(box)).thaw();
  }

  async #reach(box: BoxRef): Promise<SimulatedMachine> {
    await this.#aws.cloud.clock.sleep(ANSWER_MS);
    const machine = machineOf(this.#aws, box);
    if (machine === null || machine.state === 'waiting' || this.deaf.has(box.boxId))
      throw new ComputeError('unreachable', `${box.boxId} does not answer`);
    return machine;
  }
}

/** The real provider in the simulated account. */
export function providerOn(aws: SimulatedAws, templates: Templates, patch: Partial<Ec2ProviderOptions> = {}): ComputePort {
  return createEc2Provider({
    ec2: aws.ec2,
    channel: new SimulatedChannel(aws),
    time: aws.cloud.clock,
    random: new SeededRandom(7),
    region: aws.region,
    deployment: DEPLOYMENT,
    templates,
    subnets: [...aws.cloud.catalog.subnets.values()],
    volumeGiB: 10,
    ...patch,
  });
}

/** A launch template for each architecture that has an image. */
export async function templatesOn(
  aws: SimulatedAws,
  ec2: Ec2Api = aws.ec2,
  launcherUrl = 'https://devctl.example.com',
): Promise<Templates> {
  const parts = { ec2, time: aws.cloud.clock, random: new SeededRandom(7) };
  const made: Record<string, Templates['x86_64']> = {};
  for (const { architecture, id: imageId } of aws.cloud.catalog.images.values()) {
    const settings = { deployment: DEPLOYMENT, imageId, launcherUrl };
    made[architecture] = await aws.cloud.clock.run(ensureLaunchTemplate(parts, settings));
  }
  return made as Templates;
}
