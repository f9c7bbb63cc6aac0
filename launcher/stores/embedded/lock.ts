/** One holder per key at a time, in the order of asking. */
export class KeyedLock {
  readonly #waiting = new Map<string, Array<() => void>>();

  /** Calls `run` when the key is free; whoever runs must call `release` once. */
  acquire(key: string, run: () => void): void {
    const queue = this.#waiting.get(key);
    if (queue) {
      queue.push(run);
      return;
    }
    this.#waiting.set(key, []);
    run();
  }

  release(key: string): void {
    const next = this.#waiting.get(key)?.shift();
    if (next) queueMicrotask(next);
    else this.#waiting.delete(key);
  }
}
