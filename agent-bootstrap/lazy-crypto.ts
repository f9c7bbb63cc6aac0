import type { Hash } from 'node:crypto';
import { readFileSync } from 'node:fs';

// Loading node:crypto takes as long as all else that a box needs to register, which needs none of it: it is loaded when it
// is first used.
const crypto = (): typeof import('node:crypto') => process.getBuiltinModule('node:crypto');

export const createHash = (algorithm: 'sha256'): Hash => crypto().createHash(algorithm);
export const randomBytes = (count: number): Buffer => crypto().randomBytes(count);

/** A random UUID; Linux gives one as a file. */
export function randomId(): string {
  try {
    return readFileSync('/proc/sys/kernel/random/uuid', 'utf8').trim();
  } catch {
    return crypto().randomUUID();
  }
}
