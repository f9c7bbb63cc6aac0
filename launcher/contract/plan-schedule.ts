import { HOURS_PER_MONTH } from './prices.ts';

const MINUTES_OF: Readonly<Record<string, number>> = { minute: 1, hour: 60, day: 1_440 };

/** How many of `size` values (from 0 on) a field of a cron expression names; null where it is not understood. */
function countOf(field: string, size: number): number | null {
  const values = new Set<number>();
  for (const part of field.split(',')) {
    const match = /^(?:\*|(\d{1,2})(?:-(\d{1,2}))?)(?:\/(\d{1,2}))?$/.exec(part);
    if (match === null) return null;
    const [, from, to, step] = match;
    // `5/10` goes on to the end, as `5-59/10` does; `5` alone is itself.
    const last = from === undefined || (to === undefined && step !== undefined) ? size - 1 : Number(to ?? from);
    if (step === '0' || last >= size) return null;
    for (let value = Number(from ?? 0); value <= last; value += Number(step ?? 1)) values.add(value);
  }
  return values.size;
}

/**
 * How often a month an expression of EventBridge fires: `rate(1 minute)`, `cron(0/15 8-18 ? * MON-FRI *)`. Days, months and years of
 * a cron expression are taken for all of them: rather too often than too seldom. Once (`at(…)`) is never; null is not understood.
 */
export function firesPerMonth(expression: string): number | null {
  if (/^at\(.*\)$/.test(expression)) return 0;
  const rate = /^rate\(([1-9]\d{0,5}) (minute|hour|day)s?\)$/.exec(expression);
  if (rate !== null) return (HOURS_PER_MONTH * 60) / (Number(rate[1]) * (MINUTES_OF[rate[2] as string] as number));
  const [, minutes, hours] = /^cron\((\S+) (\S+) \S+ \S+ \S+ \S+\)$/.exec(expression) ?? [];
  if (minutes === undefined || hours === undefined) return null;
  const minuteCount = countOf(minutes, 60);
  const hourCount = countOf(hours, 24);
  return minuteCount === null || hourCount === null ? null : (minuteCount * hourCount * HOURS_PER_MONTH) / 24;
}
