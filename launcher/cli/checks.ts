import { execFileSync } from 'node:child_process';
import { accessSync, constants, existsSync, mkdirSync, readFileSync, statfsSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Check } from '../contract/api.ts';
import { reasonOf } from '../contract/system-errors.ts';
import { formatBytes } from '../contract/units.ts';
import { hasState } from './embedded.ts';
import type { Home } from './home.ts';

const FREE_WARN_BYTES = 5 * 1024 ** 3;
const FREE_ERROR_BYTES = 512 * 1024 ** 2;
const CLOCK_WARN_MS = 5_000;
const NODE_LEAST = [20, 19] as const;

const good = (name: string, detail: string): Check => ({ name, ok: true, level: 'ok', detail, fix: null });
const bad = (name: string, level: 'warn' | 'error', detail: string, fix: string): Check => ({ name, ok: false, level, detail, fix });

/** The first line that a program says of itself; null when it cannot be run. */
function versionOf(program: string, args: readonly string[]): string | null {
  try {
    return (
      execFileSync(program, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'], timeout: 5_000 })
        .split('\n')[0]
        ?.trim() ?? ''
    );
  } catch {
    return null;
  }
}

export function nodeCheck(version: string): Check {
  const [major = 0, minor = 0] = version.replace(/^v/, '').split('.').map(Number);
  const isEnough = major > NODE_LEAST[0] || (major === NODE_LEAST[0] && minor >= NODE_LEAST[1]);
  return isEnough ? good('node', version) : bad('node', 'error', `${version} is too old`, `install Node ${NODE_LEAST.join('.')} or newer`);
}

function gitCheck(): Check {
  const version = versionOf('git', ['--version']);
  return version === null
    ? bad('git', 'warn', 'not found', 'install git: without it, no history goes into a box')
    : good('git', version.replace(/^git version /, ''));
}

/** Whether a sandbox can really be made here, not only whether a program is installed. */
function isolationCheck(): Check {
  if (process.platform !== 'linux')
    return bad(
      'isolation',
      'warn',
      `none on ${process.platform}`,
      'boxes are plain processes: start the launcher with --isolation none if that is right for you',
    );
  const bwrap = versionOf('bwrap', ['--version']);
  if (bwrap !== null && versionOf('bwrap', ['--ro-bind', '/', '/', '--unshare-all', 'true']) !== null) return good('isolation', bwrap);
  if (versionOf('unshare', ['-Urmpf', 'true']) !== null) {
    return bwrap === null
      ? bad('isolation', 'warn', 'unshare; bubblewrap is not installed', 'install bubblewrap: it starts faster and hides more')
      : good('isolation', 'unshare (bubblewrap cannot make a sandbox here)');
  }
  const fix =
    bwrap === null
      ? 'install bubblewrap'
      : 'allow user namespaces: sysctl kernel.unprivileged_userns_clone=1, or kernel.apparmor_restrict_unprivileged_userns=0';
  return bad('isolation', 'error', 'no sandbox can be made', fix);
}

/** The nearest folder above that exists. */
const existing = (path: string): string => (existsSync(path) || dirname(path) === path ? path : existing(dirname(path)));

function stateChecks(home: Home): Check[] {
  const checks: Check[] = [];
  const base = existing(home.dir);
  try {
    if (hasState(home)) mkdirSync(home.logDir, { recursive: true });
    accessSync(base, constants.W_OK);
    checks.push(good('state folder', home.dir));
  } catch {
    checks.push(bad('state folder', 'error', `${base} cannot be written`, 'give another folder in DEVCTL_HOME'));
  }
  const { bavail, bsize } = statfsSync(base);
  const free = bavail * bsize;
  const fix = 'free some space, or prune snapshots with devctl workspace prune';
  if (free < FREE_ERROR_BYTES) checks.push(bad('free space', 'error', formatBytes(free), fix));
  else if (free < FREE_WARN_BYTES) checks.push(bad('free space', 'warn', formatBytes(free), fix));
  else checks.push(good('free space', formatBytes(free)));
  if (existsSync(home.tokenFile)) {
    const mode = statSync(home.tokenFile).mode & 0o777;
    checks.push(
      (mode & 0o077) === 0
        ? good('token file', 'only you can read it')
        : bad('token file', 'error', `mode ${mode.toString(8)}`, `chmod 600 ${home.tokenFile}`),
    );
  }
  return checks;
}

/** Ports and processes that a box may need; told only when they are short. */
function kernelChecks(): Check[] {
  if (process.platform !== 'linux') return [];
  try {
    const limit = Number(readFileSync('/proc/sys/fs/inotify/max_user_watches', 'utf8'));
    if (limit < 65_536)
      return [
        bad('inotify watches', 'warn', String(limit), 'sysctl fs.inotify.max_user_watches=524288: dev servers in boxes watch many files'),
      ];
  } catch {
    // A kernel without inotify has nothing to say.
  }
  return [];
}

export async function portCheck(): Promise<Check> {
  const { createServer } = await import('node:net');
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', (error) => resolve(bad('loopback port', 'error', reasonOf(error), 'allow programs to listen on 127.0.0.1')));
    server.listen(0, '127.0.0.1', () => server.close(() => resolve(good('loopback port', 'can be opened'))));
  });
}

export function clockCheck(launcherMs: number | null, nowMs: number): Check {
  if (launcherMs === null) return good('clock', new Date(nowMs).toISOString());
  const skewMs = Math.abs(launcherMs - nowMs);
  return skewMs <= CLOCK_WARN_MS
    ? good('clock', 'agrees with the launcher')
    : bad(
        'clock',
        'warn',
        `${Math.round(skewMs / 1000)} s away from the launcher's`,
        'set the clock of one of the two: times that are shown are wrong',
      );
}

/** Everything about this machine that can be looked at without a launcher. */
export async function localChecks(home: Home, embedded: boolean): Promise<Check[]> {
  const own = [nodeCheck(process.version), gitCheck()];
  if (!embedded) return own;
  return [...own, isolationCheck(), ...stateChecks(home), ...kernelChecks(), await portCheck()];
}
