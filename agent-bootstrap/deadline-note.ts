import { monotonicMs } from './monotonic.ts';
import { readNote, writeNote } from './notes.ts';

/** A change of less is not worth a write. */
const STEP_MS = 5_000;

/** When the box ends by itself, for the agent that comes after this one: it may find no launcher to ask. */
export class DeadlineNote {
  readonly #path: string | null;
  #noted = Number.NEGATIVE_INFINITY;

  /** @param path file in memory of the machine; null: the box ends with its agent */
  constructor(path: string | null) {
    this.#path = path;
  }

  /** By the clock of this process; null: nothing was noted in this boot. */
  read(): number | null {
    if (this.#path === null) return null;
    const bootMs = readNote<number>(this.#path) ?? 0;
    return bootMs > 0 ? monotonicMs() + bootMs - sinceBootMs() : null;
  }

  write(deadlineMs: number): void {
    if (this.#path === null || Math.abs(deadlineMs - this.#noted) < STEP_MS) return;
    this.#noted = deadlineMs;
    writeNote(this.#path, Math.round(sinceBootMs() + deadlineMs - monotonicMs()));
  }
}

/** The clock that goes only forward is the same for all processes of a boot. Source: clock_gettime(2), CLOCK_MONOTONIC. */
const sinceBootMs = (): number => Number(process.hrtime.bigint() / 1_000_000n);
