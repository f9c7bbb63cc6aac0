import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';

const read = (name: string): string => readFileSync(new URL(name, import.meta.url), 'utf8');
const ROW = /^\| ([\d, ]+) \| [^|]+ \| `([\w.]+)`: ([^|]+) \|$/gm;
/** Rows of the list of faults that speak of machines, disks or snapshots of AWS. */
const NAMED = [2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 18, 19, 21, 22, 23, 24, 29, 30, 31, 32, 33, 36, 41, 42];

describe('the table of faults', () => {
  const rows = [...read('README.md').matchAll(ROW)].map(([, numbers = '', file = '', title = '']) => ({
    numbers,
    file,
    title: title.trim(),
  }));

  it('has every row', () => {
    expect(rows.flatMap(({ numbers }) => numbers.split(', ').map(Number)).sort((a, b) => a - b)).toEqual(NAMED);
  });

  it.each(rows)('$numbers: $file has its test', ({ file, title }) => {
    const titles = [...read(file).matchAll(/(?:it|describe)\((['`])(.*?)\1/gs)].map(([, , text]) => text ?? '');
    expect(titles.some((text) => text.startsWith(title))).toBe(true);
  });
});
