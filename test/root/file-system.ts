import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, realpathSync, rmSync, statfsSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const IMAGE_BYTES = 2 * 1024 ** 3;
const MAKE = {
  xfs: ['mkfs.xfs', '-q', '-m', 'reflink=1'],
  btrfs: ['mkfs.btrfs', '-q'],
} as const;

export type FileSystemName = keyof typeof MAKE;

/** A file system of its own, made in a file of a temporary folder. Only root may mount one. */
export class FileSystem {
  readonly root: string;
  readonly #folder: string;

  constructor(name: FileSystemName) {
    this.#folder = realpathSync(mkdtempSync(join(tmpdir(), `devctl-${name}-`)));
    const image = join(this.#folder, 'image');
    this.root = join(this.#folder, 'root');
    mkdirSync(this.root);
    // Takes room only as it is written to.
    writeFileSync(image, '');
    truncateSync(image, IMAGE_BYTES);
    const [program, ...args] = MAKE[name];
    execFileSync(program, [...args, image]);
    execFileSync('mount', ['-o', 'loop', image, this.root]);
    chmodSync(this.root, 0o755);
  }

  folder(name: string): string {
    const path = join(this.root, name);
    mkdirSync(path, { mode: 0o700 });
    return path;
  }

  /** Bytes that are taken, once all that was written lies on the disk. */
  usedBytes(): number {
    execFileSync('sync', ['-f', this.root]);
    const { blocks, bfree, bsize } = statfsSync(this.root);
    return (blocks - bfree) * bsize;
  }

  close(): void {
    execFileSync('umount', [this.root]);
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

/** The flags of each piece of a file on its disk, as `filefrag` names them. */
export function extentFlags(path: string): string[] {
  const lines = execFileSync('filefrag', ['-v', path], { encoding: 'utf8' }).split('\n');
  return lines.filter((line) => /^\s+\d+:/.test(line)).map((line) => line.slice(line.lastIndexOf(':') + 1).trim());
}
