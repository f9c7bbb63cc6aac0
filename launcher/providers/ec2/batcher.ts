import type { Filter } from '@aws-sdk/client-ec2';
import { ComputeError } from '../../ports/compute.ts';
import type { Ec2Limits } from './limits.ts';
import type { Time } from './timers.ts';

export interface Page<View> {
  views: View[];
  next: string | undefined;
}

export interface BatcherOptions<View> {
  time: Time;
  limits: Ec2Limits;
  /** Name of the filter that the keys are values of. */
  filter: string;
  keyOf(view: View): string | undefined;
  page(filters: Filter[], next: string | undefined): Promise<Page<View>>;
}

interface Waiter<View> {
  resolve(views: View[]): void;
  reject(error: unknown): void;
}

/**
 * Looks for many who each want to see one thing: they go together in one Describe a second. A look tells of all that
 * has the key, and of nothing when there is nothing in the whole list; a list that is not whole is an error.
 */
export class Batcher<View> {
  readonly #options: BatcherOptions<View>;
  #waiting = new Map<string, Waiter<View>[]>();
  readonly #seen = new Map<string, { atMs: number; views: View[] }>();
  #next: { atMs: number; cancel: () => void } | null = null;
  /** How many things the last look was for. */
  #lastKeys = 0;
  /** Somebody who waits has no time. */
  #soon = false;
  #lastMs = Number.NEGATIVE_INFINITY;

  constructor(options: BatcherOptions<View>) {
    this.#options = options;
  }

  /** @param soon every moment counts: looked at more often */
  look(key: string, { soon = false }: { soon?: boolean } = {}): Promise<View[]> {
    const { time, limits } = this.#options;
    const seen = this.#seen.get(key);
    const freshMs = soon ? limits.freshSoonMs : limits.freshMs;
    if (seen !== undefined && Math.abs(time.now() - seen.atMs) < freshMs) return Promise.resolve(seen.views);
    if (soon) this.#soon = true;
    return new Promise((resolve, reject) => {
      const waiters = this.#waiting.get(key) ?? [];
      this.#waiting.set(key, [...waiters, { resolve, reject }]);
      this.#schedule();
    });
  }

  /** It was just changed: what was seen of it is old. */
  forget(key: string): void {
    this.#seen.delete(key);
  }

  /** The next look, as soon as one may be: what is scheduled for later is not waited for. */
  #schedule(): void {
    const { time, limits } = this.#options;
    const everyMs = this.#soon && this.#lastKeys <= limits.filterValues ? limits.lookSoonMs : limits.lookEveryMs;
    const nowMs = time.now();
    const atMs = nowMs + Math.max(limits.gatherMs, Math.min(everyMs, this.#lastMs + everyMs - nowMs));
    if (this.#next !== null && this.#next.atMs <= atMs) return;
    this.#next?.cancel();
    this.#next = { atMs, cancel: time.after(atMs - nowMs, () => void this.#flush()) };
  }

  async #flush(): Promise<void> {
    const { time, limits } = this.#options;
    const waiting = this.#waiting;
    this.#waiting = new Map();
    this.#next = null;
    this.#soon = false;
    this.#lastMs = time.now();
    this.#forgetOld();
    const keys = [...waiting.keys()];
    this.#lastKeys = keys.length;
    const chunks: string[][] = [];
    for (let from = 0; from < keys.length; from += limits.filterValues) chunks.push(keys.slice(from, from + limits.filterValues));
    await Promise.all(chunks.map((chunk) => this.#tell(chunk, waiting)));
  }

  async #tell(keys: string[], waiting: Map<string, Waiter<View>[]>): Promise<void> {
    const waitersOf = (key: string) => waiting.get(key) ?? [];
    try {
      const { filter, keyOf, page, limits, time } = this.#options;
      const { views, complete } = await everyPage((next) => page([{ Name: filter, Values: keys }], next), limits.pages);
      const atMs = time.now();
      for (const key of keys) {
        const mine = views.filter((view) => keyOf(view) === key);
        if (mine.length === 0 && !complete) {
          for (const { reject } of waitersOf(key)) reject(new ComputeError('transient', `the list of ${filter} was not whole`));
          continue;
        }
        this.#seen.set(key, { atMs, views: mine });
        for (const { resolve } of waitersOf(key)) resolve(mine);
      }
    } catch (error) {
      for (const key of keys) for (const { reject } of waitersOf(key)) reject(error);
    }
  }

  #forgetOld(): void {
    const { time, limits } = this.#options;
    for (const [key, { atMs }] of this.#seen) if (time.now() - atMs >= limits.freshMs) this.#seen.delete(key);
  }
}

/** All pages of a list, up to a bound; short and empty ones are followed too. */
export async function everyPage<View>(
  page: (next: string | undefined) => Promise<Page<View>>,
  most: number,
): Promise<{ views: View[]; complete: boolean }> {
  const views: View[] = [];
  let next: string | undefined;
  for (let pages = 0; pages < most; pages += 1) {
    const got = await page(next);
    views.push(...got.views);
    next = got.next;
    if (!next) return { views, complete: true };
  }
  return { views, complete: false };
}
