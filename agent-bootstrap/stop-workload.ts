import { setTimeout as sleep } from 'node:timers/promises';
import { monotonicMs } from './monotonic.ts';
import type { ProcStat } from './proc-parse.ts';
import type { Processes } from './processes.ts';
import { signalProcess } from './signals.ts';

const POLL_MS = 10;
const KILL_ROUNDS_MS = 5_000;
const NAMES_MAX = 200;
/** Programs whose first argument says what runs. */
const RUNNERS = new Set([
  'node',
  'npm',
  'npx',
  'yarn',
  'pnpm',
  'bun',
  'deno',
  'python',
  'python3',
  'ruby',
  'php',
  'java',
  'go',
  'cargo',
  'make',
  'bash',
  'sh',
]);

export interface Stopped {
  /** Commands that ended when they were asked to. */
  stopped: string[];
  /** Commands that did not, in time. */
  killed: string[];
}

/** Ends every process of the workload: asked first, then by force. When it returns, nothing but the agent runs. */
export async function stopWorkload(processes: Processes, graceMs: number): Promise<Stopped> {
  const names = new Map<number, string>();
  const learn = (list: ProcStat[]) => {
    for (const stat of list) if (!names.has(stat.pid)) names.set(stat.pid, nameOf(stat, processes.cmdline(stat.pid)));
  };
  const first = processes.workload();
  learn(first);
  for (const stat of first) askToEnd(stat);
  const deadline = monotonicMs() + graceMs;
  let left = first;
  while (left.length > 0 && monotonicMs() < deadline) {
    await sleep(POLL_MS);
    left = processes.workload();
    learn(left);
  }
  const killed = new Set(left.map((stat) => stat.pid));
  await killWorkload(processes);
  const pick = (wanted: (pid: number) => boolean) =>
    [...names]
      .filter(([pid]) => wanted(pid))
      .map(([, name]) => name)
      .slice(0, NAMES_MAX);
  return { stopped: pick((pid) => !killed.has(pid)), killed: pick((pid) => killed.has(pid)) };
}

/** A shell at its prompt ignores SIGTERM; on SIGHUP it writes its history and leaves. A stopped process must run to hear anything. */
function askToEnd(stat: ProcStat): void {
  if (stat.pid === stat.session && stat.tpgid !== -1) signalProcess(stat.pid, 'SIGHUP');
  signalProcess(stat.pid, 'SIGTERM');
  signalProcess(stat.pid, 'SIGCONT');
}

/** Kills until nothing is left. @throws Error when something cannot be killed */
export async function killWorkload(processes: Processes): Promise<void> {
  const deadline = monotonicMs() + KILL_ROUNDS_MS;
  while (processes.workload().length > 0) {
    if (monotonicMs() > deadline)
      throw new Error(
        `cannot be ended: ${processes
          .workload()
          .map((stat) => stat.comm)
          .join(', ')}`,
      );
    processes.signalAll('SIGKILL');
    await sleep(POLL_MS);
  }
}

/** The command in a few words. Arguments may be secret: only a script or target name after a known runner is shown. */
export function nameOf(stat: Pick<ProcStat, 'comm'>, cmdline: string[]): string {
  const program = (cmdline[0] ?? '').replace(/^-/, '').split('/').pop()?.split(' ')[0] || stat.comm;
  const words = RUNNERS.has(program)
    ? cmdline.slice(1, 3).filter((word, index) => /^[A-Za-z@.][\w./@:-]{0,80}$/.test(word) && (index === 0 || program.startsWith('n')))
    : [];
  return [program, ...words].join(' ').slice(0, 256);
}
