import { closeSync, lstatSync, openSync, readFileSync, readlinkSync, writeSync } from 'node:fs';

const ALIGN = 4;
const FOLDER = 0o040755;

/** An archive that a kernel unpacks into the memory it starts from: cpio in the form `newc`. */
export class StartArchive {
  readonly #fd: number;
  readonly #written = new Set<string>();

  constructor(path: string) {
    this.#fd = openSync(path, 'w');
  }

  /** A file or link of this machine, with the folders that lead to it. */
  take(from: string, to = from): void {
    const stat = lstatSync(from);
    if (stat.isSymbolicLink()) this.#entry(to, stat.mode, Buffer.from(readlinkSync(from)));
    else if (stat.isDirectory()) this.#entry(to, stat.mode, Buffer.alloc(0));
    else this.#entry(to, stat.mode, readFileSync(from));
  }

  folder(path: string): void {
    this.#entry(path, FOLDER, Buffer.alloc(0));
  }

  text(path: string, content: string, mode = 0o644): void {
    this.#entry(path, 0o100000 | mode, Buffer.from(content));
  }

  end(): void {
    this.#write('TRAILER!!!', 0, Buffer.alloc(0));
    closeSync(this.#fd);
  }

  #entry(path: string, mode: number, content: Buffer): void {
    const name = path.replace(/^\/+|\/+$/g, '');
    if (name === '' || this.#written.has(name)) return;
    const parent = name.slice(0, Math.max(0, name.lastIndexOf('/')));
    this.#entry(parent, FOLDER, Buffer.alloc(0));
    this.#written.add(name);
    this.#write(name, mode, content);
  }

  #write(name: string, mode: number, content: Buffer): void {
    // Inode, mode, owner, group, links, time, size, device (two), special device (two), length of the name, check sum.
    const fields = [this.#written.size, mode, 0, 0, 1, 0, content.length, 0, 0, 0, 0, Buffer.byteLength(name) + 1, 0];
    const head = `070701${fields.map((field) => field.toString(16).padStart(8, '0')).join('')}${name}\0`;
    writeSync(this.#fd, padded(Buffer.from(head)));
    writeSync(this.#fd, padded(content));
  }
}

const padded = (bytes: Buffer): Buffer => Buffer.concat([bytes, Buffer.alloc((ALIGN - (bytes.length % ALIGN)) % ALIGN)]);
