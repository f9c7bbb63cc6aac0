import type * as z from 'zod';
import { DevctlError, type ErrorCode, type Issue } from '../contract/errors.ts';
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

function valueAt(input: unknown, path: readonly PropertyKey[]): unknown {
  let value = input;
  for (const part of path) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, part)) return undefined;
    value = (value as Record<PropertyKey, unknown>)[part];
  }
  return value;
}

const fieldName = (path: readonly PropertyKey[]): string => path.map(String).join('.');

function issuesOf(issue: z.core.$ZodIssue, input: unknown): Issue[] {
  const field = fieldName(issue.path);
  const value = valueAt(input, issue.path);
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => ({ field: fieldName([...issue.path, key.slice(0, GOT_MAX)]), message: 'is not known here' }));
  }
  if (value === undefined) return [{ field, message: 'is required' }];
  return [{ field, message: messageOf(issue), got: show(value) }];
}

function messageOf(issue: z.core.$ZodIssue): string {
  switch (issue.code) {
    case 'invalid_value':
      return `use ${issue.values.map(String).join(' or ')}`;
    case 'invalid_union':
      return 'options' in issue && Array.isArray(issue['options']) ? `use ${issue['options'].map(String).join(' or ')}` : issue.message;
    case 'invalid_type':
      return `must be ${issue.expected === 'int' ? 'a whole number' : `of type ${issue.expected}`}`;
    case 'too_small':
      return `must have at least ${issue.minimum}`.replace('have at least', isSized(issue.origin) ? 'have at least' : 'be at least');
    case 'too_big':
      return `must have at most ${issue.maximum}`.replace('have at most', isSized(issue.origin) ? 'have at most' : 'be at most');
    default:
      return issue.message;
  }
}

const isSized = (origin: string): boolean => origin === 'string' || origin === 'array' || origin === 'map' || origin === 'set';

/** One problem that names each refused field: what was got and what is allowed. */
export function invalid(error: z.ZodError, input: unknown): DevctlError {
  const issues = error.issues.slice(0, 20).flatMap((issue) => issuesOf(issue, input));
  return invalidRequest(issues.slice(0, 20));
}

export function invalidRequest(issues: Issue[]): DevctlError {
  const detail = issues.map(({ field, message, got }) => `${field || 'body'} ${got === undefined ? '' : `${got} `}${message}`).join('; ');
  return new DevctlError('invalid_request', detail.slice(0, 1000), { issues });
}
