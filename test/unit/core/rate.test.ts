import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Rate, takeToken } from '../../../launcher/core/rate.ts';

const RATE: Rate = { perSecond: 10, burst: 3 };

/** A bucket that is asked at each of these times: which of them got a token. */
function taken(rate: Rate, timesMs: readonly number[]): boolean[] {
  let fullAtMs: number | undefined;
  return timesMs.map((nowMs) => {
    const result = takeToken(fullAtMs, rate, nowMs);
    fullAtMs = result.fullAtMs;
    return result.waitMs === 0;
  });
}

describe('a bucket', () => {
  it('gives its burst at once, then one token each time one has come', () => {
    expect(taken(RATE, [0, 0, 0, 0, 99, 100, 100, 200])).toEqual([true, true, true, false, false, true, false, true]);
  });

  it('is full again after a rest, and never more than full', () => {
    expect(taken(RATE, [0, 0, 0, 1e6, 1e6, 1e6, 1e6])).toEqual([true, true, true, true, true, true, false]);
  });

  it('says how long to wait, and that is enough', () => {
    const empty = { fullAtMs: 1300 };
    const { waitMs } = takeToken(empty.fullAtMs, RATE, 1000);
    expect(waitMs).toBe(100);
    expect(takeToken(empty.fullAtMs, RATE, 1000 + waitMs).waitMs).toBe(0);
  });

  it('shuts nobody out for long when the clock is set back', () => {
    expect(takeToken(5e6, RATE, 1000)).toEqual({ fullAtMs: 1300, waitMs: 100 });
  });

  it('gives never more than its burst and what came meanwhile', () => {
    const gapsMs = fc.array(fc.integer({ min: 0, max: 400 }), { maxLength: 60 });
    fc.assert(
      fc.property(gapsMs, (gaps) => {
        let nowMs = 0;
        const timesMs = gaps.map((gap) => {
          nowMs += gap;
          return nowMs;
        });
        const count = taken(RATE, timesMs).filter(Boolean).length;
        expect(count).toBeLessThanOrEqual(RATE.burst + Math.floor((nowMs / 1000) * RATE.perSecond));
      }),
    );
  });
});
