import { readdirSync, readlinkSync } from 'node:fs';
import { cpus } from 'node:os';
import type { EvidenceLog } from './evidence-log.ts';
import { monotonicMs } from './monotonic.ts';
import { establishedInodes, type ProcStat } from './proc-parse.ts';
import { type Processes, readProc } from './processes.ts';
import type { CommandSessions } from './sessions.ts';
import { nameOf } from './stop-workload.ts';

const INIT_PID = 1;
const TICKS_PER_SECOND = 100;
/** Share of one core above which a box is at work. */
const CPU_SHARE = 0.03;
/** Shorter than this a single tick of the clock would count for too much. */
const WINDOW_MIN_MS = 2_000;
const SHELLS = new Set(['bash', 'sh', 'dash', 'zsh', 'fish', 'ksh', 'ash', 'tcsh', 'nu', 'elvish']);
const AI_AGENTS = new Set(['claude', 'codex', 'aider', 'gemini', 'opencode', 'goose', 'amp', 'cursor-agent', 'copilot', 'crush', 'qwen']);

/** Looks at the processes of the box for signs of work. */
export class EvidenceSampler {
  #window: { atMs: number; ticks: number } | null = null;

  constructor(
    readonly processes: Processes,
    readonly sessions: CommandSessions,
    readonly evidence: EvidenceLog,
  ) {}

  sample(): void {
    const workload = this.processes.workload();
    this.#sampleCommands(workload);
    this.#sampleCpu(workload);
    this.#sampleAgents(workload);
  }

  #sampleCommands(workload: ProcStat[]): void {
    for (const command of this.sessions.running) {
      if (!command.tty) this.evidence.note('command', command.label);
      else {
        const foreground = foregroundOf(command.pid, workload, (pid) => this.processes.cmdline(pid));
        if (foreground) this.evidence.note('foreground', foreground);
      }
    }
  }

  /** Time of the workload, with that of its children that have ended. */
  #sampleCpu(workload: ProcStat[]): void {
    const now = monotonicMs();
    const init = this.processes.stat(INIT_PID);
    // What ends as an orphan is counted with the first process.
    const ticks = workload.reduce((sum, stat) => sum + stat.ownTicks + stat.reapedTicks, init?.reapedTicks ?? 0);
    const before = this.#window;
    if (before && now - before.atMs < WINDOW_MIN_MS) return;
    this.#window = { atMs: now, ticks };
    if (!before) return;
    const share = (ticks - before.ticks) / TICKS_PER_SECOND / ((now - before.atMs) / 1000);
    if (share < CPU_SHARE) return;
    this.evidence.note(
      'cpu',
      `${Math.round(share * 100)} % of a core (${Math.round((share / cpus().length) * 100)} % of the box): ${this.#busiest(workload)}`,
    );
  }

  #busiest(workload: ProcStat[]): string {
    const [first] = [...workload].sort((a, b) => b.ownTicks - a.ownTicks);
    return first ? nameOf(first, this.processes.cmdline(first.pid)) : 'ended';
  }

  /** An agent may wait for its model for minutes without any other sign of life. */
  #sampleAgents(workload: ProcStat[]): void {
    const agents = workload.map((stat) => ({ pid: stat.pid, name: agentName(stat.comm, this.processes.cmdline(stat.pid)) }));
    const found = agents.filter((agent) => agent.name !== null);
    if (found.length === 0) return;
    const open = new Set(['/proc/net/tcp', '/proc/net/tcp6'].flatMap((path) => [...establishedInodes(readProc(path)?.toString() ?? '')]));
    for (const { pid, name } of found)
      if (socketsOf(pid).some((inode) => open.has(inode))) this.evidence.note('agent', `${name} has a connection open`);
  }
}

/**
 * What is in the foreground of a terminal, in words; null when a shell waits at its prompt there.
 * @param leader the first process on the terminal
 */
export function foregroundOf(leader: number, workload: ProcStat[], cmdline: (pid: number) => string[]): string | null {
  const first = workload.find((stat) => stat.pid === leader);
  if (!first || first.tpgid === -1) return null;
  const group = workload.filter((stat) => stat.pgrp === first.tpgid);
  const head = group.find((stat) => stat.pid === stat.pgrp) ?? group[0];
  if (!head) return null;
  const waiting = group.every((stat) => isPrompt(cmdline(stat.pid)));
  return waiting ? null : nameOf(head, cmdline(head.pid));
}

/** A shell without a script or command to run: all it can do is wait for a line. */
export function isPrompt(cmdline: string[]): boolean {
  const program = (cmdline[0] ?? '').replace(/^-/, '').split('/').pop() ?? '';
  return SHELLS.has(program) && cmdline.slice(1).every((word) => /^--?[a-z]+$/.test(word) && !/^-[a-z]*c/.test(word));
}

/** The known AI agent that a process is; null for every other one. */
export function agentName(comm: string, cmdline: string[]): string | null {
  if (AI_AGENTS.has(comm)) return comm;
  for (const word of cmdline.slice(0, 2)) {
    const base =
      word
        .split('/')
        .pop()
        ?.replace(/\.(?:c|m)?js$/, '') ?? '';
    if (AI_AGENTS.has(base)) return base;
    // An interpreter with the entry file of a package: the package's name tells.
    const inPackage = /\/(claude-code|codex|gemini-cli|opencode-ai)\//.exec(word)?.[1];
    if (inPackage) return inPackage;
  }
  return null;
}

/** Inodes of the sockets that a process holds. */
function socketsOf(pid: number): string[] {
  try {
    return readdirSync(`/proc/${pid}/fd`).flatMap((fd) => {
      const target = linkOf(`/proc/${pid}/fd/${fd}`);
      return target?.startsWith('socket:[') ? [target.slice('socket:['.length, -1)] : [];
    });
  } catch {
    // Gone meanwhile.
    return [];
  }
}

function linkOf(path: string): string | null {
  try {
    return readlinkSync(path);
  } catch {
    // Closed meanwhile.
    return null;
  }
}
