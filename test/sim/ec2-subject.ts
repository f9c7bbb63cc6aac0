import { createHash } from 'node:crypto';
import type { QuiesceReport } from '../../launcher/contract/receipt.ts';
import { type BoxRef, ComputeError, type ComputePort } from '../../launcher/ports/compute.ts';
import type { Ec2Api } from '../../launcher/providers/ec2/api.ts';
import { Calls } from '../../launcher/providers/ec2/calls.ts';
import type { BoxChannel } from '../../launcher/providers/ec2/channel.ts';
import { createEc2Provider, type Ec2ProviderOptions, ensureLaunchTemplate } from '../../launcher/providers/ec2/index.ts';
import { EC2_LIMITS } from '../../launcher/providers/ec2/limits.ts';
import { templateData } from '../../launcher/providers/ec2/template.ts';
import { namedTemplates, type TemplateSource, type Templates } from '../../launcher/providers/ec2/templates.ts';
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
export function providerOn(aws: SimulatedAws, templates: Templates | TemplateSource, patch: Partial<Ec2ProviderOptions> = {}): ComputePort {
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

export const TEMPLATE_NAMES = { x86_64: `${DEPLOYMENT}-x86_64`, arm64: `${DEPLOYMENT}-arm64` };
export const IMAGE_PARAMETERS = { x86_64: `/${DEPLOYMENT}/image/x86_64`, arm64: `/${DEPLOYMENT}/image/arm64` };

/** What a stack makes: templates by name that have no image, and a parameter for the newest one of each architecture. */
export async function stackOn(aws: SimulatedAws, launcherUrl = 'https://abc.lambda-url.us-east-1.on.aws'): Promise<void> {
  for (const { architecture, id } of aws.cloud.catalog.images.values()) {
    aws.cloud.catalog.parameters.set(IMAGE_PARAMETERS[architecture], id);
    const { ImageId: _, ...LaunchTemplateData } = templateData({ deployment: DEPLOYMENT, imageId: id, launcherUrl });
    const LaunchTemplateName = TEMPLATE_NAMES[architecture];
    const TagSpecifications = [{ ResourceType: 'launch-template' as const, Tags: [{ Key: 'devctl:deployment', Value: DEPLOYMENT }] }];
    const request = { LaunchTemplateName, LaunchTemplateData, TagSpecifications, ClientToken: LaunchTemplateName };
    await aws.cloud.clock.run(aws.ec2.createLaunchTemplate(request));
  }
}

/** The templates of that stack, as a launcher knows them that has just started. */
export const stackTemplates = (aws: SimulatedAws): TemplateSource =>
  namedTemplates({
    ssm: new Calls({ api: aws.ssm, time: aws.cloud.clock, random: new SeededRandom(7), limits: EC2_LIMITS }),
    time: aws.cloud.clock,
    names: TEMPLATE_NAMES,
    imageParameters: IMAGE_PARAMETERS,
  });

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
