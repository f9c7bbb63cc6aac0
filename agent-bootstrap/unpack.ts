import {
  closeSync,
  fchmodSync,
  futimesSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { chmod, open } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { extract } from 'tar-stream';
import type { BoxLimits } from '../launcher/contract/agent-config.ts';
import { DevctlError } from '../launcher/contract/errors.ts';
import { ArchivePolicy, type Step } from './archive-policy.ts';

/** A file up to this size is written in one go. */
const SMALL_BYTES = 64 * 1024;
/** 34 bits of seconds are what ext4 keeps. */
const MTIME_MAX_MS = 2 ** 33 * 1000;

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
  const tree = new Tree(into, guard);
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
      await tree.add(step, entry as unknown as AsyncIterable<Buffer>, timeOf(entry.header.mtime));
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

/** A time that no file system takes is left out. */
const timeOf = (mtime: Date | undefined): Date | undefined => (mtime && Math.abs(mtime.getTime()) < MTIME_MAX_MS ? mtime : undefined);

type FileStep = Extract<Step, { kind: 'file' }>;

/** What is being unpacked. Small things are done without a hop to another thread, which takes longer than they do. */
class Tree {
  readonly #root: string;
  readonly #guard: WriteGuard;
  /** Folders that were made here, by relative path: nothing of the archive takes their place. */
  readonly #folders = new Set<string>();

  constructor(root: string, guard: WriteGuard) {
    this.#root = root;
    this.#guard = guard;
  }

  async add(step: Step, content: AsyncIterable<Buffer>, mtime: Date | undefined): Promise<void> {
    if (step.kind === 'file') {
      if (step.size > SMALL_BYTES) return this.#addLarge(step, content, mtime);
      const chunks: Buffer[] = [];
      for await (const chunk of content) chunks.push(chunk);
      return this.#guard(async () => this.#addSmall(step, Buffer.concat(chunks), mtime));
    }
    return this.#guard(async () => {
      if (step.kind === 'folder') return this.#makeFolders(step.path);
      const path = this.#placeFor(step.path);
      if (step.kind === 'symlink') symlinkSync(step.target, path);
      else linkSync(this.#earlier(step.from), path);
    });
  }

  #addSmall(step: FileStep, content: Buffer, mtime: Date | undefined): void {
    const file = openSync(this.#placeFor(step.path), 'wx', step.mode | 0o200);
    try {
      writeFileSync(file, content);
      if (mtime) futimesSync(file, mtime, mtime);
      fchmodSync(file, step.mode);
    } finally {
      closeSync(file);
    }
  }

  async #addLarge(step: FileStep, content: AsyncIterable<Buffer>, mtime: Date | undefined): Promise<void> {
    // `x` neither follows nor replaces anything.
    const file = await this.#guard(() => open(this.#placeFor(step.path), 'wx', step.mode | 0o200));
    try {
      for await (const chunk of content) await this.#guard(() => file.writeFile(chunk));
      await this.#guard(async () => {
        if (mtime) await file.utimes(mtime, mtime);
        await file.chmod(step.mode);
      });
    } finally {
      await file.close();
    }
  }

  /** Where an entry goes. A later one of the same name replaces the earlier one, and never what that one leads to. */
  #placeFor(name: string): string {
    this.#makeFolders(dirname(name));
    const path = join(this.#root, name);
    const there = lstatSync(path, { throwIfNoEntry: false });
    if (there?.isDirectory())
      throw new DevctlError('invalid_archive', `${JSON.stringify(name.slice(0, 200))} is a folder and something else`);
    if (there) unlinkSync(path);
    return path;
  }

  /** Makes the folders on the way, none of which may be a link. */
  #makeFolders(path: string): void {
    if (this.#folders.has(path)) return;
    let folder = this.#root;
    for (const part of path.split('/').filter((name) => name !== '' && name !== '.')) {
      folder = join(folder, part);
      const there = lstatSync(folder, { throwIfNoEntry: false });
      if (!there) mkdirSync(folder, { mode: 0o755 });
      else if (!there.isDirectory())
        throw new DevctlError('invalid_archive', `${JSON.stringify(path.slice(0, 200))} goes through something that is no folder`);
    }
    this.#folders.add(path);
  }

  /** A file of this archive that another entry is a link to. */
  #earlier(name: string): string {
    this.#makeFolders(dirname(name));
    const path = join(this.#root, name);
    if (!lstatSync(path).isFile()) throw new DevctlError('invalid_archive', `${JSON.stringify(name)} is no file any more`);
    return path;
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
