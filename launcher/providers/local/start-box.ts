import { spawn } from 'node:child_process';
import { closeSync, existsSync, openSync, readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { BOX_PATHS } from '../../contract/agent-config.ts';
import { ComputeError } from '../../ports/compute.ts';
import { type BoxPaths, readJson, writeWhole } from './layout.ts';
import { killMarked } from './plain-processes.ts';
import {
  childrenOf,
  currentBootId,
  hasOwnPidNamespace,
  identify,
  identityFromStat,
  isAlive,
  kill,
  type ProcessIdentity,
} from './process-identity.ts';

/**
 * Goes before every sandbox. `mkdir` lets one start win, however often and by however many launchers it is tried. Then it
 * joins the cgroups, notes which process it is in one write, and becomes the sandbox. It has no children until then: the
 * first one is the first process inside. All that varies comes as arguments.
 */
const WRAPPER = `
dir=$1; shift
mkdir "$dir/started" 2>/dev/null || exit 75
while [ "$1" != -- ]; do echo $$ > "$1" || exit 74; shift; done
shift
read -r self < "/proc/$$/stat" && echo "$self" > "$dir/outer" || exit 74
exec "$@"
`;
const POLL_MS = 2;
const START_TIMEOUT_MS = 10_000;
const KILL_TIMEOUT_MS = 10_000;
const NOTE_TIMEOUT_MS = 2_000;
const LOG_TAIL_BYTES = 1_000;
const SPARE_FILES = 16;

export interface StartRequest {
  paths: BoxPaths;
  argv: string[];
  env: Record<string, string>;
  /** Files to which the process writes its number, in order to be counted. */
  cgroupProcs: string[];
  token: string;
  onExit: () => void;
}

/**
 * Starts a sandbox that outlives this process, unless it was started before.
 * @throws ComputeError fatal, with what the sandbox wrote, when it does not come up
 */
export async function startBox(request: StartRequest): Promise<void> {
  const { paths } = request;
  const log = openSync(paths.log, 'a', 0o600);
  const nothing = openSync('/dev/null', 'r');
  const child = spawn('/bin/sh', ['-c', WRAPPER, 'devctl-box', paths.dir, ...request.cgroupProcs, '--', ...request.argv], {
    detached: true,
    env: request.env,
    cwd: '/',
    stdio: ['pipe', log, log, ...inPlaceOfOpenFiles(nothing)],
  });
  closeSync(log);
  closeSync(nothing);
  let exited = false;
  child.on('exit', () => {
    exited = true;
    request.onExit();
  });
  // A box that ended before it read its token: `awaitProcesses` tells.
  child.stdin?.on('error', () => {});
  child.on('error', () => {
    exited = true;
  });
  child.stdin?.end(request.token);
  child.unref();
  await awaitProcesses(paths, () => exited);
}

/**
 * What stands for every file that may be open in this process, above standard error. LevelDB opens the files of the table
 * without close-on-exec: a box that inherited them could read and write the table, so each number is made to be /dev/null.
 */
function inPlaceOfOpenFiles(nothing: number): number[] {
  let highest = 2;
  for (const folder of ['/proc/self/fd', '/dev/fd']) {
    try {
      highest = Math.max(highest, ...readdirSync(folder).map(Number).filter(Number.isInteger));
      break;
    } catch {
      // The other name of it.
    }
  }
  // And some for what another thread may open until the process is made.
  return new Array<number>(highest - 2 + SPARE_FILES).fill(nothing);
}

/** Waits until both processes of a started sandbox are known, whoever started it. */
async function awaitProcesses(paths: BoxPaths, exited: () => boolean): Promise<void> {
  for (let waitedMs = 0; waitedMs < START_TIMEOUT_MS; waitedMs += POLL_MS) {
    const found = boxProcesses(paths);
    if (found.inner) return;
    if (exited() && (!found.outer || !isAlive(found.outer)))
      throw new ComputeError('fatal', `the sandbox ended at once: ${logTail(paths)}`);
    await sleep(POLL_MS);
  }
  throw new ComputeError('transient', 'the sandbox did not come up in time');
}

/** Gives a start that won, perhaps for a launcher that is dead now, the moment that it needs to note itself. */
export async function awaitStarted(paths: BoxPaths): Promise<void> {
  for (let waitedMs = 0; waitedMs < NOTE_TIMEOUT_MS && !existsSync(paths.outer); waitedMs += POLL_MS) await sleep(POLL_MS);
  boxProcesses(paths);
}

interface BoxProcesses {
  outer: ProcessIdentity | null;
  inner: ProcessIdentity | null;
}

/** The sandbox program and the first process inside, as noted on disk. The latter is noted when it is first seen. */
export function boxProcesses(paths: BoxPaths): BoxProcesses {
  if (!existsSync(paths.outer)) return { outer: null, inner: null };
  const known = readNote(paths.inner);
  const bootId = currentBootId();
  if (known) {
    const outer = identityFromStat(readFileSync(paths.outer, 'utf8'), known.bootId);
    return { outer, inner: known.inner };
  }
  const outer = identityFromStat(readFileSync(paths.outer, 'utf8'), bootId);
  if (!outer || !isAlive(outer)) return { outer, inner: null };
  if (existsSync(paths.plain)) return { outer, inner: outer };
  const inner = childrenOf(outer.pid)
    .map(identify)
    .find((child) => child !== null && child.ppid === outer.pid && hasOwnPidNamespace(child.pid));
  if (!inner) return { outer, inner: null };
  const note = { pid: inner.pid, startTicks: inner.startTicks, bootId };
  writeWhole(paths.inner, JSON.stringify({ inner: note, bootId }));
  return { outer, inner: note };
}

/** Null when there is none, or a power cut has emptied it: what it told of is gone then. */
function readNote(path: string): { inner: ProcessIdentity; bootId: string } | null {
  try {
    return readJson(path) as { inner: ProcessIdentity; bootId: string } | null;
  } catch (error) {
    if (error instanceof SyntaxError) return null;
    throw error;
  }
}

/**
 * Where the agent of a live box listens, through the root of the box. Made by the agent: connect only through `connectToBox`.
 * @throws ComputeError unreachable when nothing is inside yet
 */
export function agentSocketOf(paths: BoxPaths): string {
  if (existsSync(paths.plain)) return join(paths.agentRun, basename(BOX_PATHS.agentSocket));
  const { inner } = boxProcesses(paths);
  if (inner === null) throw new ComputeError('unreachable', 'the box has no process yet');
  return `/proc/${inner.pid}/root${BOX_PATHS.agentSocket}`;
}

/** True while any process of the box's sandbox runs. */
export function isBoxAlive(paths: BoxPaths): boolean {
  const { outer, inner } = boxProcesses(paths);
  return (inner !== null && isAlive(inner)) || (outer !== null && isAlive(outer));
}

/**
 * Ends every process of the box: the kernel takes the whole PID namespace with its first process.
 * @param members processes that the box's cgroup counts
 * @throws ComputeError transient when something still lives after that
 */
export async function killBox(paths: BoxPaths, members: () => number[]): Promise<void> {
  const plain = existsSync(paths.plain);
  for (let waitedMs = 0; waitedMs < KILL_TIMEOUT_MS; waitedMs += POLL_MS) {
    if (plain && killMarked(basename(paths.dir)) > 0) {
      await sleep(POLL_MS);
      continue;
    }
    const { outer, inner } = boxProcesses(paths);
    // The outer one only when nothing is inside yet, or any more: it would leave what is inside behind.
    const innerLives = inner !== null && kill(inner);
    const outerLives = !innerLives && outer !== null && kill(outer);
    // What is counted in the box's cgroup is of the box, wherever it hangs in the tree.
    const strays = innerLives || outerLives ? 0 : killAll(members());
    if (!innerLives && !outerLives && strays === 0) return;
    await sleep(POLL_MS);
  }
  throw new ComputeError('transient', 'the processes of the box do not end');
}

function killAll(pids: number[]): number {
  for (const pid of pids) {
    try {
      process.kill(pid, 'SIGKILL');
    } catch {
      // Gone meanwhile.
    }
  }
  return pids.length;
}

/** The end of what the box has written, on one line. */
function logTail(paths: BoxPaths): string {
  try {
    return (
      readFileSync(paths.log)
        .subarray(-LOG_TAIL_BYTES)
        .toString()
        .trim()
        .replace(/\s*\n\s*/g, ' · ') || 'it wrote nothing'
    );
  } catch {
    return 'it has no log';
  }
}
