import { closeSync, existsSync, fsyncSync, lstatSync, openSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createHash, randomBytes } from './lazy-crypto.ts';
import { readOrdinary } from './safe-files.ts';

const KEEP = 50;
/** Longer than any report. */
const ENTRY_MAX_BYTES = 4 * 1024 ** 2;

/** Results of operations, by operation id, on the disk of the workspace: a repeat gets the first answer. */
export class Journal {
  readonly #folder: string;

  /** @param stateDir the agent's folder in the workspace; its `journal` exists */
  constructor(stateDir: string) {
    this.#folder = join(stateDir, 'journal');
  }

  /** The result that was noted; null when there is none that can be read. */
  find(operationId: string): unknown {
    try {
      const text = readOrdinary(this.#path(operationId), ENTRY_MAX_BYTES, 'refused')?.toString() ?? '';
      const entry = JSON.parse(text) as { operationId: string; result: unknown };
      return entry.operationId === operationId ? entry.result : null;
    } catch {
      // None yet, or the workload has spoilt it: then the operation is done again.
      return null;
    }
  }

  note(operationId: string, result: unknown): void {
    writeDurably(this.#path(operationId), JSON.stringify({ operationId, result }));
    const entries = readdirSync(this.#folder).map((name) => join(this.#folder, name));
    const age = (path: string) => lstatSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0;
    for (const path of entries.sort((a, b) => age(b) - age(a)).slice(KEEP)) rmSync(path, { force: true, recursive: true });
  }

  #path(operationId: string): string {
    return join(this.#folder, `${createHash('sha256').update(operationId).digest('hex').slice(0, 32)}.json`);
  }
}

/** In the agent's folder of a disk of its own: room that is given up so that a full disk can be saved too. */
const RESERVE = 'reserve';
const RESERVE_BYTES = 1024 ** 2;

/** Sets room aside, as long as there is some. */
export function keepReserve(stateDir: string): void {
  const path = join(stateDir, RESERVE);
  if (existsSync(path)) return;
  try {
    writeFileSync(path, Buffer.alloc(RESERVE_BYTES), { mode: 0o600 });
  } catch {
    // Full already, and half of it is of no use.
    rmSync(path, { force: true });
  }
}

/** Does something again, with the room that was set aside, when the disk is full. */
export function withReserve<T>(stateDir: string, write: () => T): T {
  try {
    return write();
  } catch (error) {
    const reserve = join(stateDir, RESERVE);
    if ((error as NodeJS.ErrnoException).code !== 'ENOSPC' || !existsSync(reserve)) throw error;
    rmSync(reserve);
    return write();
  }
}

/** A file that is on the disk, whole, when this returns. */
export function writeDurably(path: string, text: string): void {
  const partial = `${path}.${randomBytes(4).toString('hex')}`;
  const fd = openSync(partial, 'wx', 0o600);
  try {
    writeFileSync(fd, text);
    fsyncSync(fd);
  } catch (error) {
    rmSync(partial, { force: true });
    throw error;
  } finally {
    closeSync(fd);
  }
  renameSync(partial, path);
}
