import type { Clock } from '../../launcher/ports/clock.ts';

interface Timer {
  atMs: number;
  run: () => void;
}

const DAY_MS = 86_400_000;

/**
 * Time that passes only when it is told to, with timers. `advance` is for code that never waits; `pass`, `run` and `until`
 * are for code that does: they move from timer to timer, and let everything that was woken go on before time moves again.
 */
export class VirtualClock implements Clock {
  nowMs: number;
  readonly #timers: Timer[] = [];
  #outside = 0;
  #backInside: Array<() => void> = [];

  constructor(nowMs = Date.UTC(2026, 1, 3, 14)) {
    this.nowMs = nowMs;
  }

  now = (): number => this.nowMs;

  /** Calls `run` when `ms` have passed, in whole ones: records take no others. @returns what cancels it */
  after(ms: number, run: () => void): () => void {
    const timer = { atMs: this.nowMs + Math.ceil(Math.max(0, ms)), run };
    // Behind those of the same instant: first come, first served.
    let index = this.#timers.length;
    while (index > 0 && (this.#timers[index - 1] as Timer).atMs > timer.atMs) index -= 1;
    this.#timers.splice(index, 0, timer);
    return () => {
      const at = this.#timers.indexOf(timer);
      if (at >= 0) this.#timers.splice(at, 1);
    };
  }

  /** Calls `run` again and again. @returns what ends it */
  every(ms: number, run: () => void): () => void {
    let cancel = () => {};
    const again = () => {
      cancel = this.after(ms, again);
      run();
    };
    cancel = this.after(ms, again);
    return () => cancel();
  }

  sleep = (ms: number): Promise<void> => (ms <= 0 ? Promise.resolve() : new Promise((resolve) => this.after(ms, resolve)));

  /** Runs what is due meanwhile, in order; what waits for it goes on only when the caller lets it. */
  advance(ms: number): void {
    const endMs = this.nowMs + ms;
    while (this.#tick(endMs));
    this.nowMs = endMs;
  }

  async pass(ms: number): Promise<void> {
    const endMs = this.nowMs + ms;
    await this.#settle();
    while (this.#tick(endMs)) await this.#settle();
    this.nowMs = endMs;
    await this.#settle();
  }

  /** Lets time pass until the work is done. @throws when it is not done within `limitMs`, a day by default, or waits for nothing */
  async run<T>(work: Promise<T> | (() => Promise<T>), limitMs = DAY_MS): Promise<T> {
    let done = false;
    const promise = typeof work === 'function' ? work() : work;
    const settled = () => {
      done = true;
    };
    promise.then(settled, settled);
    await this.until(() => done, limitMs);
    return promise;
  }

  async until(condition: () => boolean, limitMs = DAY_MS): Promise<void> {
    const endMs = this.nowMs + limitMs;
    await this.#settle();
    while (!condition()) {
      if (!this.#tick(endMs))
        throw new Error(`it does not come about within ${limitMs} ms of virtual time, or nothing is left to wait for`);
      await this.#settle();
    }
  }

  /** Work that takes real time (a database, a file): virtual time stands still meanwhile. */
  async outside<T>(work: () => Promise<T>): Promise<T> {
    this.#outside += 1;
    try {
      return await work();
    } finally {
      this.#outside -= 1;
      if (this.#outside === 0) for (const resolve of this.#backInside.splice(0)) resolve();
    }
  }

  /** The next timer that is due until then. */
  #tick(endMs: number): boolean {
    const timer = this.#timers[0];
    if (timer === undefined || timer.atMs > endMs) return false;
    this.#timers.shift();
    this.nowMs = Math.max(this.nowMs, timer.atMs);
    timer.run();
    return true;
  }

  async #settle(): Promise<void> {
    do {
      if (this.#outside > 0) await new Promise<void>((resolve) => this.#backInside.push(resolve));
      await new Promise((resolve) => setImmediate(resolve));
    } while (this.#outside > 0);
  }
}
