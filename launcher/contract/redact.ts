/** Takes the place of what was a secret. */
export const REDACTED = '[redacted]';

/** Each is linear: no two parts of a pattern can match the same text in two ways. */
const PATTERNS: ReadonlyArray<readonly [RegExp, string]> = [
  [/\bdv([tb])_[A-Za-z0-9_.-]{8,1000}/g, `dv$1_${REDACTED}`],
  [/\b(Bearer|Basic|Digest|Negotiate)\s+[A-Za-z0-9._~+/=-]{6,4000}/gi, `$1 ${REDACTED}`],
  [/\b(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}\b/g, REDACTED],
  [/\bnpm_[A-Za-z0-9]{16,255}/g, REDACTED],
  [/\b(?:gh[pousr]_[A-Za-z0-9]{20,255}|github_pat_[A-Za-z0-9_]{20,255}|glpat-[A-Za-z0-9_-]{20,255})/g, REDACTED],
  [/\bsk[-_][A-Za-z0-9_-]{16,255}/g, REDACTED],
  [/\bxox[abeprs]-[A-Za-z0-9-]{10,255}/g, REDACTED],
  [/\beyJ[A-Za-z0-9_-]{8,4000}\.[A-Za-z0-9_-]{8,4000}\.[A-Za-z0-9_-]{0,4000}/g, REDACTED],
  [/-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----[^-]{0,8000}(?:-----END [A-Z ]{0,40}PRIVATE KEY-----)?/g, REDACTED],
  [/:\/\/[^\s/@"'<>]{1,1000}@/g, `://${REDACTED}@`],
  [
    /((?:pass(?:word|wd|phrase)|secret|token|credentials?|authorization|cookie|(?:api|access|private)[-_]?key)[A-Za-z0-9_-]{0,40}["']?\s{0,4}[=:]\s{0,4}["']?)(?!\[redacted|(?:Bearer|Basic|Digest|Negotiate)\s|dv[tb]_\[)[^\s"',;&}]{1,4000}/gi,
    `$1${REDACTED}`,
  ],
];

/** Runs of base64 or base64url long enough to hide a secret, and runs that may have percent escapes in them. */
const BASE64_RUN = /[A-Za-z0-9+/_-]{16,8192}={0,2}/g;
const URL_RUN = /[A-Za-z0-9._~%+-]+/g;
const ESCAPE = /%[0-9A-Fa-f]{2}/;

/** Every pattern needs one of these: most text has none, and is not looked at any further. */
const MARKERS =
  /dv[tb]_|bearer|basic|digest|negotiate|A(?:KI|SI|BI|CC)A|gh[pousr]_|github_pat_|glpat-|sk[-_]|npm_|xox|eyJ|-----BEGIN|:\/\/|secret|token|pass|credential|authorization|cookie|key/i;

function redactPlain(text: string): string {
  if (!MARKERS.test(text)) return text;
  let out = text;
  for (const [pattern, replacement] of PATTERNS) out = out.replace(pattern, replacement);
  return out;
}

/** A run whose decoded text has a secret in it goes as a whole. */
function redactEncoded(text: string): string {
  const percent = text.includes('%') ? text.replace(URL_RUN, (run) => (hidesEscaped(run) ? REDACTED : run)) : text;
  return percent.replace(BASE64_RUN, (run) => (hidesSecret(run) ? REDACTED : run));
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

/**
 * Text without what looks like a secret: by its form, by the name before it, and inside of base64 and percent escapes.
 * Takes time in proportion to the text.
 */
export const redactSecrets = (text: string): string => redactEncoded(redactPlain(text));
