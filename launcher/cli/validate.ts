import type * as z from 'zod';
import { messageOf, valueAt } from '../contract/issues.ts';
import { mayBeSecret } from '../contract/secrets.ts';
import { UsageError } from './usage-error.ts';

const shorten = (value: unknown): string => {
  const text = typeof value === 'string' ? value : (JSON.stringify(value) ?? '');
  return JSON.stringify(text.length > 80 ? `${text.slice(0, 80)}…` : text);
};

/**
 * Looks at a request with the contract's own schema before anything is sent or started. `names` says under which name the
 * person knows a field: `--idle` for `idleTtl`.
 */
export function check<T extends z.ZodType>(schema: T, value: z.input<T>, names: Readonly<Record<string, string>> = {}): z.input<T> {
  const result = schema.safeParse(value);
  if (result.success) return value;
  const issue = result.error.issues[0] as z.core.$ZodIssue;
  const path = issue.path.map(String).join('.');
  const name = names[path] ?? names[String(issue.path[0])] ?? path;
  const got = valueAt(value, issue.path);
  const [problem, advice] = splitMessage(got === undefined ? 'is missing' : messageOf(issue));
  throw new UsageError(`${name} ${mayBeSecret(issue.path) ? '' : `${shorten(got)} `}${problem}`, advice);
}

/** Messages of the contract read `what is wrong: what to write`. Those that only say what to write get a head. */
function splitMessage(message: string): [problem: string, advice: string | undefined] {
  const at = message.indexOf(': ');
  if (at > 0) return [message.slice(0, at), message.slice(at + 2)];
  if (/^(?:is|has|must) /.test(message)) return [message, undefined];
  return ['is not valid', message];
}
