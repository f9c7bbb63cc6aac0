import { ARCHITECTURES, type Architecture } from '../../contract/fields.ts';
import { ComputeError, type LaunchRequest } from '../../ports/compute.ts';
import { everyPage } from './batcher.ts';
import type { Calls } from './calls.ts';
import type { Ec2Limits } from './limits.ts';
import { Memory } from './memory.ts';
import { classOfSize, type InstanceType } from './sizes.ts';
import type { LaunchTemplate } from './template.ts';
import type { Time } from './timers.ts';

/** Machines of which one is wanted. */
export interface Choice {
  /** In words: `the class medium`, `t3a.large or m7a.large`. */
  what: string;
  template: LaunchTemplate;
  exact: readonly InstanceType[];
  /** Taken where none of the exact ones is to be had. */
  larger: readonly InstanceType[];
}

export type Templates = Readonly<Partial<Record<Architecture, LaunchTemplate>>>;

interface ChoicesOptions {
  calls: Calls;
  time: Time;
  limits: Ec2Limits;
  region: string;
  /** One for each architecture that there is an image for; the first is what is launched when nobody says. */
  templates: Templates;
}

type Wish = Pick<LaunchRequest, 'size' | 'instanceTypes' | 'arch'>;

/** @throws ComputeError fatal when there is no template at all */
export function architecturesOf(templates: Templates): [Architecture, ...Architecture[]] {
  const [first, ...others] = Object.keys(templates) as Architecture[];
  if (first === undefined) throw new ComputeError('fatal', 'there is no launch template, so no box can be launched');
  return [first, ...others];
}

/** Which machines a wish is met by. What a type is, is asked of AWS once a day. */
export class Choices {
  readonly #options: ChoicesOptions;
  readonly #architectures: Memory<{ atMs: number; of: readonly Architecture[] }>;

  constructor(options: ChoicesOptions) {
    this.#options = options;
    this.#architectures = new Memory(options.limits.remembered);
  }

  /** @throws ComputeError unsupported, with the type and the region */
  async of({ size, instanceTypes: types, arch }: Wish): Promise<Choice> {
    if (types.length === 0) {
      const chosen = arch ?? architecturesOf(this.#options.templates)[0];
      return { what: `the class ${size}`, template: this.#templateOf(chosen), ...classOfSize(chosen, size) };
    }
    const chosen = arch ?? (await this.#commonOf(types));
    await this.#assertAre(types, chosen);
    return { what: types.join(' or '), template: this.#templateOf(chosen), exact: types as InstanceType[], larger: [] };
  }

  #templateOf(arch: Architecture): LaunchTemplate {
    const { templates } = this.#options;
    const template = templates[arch];
    if (template) return template;
    throw new ComputeError('unsupported', `there is no image for ${arch} here, only for ${architecturesOf(templates).join(' and ')}`);
  }

  /** The architecture that all of the types have; of several the one that comes first here. */
  async #commonOf(types: readonly string[]): Promise<Architecture> {
    const known = await this.#known(types);
    const isCommon = (arch: Architecture) => types.every((type) => known(type).includes(arch));
    const common = [...architecturesOf(this.#options.templates), ...ARCHITECTURES].find(isCommon);
    if (common) return common;
    throw new ComputeError('unsupported', `${types.join(', ')} have no architecture in common: a box has one`);
  }

  async #assertAre(types: readonly string[], arch: Architecture): Promise<void> {
    const known = await this.#known(types);
    const other = types.find((type) => !known(type).includes(arch));
    if (other) throw new ComputeError('unsupported', `instance type ${other} is ${known(other).join(' and ')}, not ${arch}`);
  }

  /** @throws ComputeError unsupported for a type that the region does not know */
  async #known(types: readonly string[]): Promise<(type: string) => readonly Architecture[]> {
    const { time, limits, region } = this.#options;
    const isFresh = (type: string) => time.now() - (this.#architectures.get(type)?.atMs ?? Number.NEGATIVE_INFINITY) < limits.offersKeepMs;
    const unknown = types.filter((type) => !isFresh(type));
    if (unknown.length > 0) await this.#ask(unknown);
    const found = new Map(types.map((type) => [type, this.#architectures.get(type)?.of ?? []]));
    const missing = types.filter((type) => found.get(type)?.length === 0);
    if (missing.length > 0)
      throw new ComputeError('unsupported', `there is no instance type ${missing.join(', ')} in ${region}, or none that a box can run on`);
    return (type) => found.get(type) ?? [];
  }

  async #ask(types: string[]): Promise<void> {
    const { calls, limits, time } = this.#options;
    const { views, complete } = await everyPage(async (next) => {
      const ask = { Filters: [{ Name: 'instance-type', Values: types }], ...(next && { NextToken: next }) };
      const page = await calls.make('describeInstanceTypes', ask);
      return { views: page.InstanceTypes ?? [], next: page.NextToken };
    }, limits.pages);
    if (!complete) throw new ComputeError('transient', 'the list of instance types was not whole');
    for (const { InstanceType: type, ProcessorInfo: cpu } of views) {
      const of = ARCHITECTURES.filter((arch) => cpu?.SupportedArchitectures?.includes(arch));
      if (type) this.#architectures.set(type, { atMs: time.now(), of });
    }
  }
}
