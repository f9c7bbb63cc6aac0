import { existsSync, lstatSync, readdirSync, readlinkSync, realpathSync } from 'node:fs';
import { homedir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { HOST_ETC, realEtc } from './etc.ts';
import type { Mount } from './sandbox-spec.ts';

/** What of the host is shown in a box, read-only. Everything else of it does not exist there: it is an allow-list. */
const SHOWN = ['/usr', '/nix/store', '/gnu/store', '/snap', '/var/lib/ca-certificates', '/var/lib/alternatives'];
const MERGED = ['/bin', '/sbin', '/lib', '/lib32', '/lib64', '/libx32'];
const OPT_ENTRIES_MAX = 200;

/** Mounts for the host's programs, with node's own folder where it lies elsewhere and what the owner of the machine adds. */
export function hostMounts(nodePath: string, extra: readonly string[]): Mount[] {
  const mounts: Mount[] = [];
  if (existsSync(realEtc())) mounts.push({ kind: 'ro', from: realpathSync(realEtc()), to: HOST_ETC });
  for (const path of SHOWN) if (existsSync(path)) mounts.push({ kind: 'ro', from: realpathSync(path), to: path });
  for (const path of MERGED) {
    const stat = lstatSync(path, { throwIfNoEntry: false });
    if (stat?.isSymbolicLink()) mounts.push({ kind: 'link', target: readlinkSync(path), to: path });
    else if (stat?.isDirectory()) mounts.push({ kind: 'ro', from: path, to: path });
  }
  // One by one: the agent has its own folder beside them.
  if (existsSync('/opt')) {
    const entries = readdirSync('/opt').filter((entry) => entry !== 'devctl');
    for (const entry of entries.slice(0, OPT_ENTRIES_MAX)) mounts.push({ kind: 'ro', from: join('/opt', entry), to: join('/opt', entry) });
  }
  for (const path of [...nodeFolders(nodePath), ...extra]) {
    if (!isShown(path, mounts) && existsSync(path)) mounts.push({ kind: 'ro', from: realpathSync(path), to: path });
  }
  return mounts;
}

/** Where the programs of a machine are, whatever the PATH of the launcher says: that of an ordinary user may lack /usr/sbin. */
export const systemPath = (): string =>
  [...new Set([dirname(process.execPath), '/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin', '/sbin', '/bin'])].join(':');

const isShown = (path: string, mounts: Mount[]): boolean =>
  path.startsWith('/etc/') || mounts.some((mount) => mount.kind === 'ro' && (path === mount.to || path.startsWith(`${mount.to}/`)));

/**
 * The installation that a node binary belongs to, such as a version manager's `versions/node/v20`: npm is there too.
 * When that would show a home folder, the binary alone.
 */
export function nodeFolders(nodePath: string): string[] {
  const real = realpathSync(nodePath);
  const prefix = dirname(dirname(real));
  const holds = (path: string) => path === prefix || path.startsWith(prefix === '/' ? '/' : `${prefix}/`);
  const tooMuch = prefix === '/' || prefix === '/usr/local' || holds(homedir()) || holds(process.cwd());
  return basename(dirname(real)) === 'bin' && !tooMuch ? [prefix] : [real];
}
