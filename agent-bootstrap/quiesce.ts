import { createHash, randomBytes } from 'node:crypto';
import { join, relative } from 'node:path';
import type { BoxConfig } from '../launcher/contract/agent-config.ts';
import type { QuiesceReport } from '../launcher/contract/receipt.ts';
import { stopContainers, stopDocker, systemdOf } from './box-docker.ts';
import { runHelper } from './helper.ts';
import { type Journal, withReserve, writeDurably } from './journal.ts';
import type { Launcher } from './launch.ts';
import { monotonicMs } from './monotonic.ts';
import type { Log, WorkspaceMount } from './ports.ts';
import type { Processes } from './processes.ts';
import type { BoxState } from './state.ts';
import { killRest, killWorkload, NAMES_MAX, stopCommands } from './stop-workload.ts';
import { stateFolder } from './workspace-folders.ts';
import { scanWorkspace } from './workspace-scan.ts';
import type { WriteGate } from './write-gate.ts';

const SYNC_TIMEOUT_MS = 50_000;

interface QuiesceDeps {
  config: BoxConfig;
  box: BoxState;
  processes: Processes;
  launcher: Launcher;
  gate: WriteGate;
  journal: Pick<Journal, 'find' | 'note'>;
  mount: Pick<WorkspaceMount, 'prepare' | 'release'>;
  /** Ends what copies files for clients. */
  endFiles: () => Promise<void>;
  /** Lets go of what is held for a copy of the disk. */
  endCopy: () => Promise<void>;
  /** Takes away what commands had in memory of the machine, once nothing of the workload runs: the agent needs room there. */
  clearMemory: () => void;
  log: Log;
}

/** What is done, one after the other, and how long each took. */
class Steps {
  readonly done: NonNullable<QuiesceReport['steps']> = [];

  async take<T>(name: string, work: () => Promise<T>): Promise<T> {
    const startedAt = monotonicMs();
    try {
      return await work();
    } finally {
      this.done.push({ name, tookMs: Math.round(monotonicMs() - startedAt) });
    }
  }
}

/** Makes the box quiet, once per operation. */
export class Quiescer {
  readonly #deps: QuiesceDeps;
  #running: { operationId: string; report: Promise<QuiesceReport> } | null = null;
  /** The journal is on a disk that was given back. */
  #last: { operationId: string; report: QuiesceReport } | null = null;

  constructor(deps: QuiesceDeps) {
    this.#deps = deps;
  }

  /** @throws Error when a process cannot be ended or the disk cannot be flushed: then nothing was promised */
  async quiesce(operationId: string): Promise<QuiesceReport> {
    if (this.#running?.operationId === operationId) return this.#running.report;
    // One after the other: the second finds a quiet box.
    await this.#running?.report.catch(() => {});
    if (this.#deps.box.state === 'quiesced') {
      if (this.#last?.operationId === operationId) return this.#last.report;
      const known = this.#deps.journal.find(operationId);
      if (known) return known as QuiesceReport;
    }
    const report = this.#run(operationId).finally(() => {
      this.#running = null;
    });
    this.#running = { operationId, report };
    return report;
  }

  async #run(operationId: string): Promise<QuiesceReport> {
    const { config, box, gate, journal, endFiles, endCopy, mount, log } = this.#deps;
    const startedAt = monotonicMs();
    const steps = new Steps();
    box.quiesceEpoch += 1;
    box.open = false;
    await endCopy();
    await endFiles();
    await gate.close();
    try {
      // Another one has given the disk back already.
      if (box.state === 'quiesced') await mount.prepare();
      const { stopped, killed } = await this.#stop(steps);
      const found = await this.#look(steps);
      const report = () => ({
        stoppedProcesses: stopped.slice(0, NAMES_MAX),
        killedProcesses: killed.slice(0, NAMES_MAX),
        ...found,
        tookMs: Math.round(monotonicMs() - startedAt),
        steps: steps.done,
      });
      // Before the disk is given back: a repeat that comes to another agent finds it there.
      withReserve(stateFolder(config), () => journal.note(operationId, report()));
      const disk = await steps.take('release', () => mount.release());
      log(`quiet: ${stopped.length} stopped, ${killed.length} killed, ${found.files} files; ${steps.done.map(inWords).join(', ')}`);
      this.#last = { operationId, report: { ...report(), ...(disk !== undefined && { disk }) } };
      box.change({ state: 'quiesced' });
      return this.#last.report;
    } finally {
      // The agent's own writes are refused by the state of the box from here on.
      gate.open();
    }
  }

  async #stop(steps: Steps): Promise<{ stopped: string[]; killed: string[] }> {
    const { config, processes, launcher, log } = this.#deps;
    const { stopGraceMs: graceMs } = config.limits;
    const docker = { launcher, systemd: systemdOf({ processes, launcher }), host: config.env['DOCKER_HOST'], graceMs, log };
    const commands = await steps.take('commands', () => stopCommands(processes, graceMs));
    const containers = await steps.take('containers', () => stopContainers(docker));
    await steps.take('docker', () => stopDocker(docker));
    const rest = await steps.take('rest', () => killRest(processes));
    this.#deps.clearMemory();
    return { stopped: [...containers.stopped, ...commands.stopped], killed: [...containers.killed, ...commands.killed, ...rest] };
  }

  async #look(steps: Steps): Promise<Pick<QuiesceReport, 'repositories' | 'files' | 'bytes' | 'truncated' | 'canary'>> {
    const { config, processes } = this.#deps;
    const { workspace } = config.paths;
    const scan = await steps.take('look', () => scanWorkspace(this.#deps, workspace));
    return steps.take('flush', async () => {
      // git may have started programs of the workspace, filters for instance: whatever is left of them must not write.
      await killWorkload(processes);
      const canary = withReserve(stateFolder(config), () => writeCanary(workspace));
      await flush(processes, workspace);
      return { ...scan, canary };
    });
  }
}

const inWords = ({ name, tookMs }: { name: string; tookMs: number }): string => `${name} ${tookMs} ms`;

/** Written last: who restores the workspace looks for it. */
function writeCanary(workspace: string): QuiesceReport['canary'] {
  const path = join(workspace, '.devctl-box', 'canary');
  const content = `${randomBytes(32).toString('hex')}\n`;
  writeDurably(path, content);
  return { path: relative(workspace, path), sha256: createHash('sha256').update(content).digest('hex') };
}

async function flush(processes: Processes, workspace: string): Promise<void> {
  const argv: [string, ...string[]] = process.platform === 'linux' ? ['sync', '-f', workspace] : ['sync'];
  const { code, stderr } = await runHelper(processes, argv, { timeoutMs: SYNC_TIMEOUT_MS });
  if (code !== 0) throw new Error(`the disk could not be flushed: ${stderr.trim()}`);
}
