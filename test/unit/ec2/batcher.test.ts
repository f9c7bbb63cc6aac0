import type { Filter } from '@aws-sdk/client-ec2';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Batcher, everyPage, type Page } from '../../../launcher/providers/ec2/batcher.ts';
import { EC2_LIMITS } from '../../../launcher/providers/ec2/limits.ts';
import { VirtualClock } from '../../sim/clock.ts';

interface Thing {
  id: string;
  n: number;
}

/** A list of things behind a Describe, of which every call is recorded. */
function listOf(things: () => Thing[], perPage = 1000, limits = EC2_LIMITS) {
  const clock = new VirtualClock();
  const asked: string[][] = [];
  let error: Error | null = null;
  const batcher = new Batcher<Thing>({
    time: clock,
    limits,
    filter: 'thing-id',
    keyOf: ({ id }) => id,
    async page([filter]: Filter[], next): Promise<Page<Thing>> {
      const values = filter?.Values ?? [];
      if (next === undefined) asked.push(values);
      if (error !== null) throw error;
      const from = Number(next ?? 0);
      const found = things().filter(({ id }) => values.includes(id));
      return { views: found.slice(from, from + perPage), next: from + perPage < found.length ? String(from + perPage) : undefined };
    },
  });
  const failWith = (told: Error | null): void => {
    error = told;
  };
  return { batcher, clock, asked, failWith };
}

const things = (count: number): Thing[] => Array.from({ length: count }, (_, n) => ({ id: `t-${n}`, n }));

describe('looks that go together', () => {
  it('of many in the same moment are one call, in which each key is once', async () => {
    const { batcher, clock, asked } = listOf(() => things(3));
    const looks = ['t-0', 't-1', 't-0', 't-9'].map((key) => batcher.look(key));
    expect(await clock.run(Promise.all(looks))).toEqual([[{ id: 't-0', n: 0 }], [{ id: 't-1', n: 1 }], [{ id: 't-0', n: 0 }], []]);
    expect(asked).toEqual([['t-0', 't-1', 't-9']]);
  });

  it('are so many keys to a call as AWS takes', async () => {
    const { batcher, clock, asked } = listOf(() => things(450));
    const found = await clock.run(Promise.all(things(450).map(({ id }) => batcher.look(id))));
    expect(found.map(([thing]) => thing?.n)).toEqual(things(450).map(({ n }) => n));
    expect(asked.map((keys) => keys.length)).toEqual([200, 200, 50]);
  });

  it('come once a second, and what was just seen is not looked at again unless it was changed', async () => {
    const { batcher, clock, asked } = listOf(() => things(2));
    await clock.run(batcher.look('t-0'));
    const startMs = clock.now();
    await clock.run(batcher.look('t-0'));
    expect([asked.length, clock.now()]).toEqual([1, startMs]);
    batcher.forget('t-0');
    await clock.run(batcher.look('t-0'));
    expect([asked.length, clock.now() - startMs]).toEqual([2, EC2_LIMITS.lookEveryMs]);
  });

  it('come sooner for whoever has no time, who takes the others along, and no more often than that', async () => {
    const { batcher, clock, asked } = listOf(() => things(2));
    await clock.run(batcher.look('t-0', { soon: true }));
    const startMs = clock.now();
    const patient = batcher.look('t-1');
    await clock.pass(EC2_LIMITS.freshSoonMs);
    const hurried = batcher.look('t-0', { soon: true });
    await clock.run(Promise.all([patient, hurried]));
    expect([asked.length, clock.now() - startMs]).toEqual([2, EC2_LIMITS.lookSoonMs]);
    expect(asked[1]).toEqual(['t-1', 't-0']);
    await clock.pass(EC2_LIMITS.freshSoonMs);
    await clock.run(batcher.look('t-0', { soon: true }));
    expect([asked.length, clock.now() - startMs]).toEqual([3, 2 * EC2_LIMITS.lookSoonMs]);
  });

  it('come once a second all the same after one that did not fit into one call', async () => {
    const { batcher, clock, asked } = listOf(() => things(250));
    await clock.run(Promise.all(things(250).map(({ id }) => batcher.look(id, { soon: true }))));
    const startMs = clock.now();
    await clock.pass(EC2_LIMITS.freshSoonMs);
    await clock.run(batcher.look('t-0', { soon: true }));
    expect([asked.length, clock.now() - startMs]).toEqual([3, EC2_LIMITS.lookEveryMs]);
  });

  it('see a change within a second of it, however many look', async () => {
    let n = 0;
    const { batcher, clock, asked } = listOf(() => [{ id: 't-0', n }]);
    for (let look = 0; look < 50; look += 1) {
      n = look;
      await clock.pass(200);
      const [seen] = await clock.run(batcher.look('t-0'));
      expect(seen?.n).toBeGreaterThanOrEqual(look - 5);
    }
    expect(asked.length).toBeLessThanOrEqual(12);
  });

  it('that fail tell all who wait, and those after them look anew', async () => {
    const { batcher, clock, failWith } = listOf(() => things(2));
    failWith(new Error('refused'));
    const outcomes = await clock.run(Promise.allSettled(['t-0', 't-1'].map((key) => batcher.look(key))));
    expect(outcomes.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
    failWith(null);
    expect(await clock.run(batcher.look('t-0'))).toHaveLength(1);
  });

  it('in a list that was not whole tell of what was in it, and never that something is not there', async () => {
    const { batcher, clock } = listOf(() => things(5), 1, { ...EC2_LIMITS, pages: 3 } as unknown as typeof EC2_LIMITS);
    const outcomes = await clock.run(Promise.allSettled(things(5).map(({ id }) => batcher.look(id))));
    expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled', 'fulfilled', 'rejected', 'rejected']);
    expect(outcomes[4]).toMatchObject({ reason: { kind: 'transient', message: 'the list of thing-id was not whole' } });
  });

  it('give each what it asked for, whoever else looks when', async () => {
    const asks = fc.array(fc.record({ key: fc.integer({ min: 0, max: 12 }), restMs: fc.integer({ min: 0, max: 1500 }) }), {
      maxLength: 60,
    });
    await fc.assert(
      fc.asyncProperty(asks, fc.integer({ min: 1, max: 4 }), async (steps, perPage) => {
        const { batcher, clock, asked } = listOf(() => things(10), perPage);
        const startMs = clock.now();
        const looks: Array<Promise<Thing[]>> = [];
        for (const { key, restMs } of steps) {
          looks.push(batcher.look(`t-${key}`));
          await clock.pass(restMs);
        }
        const found = await clock.run(Promise.all(looks));
        expect(found).toEqual(steps.map(({ key }) => (key < 10 ? [{ id: `t-${key}`, n: key }] : [])));
        expect(asked.length).toBeLessThanOrEqual(2 + (clock.now() - startMs) / EC2_LIMITS.lookEveryMs);
      }),
      { numRuns: 40 },
    );
  });
});

describe('every page of a list', () => {
  it('is followed, short and empty ones too, up to a bound', async () => {
    const pages: Array<Page<number>> = [
      { views: [1, 2], next: 'a' },
      { views: [], next: 'b' },
      { views: [3], next: undefined },
    ];
    const read = (most: number) =>
      everyPage(async (next) => pages['ab'.indexOf(next ?? '') + (next === undefined ? 0 : 1)] as Page<number>, most);
    expect(await read(9)).toEqual({ views: [1, 2, 3], complete: true });
    expect(await read(2)).toEqual({ views: [1, 2], complete: false });
  });
});
