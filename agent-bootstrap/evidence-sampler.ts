import type { BoxConfig } from '../launcher/contract/agent-config.ts';
import { agentName, OpenConnections } from './ai-agents.ts';
import { buildOf } from './builds.ts';
import { parseConnections, visitedPorts } from './connections.ts';
import { CpuMeter } from './cpu-meter.ts';
import { Docker, projectsIn } from './docker.ts';
import type { EvidenceLog } from './evidence-log.ts';
import { monotonicMs } from './monotonic.ts';
import type { ProcStat } from './proc-parse.ts';
import type { Processes } from './processes.ts';
import { readProc } from './read-proc.ts';
import type { CommandSessions } from './sessions.ts';
import { nameOf } from './stop-workload.ts';
import { Terminals } from './terminals.ts';

const SHELLS = new Set(['bash', 'sh', 'dash', 'zsh', 'fish', 'ksh', 'ash', 'tcsh', 'nu', 'elvish']);
/** How often Docker is asked what runs. */
const DOCKER_EVERY_MS = 10_000;

interface SamplerDeps {
  config: Pick<BoxConfig, 'processScope' | 'env'>;
  processes: Processes;
  sessions: CommandSessions;
  evidence: EvidenceLog;
}

/** Looks at the processes of the box, and on a machine of its own at that, for signs of work. */
export class EvidenceSampler {
  readonly #deps: SamplerDeps;
  readonly #cpu: CpuMeter;
  readonly #terminals = new Terminals();
  readonly #docker: Docker | null;
  #dockerAskedAtMs = -DOCKER_EVERY_MS;

  constructor(deps: SamplerDeps) {
    this.#deps = deps;
    this.#cpu = new CpuMeter(deps.processes);
    this.#docker = deps.config.processScope === 'machine' ? Docker.at(deps.config.env['DOCKER_HOST']) : null;
  }

  sample(): void {
    const { config, evidence, processes } = this.#deps;
    const workload = processes.workload();
    this.#sampleCommands(workload);
    const cpu = this.#cpu.look(workload);
    if (cpu !== null) evidence.note('cpu', cpu);
    this.#samplePrograms(workload);
    if (config.processScope !== 'machine') return;
    this.#sampleTerminals();
    this.#sampleVisits();
    void this.#sampleContainers();
  }

  #sampleCommands(workload: ProcStat[]): void {
    const { evidence, processes, sessions } = this.#deps;
    for (const command of sessions.running) {
      if (!command.tty) evidence.note('command', command.label);
      else {
        const foreground = foregroundOf(command.pid, workload, (pid) => processes.cmdline(pid));
        if (foreground) evidence.note('foreground', foreground);
      }
    }
  }

  /** An agent may wait for its model for minutes without any other sign of life, and a build for what it fetches. */
  #samplePrograms(workload: ProcStat[]): void {
    const { evidence, processes } = this.#deps;
    const connections = new OpenConnections();
    for (const { pid, comm } of workload) {
      const cmdline = processes.cmdline(pid);
      const agent = agentName(comm, cmdline);
      if (agent !== null && connections.has(pid)) evidence.note('agent', `${agent} has a connection open`);
      const build = buildOf(cmdline);
      if (build !== null) evidence.note('build', build);
    }
  }

  /** Of terminals that devctl opened, the launcher sees the input itself. */
  #sampleTerminals(): void {
    const { evidence, processes, sessions } = this.#deps;
    const own = sessions.running.filter(({ tty }) => tty).map(({ pid }) => processes.stat(pid)?.tty ?? 0);
    const typed = this.#terminals.look([...processes.everywhere()], new Set(own));
    if (typed !== null) evidence.note('terminal', typed);
  }

  #sampleVisits(): void {
    const { evidence, processes } = this.#deps;
    const all = ['tcp', 'tcp6'].flatMap((name) => parseConnections(readProc(`/proc/net/${name}`)?.toString() ?? ''));
    const ports = visitedPorts(all, (uid) => processes.ownsUid(uid));
    if (ports.length > 0) evidence.note('forward', `port ${ports.join(', ')}`);
  }

  async #sampleContainers(): Promise<void> {
    const now = monotonicMs();
    if (this.#docker === null || now - this.#dockerAskedAtMs < DOCKER_EVERY_MS || !this.#docker.isThere) return;
    this.#dockerAskedAtMs = now;
    try {
      const projects = projectsIn(await this.#docker.running());
      if (projects !== null) this.#deps.evidence.note('containers', projects);
    } catch {
      // It does not answer: then nothing is known of it.
    }
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
