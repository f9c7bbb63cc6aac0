import type { QuiesceReport } from '../launcher/contract/receipt.ts';
import { runHelper } from './helper.ts';
import type { Launcher } from './launch.ts';
import { monotonicMs } from './monotonic.ts';
import type { Processes } from './processes.ts';

export type RepositoryState = QuiesceReport['repositories'][number];

/**
 * Settings of the repository, the user and the system are not to be trusted here: whatever could make git start a
 * program of the workspace is switched off, or not read.
 */
const SAFE_GIT = ['git', '-c', 'safe.directory=*', '-c', 'core.fsmonitor=false', '-c', 'core.hooksPath=/dev/null', '-c', 'core.pager=cat'];
const SAFE_ENV = {
  GIT_OPTIONAL_LOCKS: '0',
  GIT_CONFIG_NOSYSTEM: '1',
  GIT_CONFIG_GLOBAL: '/dev/null',
  GIT_TERMINAL_PROMPT: '0',
  GIT_NO_LAZY_FETCH: '1',
  LC_ALL: 'C',
};
const OUTPUT_MAX_BYTES = 4 * 1024 ** 2;

/** What is not committed and not pushed in one repository; null when git cannot tell in time. */
export async function repositoryState(
  { processes, launcher }: { processes: Processes; launcher: Launcher },
  path: string,
  label: string,
  deadlineMs: number,
): Promise<RepositoryState | null> {
  const git = async (...args: string[]): Promise<string | null> => {
    const argv = [...SAFE_GIT, '-C', path, ...args] as [string, ...string[]];
    const timeoutMs = Math.max(1, deadlineMs - monotonicMs());
    const { code, stdout, cut } = await runHelper(processes, argv, { timeoutMs, maxBytes: OUTPUT_MAX_BYTES, env: SAFE_ENV, as: launcher });
    return code === 0 && !cut ? stdout.toString() : null;
  };
  const status = await git('status', '--porcelain=v2', '--branch', '-z', '--untracked-files=normal', '--ignore-submodules=all');
  if (status === null) return null;
  const { branch, detached, unborn, dirtyFiles } = parseStatus(status);
  const remotes = await git('remote');
  const heads = detached && !unborn ? ['HEAD'] : [];
  const unpushed = await git('rev-list', '--count', '--branches', ...heads, '--not', '--remotes');
  if (remotes === null || unpushed === null) return null;
  return {
    path: label.slice(0, 4096),
    branch: branch?.slice(0, 256) ?? null,
    dirtyFiles,
    unpushedCommits: Number(unpushed.trim()) || 0,
    hasRemote: remotes.trim() !== '',
  };
}

/** `git status --porcelain=v2 --branch -z`. A renamed file has its old name as a record of its own. */
export function parseStatus(text: string): { branch: string | null; detached: boolean; unborn: boolean; dirtyFiles: number } {
  const result = { branch: null as string | null, detached: false, unborn: false, dirtyFiles: 0 };
  const records = text.split('\0');
  for (let index = 0; index < records.length; index += 1) {
    const record = records[index] as string;
    if (record.startsWith('# branch.head ')) {
      const name = record.slice('# branch.head '.length);
      result.detached = name === '(detached)';
      result.branch = result.detached ? null : name;
    } else if (record === '# branch.oid (initial)') result.unborn = true;
    else if (/^[12u?] /.test(record)) {
      result.dirtyFiles += 1;
      if (record.startsWith('2 ')) index += 1;
    }
  }
  return result;
}
