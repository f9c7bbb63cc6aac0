import { ZodError } from 'zod';
import { DevctlError } from '../launcher/contract/errors.ts';

const BY_ERRNO: Readonly<Record<string, 'disk_full' | 'not_found' | 'invalid_request'>> = {
  ENOSPC: 'disk_full',
  EDQUOT: 'disk_full',
  ENOENT: 'not_found',
  ENOTDIR: 'not_found',
  EACCES: 'invalid_request',
  EPERM: 'invalid_request',
  EROFS: 'invalid_request',
  ENAMETOOLONG: 'invalid_request',
  EISDIR: 'invalid_request',
};

/** What went wrong, in the words of the contract. System errors keep their text: it names the path inside the box. */
export function toDevctlError(error: unknown): DevctlError {
  if (error instanceof DevctlError) return error;
  if (error instanceof ZodError) return new DevctlError('invalid_request', error.issues.map((issue) => issue.message).join('; '));
  if (error instanceof SyntaxError) return new DevctlError('invalid_request', `the body is not JSON: ${error.message}`);
  const { code, message } = error as NodeJS.ErrnoException;
  return new DevctlError((code && BY_ERRNO[code]) || 'internal', message ?? String(error), { cause: error });
}
