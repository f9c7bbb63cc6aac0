import { isUtf8 } from 'node:buffer';
import { constants, type Stats } from 'node:fs';
import { type FileHandle, lstat, open, readdir, readlink, realpath } from 'node:fs/promises';
import type { ServerResponse } from 'node:http';
import { basename, join } from 'node:path';
import { type Pack, pack } from 'tar-stream';
import { COPY_NOTES_MAX, type CopyNotes, noteComment } from '../launcher/contract/copy-notes.ts';
import { DevctlError } from '../launcher/contract/errors.ts';
import type { Log } from './ports.ts';

const CHUNK_BYTES = 256 * 1024;

type Header = Parameters<Pack['entry']>[0];

/**
 * `GET /files?path=`: sends a file or folder as a tar stream. Links inside are sent as links. What of a folder cannot be
 * sent is left out and named at the end, as `CopyNotes`. A file that cannot be read to its end ends the stream without its
 * end mark when it is all that was asked for.
 * @throws DevctlError invalid_request, system errors: for the path itself, before anything is sent
 */
export async function sendPath(path: string, answer: ServerResponse, log: Log): Promise<void> {
  const real = await realpath(path);
  const stat = await lstat(real);
  if (!stat.isFile() && !stat.isDirectory())
    throw new DevctlError('invalid_request', `${path} is ${kindOf(stat)}: only files and folders can be copied`);
  if (stat.isFile()) await (await open(real, 'r')).close();
  else await readdir(real);
  const archive = pack();
  answer.writeHead(200, { 'content-type': 'application/x-tar' });
  answer.on('close', () => archive.destroy());
  archive.pipe(answer);
  try {
    const header = { name: basename(path), mode: stat.mode & 0o777, mtime: stat.mtime };
    if (stat.isFile()) {
      const cut = await addFile(archive, real, header, stat.size);
      if (cut) throw new Error(cut);
    } else await addTree(archive, real, header);
    archive.finalize();
  } catch (error) {
    log(`sending ${path}: ${(error as Error).message}`);
    answer.destroy();
  }
}

async function addTree(archive: Pack, path: string, header: Header): Promise<void> {
  const left: CopyNotes = { notes: [], count: 0, lost: 0 };
  const note = (name: string, why: string, lost: boolean) => {
    left.count += 1;
    if (lost) left.lost += 1;
    if (left.notes.length < COPY_NOTES_MAX) left.notes.push({ path: name, why });
  };
  archive.entry({ ...header, type: 'directory' });
  await addContent(archive, path, header.name, note);
  // The records of an entry's pax header are unknown to the types of tar-stream alone.
  if (left.count > 0) archive.entry({ ...header, type: 'directory', pax: { comment: noteComment(left) } } as Header);
}

type Note = (name: string, why: string, lost: boolean) => void;

async function addContent(archive: Pack, folder: string, name: string, note: Note): Promise<void> {
  const children = await tried(readdir(folder, { encoding: 'buffer' }), name, note);
  for (const child of (children ?? []).sort(Buffer.compare)) {
    if (isUtf8(child)) await add(archive, join(folder, child.toString()), `${name}/${child}`, note);
    else note(`${name}/${escaped(child)}`, 'has a name that is not UTF-8: left out', true);
  }
}

async function add(archive: Pack, path: string, name: string, note: Note): Promise<void> {
  const stat = await tried(lstat(path), name, note);
  if (!stat) return;
  const header = { name, mode: stat.mode & 0o777, mtime: stat.mtime };
  if (stat.isDirectory()) {
    archive.entry({ ...header, type: 'directory' });
    await addContent(archive, path, name, note);
  } else if (stat.isSymbolicLink()) {
    const target = await tried(readlink(path, { encoding: 'buffer' }), name, note);
    if (target && isUtf8(target)) archive.entry({ ...header, type: 'symlink', linkname: target.toString() });
    else if (target) note(name, `is a link to ${escaped(target)}, which is not UTF-8: left out`, true);
  } else if (stat.isFile()) {
    const cut = await tried(addFile(archive, path, header, stat.size), name, note);
    if (cut) note(name, `${cut}: the rest of it is zeros in the copy`, true);
  } else note(name, `is ${kindOf(stat)}: left out`, false);
}

/** Undefined, and noted, when the file system refuses; silent about what has gone meanwhile. */
async function tried<T>(work: Promise<T>, name: string, note: Note): Promise<T | undefined> {
  try {
    return await work;
  } catch (error) {
    const { code, syscall } = error as NodeJS.ErrnoException;
    if (syscall === undefined) throw error;
    if (code !== 'ENOENT') note(name, `cannot be read (${code === 'EACCES' ? 'permission denied' : code}): left out`, true);
    return undefined;
  }
}

/**
 * Exactly as many bytes as the header says: a file that grows is cut, one that is short is filled with zeros.
 * @returns why it was short, or null
 * @throws system errors, before anything of it is sent
 */
async function addFile(archive: Pack, path: string, header: Header, size: number): Promise<string | null> {
  // What has become a pipe or a link meanwhile is neither waited for nor followed.
  const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  let cut: string | null = null;
  try {
    const entry = archive.entry({ ...header, type: 'file', size });
    for (let left = size; left > 0; ) {
      const length = Math.min(CHUNK_BYTES, left);
      const read: Buffer | string = cut ?? (await readChunk(file, length, size - left));
      if (typeof read === 'string') cut = read;
      const chunk = typeof read === 'string' ? Buffer.alloc(length) : read;
      left -= chunk.length;
      await written(entry, chunk);
    }
    entry.end(null);
  } finally {
    await file.close();
  }
  return cut;
}

/** The next bytes, or why there are none. */
async function readChunk(file: FileHandle, length: number, position: number): Promise<Buffer | string> {
  try {
    const { bytesRead, buffer } = await file.read(Buffer.alloc(length), 0, length, position);
    return bytesRead > 0 ? buffer.subarray(0, bytesRead) : 'shrank while it was read';
  } catch (error) {
    return `cannot be read to its end (${(error as NodeJS.ErrnoException).code})`;
  }
}

/** Writes and waits: little of one file is in memory at a time. */
async function written(entry: ReturnType<Pack['entry']>, chunk: Buffer): Promise<void> {
  if (!entry.write(chunk)) {
    await new Promise<void>((resolve) => {
      const done = (): void => {
        entry.off('drain', done).off('close', done);
        resolve();
      };
      entry.on('drain', done).on('close', done);
    });
  }
  if (entry.destroyed) throw new Error('the reader has left');
}

function kindOf(stat: Stats): string {
  if (stat.isSocket()) return 'a socket';
  return stat.isFIFO() ? 'a pipe' : 'a device';
}

/** Bytes of a name that are no text, as a shell would take them in quotes: `caf\\xe9`. */
const escaped = (bytes: Buffer): string =>
  bytes.toString('latin1').replace(/[\x80-\xff]/g, (byte) => `\\x${byte.charCodeAt(0).toString(16)}`);
