import type * as z from 'zod';
import { DevctlError, type ErrorCode, type Issue } from '../contract/errors.ts';
import { messageOf, valueAt } from '../contract/issues.ts';
import { mayBeSecret } from '../contract/secrets.ts';
import { ComputeError, type ComputeErrorKind } from '../ports/compute.ts';
import { StoreUnavailableError } from '../ports/store.ts';

const GOT_MAX = 80;

const COMPUTE_CODES: Readonly<Record<ComputeErrorKind, ErrorCode>> = {
  transient: 'unavailable',
  busy: 'conflict',
  capacity: 'no_capacity',
  stranded: 'no_capacity',
  unreachable: 'box_unreachable',
  disk_full: 'disk_full',
  missing: 'box_unreachable',
  unsupported: 'unsupported',
  fatal: 'internal',
};

/** Any error as one of ours. What was not thrown on purpose says nothing of the inside. */
export function toDevctlError(error: unknown): DevctlError {
  if (error instanceof DevctlError) return error;
  if (error instanceof ComputeError) {
    const code = COMPUTE_CODES[error.kind];
    return new DevctlError(code, code === 'internal' ? INTERNAL : error.message, { cause: error });
  }
  if (error instanceof StoreUnavailableError) return new DevctlError('unavailable', 'the store does not answer', { cause: error });
  return new DevctlError('internal', INTERNAL, { cause: error });
}

const INTERNAL = 'the launcher hit a bug or a broken part; its log has the details under the request id';

/** The value that was refused, short and without a password of an address. */
function show(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value);
  const safe = text.replace(/\/\/[^/@\s"]{1,2000}@/g, '//***@');
  return safe.length > GOT_MAX ? `${safe.slice(0, GOT_MAX)}…` : safe;
}

const fieldName = (path: readonly PropertyKey[]): string => path.map(String).join('.');

function issuesOf(issue: z.core.$ZodIssue, input: unknown): Issue[] {
  const field = fieldName(issue.path);
  const value = valueAt(input, issue.path);
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => ({ field: fieldName([...issue.path, key.slice(0, GOT_MAX)]), message: 'is not known here' }));
  }
  if (value === undefined) return [{ field, message: 'is required' }];
  return [{ field, message: messageOf(issue), ...(!mayBeSecret(issue.path) && { got: show(value) }) }];
}

/** One problem that names each refused field: what was got and what is allowed. */
export function invalid(error: z.ZodError, input: unknown): DevctlError {
  const issues = error.issues.slice(0, 20).flatMap((issue) => issuesOf(issue, input));
  return invalidRequest(issues.slice(0, 20));
}

export function invalidRequest(issues: Issue[]): DevctlError {
  const detail = issues.map(({ field, message, got }) => `${field || 'body'} ${got === undefined ? '' : `${got} `}${message}`).join('; ');
  return new DevctlError('invalid_request', detail.slice(0, 1000), { issues });
}
