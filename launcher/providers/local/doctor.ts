import type { Check } from '../../contract/api.ts';
import { bad, good, warn } from '../../contract/checks.ts';
import type { Confinement } from './confinement.ts';
import type { Isolation } from './isolation.ts';
import { findTool } from './isolation.ts';
import type { Trees } from './trees.ts';

interface DoctorInput {
  isolation: Isolation;
  confinement: Confinement;
  trees: Trees;
  nodePtyDir: string | null;
  stateDir: string;
}

/** What is in force on this machine, and what would make it better. */
export async function doctorChecks({ isolation, confinement, trees, nodePtyDir, stateDir }: DoctorInput): Promise<Check[]> {
  return [
    isolationCheck(isolation),
    confinement.processLimit === null
      ? good('limits', confinement.description)
      : warn(
          'limits',
          confinement.description,
          'run the launcher where it may write a cgroup, as a systemd service with Delegate=yes for instance',
        ),
    trees.reflink
      ? good('snapshots', 'copies share their blocks (reflink)')
      : warn('snapshots', 'every snapshot is a full copy: the file system has no reflink', `put ${stateDir} on btrfs or xfs`),
    nodePtyDir === null
      ? bad('terminals', 'node-pty is not installed for this platform', 'npm install --include=optional')
      : good('terminals', 'node-pty'),
    findTool('git')
      ? good('git', 'installed')
      : warn('git', 'not installed: boxes cannot clone, and receipts say nothing of commits', 'install git'),
    ...(process.platform === 'linux' && !findTool('ip')
      ? [warn('loopback', 'ip is not installed: boxes without network built by unshare have no loopback', 'install iproute2')]
      : []),
  ];
}

function isolationCheck({ name, identity }: Isolation): Check {
  const who = identity.kind === 'drop' ? `boxes run as uid ${identity.uid}` : 'boxes run as you, in a user namespace';
  if (name === 'none') return warn('isolation', 'none: boxes are plain processes that see everything you see', 'install bubblewrap');
  if (name === 'unshare') return { ...good('isolation', `unshare · ${who}`), fix: 'bubblewrap, when it is installed, is used instead' };
  return good('isolation', `bubblewrap · ${who}`);
}
