import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Ec2Api } from '../../../launcher/providers/ec2/api.ts';
import { Budget, type Caller } from '../../../launcher/providers/ec2/budget.ts';

type Op = keyof Ec2Api;

const opened = () => {
  const clock = { nowMs: 1_000_000, now: () => clock.nowMs };
  return { clock, budget: new Budget(clock) };
};
const FOREVER = Number.MAX_SAFE_INTEGER;
/** How many calls have their turn now. */
const atOnce = (budget: Budget, op: Op, caller: Caller = 'work'): number => {
  let calls = 0;
  while (budget.turn(op, caller, 0) === 0) calls += 1;
  return calls;
};

describe('the budget of calls', () => {
  it('is below what the account may make, for each operation by itself', () => {
    const { budget } = opened();
    expect(['startInstances', 'createFleet', 'createSnapshot', 'describeInstances'].map((op) => atOnce(budget, op as Op))).toEqual([
      3, 32, 65, 65,
    ]);
    expect(atOnce(budget, 'describeInstances')).toBe(0);
    expect(atOnce(budget, 'describeVolumes')).toBe(65);
  });

  it('keeps a share for what cleans up, which nobody else uses up', () => {
    const { budget } = opened();
    atOnce(budget, 'terminateInstances');
    budget.slower('terminateInstances', 'work');
    expect(atOnce(budget, 'terminateInstances', 'reaper')).toBe(15);
    expect(atOnce(budget, 'startInstances', 'reaper')).toBe(1);
  });

  it('gives turns that come later, in order, as far ahead as the caller waits', () => {
    const { budget, clock } = opened();
    atOnce(budget, 'createFleet');
    // 5 a second, of which 65 % are ours.
    const turns = Array.from({ length: 4 }, () => budget.turn('createFleet', 'work', FOREVER));
    expect(turns).toEqual([308, 616, 924, 1231]);
    expect(budget.turn('createFleet', 'work', 1000)).toBeNull();
    expect(budget.untilTurn('createFleet', 'work')).toBe(1539);
    clock.nowMs += 1539;
    expect(budget.turn('createFleet', 'work', 0)).toBe(0);
  });

  it('goes slower once AWS has refused, and comes back by itself', () => {
    const { budget, clock } = opened();
    budget.slower('describeVolumes', 'work');
    const first = budget.turn('describeVolumes', 'work', FOREVER);
    expect(first).toBe(Math.ceil(1000 / (20 * 0.65 * 0.5)));
    for (let n = 0; n < 20; n += 1) budget.slower('describeVolumes', 'work');
    expect(budget.untilTurn('describeVolumes', 'work')).toBe(Math.ceil(2000 / (20 * 0.65 * 0.1)));
    clock.nowMs += 60_000;
    expect(atOnce(budget, 'describeVolumes')).toBeGreaterThanOrEqual(60);
  });

  it('does not mind a clock that goes back', () => {
    const { budget, clock } = opened();
    atOnce(budget, 'createVolume');
    clock.nowMs -= 3_600_000;
    expect(atOnce(budget, 'createVolume')).toBe(0);
    clock.nowMs += 1000;
    expect(atOnce(budget, 'createVolume')).toBe(3);
  });

  it('in no stretch of time gives more turns than the bucket holds and is filled by', () => {
    const asks = fc.array(
      fc.record({ restMs: fc.integer({ min: 0, max: 3000 }), within: fc.integer({ min: 0, max: 5000 }), refused: fc.boolean() }),
      {
        maxLength: 150,
      },
    );
    fc.assert(
      fc.property(asks, fc.constantFrom<Op>('startInstances', 'createFleet', 'describeInstances'), (steps, op) => {
        const { budget, clock } = opened();
        const [max, perSecond] = { startInstances: [3, 1.3], createFleet: [32, 3.25], describeInstances: [65, 13] }[
          op as 'createFleet'
        ] as [number, number];
        const made: number[] = [];
        for (const { restMs, within, refused } of steps) {
          clock.nowMs += restMs;
          const waitMs = budget.turn(op, 'work', within);
          if (waitMs !== null) expect(waitMs).toBeLessThanOrEqual(within);
          if (waitMs !== null) made.push(clock.nowMs + waitMs);
          if (refused) budget.slower(op, 'work');
        }
        made.sort((a, b) => a - b);
        for (const [from, atMs] of made.entries())
          for (let to = from; to < made.length; to += 1)
            expect(to - from + 1).toBeLessThanOrEqual(max + 1 + (((made[to] as number) - atMs) / 1000) * perSecond + 1e-6);
      }),
      { numRuns: 60 },
    );
  });
});
