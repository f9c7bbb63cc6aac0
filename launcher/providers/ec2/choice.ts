import { ARCHITECTURES, type Architecture } from '../../contract/fields.ts';
import { ComputeError, type LaunchRequest } from '../../ports/compute.ts';
import { everyPage } from './batcher.ts';
import type { Calls } from './calls.ts';
import type { Ec2Limits } from './limits.ts';
import { Memory } from './memory.ts';
import { classOfSize, type InstanceType } from './sizes.ts';
import type { LaunchTemplate } from './template.ts';
import type { TemplateSource } from './templates.ts';
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

interface ChoicesOptions {
  calls: Calls;
  time: Time;
  limits: Ec2Limits;
  region: string;
  templates: TemplateSource;
}

type Wish = Pick<LaunchRequest, 'size' | 'instanceTypes' | 'arch'>;

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
      const chosen = arch ?? this.#options.templates.architectures[0];
      return { what: `the class ${size}`, template: await this.#templateOf(chosen), ...classOfSize(chosen, size) };
    }
    const chosen = arch ?? (await this.#commonOf(types));
    await this.#assertAre(types, chosen);
    return { what: types.join(' or '), template: await this.#templateOf(chosen), exact: types as InstanceType[], larger: [] };
  }

  async #templateOf(arch: Architecture): Promise<LaunchTemplate> {
    const { templates } = this.#options;
    if (templates.architectures.includes(arch)) return templates.of(arch);
    throw new ComputeError('unsupported', `there is no image for ${arch} here, only for ${templates.architectures.join(' and ')}`);
  }

  /** The architecture that all of the types have; of several the one that comes first here. */
  async #commonOf(types: readonly string[]): Promise<Architecture> {
    const known = await this.#known(types);
    const isCommon = (arch: Architecture) => types.every((type) => known(type).includes(arch));
    const common = [...this.#options.templates.architectures, ...ARCHITECTURES].find(isCommon);
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
