/** Lets the agent's own writes to the workspace pass, or holds them while the disk is copied. */
export class WriteGate {
  #active = 0;
  #closed = false;
  #waiting: Array<() => void> = [];
  #idle: Array<() => void> = [];

  /** Runs a write now, or once the gate is open again. */
  async write<T>(work: () => Promise<T>): Promise<T> {
    await this.passed();
    this.#active += 1;
    try {
      return await work();
    } finally {
      this.#active -= 1;
      if (this.#active === 0) for (const resolve of this.#idle.splice(0)) resolve();
    }
  }

  /** Resolves when the gate is open. */
  async passed(): Promise<void> {
    while (this.#closed) await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  /** Resolves when no write is under way any more, and none begins until `open`. */
  async close(): Promise<void> {
    this.#closed = true;
    if (this.#active > 0) await new Promise<void>((resolve) => this.#idle.push(resolve));
  }

  open(): void {
    this.#closed = false;
    for (const resolve of this.#waiting.splice(0)) resolve();
  }
}
