import { setTimeout as sleep } from 'node:timers/promises';
import { monotonicMs } from './monotonic.ts';
import type { ProcStat } from './proc-parse.ts';
import type { Processes } from './processes.ts';
import { isOfDocker, isUserManager } from './scope.ts';
import { signalProcess } from './signals.ts';

const POLL_MS = 10;
const KILL_ROUNDS_MS = 5_000;
export const NAMES_MAX = 200;
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

/**
 * Asks every command of the workload to end, and kills those that have not in time. Docker and its containers are left for later,
 * and so is what keeps their sockets.
 * When it returns, no command runs.
 */
export async function stopCommands(processes: Processes, graceMs: number): Promise<Stopped> {
  const isLater = (pid: number) => processes.cgroup !== null && (isOfDocker(pid) || isUserManager(pid));
  const commands = () => processes.workload().filter(({ pid }) => !isLater(pid));
  const names = new Map<number, string>();
  const learn = (list: ProcStat[]) => {
    for (const stat of list) if (!names.has(stat.pid)) names.set(stat.pid, nameOf(stat, processes.cmdline(stat.pid)));
  };
  const first = commands();
  learn(first);
  for (const stat of first) askToEnd(stat);
  const deadline = monotonicMs() + graceMs;
  let left = first;
  while (left.length > 0 && monotonicMs() < deadline) {
    await sleep(POLL_MS);
    left = commands();
    learn(left);
  }
  const killed = new Set(left.map((stat) => stat.pid));
  await killUntilGone(commands, (list) => processes.kill(list));
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

/** Kills whatever is left of the workload. @returns what that was @throws Error when something cannot be killed */
export async function killRest(processes: Processes): Promise<string[]> {
  const left = processes.workload().filter(({ pid }) => !isUserManager(pid));
  const names = left.map((stat) => nameOf(stat, processes.cmdline(stat.pid)));
  await killWorkload(processes);
  return names.slice(0, NAMES_MAX);
}

/** Kills until nothing of the workload is left. @throws Error when something cannot be killed */
export const killWorkload = (processes: Processes): Promise<void> =>
  killUntilGone(
    () => processes.writers(),
    () => processes.signalAll('SIGKILL'),
  );

async function killUntilGone(left: () => ProcStat[], kill: (list: ProcStat[]) => void): Promise<void> {
  const deadline = monotonicMs() + KILL_ROUNDS_MS;
  for (let list = left(); list.length > 0; list = left()) {
    if (monotonicMs() > deadline) throw new Error(`cannot be ended: ${list.map((stat) => stat.comm).join(', ')}`);
    kill(list);
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
