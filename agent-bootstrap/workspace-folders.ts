import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { BoxConfig, BoxUser } from '../launcher/contract/agent-config.ts';
import { DiskProblem } from './disk-problem.ts';
import { ownFolder } from './safe-files.ts';

/** What the workload fills. */
const OF_WORKLOAD = ['src', 'home', 'cache'];
/** Where its own Docker keeps images, layers and the cache of builds. */
const DOCKER = 'docker';

/** The agent's own folder in the workspace. */
export const stateFolder = ({ paths }: Pick<BoxConfig, 'paths'>): string => join(paths.workspace, '.devctl-box');

/** Where the workload's own programs put together what then takes its place as a whole: a folder of theirs. */
export const stagingFolder = (config: Pick<BoxConfig, 'paths' | 'user'>): string =>
  config.user === null ? stateFolder(config) : join(stateFolder(config), 'staging');

/** File in memory of the machine in which an agent tells the next one what it has under way; null where a box ends with its agent. */
export const noteFile = ({ paths, processScope }: Pick<BoxConfig, 'paths' | 'processScope'>, name: string): string | null =>
  processScope === 'machine' ? join(paths.run, 'agent', `${name}.json`) : null;

/**
 * Makes the folders of a workspace, at its first time, and gives them their owners, at every time. With a user the workspace is the
 * agent's: nothing of the workload can be put in the place of a folder of it.
 * @throws DiskProblem when something else is in the place of a folder, a link for instance, and when there is no room for one
 */
export function makeWorkspaceFolders(root: string, user: BoxUser | null): void {
  const state = stateFolder({ paths: { workspace: root, run: '' } });
  if (user === null) {
    for (const folder of OF_WORKLOAD) mkdirSync(join(root, folder), { recursive: true });
    mkdirSync(join(state, 'journal'), { recursive: true, mode: 0o700 });
    return;
  }
  const agent = { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 };
  own(root, { ...agent, mode: 0o755 });
  own(state, { ...agent, mode: 0o711 });
  own(join(state, 'journal'), { ...agent, mode: 0o700 });
  for (const folder of OF_WORKLOAD) own(join(root, folder), { ...user, mode: 0o755 });
  own(join(root, DOCKER), { ...user, mode: 0o710 });
  own(stagingFolder({ paths: { workspace: root, run: '' }, user }), { ...user, mode: 0o700 });
}

/** @throws DiskProblem */
function own(path: string, owner: Parameters<typeof ownFolder>[1]): void {
  try {
    ownFolder(path, owner);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOTDIR' || code === 'ELOOP')
      throw new DiskProblem('workspace_quarantined', `${path} is not a folder: something else is in its place`);
    if (code === 'ENOSPC' || code === 'EDQUOT') throw new DiskProblem('disk_unavailable', `there is no room for ${path} on its disk`);
    throw error;
  }
}
