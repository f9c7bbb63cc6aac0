import { describe, expect, it } from 'vitest';
import type { SessionCharge, SessionRecord, StorageCharge } from '../../../launcher/contract/records.ts';
import { HOUR_MS, monthOf, monthRange } from '../../../launcher/core/cost.ts';
import { type OwnerMonth, type StatementOf, spentOf, statement } from '../../../launcher/core/statement.ts';
import { box, NOW, OTHER, ready, SES, WS } from './samples.ts';

const month = monthOf(NOW);
const prices = { diskMicroUsdPerGiBMonth: 80_000, snapshotMicroUsdPerGiBMonth: 50_000 };
const price = { boxMicroUsdPerHour: 40_000, diskMicroUsdPerHour: 8_000, about: true };
const of: StatementOf = { month, nowMs: NOW + 2 * HOUR_MS, prices, budgets: { ownerMicroUsd: null, deploymentMicroUsd: null } };
const common = { owner: 'dev', month, workspace: 'shop', workspaceId: WS, untilMs: NOW };
const over = (patch: Partial<SessionCharge> = {}): SessionCharge => ({
  ...common,
  kind: 'session',
  sessionId: OTHER,
  spent: { boxMicroUsd: 1_000_000, diskMicroUsd: 100_000, boxMs: 5 * HOUR_MS },
  about: false,
  ...patch,
});
const stored = (patch: Partial<StorageCharge> = {}): StorageCharge => ({
  ...common,
  kind: 'storage',
  diskMicroUsd: 500_000,
  snapshotMicroUsd: 200_000,
  level: { diskGiB: 73, snapshotBytes: 0, about: false },
  ...patch,
});
const live = (patch: Partial<SessionRecord> = {}): SessionRecord =>
  ready({ box: box({ price }), spend: { months: {}, sinceMs: NOW, about: true }, ...patch });
const owner = (patch: Partial<OwnerMonth> = {}): OwnerMonth => ({
  owner: 'dev',
  sessions: [live()],
  charges: [over(), stored()],
  ...patch,
});

describe('a statement', () => {
  it('adds the boxes, the disks and the snapshots of each workspace, and nothing twice', () => {
    const { owners, ...all } = statement([owner()], of);
    // 2 h at 4 cents live, $1 of the one that is over; the disk 2 h further at 0.8 cents.
    expect(all).toMatchObject({ month, free: false, usd: 1.796, perHourUsd: 0.056, about: true, budget: null });
    expect(owners).toEqual([
      expect.objectContaining({
        owner: 'dev',
        usd: 1.796,
        moreSessions: 0,
        workspaces: [{ id: WS, name: 'shop', sessions: 2, boxHours: 7, boxesUsd: 1.08, disksUsd: 0.516, snapshotsUsd: 0.2, usd: 1.796 }],
        sessions: [
          { id: OTHER, workspace: 'shop', live: false, boxHours: 5, usd: 1.1, about: false },
          { id: SES, workspace: 'shop', live: true, boxHours: 2, usd: 0.096, about: true },
        ],
      }),
    ]);
    expect(spentOf(owner(), of)).toBe(1_796_000);
  });

  it('counts a session once whose entry is written already', () => {
    const ended = owner({ charges: [over({ sessionId: SES })] });
    expect(statement([ended], of).owners[0]?.sessions).toHaveLength(1);
    expect(statement([owner({ sessions: [live({ phase: 'stopped' })], charges: [] })], of).usd).toBe(0);
  });

  it('of a month that is over projects nothing and has no cost an hour', () => {
    const later = { ...of, nowMs: monthRange(month).untilMs + HOUR_MS };
    const past = statement([owner({ sessions: [] })], later);
    expect([past.projectedUsd, past.perHourUsd, past.until]).toEqual([past.usd, 0, new Date(monthRange(month).untilMs).toISOString()]);
    expect(statement([owner()], of).projectedUsd).toBeGreaterThan(1.796);
  });

  it('names the dearest first: owners, workspaces and sessions', () => {
    const eve = owner({ owner: 'eve', sessions: [], charges: [over(), over({ sessionId: SES, workspace: 'api', workspaceId: `${WS}x` })] });
    const { owners } = statement([eve, owner({ charges: [over({ spent: { boxMicroUsd: 9_000_000, diskMicroUsd: 0, boxMs: 1 } })] })], of);
    expect(owners.map((each) => each.owner)).toEqual(['dev', 'eve']);
    expect(owners[1]?.workspaces.map(({ name }) => name)).toEqual(['api', 'shop']);
    expect(owners[1]?.sessions.map(({ id }) => id)).toEqual([OTHER, SES]);
    const shop = owner({ sessions: [], charges: [over({ workspaceId: `${WS}z`, workspace: 'z' }), over({ sessionId: SES })] });
    expect(statement([shop], of).owners[0]?.workspaces.map(({ name }) => name)).toEqual(['shop', 'z']);
  });

  it('shows how much of a budget is spent', () => {
    const budgets = { ownerMicroUsd: 2_000_000, deploymentMicroUsd: 0 };
    const { budget, owners } = statement([owner()], { ...of, budgets });
    expect([budget, owners[0]?.budget]).toEqual([
      { usd: 0, spent: 1 },
      { usd: 2, spent: 0.898 },
    ]);
  });

  it('names so many sessions at the most, and says how many more there are', () => {
    const many = Array.from({ length: 503 }, (_, n) => over({ sessionId: `ses_${String(n).padStart(26, '0')}` }));
    const [only] = statement([owner({ sessions: [], charges: many })], of).owners;
    expect([only?.sessions.length, only?.moreSessions, only?.workspaces[0]?.sessions]).toEqual([500, 3, 503]);
  });

  it('is free where nothing costs anything', () => {
    const free = statement([owner({ sessions: [ready()], charges: [stored({ level: { diskGiB: 0, snapshotBytes: 0, about: true } })] })], {
      ...of,
      prices: null,
    });
    expect([free.free, free.usd, free.about]).toEqual([true, 0, true]);
  });
});
