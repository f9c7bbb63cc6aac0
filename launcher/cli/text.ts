import { formatDuration } from '../contract/units.ts';

/** Escape sequences of terminals, whole, and then every other control character and the marks that turn text round. */
const ESCAPES =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is taken out
  /\u001b\][^\u0007\u001b]*(?:\u0007|\u001b\\)?|\u001b[PX^_][^\u001b]*(?:\u001b\\)?|(?:\u001b\[|\u009b)[0-?]*[ -/]*[@-~]?|\u001b[ -/]*[0-~]?/g;
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is taken out
const CONTROLS = /[\u0000-\u001f\u007f-\u009f\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]+/g;

/** Text from elsewhere on one line of a terminal: it can neither move the cursor nor pretend to be another line. */
export const plainText = (text: string): string => text.replace(ESCAPES, '').replace(CONTROLS, ' ').trimEnd();

/** The same for text of several lines. */
export const plainLines = (text: string): string => text.split(/\r?\n/).map(plainText).join('\n');

const MINUTE_MS = 60_000;
const HOUR_MS = 3_600_000;
const DAY_MS = 86_400_000;
const UNIT_NAMES: Readonly<Record<string, string>> = { d: 'd', h: 'h', m: 'min', s: 's' };

/** A span as people say it, rounded, in its two largest units: `1 h 12 min`, `2 d`, `40 s`. */
export function span(ms: number): string {
  if (ms < 0) return '–';
  const grainMs = ms >= DAY_MS ? HOUR_MS : ms >= MINUTE_MS ? MINUTE_MS : 1000;
  const exact = formatDuration(Math.round(ms / grainMs) * grainMs);
  return [...exact.matchAll(/(\d+)([dhms])/g)].map(([, count, letter]) => `${count} ${UNIT_NAMES[letter as string]}`).join(' ');
}

/** A step's time: `0.01 s`, `6.8 s`. */
export const seconds = (ms: number): string =>
  ms < 1_000 ? `${(ms / 1000).toFixed(2)} s` : ms < 60_000 ? `${(ms / 1000).toFixed(1)} s` : span(ms);

const twoDigits = (n: number): string => String(n).padStart(2, '0');

/** The time of day here; with the date when that is another day. */
export function clockTime(at: Date, now: Date): string {
  const time = `${twoDigits(at.getHours())}:${twoDigits(at.getMinutes())}`;
  if (at.toDateString() === now.toDateString()) return time;
  return `${at.getFullYear()}-${twoDigits(at.getMonth() + 1)}-${twoDigits(at.getDate())} ${time}`;
}

/** `20,000`. Node's own way of writing it loads the tables of every language, which takes as long as Node's start. */
const grouped = (count: number): string => String(count).replace(/\B(?=(?:\d{3})+$)/g, ',');

export const plural = (count: number, one: string, many = `${one}s`): string => `${grouped(count)} ${count === 1 ? one : many}`;

/** Columns on a terminal that a text takes, near enough for names: marks that join take none, wide East Asian ones two. */
export function width(text: string): number {
  // Most text is, and the patterns below are slow to make.
  if (/^[ -~]*$/.test(text)) return text.length;
  let columns = 0;
  for (const char of text) {
    const point = char.codePointAt(0) as number;
    if (/\p{Mn}|\p{Cf}/u.test(char)) continue;
    columns +=
      point >= 0x1100 &&
      /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]|[\u{1f300}-\u{1faff}]|[\u{20000}-\u{3fffd}]/u.test(
        char,
      )
        ? 2
        : 1;
  }
  return columns;
}
