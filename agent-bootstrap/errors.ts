import type { ZodError } from 'zod';
import { DevctlError, type ErrorCode } from '../launcher/contract/errors.ts';
import { reasonOf } from '../launcher/contract/system-errors.ts';

export const LOOK_IN_BOX = 'devctl exec -- ls says what is there; a path is absolute, or begins in /workspace/src';

const FULL = { code: 'disk_full' } as const;
const ABSENT = { code: 'not_found', hint: LOOK_IN_BOX } as const;
const CLOSED = { code: 'invalid_request', hint: 'a box runs as an ordinary user: what it may write lies in /workspace and /tmp' } as const;
const BY_ERRNO: Readonly<Record<string, { code: ErrorCode; hint?: string }>> = {
  ENOSPC: FULL,
  EDQUOT: FULL,
  ENOENT: ABSENT,
  ENOTDIR: ABSENT,
  EACCES: CLOSED,
  EPERM: CLOSED,
  EROFS: CLOSED,
  ENAMETOOLONG: { code: 'invalid_request', hint: 'give a shorter path' },
  EISDIR: { code: 'invalid_request', hint: 'name a file' },
};

/** By its name: to load zod only to compare takes longer than most answers. */
const isZodError = (error: unknown): error is ZodError => error instanceof Error && error.name === 'ZodError';

/** What went wrong, in the words of the contract. A system error names its path inside the box. */
export function toDevctlError(error: unknown): DevctlError {
  if (error instanceof DevctlError) return error;
  if (isZodError(error)) return new DevctlError('invalid_request', error.issues.map((issue) => issue.message).join('; '));
  if (error instanceof SyntaxError) return new DevctlError('invalid_request', `the body is not JSON: ${error.message}`);
  const { code, path } = error as NodeJS.ErrnoException;
  const known = code === undefined ? undefined : BY_ERRNO[code];
  const detail = path === undefined ? reasonOf(error) : `${path}: ${reasonOf(error)}`;
  return new DevctlError(known?.code ?? 'internal', detail, { ...(known?.hint && { hint: known.hint }), cause: error });
}
