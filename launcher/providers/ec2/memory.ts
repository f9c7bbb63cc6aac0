import type { Clock } from '../../ports/clock.ts';

/** Facts by name, the newest so many of them. What is remembered may be forgotten at any time: nothing may depend on it. */
export class Memory<T> {
  readonly #most: number;
  readonly #facts = new Map<string, T>();

  constructor(most: number) {
    this.#most = most;
  }

  get(name: string): T | undefined {
    return this.#facts.get(name);
  }

  set(name: string, fact: T): void {
    this.#facts.delete(name);
    this.#facts.set(name, fact);
    const oldest = this.#facts.keys().next();
    if (this.#facts.size > this.#most && !oldest.done) this.#facts.delete(oldest.value);
  }

  delete(name: string): void {
    this.#facts.delete(name);
  }
}

/** Since when something has been so, in every look until now. */
export class Since {
  readonly #clock: Clock;
  readonly #firstMs: Memory<number>;

  constructor(clock: Clock, most: number) {
    this.#clock = clock;
    this.#firstMs = new Memory(most);
  }

  /** @returns ms for which it has been so; 0 the first time */
  still(name: string): number {
    const nowMs = this.#clock.now();
    const firstMs = this.#firstMs.get(name);
    if (firstMs !== undefined && firstMs <= nowMs) return nowMs - firstMs;
    this.#firstMs.set(name, nowMs);
    return 0;
  }

  isSo(name: string): boolean {
    return this.#firstMs.get(name) !== undefined;
  }

  over(name: string): void {
    this.#firstMs.delete(name);
  }
}

/** One after the other for each name, in the order of asking. */
export class Turns {
  readonly #last = new Map<string, Promise<unknown>>();

  async take<T>(name: string, work: () => Promise<T>): Promise<T> {
    const before = this.#last.get(name) ?? Promise.resolve();
    const mine = before.then(work, work);
    const settled = mine.catch(() => {});
    this.#last.set(name, settled);
    await settled;
    if (this.#last.get(name) === settled) this.#last.delete(name);
    return mine;
  }
}
