import { describe, expect, it } from 'vitest';
import { paint, pairs, plainRows, table, wantsColor } from '../../../launcher/cli/output.ts';
import { clockTime, plainLines, plainText, plural, seconds, span, width } from '../../../launcher/cli/text.ts';

const ESC = '\u001b';

describe('text from elsewhere', () => {
  it.each([
    ['plain', 'plain'],
    [`${ESC}[31mred${ESC}[0m`, 'red'],
    [`${ESC}]0;title\u0007name`, 'name'],
    [`${ESC}]8;;http://x${ESC}\\link${ESC}]8;;${ESC}\\`, 'link'],
    [`a${ESC}[2J${ESC}[Hb`, 'ab'],
    ['one\r\ntwo\tthree', 'one two three'],
    ['a\u009b31mb', 'ab'],
    ['user\u202egpj.exe', 'user gpj.exe'],
    [`cut${ESC}[`, 'cut'],
    [`cut${ESC}`, 'cut'],
    ['naïve 日本', 'naïve 日本'],
  ])('%j is shown as %j', (text, shown) => {
    expect(plainText(text)).toBe(shown);
  });

  it('keeps lines where lines are meant', () => {
    expect(plainLines(`a${ESC}[1m\nb\rc`)).toBe('a\nb c');
  });
});

describe('spans and times', () => {
  it.each([
    [0, '0 s'],
    [45_000, '45 s'],
    [90_000, '2 min'],
    [1_799_999, '30 min'],
    [1_800_000, '30 min'],
    [3_600_000, '1 h'],
    [4_320_000, '1 h 12 min'],
    [43_199_000, '12 h'],
    [2 * 86_400_000 + 3_600_000, '2 d 1 h'],
    [-1, '–'],
  ])('%i ms is %s', (ms, text) => {
    expect(span(ms)).toBe(text);
  });

  it('shows what a step took', () => {
    expect([8, 290, 6_800, 90_000].map(seconds)).toEqual(['0.01 s', '0.29 s', '6.8 s', '2 min']);
  });

  it('counts in groups of three', () => {
    expect([0, 1, 999, 1000, 20_000, 1_234_567].map((count) => plural(count, 'file'))).toEqual([
      '0 files',
      '1 file',
      '999 files',
      '1,000 files',
      '20,000 files',
      '1,234,567 files',
    ]);
    expect(plural(2, 'branch', 'branches')).toBe('2 branches');
  });

  it('names the day only when it is another one', () => {
    const now = new Date(2026, 1, 3, 14, 2);
    expect(clockTime(new Date(2026, 1, 3, 9, 5), now)).toBe('09:05');
    expect(clockTime(new Date(2026, 1, 2, 9, 5), now)).toBe('2026-02-02 09:05');
  });
});

describe('tables', () => {
  it('has columns as wide as their content, without control characters', () => {
    const rows = [
      ['shop', `re${ESC}[31mady`],
      ['日本', 'x\ny'],
    ];
    expect(table(['NAME', 'PHASE'], rows)).toBe('NAME  PHASE\nshop  ready\n日本  x y\n');
    expect(plainRows(rows)).toBe('shop\tready\n日本\tx y\n');
  });

  it('counts wide and joining characters', () => {
    expect([width('abc'), width('日本'), width('e\u0301'), width('🙂')]).toEqual([3, 4, 1, 2]);
  });

  it('leaves out pairs that have nothing to say', () => {
    expect(
      pairs([
        ['a', '1'],
        ['longer', '2'],
        ['none', ''],
      ]),
    ).toBe('a       1\nlonger  2\n');
  });
});

describe('colours', () => {
  const tty = { write: (): boolean => true, isTTY: true };
  it.each([
    [{}, {}, tty, true],
    [{}, { NO_COLOR: '1' }, tty, false],
    [{}, { TERM: 'dumb' }, tty, false],
    [{ color: false }, {}, tty, false],
    [{ color: true }, { NO_COLOR: '1' }, { write: (): boolean => true }, true],
    [{}, {}, { write: (): boolean => true }, false],
  ])('flags %j, environment %j', (flags, env, sink, wanted) => {
    expect(wantsColor(flags, env, sink)).toBe(wanted);
  });

  it('are left out of plain paint', () => {
    expect(paint(false).red('x')).toBe('x');
    expect(paint(true).red('x')).toBe(`${ESC}[31mx${ESC}[39m`);
  });
});
