import { RemoteError } from '../client/problems.ts';
import { DevctlError, ERRORS } from '../contract/errors.ts';
import { reasonOf, systemReason } from '../contract/system-errors.ts';
import type { Form, Paint } from './output.ts';
import { plainLines, plainText } from './text.ts';
import { UsageError } from './usage-error.ts';

/** Exit code of a command that was stopped by Ctrl-C. */
export const INTERRUPTED = 130;

/** A command that ends with a code of its own and has said all there is to say. */
export class Exit extends Error {
  override readonly name = 'Exit';
  constructor(readonly code: number) {
    super(`exit ${code}`);
  }
}

export function exitCode(error: unknown): number {
  if (error instanceof Exit) return error.code;
  if (error instanceof UsageError) return 2;
  if (error instanceof DevctlError) return ERRORS[error.code].exit;
  return 1;
}

/** An error that nobody has thrown on purpose. One of the system names its path. */
function unforeseen(error: unknown): string {
  const path = systemReason(error) === null ? undefined : (error as NodeJS.ErrnoException).path;
  return path === undefined ? reasonOf(error) : `${path}: ${reasonOf(error)}`;
}

/** The error as lines for a person: what is wrong, then what to do. */
export function errorLines(error: unknown, look: Paint, debug: boolean): string {
  const head = (text: string): string => `${look.red('error:')} ${plainText(text)}`;
  const lines: string[] = [];
  if (error instanceof UsageError) {
    lines.push(head(error.message));
    if (error.advice)
      lines.push(
        ...plainLines(error.advice)
          .split('\n')
          .map((line) => `  ${line}`),
      );
  } else if (error instanceof DevctlError) {
    lines.push(head(error.detail));
    for (const issue of error.extra.issues ?? []) {
      if (error.detail.includes(issue.message)) continue;
      lines.push(
        `  ${plainText(issue.field)}: ${plainText(issue.message)}${issue.got === undefined ? '' : ` (got ${plainText(issue.got)})`}`,
      );
    }
    lines.push(`  ${plainText(error.extra.hint ?? ERRORS[error.code].hint)}`);
    if (error instanceof RemoteError && error.requestId && error.problem.status >= 500)
      lines.push(`  request ${plainText(error.requestId)}`);
  } else {
    lines.push(head(unforeseen(error)));
    if (debug && error instanceof Error && error.stack) lines.push(error.stack);
    else if (systemReason(error) !== null) lines.push('  devctl doctor looks at this machine');
    else lines.push('  this is a fault of devctl: devctl support-bundle makes an archive for a report');
  }
  return `${lines.join('\n')}\n`;
}

/** The error for a program: the same problem document that the API sends. */
function errorDocument(error: unknown): unknown {
  if (error instanceof RemoteError) return error.problem;
  if (error instanceof DevctlError) return error.toProblem();
  const detail = error instanceof UsageError ? [error.message, error.advice].filter(Boolean).join(': ') : unforeseen(error);
  return new DevctlError(error instanceof UsageError ? 'invalid_request' : 'internal', detail).toProblem();
}

export const errorText = (error: unknown, form: Form, look: Paint): string =>
  form === 'json'
    ? `${JSON.stringify({ error: errorDocument(error) })}\n`
    : errorLines(error, look, process.env['NODE_DEBUG']?.includes('devctl') ?? false);
