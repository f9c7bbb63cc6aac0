/** Forms of secrets that are known by sight. */
const FORMS: readonly RegExp[] = [
  /\bdv[tb]_[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*/g,
  /\b(?:AKIA|ASIA)[A-Z0-9]{16}\b/g,
  /\b(?:gh[pousr]|github_pat|glpat|xox[abprs]|sk|npm)[_-][A-Za-z0-9_-]{16,}/g,
  /\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*/g,
  /-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?-----END [A-Z ]*PRIVATE KEY-----/g,
];
/** `password=…`, `"token": "…"`, `Authorization: Bearer …`: the value goes, the name stays. */
const NAMED =
  /((?:pass(?:word|wd|phrase)?|secret|token|api[_-]?key|access[_-]?key|credentials?|authorization|cookie)[A-Za-z0-9_-]*["']?\s*[:=]\s*)(["']?)(?:Bearer\s+|Basic\s+)?[^\s"',;}]+\2/gi;
const IN_ADDRESS = /(\b[a-z][a-z0-9+.-]*:\/\/)[^\s/@"']+@/gi;

export const REDACTED = '[redacted]';

/** Text without what looks like a secret, nor any of the given ones. */
export function redact(text: string, secrets: readonly string[] = []): string {
  let clean = text;
  for (const secret of secrets) if (secret.length >= 8) clean = clean.replaceAll(secret, REDACTED);
  for (const form of FORMS) clean = clean.replace(form, REDACTED);
  return clean.replace(NAMED, `$1$2${REDACTED}$2`).replace(IN_ADDRESS, `$1${REDACTED}@`);
}
