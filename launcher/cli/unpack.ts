import {
  chmodSync,
  closeSync,
  constants,
  fchmodSync,
  futimesSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  rmSync,
  symlinkSync,
  writeSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { type Readable, Transform, type TransformCallback } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { extract, type Header } from 'tar-stream';
import { entryParts, linkStaysWithin, nameFault } from '../contract/archive.ts';
import { type CopyNotes, readNoteComment } from '../contract/copy-notes.ts';
import { DevctlError } from '../contract/errors.ts';
import { reasonOf } from '../contract/system-errors.ts';
import { CLI_LIMITS } from './limits.ts';

export interface Unpacked {
  files: number;
  bytes: number;
  /** Entries that were not made, each with its reason. */
  notes: string[];
  /** What the box could not put into the archive; null when it says nothing of that. */
  left: CopyNotes | null;
}

/** The comment in an entry's pax header, whose records the types of tar-stream do not know. */
const commentOf = (header: Header): string | undefined => (header as Header & { pax?: { comment?: string } | null }).pax?.comment;

const refused = (name: string, why: string): DevctlError =>
  new DevctlError('invalid_archive', `${JSON.stringify(name.slice(0, 200))} ${why}`, {
    hint: 'the box sent an archive that would write elsewhere; what came before it was written',
  });

/** The parts of an entry's name. @throws DevctlError invalid_archive for a name that leaves the folder */
function safeParts(name: string): string[] {
  const fault = nameFault(name);
  if (fault !== null) throw refused(name, fault);
  return entryParts(name);
}

/**
 * Writes a tar stream that may be hostile under one folder. No entry is written through a link, whether the archive made it
 * or it was there before; links that lead out are left out and named.
 */
export class Unpacker {
  readonly #root: string;
  readonly #rename: (parts: string[]) => string[] | null;
  readonly #folders = new Set<string>();
  readonly #made = new Set<string>();
  readonly #folderModes = new Map<string, number>();
  readonly #result: Unpacked = { files: 0, bytes: 0, notes: [], left: null };
  #entries = 0;

  /** @param rename gives an entry its place under the root; null leaves it out */
  constructor(root: string, rename: (parts: string[]) => string[] | null = (parts) => parts) {
    this.#root = root;
    this.#rename = rename;
  }

  async run(tar: Readable): Promise<Unpacked> {
    const reader = extract();
    const reading = pipeline(tar, reader as unknown as NodeJS.WritableStream);
    reading.catch(() => undefined);
    try {
      for await (const entry of reader) {
        await this.#entry(entry.header, entry as unknown as AsyncIterable<Uint8Array> & { resume(): void });
      }
      await reading;
    } catch (error) {
      tar.destroy();
      if (error instanceof DevctlError) throw error;
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'ENOSPC') throw new DevctlError('disk_full', `there is no space left in ${this.#root}`, { cause: error });
      if (code === 'EACCES' || code === 'EPERM' || code === 'EROFS')
        throw new DevctlError('forbidden', `cannot write in ${this.#root}: ${reasonOf(error)}`, {
          hint: 'copy to a folder of yours',
          cause: error,
        });
      throw new DevctlError('invalid_archive', `the copy broke off: ${reasonOf(error)}`, {
        hint: 'run it again',
        cause: error,
      });
    }
    for (const [path, mode] of [...this.#folderModes].reverse()) chmodSync(path, mode);
    return this.#result;
  }

  async #entry(header: Header, body: AsyncIterable<Uint8Array> & { resume(): void }): Promise<void> {
    this.#entries += 1;
    const comment = commentOf(header);
    if (comment !== undefined) this.#result.left = readNoteComment(comment);
    if (this.#entries > CLI_LIMITS.copyFiles) throw new DevctlError('too_large', `the copy has more than ${CLI_LIMITS.copyFiles} files`);
    const parts = this.#rename(safeParts(header.name));
    if (parts === null || parts.length === 0) {
      body.resume();
      return;
    }
    const path = this.#parent(header.name, parts);
    switch (header.type) {
      case 'file':
      case 'contiguous-file':
        return this.#file(path, header, body);
      case 'directory':
        this.#folder(header.name, path);
        this.#folderModes.set(path, (header.mode & 0o777) | 0o700);
        break;
      case 'symlink':
        this.#symlink(path, parts, header);
        break;
      case 'link':
        this.#hardLink(path, header);
        break;
      default:
        this.#result.notes.push(`${header.name} is a ${header.type} and was left out`);
    }
    body.resume();
  }

  /** Makes the folders that lead to an entry, and gives its path. */
  #parent(name: string, parts: string[]): string {
    let at = this.#root;
    for (const part of parts.slice(0, -1)) {
      at = join(at, part);
      this.#folder(name, at);
    }
    return join(at, parts.at(-1) as string);
  }

  #folder(name: string, path: string): void {
    if (this.#folders.has(path)) return;
    try {
      mkdirSync(path, { mode: 0o755 });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
      if (!lstatSync(path).isDirectory()) throw refused(name, `would be written through ${path}, which is no folder`);
    }
    this.#folders.add(path);
  }

  /** Takes away what is in the way of a new entry; folders stay. */
  #clear(path: string, name: string): void {
    this.#folders.delete(path);
    this.#folderModes.delete(path);
    try {
      if (lstatSync(path).isDirectory()) throw refused(name, `is a folder at ${path} already`);
      rmSync(path);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    }
  }

  async #file(path: string, header: Header, body: AsyncIterable<Uint8Array>): Promise<void> {
    this.#clear(path, header.name);
    const file = openSync(path, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW, 0o600);
    try {
      for await (const chunk of body) {
        this.#result.bytes += chunk.length;
        if (this.#result.bytes > CLI_LIMITS.copyBytes)
          throw new DevctlError('too_large', `the copy has more than ${CLI_LIMITS.copyBytes / 1024 ** 3} GiB`);
        for (let at = 0; at < chunk.length; ) at += writeSync(file, chunk, at);
      }
      fchmodSync(file, header.mode & 0o777);
      futimesSync(file, header.mtime, header.mtime);
    } finally {
      closeSync(file);
    }
    this.#made.add(path);
    this.#result.files += 1;
  }

  #symlink(path: string, parts: string[], header: Header): void {
    if (!linkStaysWithin(header.linkname, parts.length - 1)) {
      this.#result.notes.push(`the link ${header.name} → ${header.linkname} leads out of the copy and was left out`);
      return;
    }
    this.#clear(path, header.name);
    symlinkSync(header.linkname, path);
    this.#result.files += 1;
  }

  /** A second name of a file that this very archive brought. */
  #hardLink(path: string, header: Header): void {
    const parts = this.#rename(safeParts(header.linkname));
    const source = parts === null ? null : join(this.#root, ...parts);
    if (source === null || !this.#made.has(source) || !lstatSync(source).isFile())
      throw refused(header.name, `links to ${header.linkname}, which is not in the archive`);
    for (let at = dirname(source); at !== this.#root && at.length > this.#root.length; at = dirname(at)) {
      if (!lstatSync(at).isDirectory()) throw refused(header.name, 'links through a link');
    }
    this.#clear(path, header.name);
    linkSync(source, path);
    this.#made.add(path);
    this.#result.files += 1;
  }
}

/** Passes a tar stream on as it is, and keeps what the box says in it of what is not in it. */
export class NoteReader extends Transform {
  left: CopyNotes | null = null;
  readonly #reader = extract();

  constructor() {
    super();
    this.#reader.on('entry', (header, body, next) => {
      const comment = commentOf(header);
      if (comment !== undefined) this.left = readNoteComment(comment);
      body.on('end', next).resume();
    });
    // What is no tar stream is for whoever takes it to refuse.
    this.#reader.on('error', () => undefined);
  }

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    this.#reader.write(chunk);
    done(null, chunk);
  }

  override _flush(done: TransformCallback): void {
    if (this.#reader.destroyed) done();
    else this.#reader.once('close', () => done()).end(undefined);
  }
}
