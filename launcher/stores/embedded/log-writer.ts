import type { ClassicLevel } from 'classic-level';

export type Write = { type: 'put'; key: string; value: string } | { type: 'del'; key: string };

interface Pending {
  writes: Write[];
  resolve(): void;
  reject(error: unknown): void;
}

/**
 * The only way to write to the database. One batch is under way at a time; what comes meanwhile goes with the next, so that
 * many writers share one fsync.
 *
 * When a write fails (a full disk), part of it may be in LevelDB's log. LevelDB would go on writing behind it, acknowledge,
 * and drop all of that at the next start, for it reads the log only up to the damage. So nothing is written after a failure
 * until the database was opened anew, which begins a new log.
 */
export class LogWriter {
  readonly #level: ClassicLevel<string, string>;
  readonly #sync: boolean;
  #queue: Pending[] = [];
  #running = false;
  #broken = false;
  #reopening: Promise<void> | null = null;

  /** @param sync fsync with each batch, so that what was acknowledged survives a power cut and not only a killed process */
  constructor(level: ClassicLevel<string, string>, sync: boolean) {
    this.#level = level;
    this.#sync = sync;
  }

  /**
   * All of the writes or none. What they were decided on must have been read in the same turn of the event loop.
   * @throws the error of LevelDB; what was written then is not known
   */
  write(writes: Write[]): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#queue.push({ writes, resolve, reject });
      if (!this.#running) void this.#run();
    });
  }

  /** Opens the database anew after a failed write. @throws while that does not work */
  async ready(): Promise<void> {
    if (!this.#broken) return;
    this.#reopening ??= this.#reopen().finally(() => {
      this.#reopening = null;
    });
    await this.#reopening;
  }

  async #reopen(): Promise<void> {
    await this.#level.close();
    await this.#level.open();
    this.#broken = false;
  }

  async #run(): Promise<void> {
    this.#running = true;
    while (this.#queue.length > 0) {
      const group = this.#queue;
      this.#queue = [];
      try {
        // They were decided on what was read before the failure.
        if (this.#broken) throw new Error('a write before this one failed');
        await this.#level.batch(
          group.flatMap((pending) => pending.writes),
          { sync: this.#sync },
        );
        for (const pending of group) pending.resolve();
      } catch (error) {
        this.#broken = true;
        for (const pending of group) pending.reject(error);
      }
    }
    this.#running = false;
  }
}
