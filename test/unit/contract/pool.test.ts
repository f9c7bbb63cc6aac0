import { describe, expect, it } from 'vitest';
import { isPoolWanted, NO_POOL, type PoolWindow, parsePoolSize, parsePoolWindow, poolSizeAt } from '../../../launcher/contract/pool.ts';

function window(text: string): PoolWindow {
  const parsed = parsePoolWindow(text);
  if (typeof parsed === 'string') throw new Error(`${text} ${parsed}`);
  return parsed;
}
const isOpen = (text: string, at: string): boolean => window(text).isOpen(Date.parse(at));

describe('a window of the schedule', () => {
  it.each([
    // 2026-11-23 is a Monday; Berlin is one hour ahead.
    ['mon-fri 08:00-19:00 Europe/Berlin=3', '2026-11-23T06:59:59Z', false],
    ['mon-fri 08:00-19:00 Europe/Berlin=3', '2026-11-23T07:00:00Z', true],
    ['mon-fri 08:00-19:00 Europe/Berlin=3', '2026-11-23T17:59:59Z', true],
    ['mon-fri 08:00-19:00 Europe/Berlin=3', '2026-11-23T18:00:00Z', false],
    ['mon-fri 08:00-19:00 Europe/Berlin=3', '2026-11-22T12:00:00Z', false],
    ['sun 00:00-24:00 UTC=1', '2026-11-22T23:59:59Z', true],
    ['sun 00:00-24:00 UTC=1', '2026-11-23T00:00:00Z', false],
    // A week that goes over its end.
    ['sat-mon 10:00-11:00 UTC=1', '2026-11-23T10:30:00Z', true],
    ['sat-mon 10:00-11:00 UTC=1', '2026-11-24T10:30:00Z', false],
    // Over midnight, and so over the end of the week.
    ['sun 22:00-06:00 UTC=1', '2026-11-22T22:00:00Z', true],
    ['sun 22:00-06:00 UTC=1', '2026-11-23T05:59:00Z', true],
    ['sun 22:00-06:00 UTC=1', '2026-11-23T06:00:00Z', false],
    ['sun 22:00-06:00 UTC=1', '2026-11-22T05:00:00Z', false],
    ['daily 09:30-10:00 Asia/Kolkata=1', '2026-11-24T04:00:00Z', true],
    ['daily 09:30-10:00 America/Los_Angeles=1', '2026-11-24T17:45:00Z', true],
  ])('%s at %s: %s', (text, at, open) => {
    expect(isOpen(text, at)).toBe(open);
  });

  it('goes by the clock on the wall on the days on which that is changed', () => {
    const morning = 'daily 08:00-09:00 Europe/Berlin=1';
    // On 2026-03-29 two o'clock is three, on 2026-10-25 three is two.
    expect([isOpen(morning, '2026-03-28T07:30:00Z'), isOpen(morning, '2026-03-29T06:30:00Z')]).toEqual([true, true]);
    expect([isOpen(morning, '2026-10-24T06:30:00Z'), isOpen(morning, '2026-10-25T07:30:00Z')]).toEqual([true, true]);
    const minutesOpen = (text: string, day: string): number => {
      const { isOpen: open } = window(text);
      const from = Date.parse(`${day}T00:00:00Z`) - 3_600_000;
      return Array.from({ length: 26 * 60 }, (_, minute) => open(from + minute * 60_000)).filter(Boolean).length;
    };
    // An hour that there is not, and one that comes twice.
    expect(minutesOpen('sun 02:00-03:00 Europe/Berlin=1', '2026-03-29')).toBe(0);
    expect(minutesOpen('sun 02:00-03:00 Europe/Berlin=1', '2026-10-25')).toBe(120);
    expect(minutesOpen('sun 01:00-04:00 Europe/Berlin=1', '2026-03-29')).toBe(120);
  });

  it.each([
    ['', 'such as mon-fri'],
    ['mon-fri 08:00-19:00=3', 'such as mon-fri'],
    ['mon,tue 08:00-19:00 UTC=3', 'such as mon-fri'],
    ['foo 08:00-19:00 UTC=3', 'not one of mon'],
    ['mon-foo 08:00-19:00 UTC=3', 'not one of mon'],
    ['mon 08:60-19:00 UTC=3', 'has hours'],
    ['mon 08:00-24:01 UTC=3', 'has hours'],
    ['mon 08:00-08:00 UTC=3', 'has hours'],
    ['mon 24:00-08:00 UTC=3', 'has hours'],
    ['mon 08:00-19:00 Mars/Olympus=3', 'Mars/Olympus'],
    ['mon 08:00-19:00 UTC=101', 'above 100'],
  ])('%s is refused: %s', (text, words) => {
    expect(parsePoolWindow(text)).toContain(words);
  });
});

describe('the size of a pool', () => {
  it('is a number', () => {
    expect(['0', '7', '100'].map(parsePoolSize)).toEqual([0, 7, 100]);
    expect(['', '-1', '1.5', '101', '1e1', ' 1'].map(parsePoolSize)).toEqual([null, null, null, null, null, null]);
  });

  it('is the most that an open window says, at least the base', () => {
    const windows = [window('mon-fri 08:00-19:00 UTC=3'), window('daily 09:00-10:00 UTC=5')];
    const plan = { boxSize: 'medium' as const, base: 1, windows };
    const at = (text: string) => poolSizeAt(plan, Date.parse(text));
    expect([at('2026-11-23T07:00:00Z'), at('2026-11-23T08:00:00Z'), at('2026-11-23T09:00:00Z')]).toEqual([1, 3, 5]);
    expect(poolSizeAt({ ...plan, base: 9 }, Date.parse('2026-11-23T09:00:00Z'))).toBe(9);
  });

  it('tells whether there is ever a box in it', () => {
    const never = window('daily 09:00-10:00 UTC=0');
    expect([isPoolWanted(NO_POOL), isPoolWanted({ ...NO_POOL, base: 1 }), isPoolWanted({ ...NO_POOL, windows: [never] })]).toEqual([
      false,
      true,
      false,
    ]);
    expect(isPoolWanted({ ...NO_POOL, windows: [window('daily 09:00-10:00 UTC=1')] })).toBe(true);
  });
});
