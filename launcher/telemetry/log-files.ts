import { closeSync, existsSync, fstatSync, mkdirSync, openSync, readFileSync, renameSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';

const NAME = 'launcher.jsonl';

export interface LogFilesOptions {
  /** Folder of the files; made with mode 0700 when it is not there. */
  folder: string;
  /** @default 8 MiB */
  fileBytes?: number;
  /** How many files are kept, the current one included. @default 4 */
  files?: number;
}

/** Appends lines to a ring of files of bounded size, and reads them back. Mode 0600: what people do is nobody else's business. */
export class LogFiles {
  readonly #folder: string;
  readonly #fileBytes: number;
  readonly #files: number;
  readonly #followers = new Set<(line: string) => void>();
  #fd: number;
  #size: number;

  constructor({ folder, fileBytes = 8 * 1024 * 1024, files = 4 }: LogFilesOptions) {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    this.#folder = folder;
    this.#fileBytes = fileBytes;
    this.#files = files;
    this.#fd = this.#open();
    this.#size = fstatSync(this.#fd).size;
  }

  #path(index: number): string {
    return join(this.#folder, index === 0 ? NAME : `${NAME}.${index}`);
  }

  #open(): number {
    return openSync(this.#path(0), 'a', 0o600);
  }

  /** Writes one line, at once: what was logged before a crash is there after it. A full disk loses lines and nothing else. */
  write(line: string): void {
    try {
      const bytes = Buffer.from(`${line}\n`);
      if (this.#size > 0 && this.#size + bytes.length > this.#fileBytes) this.#rotate();
      this.#size += writeSync(this.#fd, bytes);
    } catch {
      // There is nowhere left to say so.
    }
    for (const follower of this.#followers) follower(line);
  }

  #rotate(): void {
    closeSync(this.#fd);
    for (let index = this.#files - 2; index >= 0; index -= 1) {
      if (existsSync(this.#path(index))) renameSync(this.#path(index), this.#path(index + 1));
    }
    this.#fd = this.#open();
    this.#size = 0;
  }

  /** The newest lines, oldest first. */
  tail(lines: number): string[] {
    let found: string[] = [];
    for (let index = 0; index < this.#files && found.length < lines; index += 1) {
      if (!existsSync(this.#path(index))) break;
      found = [...readFileSync(this.#path(index), 'utf8').split('\n').filter(Boolean), ...found];
    }
    return lines === 0 ? [] : found.slice(-lines);
  }

  /** The newest lines as a stream; with `follow` it goes on until its reader leaves. A slow reader misses lines, and is told. */
  read({ tailLines, follow }: { tailLines: number; follow: boolean }): Readable {
    const stream = new Readable({ read() {} });
    for (const line of this.tail(tailLines)) stream.push(`${line}\n`);
    if (!follow) {
      stream.push(null);
      return stream;
    }
    let missed = 0;
    const follower = (line: string) => {
      if (stream.readableLength > FOLLOW_BUFFER_BYTES) {
        missed += 1;
        return;
      }
      if (missed > 0) stream.push(`${JSON.stringify({ op: 'log.missed', lines: missed })}\n`);
      missed = 0;
      stream.push(`${line}\n`);
    };
    this.#followers.add(follower);
    stream.once('close', () => this.#followers.delete(follower));
    return stream;
  }

  close(): void {
    this.#followers.clear();
    closeSync(this.#fd);
    this.write = () => undefined;
  }
}

const FOLLOW_BUFFER_BYTES = 1024 * 1024;
