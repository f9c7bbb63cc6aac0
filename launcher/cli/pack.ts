import { readFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { type Pack, pack } from 'tar-stream';
import { DevctlError } from '../contract/errors.ts';
import { CLI_LIMITS } from './limits.ts';
import type { Item } from './select.ts';

const READ_BYTES = 256 * 1024;
const PIECE_BYTES = 64 * 1024;

const changed = (item: Item, cause?: unknown): DevctlError =>
  new DevctlError('source_unavailable', `${item.name} changed while it was read`, { hint: 'run it again', cause });

function written(tar: Pack, header: Parameters<Pack['entry']>[0], content: Buffer | string | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const done = (error?: Error | null) => (error ? reject(error) : resolve());
    if (content === undefined) tar.entry(header, done);
    else tar.entry(header, Buffer.from(content), done);
  });
}

/** A file that is read piece by piece: exactly as many bytes as its header says. */
async function writeLarge(tar: Pack, header: Parameters<Pack['entry']>[0], item: Item & { path: string }): Promise<void> {
  const file = await open(item.path, 'r').catch((cause: unknown) => {
    throw changed(item, cause);
  });
  try {
    let failed: Error | null = null;
    let finish: () => void = () => undefined;
    const finished = new Promise<void>((resolve) => {
      finish = resolve;
    });
    const sink = tar.entry(header, (error) => {
      failed = error ?? null;
      finish();
    });
    for (let at = 0; at < item.bytes; ) {
      const buffer = Buffer.allocUnsafe(Math.min(READ_BYTES, item.bytes - at));
      const { bytesRead } = await file.read(buffer, 0, buffer.length, at);
      if (bytesRead === 0) throw changed(item);
      at += bytesRead;
      if (!sink.write(buffer.subarray(0, bytesRead)))
        await Promise.race([new Promise<void>((resolve) => sink.once('drain', () => resolve())), finished]);
      if (failed) throw failed;
    }
    sink.end(undefined);
    await finished;
    if (failed) throw failed;
  } finally {
    await file.close();
  }
}

async function writeItem(tar: Pack, item: Item): Promise<void> {
  const header = { name: item.name, mode: item.mode, mtime: new Date(item.mtimeMs), uid: 0, gid: 0 };
  if (item.kind === 'folder') return written(tar, { ...header, name: `${item.name}/`, type: 'directory', size: 0 }, undefined);
  if (item.kind === 'link') return written(tar, { ...header, type: 'symlink', linkname: item.link ?? '', size: 0 }, undefined);
  const sized = { ...header, type: 'file' as const, size: item.bytes };
  if (item.path === null) return written(tar, sized, item.text ?? '');
  if (item.bytes > CLI_LIMITS.smallFileBytes) return writeLarge(tar, sized, { ...item, path: item.path });
  let content: Buffer;
  try {
    content = readFileSync(item.path);
  } catch (cause) {
    throw changed(item, cause);
  }
  if (content.length < item.bytes) throw changed(item);
  return written(tar, sized, content.subarray(0, item.bytes));
}

/** The same bytes in larger pieces: each piece of a request costs every program on its way as much as a file does. */
async function* gathered(chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let waiting: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of chunks) {
    waiting.push(chunk);
    bytes += chunk.length;
    if (bytes < PIECE_BYTES) continue;
    yield Buffer.concat(waiting, bytes);
    waiting = [];
    bytes = 0;
  }
  if (bytes > 0) yield Buffer.concat(waiting, bytes);
}

/**
 * Items as a tar stream. A file that shrank or went away since it was selected ends the stream with an error, so that the
 * other side never takes half of it for the whole.
 * @param onBytes told how many bytes of content have gone in so far
 */
export function packItems(items: readonly Item[], onBytes: (bytes: number) => void = () => undefined): Readable {
  const tar = pack();
  // The reader may leave first (a refused upload): that is for the request to tell.
  tar.on('error', () => undefined);
  async function* stream(): AsyncGenerator<Buffer> {
    let failure: unknown;
    const writing = (async () => {
      let bytes = 0;
      for (const item of items) {
        await writeItem(tar, item);
        bytes += item.bytes;
        onBytes(bytes);
      }
      tar.finalize();
    })().catch((error: unknown) => {
      failure = error;
      tar.destroy();
    });
    try {
      yield* gathered(tar as AsyncIterable<Buffer>);
    } catch (error) {
      failure ??= error;
    }
    await writing;
    if (failure !== undefined) throw failure;
  }
  return Readable.from(stream(), { objectMode: false, highWaterMark: READ_BYTES });
}
