import { refusal } from './errors.ts';
import { INSTANCE_TYPES, type InstanceTypeFigures, QUOTAS, type Quotas, SPOT_SHARE } from './figures.ts';
import type { Market } from './model.ts';
import type { Streams } from './random.ts';

export interface Pool {
  type: string;
  az: string;
  market: Market;
}

const keyOf = ({ type, az, market }: Pool): string => `${type} ${az} ${market}`;

/** Machines to be had: per pool (type, zone, market), under the quotas of the account, at a price that moves. */
export class Pools {
  readonly quotas: Quotas = { ...QUOTAS };
  /** `type zone` pairs that are not on offer. */
  readonly notOffered = new Set<string>();
  readonly #left = new Map<string, number>();
  readonly #used = new Map<string, Pool>();
  readonly #spotUsdPerHour = new Map<string, number>();
  readonly #streams: Streams;

  constructor(streams: Streams) {
    this.#streams = streams;
  }

  /** Machines that a pool has from now on; as many as are asked for where nothing was said. */
  set(pool: Pool, machines: number): void {
    this.#left.set(keyOf(pool), machines);
  }

  /** The same for every pool that matches. */
  setAll(match: Partial<Pool>, machines: number, zones: readonly string[]): void {
    for (const type of Object.keys(INSTANCE_TYPES))
      for (const az of zones)
        for (const market of ['spot', 'on-demand'] as const) {
          const pool = { type, az, market };
          if (Object.entries(match).every(([key, value]) => pool[key as keyof Pool] === value)) this.set(pool, machines);
        }
  }

  figures(type: string): InstanceTypeFigures {
    const figures = Object.hasOwn(INSTANCE_TYPES, type) ? INSTANCE_TYPES[type] : undefined;
    if (figures === undefined) throw refusal('InvalidParameterValue', `Invalid value '${type}' for InstanceType.`);
    return figures;
  }

  isOffered(type: string, az: string): boolean {
    return Object.hasOwn(INSTANCE_TYPES, type) && !this.notOffered.has(`${type} ${az}`);
  }

  /** @throws Unsupported, a quota, InsufficientInstanceCapacity */
  take(holder: string, pool: Pool, noCapacity: number): void {
    const { type, az, market } = pool;
    const { vcpus } = this.figures(type);
    if (!this.isOffered(type, az))
      throw refusal(
        'Unsupported',
        `Your requested instance type (${type}) is not supported in your requested Availability Zone (${az}). Please retry your request by not specifying an Availability Zone or choosing another one.`,
      );
    this.#checkQuota(market, vcpus);
    const left = this.#left.get(keyOf(pool)) ?? Number.POSITIVE_INFINITY;
    if (left <= 0 || this.#streams.of('capacity').chance(noCapacity)) throw noneLeft(pool);
    this.#left.set(keyOf(pool), left - 1);
    this.#used.set(holder, pool);
  }

  release(holder: string): void {
    const pool = this.#used.get(holder);
    if (pool === undefined) return;
    this.#used.delete(holder);
    const left = this.#left.get(keyOf(pool));
    if (left !== undefined) this.#left.set(keyOf(pool), left + 1);
  }

  usdPerHour(pool: Pool): number {
    return pool.market === 'spot' ? this.spotUsdPerHour(pool.type, pool.az) : this.figures(pool.type).onDemandUsdPerHour;
  }

  spotUsdPerHour(type: string, az: string): number {
    const known = this.#spotUsdPerHour.get(`${type} ${az}`);
    if (known !== undefined) return known;
    const { low, high } = SPOT_SHARE;
    const share = low + (high - low) * this.#streams.of(`spot price ${type} ${az}`).next();
    const usd = Math.round(this.figures(type).onDemandUsdPerHour * share * 10_000) / 10_000;
    this.#spotUsdPerHour.set(`${type} ${az}`, usd);
    return usd;
  }

  setSpotPrice(type: string, az: string, usdPerHour: number): void {
    this.#spotUsdPerHour.set(`${type} ${az}`, usdPerHour);
  }

  #checkQuota(market: Market, vcpus: number): void {
    const used = [...this.#used.values()].filter((pool) => pool.market === market);
    const total = used.reduce((sum, pool) => sum + this.figures(pool.type).vcpus, vcpus);
    if (market === 'spot' && total > this.quotas.spotVcpus)
      throw refusal('MaxSpotInstanceCountExceeded', 'Max spot instance count exceeded');
    if (market === 'on-demand' && total > this.quotas.onDemandVcpus)
      throw refusal(
        'VcpuLimitExceeded',
        `You have requested more vCPU capacity than your current vCPU limit of ${this.quotas.onDemandVcpus} allows for the instance bucket that the specified instance type belongs to. Please visit http://aws.amazon.com/contact-us/ec2-request to request an adjustment to this limit.`,
      );
  }
}

const noneLeft = ({ type, az, market }: Pool): Error =>
  refusal(
    'InsufficientInstanceCapacity',
    market === 'spot'
      ? 'There is no Spot capacity available that matches your request.'
      : `We currently do not have sufficient ${type} capacity in the Availability Zone you requested (${az}). Our system will be working on provisioning additional capacity.`,
  );
