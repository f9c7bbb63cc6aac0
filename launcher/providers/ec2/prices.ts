import { everyPage } from './batcher.ts';
import type { Calls } from './calls.ts';
import type { Ec2Limits } from './limits.ts';
import type { Market } from './pools.ts';
import { type Architecture, allTypes, type InstanceType } from './sizes.ts';
import type { Time } from './timers.ts';

/** On demand, us-east-1, dollars an hour; from a price file of 2026-07. What is not in it has no price here. */
const ON_DEMAND_USD: Readonly<Partial<Record<InstanceType, number>>> = {
  't3a.small': 0.0188,
  't3a.medium': 0.0376,
  't3a.large': 0.0752,
  'm7a.large': 0.1159,
  'm7i-flex.large': 0.0958,
  'c7a.large': 0.1026,
  'm8g.large': 0.0898,
};
const PRICED_REGION = 'us-east-1';

interface PricesOptions {
  calls: Calls;
  time: Time;
  limits: Ec2Limits;
  architecture: Architecture;
  region: string;
}

/** What an hour of a machine costs, as far as that is known without waiting for it. */
export class Prices {
  readonly #options: PricesOptions;
  #spot: { atMs: number; usdPerHour: Map<string, number> } | null = null;

  constructor(options: PricesOptions) {
    this.#options = options;
  }

  /** Asks for the spot prices of now, unless they are known. It never fails: a price is for show. */
  async refresh(): Promise<void> {
    const { calls, time, limits, architecture } = this.#options;
    const nowMs = time.now();
    if (this.#spot !== null && nowMs - this.#spot.atMs < limits.pricesKeepMs) return;
    const known = this.#spot?.usdPerHour ?? new Map<string, number>();
    this.#spot = { atMs: nowMs, usdPerHour: known };
    const ask = {
      InstanceTypes: allTypes(architecture),
      ProductDescriptions: ['Linux/UNIX'],
      StartTime: new Date(nowMs),
      MaxResults: 1000,
    };
    try {
      const { views } = await everyPage(async (next) => {
        const page = await calls.make('describeSpotPriceHistory', { ...ask, ...(next && { NextToken: next }) });
        return { views: page.SpotPriceHistory ?? [], next: page.NextToken };
      }, limits.pages);
      for (const { InstanceType: type, AvailabilityZone: az, SpotPrice: usd } of views) known.set(`${type} ${az}`, Number(usd));
    } catch {
      this.#spot = null;
    }
  }

  usdPerHour(type: string, az: string, market: Market): number | null {
    if (market === 'spot') return this.#spot?.usdPerHour.get(`${type} ${az}`) ?? null;
    return this.#options.region === PRICED_REGION ? (ON_DEMAND_USD[type as InstanceType] ?? null) : null;
  }
}
