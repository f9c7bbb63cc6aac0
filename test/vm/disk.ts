import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, existsSync, openSync, readSync, truncateSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

const UP_WITHIN_MS = 20_000;
const LOOK_MS = 50;
const PIECE_BYTES = 16 * 1024 ** 2;
const OVERLAP_BYTES = 4096;
const ZEROS = Buffer.alloc(PIECE_BYTES);

/** A file of zeros that takes room only as it is written to. */
export function blankDisk(path: string, gib: number): void {
  closeSync(openSync(path, 'w'));
  truncateSync(path, gib * 1024 ** 3);
}

/** @param gib a larger disk than that which is copied ends with zeros */
export function copyDisk(from: string, to: string, gib = 0): void {
  const { status, stderr } = spawnSync('cp', ['--sparse=always', '--reflink=auto', from, to], { encoding: 'utf8' });
  if (status !== 0) throw new Error(`${from} could not be copied: ${stderr}`);
  if (gib > 0) truncateSync(to, gib * 1024 ** 3);
}

/** What is on a disk, in pieces that overlap, so that nothing short is cut; those of zeros are left out. */
export function* piecesOf(path: string): Generator<Buffer> {
  const fd = openSync(path, 'r');
  try {
    const piece = Buffer.alloc(PIECE_BYTES);
    for (let at = 0, length = PIECE_BYTES; length === PIECE_BYTES; at += PIECE_BYTES - OVERLAP_BYTES) {
      length = readSync(fd, piece, 0, PIECE_BYTES, at);
      const read = piece.subarray(0, length);
      if (!read.equals(ZEROS.subarray(0, length))) yield read;
    }
  } finally {
    closeSync(fd);
  }
}

/**
 * A file as a disk with a cache of its own: what a machine writes comes to the file when the machine flushes, and not sooner. This is less
 * than EBS promises, where every write that was answered is kept.
 */
export class CachedDisk {
  readonly socket: string;
  readonly #server: ChildProcess;

  private constructor(file: string, socket: string) {
    this.socket = socket;
    const args = ['--foreground', '--exit-with-parent', '--pidfile', `${socket}.pid`, '--unix', socket];
    args.push('--filter=cache', 'file', file, 'cache=writeback');
    this.#server = spawn('nbdkit', args, { stdio: ['ignore', 'ignore', 'inherit'] });
  }

  static async open(file: string, socket: string): Promise<CachedDisk> {
    const disk = new CachedDisk(file, socket);
    const deadlineMs = Date.now() + UP_WITHIN_MS;
    // It writes down who it is when it can be connected to.
    while (!existsSync(`${socket}.pid`)) {
      if (disk.#server.exitCode !== null || Date.now() > deadlineMs) throw new Error(`nbdkit does not serve ${file}`);
      await sleep(LOOK_MS);
    }
    return disk;
  }

  /** What was not flushed is lost. */
  async cut(): Promise<void> {
    if (this.#server.exitCode !== null || this.#server.signalCode !== null) return;
    const gone = once(this.#server, 'exit');
    this.#server.kill('SIGKILL');
    await gone;
  }
}
