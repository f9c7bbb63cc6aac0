import { readFileSync } from 'node:fs';

/** A file of /proc; null when the process is gone or is not ours to read. */
export function readProc(path: string): Buffer | null {
  try {
    return readFileSync(path);
  } catch {
    return null;
  }
}
