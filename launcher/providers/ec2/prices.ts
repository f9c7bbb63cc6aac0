import type { Architecture } from '../../contract/fields.ts';
import { onDemandPrice, type Price, usualSpotPrice } from '../../contract/prices.ts';
import { everyPage } from './batcher.ts';
import type { Calls } from './calls.ts';
import type { Ec2Limits } from './limits.ts';
import type { Market } from './pools.ts';
import { allTypes } from './sizes.ts';
import type { Time } from './timers.ts';

interface PricesOptions {
  calls: Calls;
  time: Time;
  limits: Ec2Limits;
  architectures: readonly Architecture[];
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
    const { calls, time, limits, architectures } = this.#options;
    const nowMs = time.now();
    if (this.#spot !== null && nowMs - this.#spot.atMs < limits.pricesKeepMs) return;
    const known = this.#spot?.usdPerHour ?? new Map<string, number>();
    this.#spot = { atMs: nowMs, usdPerHour: known };
    const ask = {
      InstanceTypes: architectures.flatMap(allTypes),
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

  /** A spot machine has the price of the moment where that is known; else prices are those of the table. */
  perHour(type: string, az: string, market: Market): Price {
    if (market === 'on-demand') return onDemandPrice(type, this.#options.region);
    const usd = this.#spot?.usdPerHour.get(`${type} ${az}`);
    return usd === undefined ? usualSpotPrice(type) : { microUsd: Math.round(usd * 1e6), about: false };
  }
}
