import { cpus } from 'node:os';
import { monotonicMs } from './monotonic.ts';
import type { ProcStat } from './proc-parse.ts';
import type { Processes } from './processes.ts';
import { nameOf } from './stop-workload.ts';

const MS_PER_TICK = 10;
/** Share of one core above which a box is at work. */
const CPU_SHARE = 0.03;
/** Shorter than this a single tick of the clock would count for too much. */
const WINDOW_MIN_MS = 2_000;

/** How much of the CPU the workload uses. */
export class CpuMeter {
  readonly #processes: Processes;
  #window: { atMs: number; usedMs: number } | null = null;

  constructor(processes: Processes) {
    this.#processes = processes;
  }

  /** @returns in words, what it uses, when that is work */
  look(workload: readonly ProcStat[]): string | null {
    const now = monotonicMs();
    const before = this.#window;
    if (before && now - before.atMs < WINDOW_MIN_MS) return null;
    const usedMs = this.#usedMs(workload);
    this.#window = { atMs: now, usedMs };
    if (!before) return null;
    const share = (usedMs - before.usedMs) / (now - before.atMs);
    if (share < CPU_SHARE) return null;
    const ofBox = Math.round((share / cpus().length) * 100);
    return `${Math.round(share * 100)} % of a core (${ofBox} % of the box): ${this.#busiest(workload)}`;
  }

  /** With that of children that have ended: the cgroup keeps count of its own, and elsewhere a parent does, or the first process. */
  #usedMs(workload: readonly ProcStat[]): number {
    const { cgroup, orphanTicks } = this.#processes;
    const inside = cgroup?.pids();
    const outside = workload.filter(({ pid }) => !inside?.has(pid));
    const ticks = outside.reduce((sum, stat) => sum + stat.ownTicks + stat.reapedTicks, orphanTicks);
    return ticks * MS_PER_TICK + (cgroup?.cpuMs() ?? 0);
  }

  #busiest(workload: readonly ProcStat[]): string {
    const [first] = [...workload].sort((a, b) => b.ownTicks - a.ownTicks);
    return first ? nameOf(first, this.#processes.cmdline(first.pid)) : 'ended';
  }
}
