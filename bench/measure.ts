import { assertGoingOn, isInterrupted } from './interruption.ts';
import { type Summary, summarize } from './stats.ts';

/** One thing that is timed. */
export interface Subject {
  name: string;
  /** One go. Gives its own measurement, so that what goes before and after it is not in the time. */
  once: () => Promise<number>;
}

export type Unit = 'ms' | 'op/s';

export interface Row extends Summary {
  name: string;
  unit: Unit;
  samples: number[];
}

/** Told instead of a figure when this machine has not what is needed. */
export interface Missing {
  what: string;
  why: string;
}

/** How a row stands to another of the same run. */
export interface Ratio {
  row: string;
  against: string;
  /** By the medians, and by the best of each, which other load on the machine spoils least. */
  median: number;
  best: number;
  /** What we want it to be at most; nothing fails when it is not. */
  aim: number | null;
}

export interface Section {
  title: string;
  rows: Row[];
  ratios: Ratio[];
  notes: string[];
  missing: Missing[];
}

/** Milliseconds that `work` takes. */
export async function timed(work: () => Promise<unknown>): Promise<number> {
  const startMs = performance.now();
  await work();
  return performance.now() - startMs;
}

/**
 * Measures the subjects in turn, A B C A B C, so that whatever else the machine does meets all of them alike. The first
 * rounds warm caches up and are not counted. When it is interrupted, whole rounds that were measured are kept.
 * @throws Error when it is interrupted before there is one
 */
export async function interleave(subjects: readonly Subject[], rounds: number, unit: Unit = 'ms', warmups = 1): Promise<Row[]> {
  const measured: number[][] = [];
  for (let round = -warmups; round < rounds; round += 1) {
    const values: number[] = [];
    try {
      for (const subject of subjects) {
        assertGoingOn();
        values.push(await subject.once());
      }
    } catch (error) {
      if (!isInterrupted() || measured.length === 0) throw error;
      break;
    }
    if (round >= 0) measured.push(values);
  }
  return subjects.map(({ name }, index) =>
    rowOf(
      name,
      measured.map((values) => values[index] ?? Number.NaN),
      unit,
    ),
  );
}

export const rowOf = (name: string, samples: number[], unit: Unit = 'ms'): Row => ({ name, unit, samples, ...summarize(samples) });

const bestOf = (row: Row): number => (row.unit === 'op/s' ? Math.max(...row.samples) : row.min);

/** The ratios that are asked for, of the rows that were measured. */
export function ratiosOf(rows: readonly Row[], wanted: ReadonlyArray<readonly [row: string, against: string, aim?: number]>): Ratio[] {
  const find = (name: string) => rows.find((row) => row.name === name);
  return wanted.flatMap(([name, against, aim]) => {
    const [row, other] = [find(name), find(against)];
    if (!row || !other || other.count === 0 || row.count === 0) return [];
    return [{ row: name, against, median: row.median / other.median, best: bestOf(row) / bestOf(other), aim: aim ?? null }];
  });
}
