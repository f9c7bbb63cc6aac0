/** What the error codes of an operating system mean, in words that everybody knows. */
const REASONS: Readonly<Record<string, string>> = {
  EACCES: 'permission denied',
  EADDRINUSE: 'something else listens there',
  EADDRNOTAVAIL: 'it is not an address of this machine',
  EAGAIN: 'there are too many processes',
  EBUSY: 'it is in use',
  ECONNREFUSED: 'nothing listens there',
  ECONNRESET: 'the connection was cut',
  EDQUOT: 'the disk quota is used up',
  EEXIST: 'it is there already',
  EHOSTUNREACH: 'there is no way to that machine',
  EIO: 'the disk has a fault',
  EISDIR: 'it is a folder',
  ELOOP: 'links lead round in a circle',
  EMFILE: 'too many files are open',
  ENAMETOOLONG: 'the name is too long',
  ENETUNREACH: 'there is no network',
  ENFILE: 'too many files are open',
  ENOENT: 'no such file or folder',
  ENOMEM: 'there is no memory left',
  ENOSPC: 'there is no space left',
  ENOTDIR: 'part of the path is not a folder',
  EPERM: 'permission denied',
  EPIPE: 'the reader has gone',
  EROFS: 'the file system is read-only',
  ETIMEDOUT: 'no answer came in time',
  ETXTBSY: 'it is being run',
  EXDEV: 'it is on another file system',
};

/** What a system error means; null for every other error. */
export function systemReason(error: unknown): string | null {
  const code = typeof error === 'object' && error !== null && 'code' in error ? error.code : null;
  return typeof code === 'string' && Object.hasOwn(REASONS, code) ? (REASONS[code] as string) : null;
}

/** Why something failed, for a person: a system error without its code and call, any other in its own words. */
export const reasonOf = (error: unknown): string => systemReason(error) ?? (error instanceof Error ? error.message : String(error));
