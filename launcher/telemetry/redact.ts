import { REDACTED, redactSecrets } from '../contract/redact.ts';

/**
 * Takes secrets out of whatever is about to be logged. It works on values, not on the places where they come from, so that
 * a secret that turns up where nobody expects it (an error text, a URL, an encoded blob) goes as well.
 */
const TEXT_MAX = 2000;
const DEPTH_MAX = 6;
const ITEMS_MAX = 50;

/** Names of fields whose value is a secret whatever it looks like. */
const SECRET_NAME =
  /(?:password|passwd|passphrase|secret|token|credential|authorization|cookie|api[-_]?key|access[-_]?key|private[-_]?key)$/i;
/** Names that only sound like it. */
const PLAIN_NAME = /(?:tokenId|tokens|maxTokens)$/;

/** Ids of ours, words and numbers: too short or too plain to have anything in them. */
const PLAIN_TEXT = /^(?:.{0,7}|(?:ses|ws|tok|req|snap)_[0-9a-z]{1,32}|[A-Za-z.]{1,15})$/;

/** One value of text, without secrets, cut to a bound. JSON takes care of line breaks and escape characters. */
export function redactText(text: string): string {
  if (PLAIN_TEXT.test(text)) return text;
  const short = text.length > TEXT_MAX ? `${text.slice(0, TEXT_MAX)}… (${text.length} characters)` : text;
  return redactSecrets(short);
}

/** Any value for the log: nested ones too, within bounds of depth and number. */
export function redact(value: unknown, depth = 0): unknown {
  if (typeof value === 'string') return redactText(value);
  if (typeof value === 'bigint') return String(value);
  if (typeof value === 'function' || typeof value === 'symbol') return `[${typeof value}]`;
  if (typeof value !== 'object' || value === null) return value;
  if (depth >= DEPTH_MAX) return '[too deep]';
  if (value instanceof Error) return redactText(value.stack ?? String(value));
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? null : value.toISOString();
  if (ArrayBuffer.isView(value)) return `[${value.byteLength} bytes]`;
  if (Array.isArray(value)) {
    const items = value.slice(0, ITEMS_MAX).map((item) => redact(item, depth + 1));
    return value.length > ITEMS_MAX ? [...items, `… ${value.length - ITEMS_MAX} more`] : items;
  }
  return redactFields(value, depth);
}

function redactFields(value: object, depth: number): Record<string, unknown> {
  const out: Record<string, unknown> = {};
  for (const [name, field] of Object.entries(value).slice(0, ITEMS_MAX * 2)) {
    if (field === undefined) continue;
    const isSecret = SECRET_NAME.test(name) && !PLAIN_NAME.test(name) && field !== null && typeof field !== 'boolean';
    out[redactText(name)] = isSecret ? REDACTED : redact(field, depth + 1);
  }
  return out;
}
