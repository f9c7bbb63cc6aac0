import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { BOX_PATHS } from '../../contract/agent-config.ts';
import type { SandboxIdentity } from './sandbox-spec.ts';

/** Where a box has the host's own /etc: as deep as that one, so that links in it which lead up by `..` lead to the same places. */
export const HOST_ETC = '/.etc';

/** The host's own /etc, as a launcher sees it: one that runs in a box finds links to it where a host has the files. */
export const realEtc = (): string => (existsSync(HOST_ETC) ? HOST_ETC : '/etc');

/**
 * Makes the /etc of a box: files of its own, and beside them a link to everything that the host has there now. A file of its
 * own that was mounted over the host's would fall off as soon as the host puts a new file in the place of that one.
 */
export function writeEtc(folder: string, identity: SandboxIdentity, hostname: string): void {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  // Whatever the umask of the launcher is: the box's user reads it.
  chmodSync(folder, 0o755);
  const own = ownFiles(identity, hostname);
  for (const [name, text] of Object.entries(own)) {
    writeFileSync(join(folder, name), text);
    chmodSync(join(folder, name), 0o644);
  }
  const real = realEtc();
  if (!existsSync(real)) return;
  for (const entry of readdirSync(real, { withFileTypes: true })) {
    if (entry.name in own) continue;
    const path = join(real, entry.name);
    symlinkSync(entry.isSymbolicLink() ? readlinkSync(path) : join(HOST_ETC, entry.name), join(folder, entry.name));
  }
}

function ownFiles({ uid, gid }: SandboxIdentity, hostname: string): Record<string, string> {
  const resolv = resolvConf();
  return {
    passwd: `root:x:0:0:root:/:/usr/sbin/nologin\ndev:x:${uid}:${gid}:dev:${BOX_PATHS.home}:/bin/bash\nnobody:x:65534:65534:nobody:/:/usr/sbin/nologin\n`,
    group: `root:x:0:\ntty:x:5:\ndev:x:${gid}:\nnogroup:x:65534:\n`,
    hostname: `${hostname}\n`,
    ...(resolv !== null && { 'resolv.conf': resolv }),
  };
}

/** Name resolution is often a link into /run, which boxes do not see: a copy then. Null when /etc has the file itself. */
function resolvConf(): string | null {
  try {
    const real = realpathSync('/etc/resolv.conf');
    return real.startsWith(`${realEtc()}/`) || real.startsWith('/usr/') ? null : readFileSync(real, 'utf8');
  } catch {
    // A machine without one resolves names by other means, or not at all.
    return null;
  }
}
