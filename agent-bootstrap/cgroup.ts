import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { monotonicMs } from './monotonic.ts';

const POLL_MS = 2;
/** Folders of the tree that are looked at: containers make one each. */
const FOLDERS_MAX = 1_000;
const DEPTH_MAX = 12;

/** Commands are in a folder of their own: where the parent bounds memory for its children, the kernel takes no process beside them. */
export const workloadLeaf = (path: string): string => join(path, 'commands');

/** The cgroup (version 2) that the workload runs in, with everything below it. Source: Linux, admin-guide/cgroup-v2. */
export class Cgroup {
  readonly #path: string;

  constructor(path: string) {
    this.#path = path;
    mkdirSync(workloadLeaf(path), { recursive: true });
  }

  pids(): Set<number> {
    const found = new Set<number>();
    for (const folder of this.#folders())
      for (const pid of read(join(folder, 'cgroup.procs')).split('\n')) if (pid !== '') found.add(Number(pid));
    return found;
  }

  /** CPU time of all that has ever run in it. */
  cpuMs(): number {
    return (Number(/^usage_usec (\d+)/m.exec(read(join(this.#path, 'cpu.stat')))?.[1]) || 0) / 1000;
  }

  /** Takes a process in, with what it starts from now on. One that has gone is fine. */
  take(pid: number): void {
    tryWrite(join(workloadLeaf(this.#path), 'cgroup.procs'), String(pid));
  }

  /** Kills all of it in one step: nothing is forked in between. Kernels before 5.14 cannot: one by one comes afterwards anyway. */
  kill(): void {
    tryWrite(join(this.#path, 'cgroup.kill'), '1');
  }

  /** As `kill`, and spares what is beside the commands: Docker is ended in its own way. */
  killCommands(): void {
    tryWrite(join(workloadLeaf(this.#path), 'cgroup.kill'), '1');
  }

  setFrozen(frozen: boolean): void {
    tryWrite(join(this.#path, 'cgroup.freeze'), frozen ? '1' : '0');
  }

  get frozen(): boolean {
    return /^frozen 1$/m.test(read(join(this.#path, 'cgroup.events')));
  }

  /** @returns whether nothing in it runs, at most `forMs` later */
  async untilFrozen(forMs: number): Promise<boolean> {
    const deadline = monotonicMs() + forMs;
    while (!this.frozen) {
      if (monotonicMs() > deadline) return false;
      await sleep(POLL_MS);
    }
    return true;
  }

  *#folders(): Generator<string> {
    const todo = [{ path: this.#path, depth: 0 }];
    for (let count = 0; count < FOLDERS_MAX; count += 1) {
      const next = todo.shift();
      if (next === undefined) return;
      yield next.path;
      if (next.depth < DEPTH_MAX)
        for (const name of foldersIn(next.path)) todo.push({ path: join(next.path, name), depth: next.depth + 1 });
    }
  }
}

function foldersIn(path: string): string[] {
  try {
    return readdirSync(path, { withFileTypes: true }).flatMap((entry) => (entry.isDirectory() ? [entry.name] : []));
  } catch {
    // Removed meanwhile.
    return [];
  }
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    // Removed meanwhile.
    return '';
  }
}

function tryWrite(path: string, text: string): void {
  try {
    writeFileSync(path, text, { flag: 'r+' });
  } catch {
    // The caller looks at what came of it.
  }
}
