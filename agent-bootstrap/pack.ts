import type { Stats } from 'node:fs';
import { lstat, open, readdir, readlink, realpath } from 'node:fs/promises';
import type { ServerResponse } from 'node:http';
import { basename, join } from 'node:path';
import { type Pack, pack } from 'tar-stream';
import type { Log } from './ports.ts';

const CHUNK_BYTES = 256 * 1024;

/**
 * `GET /files?path=`: sends a file or folder as a tar stream. Links inside are sent as links; sockets, pipes and devices
 * are left out. What cannot be read ends the stream without its end mark, so that the reader notices.
 * @throws system errors for the path itself, before anything is sent
 */
export async function sendPath(path: string, answer: ServerResponse, log: Log): Promise<void> {
  const real = await realpath(path);
  const stat = await lstat(real);
  if (stat.isFile()) await (await open(real, 'r')).close();
  else await readdir(real);
  const archive = pack();
  answer.writeHead(200, { 'content-type': 'application/x-tar' });
  answer.on('close', () => archive.destroy());
  archive.pipe(answer);
  try {
    await add(archive, real, basename(path), stat);
    archive.finalize();
  } catch (error) {
    log(`sending ${path}: ${(error as Error).message}`);
    answer.destroy();
  }
}

async function add(archive: Pack, path: string, name: string, stat: Stats): Promise<void> {
  const header = { name, mode: stat.mode & 0o777, mtime: stat.mtime };
  if (stat.isDirectory()) {
    archive.entry({ ...header, type: 'directory' });
    for (const child of (await readdir(path)).sort()) {
      const childStat = await lstat(join(path, child)).catch(() => null);
      // Null: gone meanwhile.
      if (childStat) await add(archive, join(path, child), `${name}/${child}`, childStat);
    }
  } else if (stat.isSymbolicLink()) archive.entry({ ...header, type: 'symlink', linkname: await readlink(path) });
  else if (stat.isFile()) await addFile(archive, path, header, stat.size);
}

/** Exactly as many bytes as the header says: a file that grows is cut, one that shrinks is filled with zeros. */
async function addFile(archive: Pack, path: string, header: { name: string; mode: number; mtime: Date }, size: number): Promise<void> {
  const file = await open(path, 'r');
  try {
    const entry = archive.entry({ ...header, type: 'file', size });
    for (let left = size; left > 0; ) {
      const buffer = Buffer.alloc(Math.min(CHUNK_BYTES, left));
      const { bytesRead } = await file.read(buffer, 0, buffer.length, size - left);
      const chunk = bytesRead === 0 ? buffer : buffer.subarray(0, bytesRead);
      left -= chunk.length;
      await written(entry, chunk);
    }
    entry.end(null);
  } finally {
    await file.close();
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
