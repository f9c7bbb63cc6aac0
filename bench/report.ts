import { cpus, totalmem } from 'node:os';
import type { Ratio, Row, Section } from './measure.ts';

type Cells = readonly string[];

/** Three digits that count. */
function figure(value: number): string {
  if (!Number.isFinite(value)) return '–';
  if (value >= 100) return Math.round(value).toString();
  return value.toPrecision(3);
}

/** Columns as wide as their cells; the first one to the left, the others to the right. Reads as Markdown, too. */
export function table(header: Cells, rows: readonly Cells[]): string {
  const widths = header.map((cell, column) => Math.max(3, cell.length, ...rows.map((row) => row[column]?.length ?? 0)));
  const line = (cells: Cells): string =>
    `| ${cells.map((cell, column) => (column === 0 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0))).join(' | ')} |`;
  const rule = `|${widths.map((width, column) => (column === 0 ? '-'.repeat(width + 2) : `${'-'.repeat(width + 1)}:`)).join('|')}|`;
  return [line(header), rule, ...rows.map(line)].join('\n');
}

const rowCells = ({ name, unit, count, min, median, p95, p99 }: Row): Cells => [
  name,
  unit,
  String(count),
  figure(min),
  figure(median),
  // Of rates, a high one is no outlier to be warned of.
  unit === 'ms' ? figure(p95) : '',
  unit === 'ms' ? figure(p99) : '',
];

const ratioCells = ({ row, against, median, best, aim }: Ratio): Cells => [
  `${row} ÷ ${against}`,
  `${figure(median)} ×`,
  `${figure(best)} ×`,
  aim === null ? '' : `≤ ${aim} ×`,
];

/** One part of the report. What was not measured is told as plainly as what was. */
export function sectionText({ title, rows, ratios, notes, missing }: Section): string {
  return [
    `## ${title}`,
    ...(rows.length > 0 ? [table(['', 'unit', 'n', 'min', 'median', 'p95', 'p99'], rows.map(rowCells))] : []),
    ...(ratios.length > 0 ? [table(['ratio', 'of medians', 'of the best', 'aim'], ratios.map(ratioCells))] : []),
    ...notes,
    ...missing.map(({ what, why }) => `not measured here: ${what} (${why})`),
  ].join('\n\n');
}

/** The machine in a few words that name nobody. */
export function machineClass(): string {
  return `${cpus().length} cores, ${Math.round(totalmem() / 1024 ** 3)} GiB, ${process.platform}, Node ${process.versions.node}`;
}
