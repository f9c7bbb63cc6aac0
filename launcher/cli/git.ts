import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { DevctlError } from '../contract/errors.ts';
import { reasonOf } from '../contract/system-errors.ts';
import { CLI_LIMITS } from './limits.ts';

const run = promisify(execFile);

type GitError = Error & { code?: string | number; killed?: boolean; stderr?: Buffer };

/**
 * Runs git for reading. The folder's own settings must not make it run anything, and a folder that belongs to somebody else
 * may be looked at.
 */
export async function git(folder: string, args: readonly string[]): Promise<Buffer> {
  const safe = [
    '-c',
    'core.fsmonitor=false',
    '-c',
    'core.hooksPath=/dev/null',
    '-c',
    `safe.directory=${folder}`,
    '-c',
    'core.quotePath=false',
  ];
  const env = Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !/^GIT_(?:DIR|WORK_TREE|INDEX_FILE|COMMON_DIR|OBJECT_DIRECTORY)$/.test(name)),
  );
  try {
    const { stdout } = await run('git', ['-C', folder, ...safe, ...args], {
      encoding: 'buffer',
      maxBuffer: CLI_LIMITS.gitOutputBytes,
      timeout: CLI_LIMITS.gitMs,
      env: { ...env, GIT_OPTIONAL_LOCKS: '0', LC_ALL: 'C' },
    });
    return stdout;
  } catch (error) {
    throw gitFailure(folder, error as GitError);
  }
}

function gitFailure(folder: string, error: GitError): DevctlError {
  if (error.code === 'ENOENT')
    return new DevctlError('source_unavailable', 'git is not installed here', { hint: 'install git, or see devctl doctor' });
  if (error.killed)
    return new DevctlError('timeout', `git has not read ${folder} in ${CLI_LIMITS.gitMs / 1000} s`, {
      hint: 'see how long git status takes there; nothing was uploaded',
    });
  const said = error.stderr?.toString('utf8').trim().split('\n').at(-1) || reasonOf(error);
  return new DevctlError('source_unavailable', `git cannot read ${folder}: ${said}`, {
    hint: 'see what git status says there; nothing was uploaded',
    cause: error,
  });
}

/** One line of what git says; null when it has nothing to say or refuses. */
export async function gitLine(folder: string, args: readonly string[]): Promise<string | null> {
  try {
    return (await git(folder, args)).toString('utf8').trim() || null;
  } catch {
    return null;
  }
}

/** Names that end with a NUL, as bytes: a name on disk need not be text. */
export function splitNames(output: Buffer): Buffer[] {
  const names: Buffer[] = [];
  for (let at = 0; at < output.length; ) {
    const end = output.indexOf(0, at);
    const stop = end < 0 ? output.length : end;
    if (stop > at) names.push(output.subarray(at, stop));
    at = stop + 1;
  }
  return names;
}
