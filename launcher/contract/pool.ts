import * as z from 'zod';
import { architectureSchema, isoTimeSchema, poolBoxIdSchema, type Size, sizeSchema } from './fields.ts';
import { POOL_PHASES } from './records.ts';

/** The most boxes that a pool may have. */
export const POOL_MAX = 100;
export const POOL_WINDOWS_MAX = 20;

/** Hours of the week in which a pool has another size. */
export interface PoolWindow {
  /** As it was written. */
  text: string;
  size: number;
  isOpen(nowMs: number): boolean;
}

/** The pool that a launcher keeps. */
export interface PoolPlan {
  boxSize: Size;
  /** Boxes in it whenever no window is open. */
  base: number;
  windows: readonly PoolWindow[];
}

export const NO_POOL: PoolPlan = { boxSize: 'medium', base: 0, windows: [] };

const DAYS = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'] as const;
const DAY_MINUTES = 24 * 60;
const WINDOW = /^(?:([a-z]{3})(?:-([a-z]{3}))?|daily) (\d\d):(\d\d)-(\d\d):(\d\d) ([A-Za-z0-9_+/-]{1,40})=(\d{1,3})$/;
export const WINDOW_FORM = 'mon-fri 08:00-19:00 Europe/Berlin=3';

/** The size of a pool: `3`. Null for what is none. */
export function parsePoolSize(text: string): number | null {
  const size = Number(text);
  return /^\d{1,3}$/.test(text) && size <= POOL_MAX ? size : null;
}

/**
 * `mon-fri 08:00-19:00 Europe/Berlin=3`: days (`sat`, `fri-mon`, `daily`), hours of the wall clock there, and the size meanwhile. A window
 * that ends before it begins goes on into the next day.
 * @returns what is wrong with it, in words, when it is none
 */
export function parsePoolWindow(text: string): PoolWindow | string {
  const match = WINDOW.exec(text.trim());
  if (match === null) return `is not days, hours, time zone and size, such as ${WINDOW_FORM}`;
  const [, first, last, fromHour, fromMinute, toHour, toMinute, timeZone, count] = match as unknown as string[];
  const days = daysOf(first, last);
  if (days === null) return `names a day that is not one of ${DAYS.join(', ')} or daily`;
  const from = minuteOf(fromHour, fromMinute);
  const to = minuteOf(toHour, toMinute);
  if (from === null || to === null || from === to || from === DAY_MINUTES) return 'has hours that are not such as 08:00-19:00';
  const localTime = wallClock(timeZone as string);
  if (localTime === null) return `names a time zone that is not known: ${timeZone}`;
  const size = parsePoolSize(count as string);
  if (size === null) return `has a size above ${POOL_MAX}`;
  const isOpen = (nowMs: number): boolean => {
    const { day, minute } = localTime(nowMs);
    if (from < to) return days.has(day) && minute >= from && minute < to;
    return (days.has(day) && minute >= from) || (days.has((day + 6) % 7) && minute < to);
  };
  return { text: text.trim(), size, isOpen };
}

/** Boxes that the pool has at this moment: the most that an open window says, at least the base. */
export const poolSizeAt = ({ base, windows }: PoolPlan, nowMs: number): number =>
  Math.max(base, ...windows.filter((window) => window.isOpen(nowMs)).map(({ size }) => size));

/** It has a box at some time. */
export const isPoolWanted = ({ base, windows }: PoolPlan): boolean => base > 0 || windows.some(({ size }) => size > 0);

function daysOf(first: string | undefined, last: string | undefined): ReadonlySet<number> | null {
  if (first === undefined) return new Set(DAYS.keys());
  const from = (DAYS as readonly string[]).indexOf(first);
  const to = last === undefined ? from : (DAYS as readonly string[]).indexOf(last);
  if (from < 0 || to < 0) return null;
  const count = ((to - from + 7) % 7) + 1;
  return new Set(Array.from({ length: count }, (_, n) => (from + n) % 7));
}

function minuteOf(hour: string | undefined, minute: string | undefined): number | null {
  const minutes = Number(hour) * 60 + Number(minute);
  return Number(minute) < 60 && minutes <= DAY_MINUTES ? minutes : null;
}

/** Day of the week (0: Monday) and minute of the day on the clocks there; null for a zone that is not known. */
function wallClock(timeZone: string): ((nowMs: number) => { day: number; minute: number }) | null {
  try {
    const format = new Intl.DateTimeFormat('en-GB', { timeZone, weekday: 'short', hour: '2-digit', minute: '2-digit', hourCycle: 'h23' });
    return (nowMs) => {
      const parts = new Map(format.formatToParts(nowMs).map(({ type, value }) => [type, value]));
      const day = (DAYS as readonly string[]).indexOf(String(parts.get('weekday')).toLowerCase());
      return { day, minute: Number(parts.get('hour')) * 60 + Number(parts.get('minute')) };
    };
  } catch {
    return null;
  }
}

const usd = z.number().min(0).meta({ example: 0.96 });
const count = z.int().min(0);

const poolBoxSchema = z.object({
  id: poolBoxIdSchema,
  box: z.string().nullable().meta({ description: 'Its machine; null until there is one' }),
  state: z.enum(POOL_PHASES),
  size: sizeSchema,
  arch: architectureSchema,
  image: z.string().meta({ description: 'What it was started from' }),
  current: z.boolean().meta({ description: 'A box that is made now would be the same: only such a one is given away' }),
  place: z.string().nullable().meta({ description: 'Where it is', example: 'us-east-1a' }),
  createdAt: isoTimeSchema,
  since: isoTimeSchema.meta({ description: 'When it came into this state' }),
  problem: z.string().nullable().meta({ description: 'Why it does not get on' }),
});

export const poolSchema = z
  .object({
    supported: z.boolean().meta({ description: 'The provider can keep stopped boxes in reserve' }),
    wanted: count.meta({ description: 'Boxes that there are to be now' }),
    base: count.meta({ description: 'And whenever no window of the schedule is open' }),
    schedule: z.array(z.string()).meta({ example: [WINDOW_FORM] }),
    boxSize: sizeSchema,
    boxes: z.array(poolBoxSchema).meta({ description: 'The oldest first' }),
    usdPerMonth: usd.meta({ description: 'What a month costs with the boxes that are there now, stopped' }),
    wantedUsdPerMonth: usd.meta({ description: 'The same with as many as are wanted now' }),
  })
  .meta({ id: 'Pool' });
export type Pool = z.infer<typeof poolSchema>;
