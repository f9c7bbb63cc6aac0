import { createHash, randomBytes } from 'node:crypto';
import { join, relative } from 'node:path';
import type { BoxConfig } from '../launcher/contract/agent-config.ts';
import type { QuiesceReport } from '../launcher/contract/receipt.ts';
import { runHelper } from './helper.ts';
import { type Journal, writeDurably } from './journal.ts';
import { monotonicMs } from './monotonic.ts';
import type { Log } from './ports.ts';
import type { Processes } from './processes.ts';
import type { BoxState } from './state.ts';
import { killWorkload, stopWorkload } from './stop-workload.ts';
import { scanWorkspace } from './workspace-scan.ts';
import type { WriteGate } from './write-gate.ts';

const SYNC_TIMEOUT_MS = 50_000;

interface QuiesceDeps {
  config: BoxConfig;
  box: BoxState;
  processes: Processes;
  gate: WriteGate;
  journal: Pick<Journal, 'find' | 'note'>;
  log: Log;
}

/** Makes the box quiet, once per operation. */
export class Quiescer {
  readonly #deps: QuiesceDeps;
  #running: { operationId: string; report: Promise<QuiesceReport> } | null = null;

  constructor(deps: QuiesceDeps) {
    this.#deps = deps;
  }

  /** @throws Error when a process cannot be ended or the disk cannot be flushed: then nothing was promised */
  async quiesce(operationId: string): Promise<QuiesceReport> {
    if (this.#running?.operationId === operationId) return this.#running.report;
    // One after the other: the second finds a quiet box.
    await this.#running?.report.catch(() => {});
    const known = this.#deps.box.state === 'quiesced' ? this.#deps.journal.find(operationId) : null;
    if (known) return known as QuiesceReport;
    const report = this.#run(operationId).finally(() => {
      this.#running = null;
    });
    this.#running = { operationId, report };
    return report;
  }

  async #run(operationId: string): Promise<QuiesceReport> {
    const { config, box, processes, gate, journal, log } = this.#deps;
    const { workspace } = config.paths;
    const startedAt = monotonicMs();
    box.quiesceEpoch += 1;
    box.open = false;
    await gate.close();
    try {
      const { stopped, killed } = await stopWorkload(processes, config.limits.stopGraceMs);
      const scan = await scanWorkspace(processes, workspace);
      // git may have started programs of the workspace, filters for instance: whatever is left of them must not write.
      await killWorkload(processes);
      const canary = writeCanary(workspace);
      await flush(processes, workspace);
      const report: QuiesceReport = {
        stoppedProcesses: stopped,
        killedProcesses: killed,
        ...scan,
        canary,
        tookMs: Math.round(monotonicMs() - startedAt),
      };
      journal.note(operationId, report);
      log(`quiet: ${stopped.length} stopped, ${killed.length} killed, ${scan.files} files`);
      box.change({ state: 'quiesced' });
      return report;
    } finally {
      // The agent's own writes are refused by the state of the box from here on.
      gate.open();
    }
  }
}

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
