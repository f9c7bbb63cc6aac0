/** A bucket of `burst` tokens that gains `perSecond` of them each second. */
export interface Rate {
  perSecond: number;
  burst: number;
}

/**
 * Takes one token. A bucket is kept as one number, the time at which it will be full again: one that is full is no number at all.
 * @param fullAtMs of the bucket; undefined: it is full
 * @returns the bucket afterwards, and how long to wait until there is a token: 0 when this one was taken
 */
export function takeToken(fullAtMs: number | undefined, rate: Rate, nowMs: number): { fullAtMs: number; waitMs: number } {
  const tokenMs = 1000 / rate.perSecond;
  const emptyMs = nowMs + rate.burst * tokenMs;
  // No bucket is emptier than empty: a clock that was set back shuts nobody out for longer than that.
  const fromMs = Math.min(Math.max(fullAtMs ?? nowMs, nowMs), emptyMs);
  const waitMs = fromMs + tokenMs - emptyMs;
  return waitMs > 0 ? { fullAtMs: fromMs, waitMs } : { fullAtMs: fromMs + tokenMs, waitMs: 0 };
}
