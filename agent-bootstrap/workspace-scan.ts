import { dirname, join, relative } from 'node:path';
import { type RepositoryState, repositoryState } from './git-state.ts';
import { runHelper } from './helper.ts';
import type { Launcher } from './launch.ts';
import { monotonicMs } from './monotonic.ts';
import type { Processes } from './processes.ts';

const FIND_TIMEOUT_MS = 20_000;
const GIT_BUDGET_MS = 15_000;
const REPOSITORIES_MAX = 200;
const REPOSITORY_DEPTH_MAX = 8;
const CONCURRENCY = 4;

export interface WorkspaceScan {
  repositories: RepositoryState[];
  files: number;
  bytes: number;
  /** A limit cut it short: there may be more. */
  truncated: boolean;
}

/** Who looks: as the workload itself, which can read all that it has written. */
interface Scanner {
  processes: Processes;
  launcher: Launcher;
}

/** Counts the workspace and looks at its git repositories, within bounds of time and number. */
export async function scanWorkspace(by: Scanner, root: string): Promise<WorkspaceScan> {
  const found = await findAll(by, root);
  const deadline = monotonicMs() + GIT_BUDGET_MS;
  const repositories: RepositoryState[] = [];
  let truncated = found.truncated || found.repositories.length > REPOSITORIES_MAX;
  const todo = found.repositories.slice(0, REPOSITORIES_MAX);
  const worker = async () => {
    for (let path = todo.shift(); path !== undefined; path = todo.shift()) {
      const state = monotonicMs() < deadline ? await repositoryState(by, path, relative(root, path), deadline) : null;
      if (state) repositories.push(state);
      else truncated = true;
    }
  };
  await Promise.all(Array.from({ length: CONCURRENCY }, worker));
  repositories.sort((a, b) => (a.path < b.path ? -1 : 1));
  return { repositories, files: found.files, bytes: found.bytes, truncated };
}

/** One pass over the tree: every file's length, and where repositories are. Records end with NUL, for names may hold anything else. */
async function findAll({ processes, launcher }: Scanner, root: string) {
  const depth = ['(', '-name', '.git', '-printf', 'g%d %p\\0', ')'];
  // Where the workload is another user, the rest is the agent's and Docker's.
  const roots = launcher.user === null ? [root] : ['src', 'home', 'cache'].map((name) => join(root, name));
  const argv: [string, ...string[]] = ['find', ...roots, '-xdev', ...depth, '-o', '-type', 'f', '-printf', 'f%s\\0'];
  const { stdout, cut } = await runHelper(processes, argv, { timeoutMs: FIND_TIMEOUT_MS, as: launcher });
  const result = { files: 0, bytes: 0, repositories: [] as string[], truncated: cut };
  for (const record of stdout.toString().split('\0')) {
    if (record.startsWith('f')) {
      result.files += 1;
      result.bytes += Number(record.slice(1)) || 0;
    } else if (record.startsWith('g')) {
      const space = record.indexOf(' ');
      const path = record.slice(space + 1);
      if (/\/node_modules\/|\/\.devctl-box\//.test(path)) continue;
      if (Number(record.slice(1, space)) > REPOSITORY_DEPTH_MAX) result.truncated = true;
      else result.repositories.push(dirname(path));
    }
  }
  return result;
}
