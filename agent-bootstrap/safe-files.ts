import { closeSync, constants, fchmodSync, fchownSync, fstatSync, lstatSync, mkdirSync, openSync, readSync } from 'node:fs';

/** Of fcntl.h, which Node does not name: takes hold of a file and does not open it. A device or a pipe notices nothing. */
const O_PATH = 0o10000000;

/** What of a file is read at most. */
const CHUNK_BYTES = 1024 ** 2;

/** Content of a file that somebody else may have put there, from its beginning; null when it is no ordinary file: nothing else is opened. */
export function readOrdinary(path: string, maxBytes: number, links: 'followed' | 'refused'): Buffer | null {
  const held = tryOpen(path, O_PATH | (links === 'refused' ? constants.O_NOFOLLOW : 0));
  if (held === null) return null;
  try {
    if (!fstatSync(held).isFile()) return null;
    // The same file, whatever has its name by now.
    const file = openSync(`/proc/self/fd/${held}`, constants.O_RDONLY | constants.O_NONBLOCK);
    try {
      return readUpTo(file, maxBytes);
    } finally {
      closeSync(file);
    }
  } finally {
    closeSync(held);
  }
}

function readUpTo(file: number, maxBytes: number): Buffer {
  const chunks: Buffer[] = [];
  for (let left = maxBytes; left > 0; ) {
    const chunk = Buffer.alloc(Math.min(CHUNK_BYTES, left));
    const length = readSync(file, chunk);
    if (length === 0) break;
    chunks.push(chunk.subarray(0, length));
    left -= length;
  }
  return Buffer.concat(chunks);
}

function tryOpen(path: string, flags: number): number | null {
  try {
    return openSync(path, flags);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    // Not there, no folder on the way, a link where none may be, or a circle of them.
    if (code === 'ENOENT' || code === 'ENOTDIR' || code === 'ELOOP' || code === 'EACCES') return null;
    throw error;
  }
}

/**
 * Makes a folder, or takes the one that is there, and gives it its owner. What is its owner's may keep the mode that he gave it.
 * @throws Error when something else is in its place, a link for instance
 */
export function ownFolder(path: string, { uid, gid, mode }: { uid: number; gid: number; mode: number }): void {
  if (!lstatSync(path, { throwIfNoEntry: false })) mkdirSync(path, { mode });
  const folder = openSync(path, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW);
  try {
    const there = fstatSync(folder);
    const isTheirs = there.uid === uid && there.gid === gid;
    if (!isTheirs) fchownSync(folder, uid, gid);
    if (!isTheirs || uid === process.getuid?.()) fchmodSync(folder, mode);
  } finally {
    closeSync(folder);
  }
}
