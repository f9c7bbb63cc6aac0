import { rmSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { DevctlError } from '../launcher/contract/errors.ts';
import { monotonicMs } from './monotonic.ts';
import { readNote, writeNote } from './notes.ts';
import type { Log, WorkspaceMount } from './ports.ts';
import type { ProcStat } from './proc-parse.ts';
import type { Processes } from './processes.ts';
import { signalProcess } from './signals.ts';
import type { WriteGate } from './write-gate.ts';

const POLL_MS = 2;
const STOP_TIMEOUT_MS = 3_000;

interface Frozen {
  operationId: string;
  /** Stopped by somebody else before: they stay so. */
  stoppedBefore: Set<number>;
  timer: NodeJS.Timeout;
}

interface FreezerDeps {
  processes: Processes;
  gate: WriteGate;
  mount: Pick<WorkspaceMount, 'hold' | 'letGo'>;
  /** A box that is being saved, or was, has nothing to hold. */
  isOpen: () => boolean;
  /** File in memory of the machine that says what is stopped, for the next agent; null: the box ends with its agent. */
  notePath: string | null;
  log: Log;
}

/** Holds every process of the box while its disk is copied, and lets them go again by itself if nobody comes back. */
export class Freezer {
  #frozen: Frozen | null = null;
  #last: { operationId: string; held: boolean } | null = null;

  readonly processes: Processes;
  readonly gate: WriteGate;
  readonly mount: Pick<WorkspaceMount, 'hold' | 'letGo'>;
  readonly notePath: string | null;
  readonly isOpen: () => boolean;
  readonly log: Log;

  constructor({ processes, gate, mount, isOpen, notePath, log }: FreezerDeps) {
    this.processes = processes;
    this.gate = gate;
    this.mount = mount;
    this.notePath = notePath;
    this.isOpen = isOpen;
    this.log = log;
  }

  /** Lets go what an agent that was killed held: who asked it will not come back to this one. */
  thawLeft(): void {
    if (this.notePath === null) return;
    const { cgroup } = this.processes;
    if (cgroup?.frozen) this.log('the box was frozen by an agent that has ended: it goes on');
    cgroup?.setFrozen(false);
    for (const { pid, startTicks } of readNote<Noted[]>(this.notePath) ?? [])
      if (this.processes.stat(pid)?.startTicks === startTicks) signalProcess(pid, 'SIGCONT');
    rmSync(this.notePath, { force: true });
  }

  /** @throws DevctlError wrong_phase while another operation holds the box */
  async freeze(operationId: string, forMs: number): Promise<{ frozen: boolean }> {
    if (this.#frozen && this.#frozen.operationId !== operationId) throw new DevctlError('wrong_phase', 'the box is being copied already');
    if (this.#frozen) return { frozen: true };
    if (!this.isOpen()) return { frozen: false };
    const all = this.processes.writers();
    const stoppedBefore = new Set(all.filter(isStopped).map((stat) => stat.pid));
    const timer = setTimeout(() => this.#expire(), forMs);
    this.#frozen = { operationId, stoppedBefore, timer };
    await this.gate.close();
    if ((await this.#stopAll()) && (await this.#holdDisk())) return { frozen: true };
    this.log('the box could not be frozen');
    this.#release(false);
    return { frozen: false };
  }

  /** What was written is on the disk from then on, and not in memory alone. */
  async #holdDisk(): Promise<boolean> {
    try {
      await this.mount.hold();
      // Given up meanwhile: nobody else lets go of it.
      if (this.#frozen === null) await this.mount.letGo();
      return this.#frozen !== null;
    } catch (error) {
      this.log(error instanceof Error ? error.message : String(error));
      return false;
    }
  }

  /** Parents first: a shell that sees its child stop would take the terminal back. Then all at once, for what was forked meanwhile. */
  async #stopAll(): Promise<boolean> {
    const { cgroup } = this.processes;
    cgroup?.setFrozen(true);
    this.#note();
    for (const stat of byDepth(this.#outside())) signalProcess(stat.pid, 'SIGSTOP');
    if (cgroup === null) this.processes.signalAll('SIGSTOP');
    const deadline = monotonicMs() + STOP_TIMEOUT_MS;
    while (!this.#isHeld()) {
      if (monotonicMs() > deadline || !this.#frozen) return false;
      await sleep(POLL_MS);
      if (cgroup === null) this.processes.signalAll('SIGSTOP');
      else for (const stat of this.#outside()) if (!isStopped(stat)) signalProcess(stat.pid, 'SIGSTOP');
    }
    this.#note();
    return true;
  }

  /** What has to be stopped one by one: the kernel holds a whole cgroup, whatever is forked in it. */
  #outside(): ProcStat[] {
    const inside = this.processes.cgroup?.pids();
    return this.processes.writers().filter((stat) => !inside?.has(stat.pid));
  }

  #isHeld(): boolean {
    return (this.processes.cgroup?.frozen ?? true) && this.#outside().every(isStopped);
  }

  /** Written to memory, not to the disk that is about to be copied. */
  #note(): void {
    if (this.notePath === null || !this.#frozen) return;
    const { stoppedBefore } = this.#frozen;
    const stopped = this.#outside().filter((stat) => !stoppedBefore.has(stat.pid));
    const noted: Noted[] = stopped.map(({ pid, startTicks }) => ({ pid, startTicks }));
    writeNote(this.notePath, noted);
  }

  /** `held`: nothing has run since the freeze of this operation. Repeating gives the first answer. */
  thaw(operationId: string): { held: boolean } {
    if (this.#frozen?.operationId !== operationId) return { held: this.#last?.operationId === operationId && this.#last.held };
    this.#release(this.#isHeld());
    return { held: this.#last?.held ?? false };
  }

  /** The box is to be saved: what was being copied is not held any more. */
  async giveUp(): Promise<void> {
    this.#release(false);
    await this.mount.letGo();
  }

  #expire(): void {
    this.log('nobody came back to thaw the box in time: it goes on by itself');
    this.#release(false);
  }

  /** Children first, for the same reason as above. */
  #release(held: boolean): void {
    if (!this.#frozen) return;
    const { operationId, stoppedBefore, timer } = this.#frozen;
    clearTimeout(timer);
    this.#frozen = null;
    this.#last = { operationId, held };
    void this.mount.letGo();
    for (const stat of byDepth(this.#outside()).reverse()) if (!stoppedBefore.has(stat.pid)) signalProcess(stat.pid, 'SIGCONT');
    this.processes.cgroup?.setFrozen(false);
    if (this.notePath !== null) rmSync(this.notePath, { force: true });
    this.gate.open();
  }
}

interface Noted {
  pid: number;
  startTicks: number;
}

const isStopped = (stat: ProcStat): boolean => stat.state === 'T' || stat.state === 't';

/** Parents before their children. */
function byDepth(list: ProcStat[]): ProcStat[] {
  const byPid = new Map(list.map((stat) => [stat.pid, stat]));
  const known = new Map<number, number>();
  for (const stat of list) {
    const line: ProcStat[] = [];
    let at: ProcStat | undefined = stat;
    // A line of parents may be as long as there are processes.
    while (at !== undefined && !known.has(at.pid) && line.length <= list.length) {
      line.push(at);
      const parent: ProcStat | undefined = byPid.get(at.ppid);
      at = parent === at ? undefined : parent;
    }
    let depth = at === undefined ? -1 : (known.get(at.pid) ?? -1);
    for (const each of line.reverse()) known.set(each.pid, ++depth);
  }
  return [...list].sort((a, b) => (known.get(a.pid) ?? 0) - (known.get(b.pid) ?? 0));
}
