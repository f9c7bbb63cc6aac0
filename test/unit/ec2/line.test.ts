import { describe, expect, it } from 'vitest';
import { Budget } from '../../../launcher/providers/ec2/budget.ts';
import { EC2_LIMITS } from '../../../launcher/providers/ec2/limits.ts';
import { Line } from '../../../launcher/providers/ec2/line.ts';

const PER_SECOND = 3.25;

function opened() {
  const clock = { nowMs: 1_000_000, now: () => clock.nowMs };
  const budget = new Budget(clock);
  return { clock, budget, line: new Line({ op: 'createFleet', clock, budget, limits: EC2_LIMITS }) };
}

/** So many come at once, and again whenever they were told to, until each has made its call. */
function everybody(count: number) {
  const { clock, budget, line } = opened();
  const startMs = clock.nowMs;
  let due = Array.from({ length: count }, (_, n) => ({ name: `launch ${n}`, atMs: startMs }));
  let lastMs = 0;
  let looks = 0;
  while (due.length > 0) {
    const later: typeof due = [];
    for (const { name, atMs } of due) {
      clock.nowMs = Math.max(clock.nowMs, atMs);
      looks += 1;
      const restMs = line.restMs(name);
      const waitMs = restMs > 0 ? null : budget.turn('createFleet', 'work', EC2_LIMITS.turnMs);
      if (restMs > 0) later.push({ name, atMs: clock.nowMs + restMs });
      else if (waitMs === null) throw new Error('it was told to come too early');
      else lastMs = Math.max(lastMs, clock.nowMs + waitMs - startMs);
    }
    due = later.sort((a, b) => a.atMs - b.atMs);
  }
  return { looks, lastMs };
}

describe('the line for a call that AWS takes few of', () => {
  it.each([10, 1000, 20_000])('lets %i through as fast as the bucket allows, and has each come back once or twice', (count) => {
    const { looks, lastMs } = everybody(count);
    expect(looks).toBeLessThanOrEqual(2.1 * count);
    expect(lastMs / 1000).toBeLessThanOrEqual(Math.max(0, count - 32) / PER_SECOND + 1);
  });

  it('keeps the place of who comes too early, and whoever is new goes to its end', () => {
    const { clock, line, budget } = opened();
    while (budget.turn('createFleet', 'work', EC2_LIMITS.turnMs) !== null);
    const first = line.restMs('first');
    expect(first).toBeGreaterThan(0);
    for (let n = 0; n < 100; n += 1) line.restMs(`other ${n}`);
    expect(line.restMs('first')).toBe(first);
    expect(line.restMs('new')).toBeGreaterThan(first + 30_000);
    clock.nowMs += first;
    expect(line.restMs('first')).toBe(0);
    expect(line.restMs('newer')).toBeGreaterThan(20_000);
  });

  it('gives another place to who comes in time when AWS has meanwhile refused calls', () => {
    const { clock, line, budget } = opened();
    while (budget.turn('createFleet', 'work', EC2_LIMITS.turnMs) !== null);
    const restMs = line.restMs('first');
    clock.nowMs += restMs;
    for (let n = 0; n < 40; n += 1) budget.turn('createFleet', 'work', Number.MAX_SAFE_INTEGER);
    for (let n = 0; n < 3; n += 1) budget.slower('createFleet', 'work');
    for (let n = 0; n < 10; n += 1) budget.turn('createFleet', 'work', Number.MAX_SAFE_INTEGER);
    expect(line.restMs('first')).toBeGreaterThan(0);
  });
});
