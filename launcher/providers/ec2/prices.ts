import type { Architecture } from '../../contract/fields.ts';
import { onDemandPrice, type Price, usualSpotPrice } from '../../contract/prices.ts';
import { everyPage } from './batcher.ts';
import type { Calls } from './calls.ts';
import type { Ec2Limits } from './limits.ts';
import { Memory } from './memory.ts';
import type { Market } from './pools.ts';
import { allTypes, type InstanceType } from './sizes.ts';
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
  /** By type: when it was asked for. */
  readonly #askedAtMs: Memory<number>;
  /** By type and zone. */
  readonly #spotUsdPerHour: Memory<number>;

  constructor(options: PricesOptions) {
    this.#options = options;
    this.#askedAtMs = new Memory(options.limits.remembered);
    this.#spotUsdPerHour = new Memory(options.limits.remembered);
  }

  /**
   * Asks for the spot prices of now, in one call for all types whose price is not known or old. It never fails: a price is for show.
   * @param types every type that a class has when left out; names that AWS does not know spoil the answer for all of them
   */
  async refresh(types: readonly string[] = this.#options.architectures.flatMap(allTypes)): Promise<void> {
    const { calls, time, limits } = this.#options;
    const nowMs = time.now();
    const old = types.filter((type) => nowMs - (this.#askedAtMs.get(type) ?? Number.NEGATIVE_INFINITY) >= limits.pricesKeepMs);
    if (old.length === 0) return;
    // Those who come while it is under way do not ask again.
    for (const type of old) this.#askedAtMs.set(type, nowMs);
    const ask = {
      InstanceTypes: old as InstanceType[],
      ProductDescriptions: ['Linux/UNIX'],
      StartTime: new Date(nowMs),
      MaxResults: 1000,
    };
    try {
      const { views } = await everyPage(async (next) => {
        const page = await calls.make('describeSpotPriceHistory', { ...ask, ...(next && { NextToken: next }) });
        return { views: page.SpotPriceHistory ?? [], next: page.NextToken };
      }, limits.pages);
      for (const { InstanceType: type, AvailabilityZone: az, SpotPrice: usd } of views)
        this.#spotUsdPerHour.set(`${type} ${az}`, Number(usd));
    } catch {
      for (const type of old) this.#askedAtMs.delete(type);
    }
  }

  /** A spot machine has the price of the moment where that is known; else prices are those of the table. */
  perHour(type: string, az: string, market: Market): Price {
    if (market === 'on-demand') return onDemandPrice(type, this.#options.region);
    const usd = this.#spotUsdPerHour.get(`${type} ${az}`);
    return usd === undefined ? usualSpotPrice(type) : { microUsd: Math.round(usd * 1e6), about: false };
  }
}
