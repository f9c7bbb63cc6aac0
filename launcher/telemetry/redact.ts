/**
 * Takes secrets out of whatever is about to be logged. It works on values, not on the places where they come from, so that
 * a secret that turns up where nobody expects it (an error text, a URL, an encoded blob) goes as well.
 */
const MASK = '[redacted]';
const TEXT_MAX = 2000;
const DEPTH_MAX = 6;
const ITEMS_MAX = 50;

/** Names of fields whose value is a secret whatever it looks like. */
const SECRET_NAME =
  /(?:password|passwd|passphrase|secret|token|credential|authorization|cookie|api[-_]?key|access[-_]?key|private[-_]?key)$/i;
/** Names that only sound like it. */
const PLAIN_NAME = /(?:tokenId|tokens|maxTokens)$/;

/** Each is linear: no two parts of a pattern can match the same text in two ways. */
const PATTERNS: ReadonlyArray<readonly [RegExp, string]> = [
  [/\bdv([tb])_[A-Za-z0-9_.-]{8,1000}/g, `dv$1_${MASK}`],
  [/\b(Bearer|Basic|Digest|Negotiate)\s+[A-Za-z0-9._~+/=-]{6,4000}/gi, `$1 ${MASK}`],
  [/\b(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}\b/g, MASK],
  [/\b(?:gh[pousr]_[A-Za-z0-9]{20,255}|github_pat_[A-Za-z0-9_]{20,255}|glpat-[A-Za-z0-9_-]{20,255})/g, MASK],
  [/\bsk-[A-Za-z0-9_-]{16,255}/g, MASK],
  [/\bxox[abeprs]-[A-Za-z0-9-]{10,255}/g, MASK],
  [/\beyJ[A-Za-z0-9_-]{8,4000}\.[A-Za-z0-9_-]{8,4000}\.[A-Za-z0-9_-]{0,4000}/g, MASK],
  [/-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----[^-]{0,8000}(?:-----END [A-Z ]{0,40}PRIVATE KEY-----)?/g, MASK],
  [/:\/\/[^\s/@"'<>]{1,1000}@/g, `://${MASK}@`],
  [
    /\b((?:aws_)?(?:secret_access_key|session_token)|password|passwd|secret|api[-_]?key|access[-_]?token)("?\s{0,4}[=:]\s{0,4}"?)[^\s"',;&]{1,4000}/gi,
    `$1$2${MASK}`,
  ],
];

/** Runs of base64 or base64url long enough to hide a secret, and runs that may have percent escapes in them. */
const BASE64_RUN = /[A-Za-z0-9+/_-]{16,8192}={0,2}/g;
const URL_RUN = /[A-Za-z0-9._~%+-]+/g;
const ESCAPE = /%[0-9A-Fa-f]{2}/;

/** Every pattern needs one of these: most text has none, and is not looked at any further. */
const MARKERS =
  /dv[tb]_|bearer|basic|digest|negotiate|A(?:KI|SI|BI|CC)A|gh[pousr]_|github_pat_|glpat-|sk-|xox|eyJ|-----BEGIN|:\/\/|secret|token|passw|api[-_]?key/i;

/** Ids of ours, words and numbers: too short or too plain to have anything in them. */
const PLAIN_TEXT = /^(?:.{0,7}|(?:ses|ws|tok|req|snap)_[0-9a-z]{1,32}|[A-Za-z.]{1,15})$/;

function redactPlain(text: string): string {
  if (!MARKERS.test(text)) return text;
  let out = text;
  for (const [pattern, replacement] of PATTERNS) out = out.replace(pattern, replacement);
  return out;
}

/** A run whose decoded text has a secret in it goes as a whole. */
function redactEncoded(text: string): string {
  const percent = text.includes('%') ? text.replace(URL_RUN, (run) => (hidesEscaped(run) ? MASK : run)) : text;
  return percent.replace(BASE64_RUN, (run) => (hidesSecret(run) ? MASK : run));
}

function hidesEscaped(run: string): boolean {
  if (!ESCAPE.test(run)) return false;
  const decoded = run.replace(/%([0-9A-Fa-f]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
  return redactPlain(decoded) !== decoded;
}

/** The secret may begin anywhere in what was encoded, so all that matters is whether the decoded text has one. */
function hidesSecret(run: string): boolean {
  const decoded = Buffer.from(run, 'base64').toString('latin1');
  return redactPlain(decoded) !== decoded;
}

/** One value of text, without secrets, cut to a bound. JSON takes care of line breaks and escape characters. */
export function redactText(text: string): string {
  if (PLAIN_TEXT.test(text)) return text;
  const short = text.length > TEXT_MAX ? `${text.slice(0, TEXT_MAX)}… (${text.length} characters)` : text;
  return redactEncoded(redactPlain(short));
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
    out[redactText(name)] = isSecret ? MASK : redact(field, depth + 1);
  }
  return out;
}
