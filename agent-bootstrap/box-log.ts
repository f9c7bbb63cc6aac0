import { closeSync, fstatSync, openSync, renameSync, writeSync } from 'node:fs';

/** Of one file; there are two. A setup script alone may say 8 MiB. */
const FILE_MAX_BYTES = 16 * 1024 ** 2;

/** The file before the present one. */
export const olderLog = (path: string): string => `${path}.1`;

/**
 * Where the agent's own words go: standard output, or the file that it shows. That one is bounded: when it is full it becomes the older one, and
 * the older one goes. It is renamed, not cut off, so that whoever follows it by its name loses nothing. What the program itself says as it
 * crashes still goes to standard output, the file of its begin.
 */
export class BoxLog {
  readonly #maxBytes: number;
  #file: { path: string; fd: number; bytes: number } | null = null;

  constructor(maxBytes = FILE_MAX_BYTES) {
    this.#maxBytes = maxBytes;
  }

  /** From now on to this file. */
  writeTo(path: string): void {
    const fd = openSync(path, 'a', 0o644);
    this.#file = { path, fd, bytes: fstatSync(fd).size };
  }

  /** Does not throw: a log that cannot be written is no reason to end, and must not be told in it. */
  write(text: string): void {
    if (this.#file === null) return void process.stdout.write(text);
    try {
      this.#file.bytes += writeSync(this.#file.fd, text);
      if (this.#file.bytes >= this.#maxBytes) this.#beginAnew(this.#file);
    } catch {
      // The disk of the machine may be full, or gone.
    }
  }

  #beginAnew({ path, fd }: { path: string; fd: number }): void {
    renameSync(path, olderLog(path));
    this.writeTo(path);
    closeSync(fd);
  }
}
