import { readdirSync } from 'node:fs';
import type { BoxConfig } from '../launcher/contract/agent-config.ts';
import { Cgroup } from './cgroup.ts';
import { type ProcStat, parseCmdline, parseStat } from './proc-parse.ts';
import { readProc } from './read-proc.ts';
import { type Scope, scopeOf } from './scope.ts';
import { signalProcess } from './signals.ts';

const INIT_PID = 1;

/** The processes of the box. */
export class Processes {
  readonly cgroup: Cgroup | null;
  readonly #scope: Scope;
  /** Helpers that the agent itself has started, with what they start: not work of anyone. */
  readonly helpers = new Set<number>();
  /** Those of them that write for clients: they rest while the disk is copied. */
  readonly servants = new Set<number>();

  constructor(config: Pick<BoxConfig, 'processScope' | 'boxId' | 'user' | 'cgroup'>) {
    this.cgroup = config.user === null || config.cgroup === undefined ? null : new Cgroup(config.cgroup);
    this.#scope = scopeOf(config, this.cgroup);
  }

  /** Everything but the agent, its helpers and the first process of the namespace. Ended ones that wait for their parent are left out. */
  workload(): ProcStat[] {
    return this.#without(new Set([...this.helpers, ...this.servants]));
  }

  /** Everything that could write to the disk on somebody else's behalf: the workload, and servants. */
  writers(): ProcStat[] {
    return this.#without(this.helpers);
  }

  #without(left: ReadonlySet<number>): ProcStat[] {
    const all = this.all();
    const byPid = new Map(all.map((stat) => [stat.pid, stat]));
    const known = new Map<number, boolean>();
    for (const stat of all) {
      const line: number[] = [];
      let at: ProcStat | undefined = stat;
      // A line of parents may be as long as there are processes.
      while (at !== undefined && !known.has(at.pid) && !left.has(at.pid) && line.length <= all.length) {
        line.push(at.pid);
        at = at.ppid === at.pid ? undefined : byPid.get(at.ppid);
      }
      const isLeft = at !== undefined && (left.has(at.pid) || known.get(at.pid) === true);
      if (left.has(stat.pid)) known.set(stat.pid, true);
      for (const pid of line) known.set(pid, isLeft);
    }
    return all.filter(
      ({ pid, state }) => pid !== process.pid && pid !== INIT_PID && state !== 'Z' && state !== 'X' && known.get(pid) !== true,
    );
  }

  /** Every process of the box. */
  all(): ProcStat[] {
    const isOurs = this.#scope.look();
    const found: ProcStat[] = [];
    for (const stat of this.everywhere()) if (isOurs(stat)) found.push(stat);
    return found;
  }

  /** Every process that this one can see, whose it may be. */
  *everywhere(): Generator<ProcStat> {
    for (const name of readdirSync('/proc')) {
      const stat = /^\d+$/.test(name) ? this.stat(Number(name)) : null;
      if (stat) yield stat;
    }
  }

  /** Time that orphans of the box have used is counted with the first process, where that one is the box's. */
  get orphanTicks(): number {
    return this.#scope.isAll ? (this.stat(INIT_PID)?.reapedTicks ?? 0) : 0;
  }

  ownsUid(uid: number): boolean {
    return this.#scope.ownsUid(uid);
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
    if (this.#scope.isAll && this.helpers.size + this.servants.size === 0) signalProcess(-1, signal);
    else if (signal === 'SIGKILL' && this.cgroup !== null) this.#killAll(this.cgroup);
    else for (const stat of this.writers()) signalProcess(stat.pid, signal);
  }

  /** Kills these. What is not in the cgroup is taken into it first: there it cannot outrun its end by forking. */
  kill(list: readonly ProcStat[]): void {
    const inside = this.cgroup?.pids();
    for (const { pid } of list) if (inside?.has(pid) === false) this.cgroup?.take(pid);
    this.cgroup?.killCommands();
    for (const { pid } of list) signalProcess(pid, 'SIGKILL');
  }

  #killAll(cgroup: Cgroup): void {
    this.kill(this.writers());
    cgroup.kill();
  }
}
