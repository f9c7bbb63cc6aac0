import { describe, expect, it } from 'vitest';
import type { BudgetRecord, SessionRecord } from '../../../launcher/contract/records.ts';
import { admission, budgetNotice, firstHourMicroUsd, levelOf, meteredBudget, type Standing } from '../../../launcher/core/budget.ts';
import { HOUR_MS, monthOf } from '../../../launcher/core/cost.ts';
import { applyChange } from '../../../launcher/core/session.ts';
import { NO_BUDGETS, type OwnerMonth, type StatementOf } from '../../../launcher/core/statement.ts';
import { box, NOW, OTHER, ready, SES, session } from './samples.ts';

const month = monthOf(NOW);
const of: StatementOf = { month, nowMs: NOW, prices: null, budgets: NO_BUDGETS };
const price = { boxMicroUsdPerHour: 40_000, diskMicroUsdPerHour: 8_000, about: false };
const row = (patch: Partial<BudgetRecord> = {}): BudgetRecord => ({
  owner: 'dev',
  month,
  version: 3,
  meteredAt: 0,
  spentMicroUsd: 0,
  committedMicroUsd: 0,
  admitted: [],
  ...patch,
});
const ownMonth = (...sessions: SessionRecord[]): OwnerMonth => ({ owner: 'dev', sessions, charges: [] });
const running = (sinceMs: number, patch: Partial<SessionRecord> = {}) =>
  ready({ box: box({ price }), spend: { months: {}, sinceMs, about: false }, ...patch });
const standing = (percent: number, whose: Standing['whose'] = 'owner'): Standing => ({
  whose,
  month,
  spentMicroUsd: percent * 500_000,
  budgetMicroUsd: 50_000_000,
});

describe('what is set aside for a session', () => {
  it('is the first hour of the dearest machine that it may get', () => {
    expect(firstHourMicroUsd({ size: 'small', instanceTypes: [] })).toBeGreaterThan(18_800);
    expect(firstHourMicroUsd({ size: 'small', instanceTypes: ['t3a.small', 'm7a.large'] })).toBe(
      firstHourMicroUsd({ size: 'xlarge', instanceTypes: ['m7a.large'] }),
    );
  });

  it('is what of its first hour it has not spent, by the price of its box once it has one', () => {
    const committed = (...sessions: SessionRecord[]) => {
      const { spentMicroUsd, committedMicroUsd } = meteredBudget(row(), [ownMonth(...sessions)], of, () => true);
      return [spentMicroUsd, committedMicroUsd];
    };
    // The disk of its workspace, a sixth of the price, is among what workspaces keep.
    expect(committed(running(NOW))).toEqual([0, 48_000]);
    expect(committed(running(NOW - HOUR_MS / 4))).toEqual([10_000, 46_000]);
    expect(committed(running(NOW - 3 * HOUR_MS))).toEqual([120_000, 120_000]);
    expect(committed(session())).toEqual([0, firstHourMicroUsd(session())]);
    expect(committed(running(NOW, { desired: 'stopped' }))).toEqual([0, 0]);
    expect(committed(session({ phase: 'stopped' }))).toEqual([0, 0]);
  });

  it('goes on counting for those who were let in and have no record yet', () => {
    const [mine, young, old, woken] = [
      admission(SES, session()),
      admission(OTHER, session()),
      admission('ses_old', session()),
      `${SES}.g2=9`,
    ];
    const admitted = [mine.entry, young.entry, old.entry, woken];
    const next = meteredBudget(row({ admitted }), [ownMonth(running(NOW))], of, (id) => id === OTHER);
    expect(next).toEqual(row({ meteredAt: NOW, committedMicroUsd: 48_000 + young.microUsd, admitted: [young.entry] }));
  });
});

describe('how a budget stands', () => {
  it.each([
    [79.9, null],
    [80, 'near'],
    [99.9, 'near'],
    [100, 'spent'],
    [300, 'spent'],
  ] as const)('%s %%: %s', (percent, level) => expect(levelOf(standing(percent))).toBe(level));

  it('of nothing is spent', () => expect(levelOf({ ...standing(0), budgetMicroUsd: 0 })).toBe('spent'));
});

describe('what a session is told', () => {
  const tell = (before: SessionRecord, ...standings: Standing[]): { next: SessionRecord; types: string[] } => {
    const change = budgetNotice(before, standings, NOW);
    return { next: change ? applyChange(before, change, NOW) : before, types: (change?.events ?? []).map(({ type }) => type) };
  };

  it('is nothing below 80 %, and never of one that is over', () => {
    expect(budgetNotice(ready(), [standing(79), standing(10, 'deployment')], NOW)).toBeNull();
    expect(budgetNotice(ready(), [], NOW)).toBeNull();
    expect(budgetNotice(session({ phase: 'stopped' }), [standing(100)], NOW)).toBeNull();
  });

  it('is each threshold once, in words with the figures, then the snapshot once', () => {
    const near = tell(ready(), standing(81.5));
    expect(near.next.budget).toEqual({ month, level: 'near', told: ['owner.near'] });
    expect(near.next.outbox[0]).toMatchObject({
      type: 'budget.near',
      message: `81 % of your budget of $50.00 for ${month} is spent ($40.75): once it is, no new session is leased`,
      data: { usd: 40.75, budgetUsd: 50 },
    });
    expect(near.next.checkpoint).toBeNull();
    expect(budgetNotice(near.next, [standing(95)], NOW)).toBeNull();
    const spent = tell(near.next, standing(100));
    expect(spent.types).toEqual(['budget.spent']);
    expect(spent.next).toMatchObject({
      phase: 'ready',
      desired: 'ready',
      budget: { level: 'spent', told: ['owner.near', 'owner.spent', 'owner.saved'] },
      checkpoint: { operationId: `${SES}.budget.${month}.owner`, reason: 'checkpoint' },
    });
    expect(budgetNotice({ ...spent.next, checkpoint: null }, [standing(140)], NOW)).toBeNull();
  });

  it('of two budgets is each; one snapshot is enough for both', () => {
    const both = tell(ready(), standing(100), standing(80, 'deployment'));
    expect(both.types).toEqual(['budget.spent', 'budget.near']);
    expect(both.next.budget?.level).toBe('spent');
    expect(both.next.outbox[1]?.message).toContain('of the budget of all owners together');
    const all = tell(ready(), standing(100), standing(100, 'deployment'));
    expect(all.next.checkpoint?.operationId).toBe(`${SES}.budget.${month}.owner+deployment`);
    expect(all.next.budget?.told).toEqual(['owner.spent', 'deployment.spent', 'owner.saved', 'deployment.saved']);
    const later = tell({ ...both.next, checkpoint: null }, standing(100), standing(100, 'deployment'));
    expect([later.types, later.next.checkpoint?.operationId]).toEqual([['budget.spent'], `${SES}.budget.${month}.deployment`]);
  });

  it.each([
    ['is being launched', session({ phase: 'launching' })],
    ['is asked to stop', ready({ desired: 'stopped' })],
    ['is being taken away', ready({ interruption: { endsAtMs: NOW, source: 'box', save: true } })],
    ['has a snapshot under way', ready({ snapshot: { id: 'snap_1', operationId: 'o', started: true } })],
    ['is asked for one', ready({ checkpoint: { operationId: 'o', note: null, reason: 'fork' } })],
  ])('is told and not saved while it %s; later it is saved, and told no more', (_, before) => {
    const told = tell(before, standing(100));
    expect([told.types, told.next.budget?.told, told.next.checkpoint]).toEqual([['budget.spent'], ['owner.spent'], before.checkpoint]);
    const later = tell({ ...ready(), ...(told.next.budget && { budget: told.next.budget }) }, standing(100));
    expect([later.types, later.next.checkpoint === null]).toEqual([[], false]);
  });

  it('begins anew with the month, and follows a budget that was raised without a word', () => {
    const old = ready({ budget: { month: '2020-01', level: 'spent', told: ['owner.near', 'owner.spent', 'owner.saved'] } });
    expect(tell(old, standing(80)).types).toEqual(['budget.near']);
    expect(budgetNotice(old, [standing(10)], NOW)).toBeNull();
    const raised = tell(ready({ budget: { month, level: 'spent', told: ['owner.spent', 'owner.saved'] } }), standing(85));
    expect([raised.types, raised.next.budget?.level]).toEqual([[], 'near']);
  });
});
