import type { Clock } from '../../ports/clock.ts';

/** Time for the provider: what it is, and what comes later. */
export interface Time extends Clock {
  /** Calls `run` when so many ms have passed. @returns what cancels it */
  after(ms: number, run: () => void): () => void;
}

export const sleep = (time: Time, ms: number): Promise<void> =>
  ms <= 0 ? Promise.resolve() : new Promise((resolve) => void time.after(ms, resolve));

/** The outcome of the work, or `late()` as its error when it has not settled in time. */
export function within<T>(time: Time, ms: number, work: Promise<T>, late: () => Error): Promise<T> {
  return new Promise((resolve, reject) => {
    const cancel = time.after(ms, () => reject(late()));
    work.then(resolve, reject).finally(cancel);
  });
}
