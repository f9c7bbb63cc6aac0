import type { FlagValues } from './flags.ts';
import type { Env } from './parse.ts';
import { plainText, width } from './text.ts';

export type Form = 'table' | 'json' | 'plain';

/** A stream that text is written to, as far as it matters here. */
export interface Sink {
  write(text: string): unknown;
  readonly isTTY?: boolean;
  readonly columns?: number;
}

export interface Paint {
  bold(text: string): string;
  dim(text: string): string;
  red(text: string): string;
  green(text: string): string;
  yellow(text: string): string;
}

export function wantsColor(flags: FlagValues, env: Env, sink: Sink): boolean {
  if (flags.color !== undefined) return flags.color;
  return sink.isTTY === true && !env['NO_COLOR'] && env['TERM'] !== 'dumb';
}

export function paint(on: boolean): Paint {
  const code = (open: number, close: number) => (text: string) => (on ? `\u001b[${open}m${text}\u001b[${close}m` : text);
  return { bold: code(1, 22), dim: code(2, 22), red: code(31, 39), green: code(32, 39), yellow: code(33, 39) };
}

/** Rows under a header, in columns as wide as their content. Everything that came from elsewhere is made plain. */
export function table(header: readonly string[], rows: ReadonlyArray<readonly string[]>, look: Paint = paint(false)): string {
  const clean = rows.map((row) => row.map(plainText));
  const widths = header.map((title, column) => Math.max(width(title), ...clean.map((row) => width(row[column] ?? ''))));
  const line = (cells: readonly string[], style: (text: string) => string = (text) => text) =>
    style(
      cells
        .map((cell, column) => cell + ' '.repeat(Math.max(0, (widths[column] ?? 0) - width(cell))))
        .join('  ')
        .trimEnd(),
    );
  return `${[line(header, look.bold), ...clean.map((row) => line(row))].join('\n')}\n`;
}

/** Tab-separated, for `cut` and `awk`. */
export const plainRows = (rows: ReadonlyArray<readonly string[]>): string =>
  rows.map((row) => `${row.map(plainText).join('\t')}\n`).join('');

/** Names and values, one pair a line. Pairs with an empty value are left out. */
export function pairs(entries: ReadonlyArray<readonly [string, string]>, look: Paint = paint(false)): string {
  const shown = entries.filter(([, value]) => value !== '');
  const column = Math.max(...shown.map(([name]) => name.length), 0);
  return shown.map(([name, value]) => `${look.dim(name.padEnd(column))}  ${plainText(value)}\n`).join('');
}

export const json = (value: unknown): string => `${JSON.stringify(value, null, 2)}\n`;
