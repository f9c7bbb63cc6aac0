import { describe, expect, it } from 'vitest';
import { planMonth, type Team, TYPE_OF_SIZE, type Way } from '../../../launcher/contract/plan.ts';
import { formatUsd, parseUsd } from '../../../launcher/contract/units.ts';

/** As the published figures are worked: what counts is the time in boxes, with nothing kept beyond it. */
const one: Team = { developers: 1, hours: 126, type: 'm7a.large', workspaceGiB: 60, idleTtlMs: 0, keepVolumeMs: 0, pool: 0 };
const wayOf = (name: Way['name'], patch: Partial<Team> = {}): Way => {
  const way = planMonth({ ...one, ...patch }).ways.find((known) => known.name === name);
  if (way === undefined) throw new Error(name);
  return way;
};

describe('the plan of a month', () => {
  it('is about $0.80 with no sessions', () => {
    expect(planMonth(one).standingMicroUsd).toBe(800_000);
    expect(wayOf('ephemeral', { hours: 0 }).teamMicroUsd).toBe(800_000);
    expect(wayOf('ephemeral', { developers: 0 }).teamMicroUsd).toBe(800_000);
  });

  it('is about $9 for one developer, 126 h on m7a.large spot with 60 GB', () => {
    expect(Math.round(wayOf('ephemeral').eachMicroUsd / 1e6)).toBe(9);
    expect(wayOf('ephemeral')).toMatchObject({
      market: 'spot',
      hours: 126,
      machineMicroUsd: 4_381_020,
      addressMicroUsd: 630_000,
      snapshotMicroUsd: 3_000_000,
    });
  });

  it('is about $64 for t3a.large day and night with 72 GB: the workspace and the 12 GB it starts from', () => {
    const { teamMicroUsd, eachMicroUsd, hours } = wayOf('always-on', { type: 't3a.large' });
    expect([Math.round(teamMicroUsd / 1e6), hours]).toEqual([64, 730]);
    expect(eachMicroUsd).toBe(54_896_000 + 3_650_000 + 5_760_000);
  });

  it('counts the idle time at the end of each stretch of work, and the disk that is kept after it', () => {
    const idle = wayOf('ephemeral', { idleTtlMs: 1_800_000 });
    expect(idle.hours).toBe(126 + 21 / 2);
    const kept = wayOf('ephemeral', { idleTtlMs: 1_800_000, keepVolumeMs: 7_200_000 });
    expect(kept.diskMicroUsd - idle.diskMicroUsd).toBeCloseTo((60 * 80_000 * 42) / 730, -2);
    expect(wayOf('ephemeral', { hours: 730, idleTtlMs: 3_600_000 }).hours).toBe(730);
  });

  it('of a persistent box is that of its hours on demand, and of its disks all the time', () => {
    expect(wayOf('persistent')).toMatchObject({ market: 'on-demand', machineMicroUsd: 14_603_400, diskMicroUsd: 72 * 80_000 });
  });

  it('multiplies by the developers, and adds the pool once', () => {
    const team = planMonth({ ...one, developers: 5, pool: 2 });
    expect(team.poolMicroUsd).toBe(2 * 12 * 80_000);
    const way = team.ways[0] as Way;
    expect(way.teamMicroUsd).toBe(5 * way.eachMicroUsd + 800_000 + 1_920_000);
    expect(planMonth({ ...one, type: TYPE_OF_SIZE.medium }).ways[2]?.machineMicroUsd).toBe(102_600 * 730);
  });
});

describe('dollars', () => {
  it.each([
    [0, '$0.00'],
    [0.000_001, '<$0.01'],
    [0.064, '$0.06'],
    [64.306, '$64.31'],
    [1204, '$1,204.00'],
  ])('%d is %s', (usd, text) => expect(formatUsd(usd)).toBe(text));

  it.each([
    ['50', 50_000_000],
    ['$12.50', 12_500_000],
    ['0', 0],
    ['1e3', null],
    ['-1', null],
    ['1.234', null],
  ])('%s is read as %s', (text, microUsd) => expect(parseUsd(text)).toBe(microUsd));
});
