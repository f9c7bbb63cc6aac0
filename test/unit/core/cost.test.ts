import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { BoxPrice, SessionRecord, SnapshotRecord, StorageCharge } from '../../../launcher/contract/records.ts';
import {
  accrued,
  burnOf,
  byMonth,
  HOUR_MS,
  MONTH_MS,
  monthOf,
  monthRange,
  projected,
  spentByMonth,
  spentInAll,
  storageBurn,
  storageEntry,
  storageLevel,
  storageSpent,
} from '../../../launcher/core/cost.ts';
import { applyChange } from '../../../launcher/core/session.ts';
import { box, NOW, ready, session, snapshot, workspace } from './samples.ts';

const GIB = 1024 ** 3;
const price: BoxPrice = { boxMicroUsdPerHour: 40_000, diskMicroUsdPerHour: 7_000, about: false };
/** Up to a machine of $40 an hour, and 64 TiB. */
const rates = fc.oneof(
  fc.record({ microUsd: fc.integer({ min: 0, max: 40_000_000 }), perMs: fc.constant(HOUR_MS) }),
  fc.record({
    microUsd: fc.integer({ min: 0, max: 80_000 }),
    quantity: fc.integer({ min: 0, max: 2 ** 46 }),
    unit: fc.constant(GIB),
    perMs: fc.constant(MONTH_MS),
  }),
);
const moments = fc
  .array(fc.integer({ min: 1.7e12, max: 1.9e12 }), { minLength: 2, maxLength: 8 })
  .map((list) => list.sort((a, b) => a - b));

describe('what an interval costs', () => {
  it('is the price of an hour for an hour, and of a month for 730 of them', () => {
    expect(accrued({ microUsd: 115_900, perMs: HOUR_MS }, NOW, NOW + HOUR_MS)).toBe(115_900);
    const gp3 = { microUsd: 80_000, quantity: 60, perMs: MONTH_MS };
    expect(accrued(gp3, NOW, NOW + MONTH_MS)).toBe(4_800_000);
    expect(accrued({ microUsd: 50_000, quantity: 60 * GIB, unit: GIB, perMs: MONTH_MS }, NOW, NOW + MONTH_MS)).toBe(3_000_000);
  });

  it('is the same however it is cut, never negative, and right to a micro-dollar', () => {
    fc.assert(
      fc.property(rates, moments, (rate, at) => {
        const { microUsd, quantity, unit, perMs } = { quantity: 1, unit: 1, ...rate };
        const [first, last] = [at[0] as number, at.at(-1) as number];
        const parts = at.slice(1).map((untilMs, i) => accrued(rate, at[i] as number, untilMs));
        const whole = accrued(rate, first, last);
        expect(parts.reduce((sum, part) => sum + part, 0)).toBe(whole);
        expect(Math.min(...parts)).toBeGreaterThanOrEqual(0);
        const exact = (BigInt(microUsd) * BigInt(quantity) * BigInt(last - first)) / (BigInt(unit) * BigInt(perMs));
        expect(Math.abs(whole - Number(exact))).toBeLessThanOrEqual(1);
      }),
    );
  });

  it('is nothing when the clock went back', () => {
    expect(accrued({ microUsd: 1000, perMs: 1 }, NOW, NOW - 1)).toBe(0);
  });
});

describe('months', () => {
  it('cut an interval into parts that touch, each in its own month', () => {
    fc.assert(
      fc.property(moments, (at) => {
        const [fromMs, untilMs] = [at[0] as number, at.at(-1) as number];
        const parts = byMonth(fromMs, untilMs);
        expect(parts.reduce((sum, part) => sum + part.untilMs - part.fromMs, 0)).toBe(untilMs - fromMs);
        for (const part of parts) {
          expect(monthOf(part.fromMs)).toBe(part.month);
          expect(part.untilMs).toBeLessThanOrEqual(monthRange(part.month).untilMs);
        }
        expect(new Set(parts.map(({ month }) => month)).size).toBe(parts.length);
      }),
    );
  });

  it('end where the next one begins, at the turn of the year too', () => {
    expect(monthRange('2026-12').untilMs).toBe(monthRange('2027-01').fromMs);
    expect(monthOf(monthRange('2026-12').untilMs - 1)).toBe('2026-12');
  });

  it('are projected by what they cost so far; one that is over is not', () => {
    const { fromMs, untilMs } = monthRange('2026-11');
    expect(projected(1000, '2026-11', fromMs + (untilMs - fromMs) / 4)).toBe(4000);
    expect(projected(1000, '2026-11', untilMs + 1)).toBe(1000);
    expect(projected(1000, '2026-11', fromMs)).toBe(1000);
  });
});

const launching = (patch: Partial<SessionRecord> = {}): SessionRecord => session({ phase: 'launching', ...patch });
const boot = (before: SessionRecord, nowMs: number, id = 'box_1', patch: Partial<BoxPrice> = {}): SessionRecord =>
  applyChange(before, { patch: { phase: 'bootstrapping', box: box({ id, price: { ...price, ...patch } }) } }, nowMs);
const go = (before: SessionRecord, phase: SessionRecord['phase'], nowMs: number, patch: Partial<SessionRecord> = {}): SessionRecord =>
  applyChange(before, { patch: { ...patch, phase } }, nowMs);

describe('the meter of a session', () => {
  it('runs from the launch of its box until that has gone', () => {
    const up = boot(launching(), NOW);
    expect(burnOf(up)).toBe(47_000);
    const live = go(go(up, 'ready', NOW + 10_000), 'quiescing', NOW + HOUR_MS);
    expect(spentInAll(live, NOW + HOUR_MS)).toEqual({ boxMicroUsd: 40_000, diskMicroUsd: 7000, boxMs: HOUR_MS });
    const gone = go(go(live, 'ending', NOW + HOUR_MS), 'saving', NOW + 2 * HOUR_MS);
    const after = go(gone, 'stopped', NOW + 3 * HOUR_MS);
    expect(burnOf(after)).toBe(0);
    expect(spentInAll(after, NOW + 9 * HOUR_MS)).toEqual({ boxMicroUsd: 80_000, diskMicroUsd: 14_000, boxMs: 2 * HOUR_MS });
    expect(after.spend?.sinceMs).toBeNull();
  });

  it('stands while no box is there, and counts each box at its own price', () => {
    const first = go(go(boot(launching(), NOW), 'ready', NOW), 'rescuing', NOW + HOUR_MS);
    const between = go(first, 'launching', NOW + HOUR_MS, { box: null, generation: 2 });
    const second = boot(between, NOW + 5 * HOUR_MS, 'box_2', { boxMicroUsdPerHour: 100_000, about: true });
    expect(spentInAll(second, NOW + 6 * HOUR_MS)).toEqual({ boxMicroUsd: 140_000, diskMicroUsd: 14_000, boxMs: 2 * HOUR_MS });
    expect(second.spend?.about).toBe(true);
    expect(first.spend?.about).toBe(false);
    expect(go(go(second, 'ending', NOW + 6 * HOUR_MS), 'stopped', NOW + 7 * HOUR_MS).spend?.about).toBe(true);
  });

  it('is divided at the end of a month', () => {
    const turn = monthRange('2026-12').fromMs;
    const live = boot(launching(), turn - HOUR_MS);
    const months = spentByMonth(live, turn + 3 * HOUR_MS);
    expect(months['2026-11']).toEqual({ boxMicroUsd: 40_000, diskMicroUsd: 7000, boxMs: HOUR_MS });
    expect(months['2026-12']).toEqual({ boxMicroUsd: 120_000, diskMicroUsd: 21_000, boxMs: 3 * HOUR_MS });
  });

  it('says nothing where boxes cost nothing', () => {
    const free = applyChange(launching(), { patch: { phase: 'bootstrapping', box: box() } }, NOW);
    expect('spend' in free).toBe(false);
    expect([burnOf(free), spentInAll(free, NOW + HOUR_MS).boxMicroUsd]).toEqual([0, 0]);
    expect(spentByMonth(ready({ box: box({ price }) }), NOW + HOUR_MS)).toEqual({});
  });

  it('counts every second that a box was there once, whatever the session goes through', () => {
    const ways = fc.array(fc.tuple(fc.constantFrom('launch', 'lose', 'beat'), fc.integer({ min: 0, max: 40 * 24 * HOUR_MS })), {
      maxLength: 12,
    });
    fc.assert(
      fc.property(ways, (steps) => {
        let current = launching();
        let nowMs = NOW;
        let upMs = 0;
        let number = 0;
        for (const [step, ms] of steps) {
          if (current.box !== null) upMs += ms;
          nowMs += ms;
          if (step === 'launch' && current.phase === 'launching') {
            number += 1;
            current = go(boot(current, nowMs, `box_${number}`), 'ready', nowMs);
          } else if (step === 'lose' && current.phase === 'ready')
            current = go(go(current, 'rescuing', nowMs), 'launching', nowMs, { box: null });
          else current = applyChange(current, { patch: {} }, nowMs);
        }
        expect(spentInAll(current, nowMs).boxMs).toBe(upMs);
        const wanted = (upMs / HOUR_MS) * 40_000;
        expect(Math.abs(spentInAll(current, nowMs).boxMicroUsd - wanted)).toBeLessThanOrEqual(2 * (number + 1) * 3);
      }),
    );
  });
});

const PRICES = { diskMicroUsdPerGiBMonth: 80_000, snapshotMicroUsdPerGiBMonth: 50_000 };
const kept = (n: number, patch: Partial<SnapshotRecord>): SnapshotRecord =>
  snapshot({ id: `snap_${n}`, seq: n, state: 'completed', ...patch });

describe('what a workspace keeps', () => {
  it('is its disk, its largest snapshot, and what the others added', () => {
    const shop = workspace({ volume: { id: 'v', epoch: 1, savedEpoch: 1, keepUntil: null, gib: 64 } });
    const list = [
      kept(1, { bytes: 10 * GIB, newBytes: 10 * GIB }),
      kept(2, { bytes: 11 * GIB, newBytes: 2 * GIB }),
      kept(3, { bytes: null, newBytes: null, state: 'pending' }),
    ];
    expect(storageLevel(shop, list)).toEqual({ diskGiB: 64, snapshotBytes: 21 * GIB, about: false });
    expect(storageLevel(null, [])).toEqual({ diskGiB: 0, snapshotBytes: 0, about: false });
  });

  it('is an estimate where nobody tells what a snapshot added', () => {
    const list = [
      kept(1, { bytes: 10 * GIB, newBytes: null }),
      kept(2, { bytes: 11 * GIB, newBytes: null }),
      kept(3, { bytes: null }),
      kept(4, { bytes: null }),
    ];
    expect(storageLevel(workspace(), list)).toEqual({ diskGiB: 0, snapshotBytes: 11 * GIB, about: true });
    expect(storageBurn({ diskGiB: 73, snapshotBytes: 0, about: false }, PRICES)).toBe(8000);
  });

  it('is counted by its level from one entry to the next, and until the end of the month', () => {
    const { fromMs, untilMs } = monthRange('2026-11');
    const level = { diskGiB: 60, snapshotBytes: 0, about: false };
    const shop = workspace({ createdAt: fromMs - HOUR_MS });
    const first = storageEntry(null, shop, level, PRICES, fromMs + 10 * HOUR_MS) as StorageCharge;
    const tenHours = accrued({ microUsd: 80_000, quantity: 60, perMs: MONTH_MS }, fromMs, fromMs + 10 * HOUR_MS);
    expect(first).toMatchObject({ month: '2026-11', diskMicroUsd: tenHours, snapshotMicroUsd: 0, untilMs: fromMs + 10 * HOUR_MS });
    expect(storageEntry(first, shop, { ...level }, PRICES, fromMs + 20 * HOUR_MS)).toBeNull();
    const gone = { diskGiB: 0, snapshotBytes: 60 * GIB, about: false };
    const second = storageEntry(first, shop, gone, PRICES, fromMs + 20 * HOUR_MS) as StorageCharge;
    const total = storageSpent(second, PRICES, untilMs + 100 * HOUR_MS);
    expect(total.diskMicroUsd).toBe(accrued({ microUsd: 80_000, quantity: 60, perMs: MONTH_MS }, fromMs, fromMs + 20 * HOUR_MS));
    const stored = { microUsd: 50_000, quantity: 60 * GIB, unit: GIB, perMs: MONTH_MS };
    expect(total.snapshotMicroUsd).toBe(accrued(stored, fromMs + 20 * HOUR_MS, untilMs));
  });

  it('begins with the workspace in the month that it is made', () => {
    const level = { diskGiB: 60, snapshotBytes: 0, about: false };
    expect(storageEntry(null, workspace({ createdAt: NOW }), level, PRICES, NOW)).toMatchObject({ diskMicroUsd: 0, untilMs: NOW });
  });
});
