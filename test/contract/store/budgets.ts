import { describe, expect, it } from 'vitest';
import type { BudgetRecord } from '../../../launcher/contract/records.ts';
import type { StoreBench } from './bench.ts';
import { sessionId, T0 } from './fixtures.ts';

const MONTH = '2026-02';
export const aBudget = (patch: Partial<BudgetRecord> = {}, owner: string | null = 'dev'): BudgetRecord => ({
  owner,
  month: MONTH,
  version: 0,
  meteredAt: T0,
  spentMicroUsd: 100,
  committedMicroUsd: 400,
  admitted: [],
  ...patch,
});
export const anAdmission = (n: number, microUsd = 100) => ({ entry: `${sessionId(n)}=${microUsd}`, microUsd });

export function budgetCases(bench: () => StoreBench): void {
  describe.each([
    ['of an owner', 'dev'],
    ['of all owners', null],
  ] as const)('a budget %s', (_, owner) => {
    it('is not there until it is saved, and is saved by one of many', async () => {
      const { store, another } = bench();
      expect(await store.getBudget(owner, MONTH)).toBeNull();
      expect(await store.admitToBudget(aBudget({}, owner), anAdmission(1), 1000)).toBe(false);
      const made = await Promise.all(Array.from({ length: 6 }, (_none, n) => (n % 2 ? store : another()).saveBudget(aBudget({}, owner))));
      expect(made.filter((row) => row !== null)).toEqual([aBudget({ version: 1 }, owner)]);
      expect(await store.getBudget(owner, MONTH)).toEqual(aBudget({ version: 1 }, owner));
      expect(await store.getBudget(owner, '2026-03')).toBeNull();
      expect(await store.getBudget('eve', MONTH)).toBeNull();
      expect(await store.saveBudget(aBudget({ version: 2 }, owner))).toBeNull();
      expect(await store.saveBudget(aBudget({ version: 1, spentMicroUsd: 7 }, owner))).toMatchObject({ version: 2, spentMicroUsd: 7 });
    });

    it('lets in only those that fit, of 60 at once', async () => {
      const { store, another } = bench();
      const row = (await store.saveBudget(aBudget({}, owner))) as BudgetRecord;
      const stores = [store, another()];
      const outcomes = await Promise.all(
        Array.from({ length: 60 }, (_none, n) => (stores[n % 2] ?? store).admitToBudget(row, anAdmission(n), 1000)),
      );
      // 400 are committed: 500, 600 … 1000 is where it is full.
      expect(outcomes.filter(Boolean)).toHaveLength(6);
      const now = await store.getBudget(owner, MONTH);
      expect(now).toMatchObject({ committedMicroUsd: 1000, spentMicroUsd: 100, version: 7 });
      expect(now?.admitted).toEqual(outcomes.flatMap((isIn, n) => (isIn ? [anAdmission(n).entry] : [])).sort());
    });

    it('counts whoever is let in again once, also when it is full', async () => {
      const { store } = bench();
      const row = (await store.saveBudget(aBudget({}, owner))) as BudgetRecord;
      for (let again = 0; again < 3; again += 1) expect(await store.admitToBudget(row, anAdmission(1, 600), 1000)).toBe(true);
      expect(await store.admitToBudget(row, anAdmission(2), 1000)).toBe(false);
      expect(await store.getBudget(owner, MONTH)).toMatchObject({ committedMicroUsd: 1000, admitted: [anAdmission(1, 600).entry] });
    });

    it('takes back what was counted, once', async () => {
      const { store } = bench();
      const row = (await store.saveBudget(aBudget({}, owner))) as BudgetRecord;
      await store.leaveBudget(row, anAdmission(1));
      await store.admitToBudget(row, anAdmission(1), 1000);
      await store.admitToBudget(row, anAdmission(2), 1000);
      for (let again = 0; again < 3; again += 1) await store.leaveBudget(row, anAdmission(1));
      expect(await store.getBudget(owner, MONTH)).toMatchObject({ committedMicroUsd: 500, admitted: [anAdmission(2).entry] });
      await store.leaveBudget({ owner, month: '2026-03' }, anAdmission(2));
      expect(await store.getBudget(owner, '2026-03')).toBeNull();
    });

    it('is not counted anew over somebody who was let in meanwhile', async () => {
      const { store } = bench();
      const row = (await store.saveBudget(aBudget({}, owner))) as BudgetRecord;
      await store.admitToBudget(row, anAdmission(1), 1000);
      expect(await store.saveBudget(row)).toBeNull();
      expect(await store.getBudget(owner, MONTH)).toMatchObject({ committedMicroUsd: 500, version: 2 });
    });
  });
}
