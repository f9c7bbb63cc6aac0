const SECOND_MS = 1000;
const MINUTE_MS = 60 * SECOND_MS;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;
const UNIT_MS: Readonly<Record<string, number>> = { s: SECOND_MS, m: MINUTE_MS, h: HOUR_MS, d: DAY_MS };

/** `90s`, `30m`, `2h`, `1h30m`, `7d` in milliseconds; null for anything else (a bare number has no unit). */
export function parseDurationMs(text: string): number | null {
  if (text.length > 20 || !/^(?:\d{1,6}[smhd])+$/.test(text)) return null;
  let totalMs = 0;
  for (const [, count, unit] of text.matchAll(/(\d{1,6})([smhd])/g)) totalMs += Number(count) * (UNIT_MS[unit as string] as number);
  return totalMs;
}

/** The shortest exact text of a duration: `90000` is `1m30s`. Rounds to whole seconds, at least `0s`. */
export function formatDuration(ms: number): string {
  let rest = Math.max(0, Math.round(ms / SECOND_MS)) * SECOND_MS;
  let text = '';
  for (const [unit, size] of [
    ['d', DAY_MS],
    ['h', HOUR_MS],
    ['m', MINUTE_MS],
    ['s', SECOND_MS],
  ] as const) {
    const count = Math.floor(rest / size);
    rest -= count * size;
    if (count > 0) text += `${count}${unit}`;
  }
  return text || '0s';
}

/** Bytes for people, with IEC prefixes: `193273528` is `184 MiB`. */
export function formatBytes(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${value >= 10 || unit === 0 ? Math.round(value) : value.toFixed(1)} ${units[unit]}`;
}

/** Dollars for people: `$0.06`, `$64.31`, `$1,204.00`; what is less than a cent and not nothing is `<$0.01`. */
export function formatUsd(usd: number): string {
  if (usd > 0 && usd < 0.005) return '<$0.01';
  return `$${usd.toLocaleString('en-US', { minimumFractionDigits: 2, maximumFractionDigits: 2 })}`;
}

/** Dollars as people write them, `50` or `12.50`, in whole micro-dollars; null for anything else. */
export const parseUsd = (text: string): number | null =>
  /^\$?\d{1,7}(?:\.\d{1,2})?$/.test(text) ? Math.round(Number(text.replace('$', '')) * 1e6) : null;
