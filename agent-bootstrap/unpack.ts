import { chmod, link, lstat, mkdir, open, rm, symlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { extract } from 'tar-stream';
import type { BoxLimits } from '../launcher/contract/agent-config.ts';
import { DevctlError } from '../launcher/contract/errors.ts';
import { ArchivePolicy, type Step } from './archive-policy.ts';

export interface Unpacked {
  files: number;
  bytes: number;
  /** Modes of folders, by relative path: set once nothing has to be put into them any more. */
  folderModes: Map<string, number>;
}

/** Runs one write to the disk at a moment at which it is allowed. @throws DevctlError wrong_phase when it no longer is */
export type WriteGuard = <T>(work: () => Promise<T>) => Promise<T>;

/**
 * Unpacks a tar stream, gzipped or not, into an empty folder of its own.
 * @throws DevctlError invalid_archive, too_large; system errors. What was unpacked until then is for the caller to remove
 */
export async function unpack(source: Readable, into: string, limits: BoxLimits, guard: WriteGuard): Promise<Unpacked> {
  const policy = new ArchivePolicy(limits);
  const folderModes = new Map<string, number>();
  const archive = extract();
  const plain = await decompressed(source, limits);
  const failed = (error: Error) => archive.destroy(error);
  source.on('error', failed);
  plain.on('error', failed);
  plain.pipe(archive);
  try {
    for await (const entry of archive) {
      const step = policy.admit(entry.header);
      if (step.kind === 'folder') folderModes.set(step.path, step.mode);
      await carryOut(step, into, entry as unknown as AsyncIterable<Buffer>, guard, entry.header.mtime);
      entry.resume();
    }
  } catch (error) {
    source.unpipe();
    plain.destroy();
    throw isOurs(error) ? error : new DevctlError('invalid_archive', `the archive is damaged or was cut off: ${(error as Error).message}`);
  }
  return { files: policy.files, bytes: policy.bytes, folderModes };
}

const isOurs = (error: unknown): boolean => error instanceof DevctlError || typeof (error as NodeJS.ErrnoException).syscall === 'string';

async function carryOut(
  step: Step,
  into: string,
  content: AsyncIterable<Buffer>,
  guard: WriteGuard,
  mtime: Date | undefined,
): Promise<void> {
  const path = join(into, step.path);
  await guard(() => makeFolders(into, step.kind === 'folder' ? step.path : dirname(step.path)));
  if (step.kind === 'folder') return;
  await guard(() => makeRoom(path, step.path));
  if (step.kind === 'symlink') await guard(() => symlink(step.target, path));
  else if (step.kind === 'hardlink') await guard(() => linkWithin(into, step.from, path));
  else await writeFile(path, step.mode, content, guard, mtime);
}

/** A later entry of the same name replaces the earlier one, and never what that one leads to. */
async function makeRoom(path: string, name: string): Promise<void> {
  const stat = await lstat(path).catch(() => null);
  if (stat?.isDirectory()) throw new DevctlError('invalid_archive', `${JSON.stringify(name.slice(0, 200))} is a folder and something else`);
  await rm(path, { force: true });
}

/** Makes the folders on the way, none of which may be a link. */
async function makeFolders(into: string, path: string): Promise<void> {
  let folder = into;
  for (const part of path.split('/').filter((name) => name !== '' && name !== '.')) {
    folder = join(folder, part);
    const stat = await lstat(folder).catch(() => null);
    if (stat === null) await mkdir(folder, { mode: 0o755 });
    else if (!stat.isDirectory())
      throw new DevctlError('invalid_archive', `${JSON.stringify(path.slice(0, 200))} goes through something that is no folder`);
  }
}

async function linkWithin(into: string, from: string, path: string): Promise<void> {
  await makeFolders(into, dirname(from));
  const source = join(into, from);
  if (!(await lstat(source)).isFile()) throw new DevctlError('invalid_archive', `${JSON.stringify(from)} is no file any more`);
  await link(source, path);
}

async function writeFile(
  path: string,
  mode: number,
  content: AsyncIterable<Buffer>,
  guard: WriteGuard,
  mtime: Date | undefined,
): Promise<void> {
  // `x` neither follows nor replaces anything.
  const file = await guard(() => open(path, 'wx', mode | 0o200));
  try {
    for await (const chunk of content) await guard(() => file.writeFile(chunk));
    await guard(async () => {
      if (mtime) await file.utimes(mtime, mtime);
      await file.chmod(mode);
    });
  } finally {
    await file.close();
  }
}

/** Gives folders their modes, the deepest first. */
export async function setFolderModes(root: string, modes: ReadonlyMap<string, number>): Promise<void> {
  for (const [path, mode] of [...modes].sort(([a], [b]) => b.length - a.length)) {
    if (path !== '') await chmod(join(root, path), mode);
  }
}

/** The stream as it is, or decompressed when it begins as gzip does. What expands beyond all measure is refused. */
async function decompressed(source: Readable, limits: BoxLimits): Promise<Readable> {
  const chunks = source[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
  let first: Buffer = Buffer.alloc(0);
  while (first.length < 2) {
    const { value, done } = await chunks.next();
    if (done) break;
    first = Buffer.concat([first, value]);
  }
  const all = Readable.from(chain(first, chunks), { objectMode: false });
  if (first[0] !== 0x1f || first[1] !== 0x8b) return all;
  let read = first.length;
  let written = 0;
  const gunzip = createGunzip();
  all.on('data', (chunk: Buffer) => {
    read += chunk.length;
  });
  all.on('error', (error) => gunzip.destroy(error));
  gunzip.on('data', (chunk: Buffer) => {
    written += chunk.length;
    if (written > limits.archiveRatioFloorBytes && written > read * limits.archiveRatio) {
      gunzip.destroy(new DevctlError('too_large', `the archive expands to more than ${limits.archiveRatio} times its size`));
    }
  });
  // `pipe` after the counting listeners: it sets the pace.
  return all.pipe(gunzip);
}

async function* chain(first: Buffer, rest: AsyncIterator<Buffer>): AsyncGenerator<Buffer> {
  if (first.length > 0) yield first;
  for (let next = await rest.next(); !next.done; next = await rest.next()) yield next.value;
}
