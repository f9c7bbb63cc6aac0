import type { Size } from '../../contract/fields.ts';
import { ComputeError } from '../../ports/compute.ts';
import { everyPage } from './batcher.ts';
import type { Calls } from './calls.ts';
import type { Ec2Limits } from './limits.ts';
import { Memory } from './memory.ts';
import { type Architecture, allTypes, classOfSize, type InstanceType } from './sizes.ts';
import type { Time } from './timers.ts';

export type Market = 'spot' | 'on-demand';
/** `spot-preferred`: on demand where there is no spot machine. */
export type MarketPolicy = 'spot' | 'spot-preferred' | 'on-demand';

export interface Subnet {
  id: string;
  az: string;
}

/** Types by zone: where one machine may come from. */
export type PoolsByZone = Record<string, InstanceType[]>;

/** One try for a machine: a market, and every pool there that may have one. */
export interface Rung {
  index: number;
  market: Market;
  pools: PoolsByZone;
}

interface PoolsOptions {
  calls: Calls;
  time: Time;
  limits: Ec2Limits;
  architecture: Architecture;
  subnets: readonly Subnet[];
}

const MARKETS: Readonly<Record<MarketPolicy, readonly Market[]>> = {
  spot: ['spot'],
  'spot-preferred': ['spot', 'on-demand'],
  'on-demand': ['on-demand'],
};

/** Where machines may be had: types on offer, zones with a subnet, without the pools that had none lately. */
export class Pools {
  readonly #options: PoolsOptions;
  readonly #emptyAtMs: Memory<number>;
  #offers: { atMs: number; pairs: Set<string> } | null = null;

  constructor(options: PoolsOptions) {
    this.#options = options;
    this.#emptyAtMs = new Memory(options.limits.remembered);
  }

  get zones(): string[] {
    return [...new Set(this.#options.subnets.map(({ az }) => az))];
  }

  subnetsOf(az: string): Subnet[] {
    return this.#options.subnets.filter((subnet) => subnet.az === az);
  }

  zoneOf(subnetId: string): string {
    return this.#options.subnets.find(({ id }) => id === subnetId)?.az ?? '';
  }

  noteEmpty(type: string, az: string, market: Market): void {
    this.#emptyAtMs.set(`${type} ${az} ${market}`, this.#options.time.now());
  }

  /** The first rung from `from` on that has a pool left; null when there is none. The exact class goes before larger machines. */
  async rung(size: Size, policy: MarketPolicy, zones: readonly string[], from: number): Promise<Rung | null> {
    const { exact, larger } = classOfSize(this.#options.architecture, size);
    const offers = await this.#offered();
    if (![...exact, ...larger].some((type) => this.zones.some((az) => offers.has(`${type} ${az}`))))
      throw new ComputeError('fatal', `no machine of the class ${size} is on offer in ${this.zones.join(', ')}`);
    const rungs = MARKETS[policy].flatMap((market) => [
      { market, types: exact },
      { market, types: larger },
    ]);
    for (const [index, { market, types }] of rungs.entries()) {
      if (index < from) continue;
      const pools: PoolsByZone = {};
      for (const az of zones) {
        const left = types.filter((type) => offers.has(`${type} ${az}`) && !this.#isEmpty(type, az, market));
        if (left.length > 0) pools[az] = left;
      }
      if (Object.keys(pools).length > 0) return { index, market, pools };
    }
    return null;
  }

  #isEmpty(type: string, az: string, market: Market): boolean {
    const atMs = this.#emptyAtMs.get(`${type} ${az} ${market}`);
    return atMs !== undefined && this.#options.time.now() - atMs < this.#options.limits.emptyPoolMs;
  }

  async #offered(): Promise<Set<string>> {
    const { calls, time, limits, architecture } = this.#options;
    if (this.#offers !== null && time.now() - this.#offers.atMs < limits.offersKeepMs) return this.#offers.pairs;
    const Filters = [
      { Name: 'instance-type', Values: allTypes(architecture) },
      { Name: 'location', Values: this.zones },
    ];
    const { views, complete } = await everyPage(async (next) => {
      const page = await calls.make('describeInstanceTypeOfferings', {
        LocationType: 'availability-zone',
        Filters,
        ...(next && { NextToken: next }),
      });
      return { views: page.InstanceTypeOfferings ?? [], next: page.NextToken };
    }, limits.pages);
    if (!complete) throw new ComputeError('transient', 'the list of instance types on offer was not whole');
    const pairs = new Set(views.map(({ InstanceType: type, Location: az }) => `${type} ${az}`));
    this.#offers = { atMs: time.now(), pairs };
    return pairs;
  }
}
