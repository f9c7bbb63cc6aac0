import { closeSync, fsyncSync, lstatSync, openSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
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

/** A file that is on the disk, whole, when this returns. */
export function writeDurably(path: string, text: string): void {
  const partial = `${path}.${randomBytes(4).toString('hex')}`;
  const fd = openSync(partial, 'wx', 0o600);
  try {
    writeFileSync(fd, text);
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
  renameSync(partial, path);
}
