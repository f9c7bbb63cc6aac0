import type { Policy } from '../../contract/fields.ts';
import { ComputeError } from '../../ports/compute.ts';
import { everyPage } from './batcher.ts';
import type { Calls } from './calls.ts';
import type { Choice } from './choice.ts';
import type { Ec2Limits } from './limits.ts';
import { Memory } from './memory.ts';
import type { InstanceType } from './sizes.ts';
import type { Time } from './timers.ts';

export type Market = 'spot' | 'on-demand';

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
  subnets: readonly Subnet[];
}

const MARKETS: Readonly<Record<Policy, readonly Market[]>> = {
  spot: ['spot'],
  'spot-preferred': ['spot', 'on-demand'],
  'on-demand': ['on-demand'],
};

/** Where machines may be had: types on offer, zones with a subnet, without the pools that had none lately. */
export class Pools {
  readonly #options: PoolsOptions;
  readonly #emptyAtMs: Memory<number>;
  /** Zones in which a type is on offer. */
  readonly #asking = new Map<InstanceType, Promise<void>>();
  readonly #offers: Memory<{ atMs: number; zones: Set<string> }>;

  constructor(options: PoolsOptions) {
    this.#options = options;
    this.#emptyAtMs = new Memory(options.limits.remembered);
    this.#offers = new Memory(options.limits.remembered);
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

  /** The first rung from `from` on that has a pool left; null when there is none. What was asked for goes before larger machines. */
  async rung({ what, exact, larger }: Choice, policy: Policy, zones: readonly string[], from: number): Promise<Rung | null> {
    const offers = await this.#offered([...exact, ...larger]);
    if (![...exact, ...larger].some((type) => this.zones.some((az) => offers(type, az))))
      throw new ComputeError('unsupported', `no machine of ${what} is on offer in ${this.zones.join(', ')}`);
    const rungs = MARKETS[policy].flatMap((market) => [
      { market, types: exact },
      { market, types: larger },
    ]);
    for (const [index, { market, types }] of rungs.entries()) {
      if (index < from) continue;
      const pools: PoolsByZone = {};
      for (const az of zones) {
        const left = types.filter((type) => offers(type, az) && !this.#isEmpty(type, az, market));
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

  async #offered(types: readonly InstanceType[]): Promise<(type: string, az: string) => boolean> {
    const { time, limits } = this.#options;
    const isFresh = (type: string) => time.now() - (this.#offers.get(type)?.atMs ?? Number.NEGATIVE_INFINITY) < limits.offersKeepMs;
    const unknown = types.filter((type) => !isFresh(type));
    const unasked = unknown.filter((type) => !this.#asking.has(type));
    if (unasked.length > 0) this.#askOnce(unasked);
    await Promise.all(unknown.map((type) => this.#asking.get(type)));
    return (type, az) => this.#offers.get(type)?.zones.has(az) ?? false;
  }

  /** Those who come while it is under way wait for the same answer. */
  #askOnce(types: readonly InstanceType[]): void {
    const asked = this.#ask(types).finally(() => {
      for (const type of types) this.#asking.delete(type);
    });
    for (const type of types) this.#asking.set(type, asked);
  }

  async #ask(types: readonly InstanceType[]): Promise<void> {
    const { calls, time, limits } = this.#options;
    const Filters = [
      { Name: 'instance-type', Values: [...types] },
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
    for (const type of types) {
      const zones = views.filter(({ InstanceType }) => InstanceType === type).map(({ Location: az = '' }) => az);
      this.#offers.set(type, { atMs: time.now(), zones: new Set(zones) });
    }
  }
}
