import { SeededRandom } from '../support/faults.ts';

/** A spread of durations by its median and its 99th percentile. */
export interface Spread {
  p50Ms: number;
  p99Ms: number;
}

const Z99 = 2.326;

/** One seed, and a stream of its own for each concern: one more dice in one of them changes nothing in the others. */
export class Streams {
  readonly #seed: number;
  readonly #streams = new Map<string, SeededRandom>();

  constructor(seed: number) {
    this.#seed = seed;
  }

  of(concern: string): SeededRandom {
    const known = this.#streams.get(concern);
    if (known) return known;
    let hash = 0x811c9dc5 ^ this.#seed;
    for (const char of concern) hash = Math.imul(hash ^ char.charCodeAt(0), 0x01000193);
    const stream = new SeededRandom(hash);
    this.#streams.set(concern, stream);
    return stream;
  }

  /** A duration out of a spread (log-normal, no more than twice its 99th percentile). */
  duration(concern: string, spread: Spread): number {
    const random = this.of(concern);
    const z = Math.sqrt(-2 * Math.log(1 - random.next())) * Math.cos(2 * Math.PI * random.next());
    const ms = spread.p50Ms * Math.exp((Math.log(spread.p99Ms / spread.p50Ms) / Z99) * z);
    return Math.round(Math.min(Math.max(ms, spread.p50Ms / 4), 2 * spread.p99Ms));
  }
}
