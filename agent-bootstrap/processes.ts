import { readdirSync, readFileSync } from 'node:fs';
import type { BoxConfig } from '../launcher/contract/agent-config.ts';
import { type ProcStat, parseCmdline, parseStat } from './proc-parse.ts';
import { signalProcess } from './signals.ts';

const INIT_PID = 1;

/** The processes of the box. */
export class Processes {
  readonly #marker: Buffer | null;
  /** Helpers that the agent itself has started, with what they start: not work of anyone. */
  readonly helpers = new Set<number>();

  constructor(config: Pick<BoxConfig, 'processScope' | 'boxId'>) {
    this.#marker = config.processScope === 'marker' ? Buffer.from(`IN_DEVCTL_BOX=${config.boxId}\0`) : null;
  }

  /** Everything but the agent, its helpers and the first process of the namespace. Ended ones that wait for their parent are left out. */
  workload(): ProcStat[] {
    const all = this.all();
    const byPid = new Map(all.map((stat) => [stat.pid, stat]));
    const isHelper = (stat: ProcStat | undefined): boolean =>
      stat !== undefined && (this.helpers.has(stat.pid) || (stat.ppid !== stat.pid && isHelper(byPid.get(stat.ppid))));
    return all.filter(
      (stat) => stat.pid !== process.pid && stat.pid !== INIT_PID && stat.state !== 'Z' && stat.state !== 'X' && !isHelper(stat),
    );
  }

  /** Every process of the box. */
  all(): ProcStat[] {
    const found: ProcStat[] = [];
    for (const name of readdirSync('/proc')) {
      if (!/^\d+$/.test(name)) continue;
      const stat = this.stat(Number(name));
      if (stat && this.#isOurs(stat.pid)) found.push(stat);
    }
    return found;
  }

  stat(pid: number): ProcStat | null {
    const text = readProc(`/proc/${pid}/stat`);
    return text === null ? null : parseStat(text.toString());
  }

  cmdline(pid: number): string[] {
    return parseCmdline(readProc(`/proc/${pid}/cmdline`)?.toString() ?? '');
  }

  /** Signals the whole workload, as one step where the kernel can: nothing can be forked in between. */
  signalAll(signal: NodeJS.Signals): void {
    if (this.#marker || this.helpers.size > 0) for (const stat of this.workload()) signalProcess(stat.pid, signal);
    // All but this process and the first one of the namespace.
    else signalProcess(-1, signal);
  }

  #isOurs(pid: number): boolean {
    if (!this.#marker) return true;
    return readProc(`/proc/${pid}/environ`)?.includes(this.#marker) ?? false;
  }
}

/** A file of /proc; null when the process is gone or is not ours to read. */
export function readProc(path: string): Buffer | null {
  try {
    return readFileSync(path);
  } catch {
    return null;
  }
}
