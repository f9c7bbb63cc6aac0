import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { BoxConfig, BoxUser } from '../launcher/contract/agent-config.ts';
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
 * @throws Error when something else is in the place of a folder, a link for instance
 */
export function makeWorkspaceFolders(root: string, user: BoxUser | null): void {
  const state = stateFolder({ paths: { workspace: root, run: '' } });
  if (user === null) {
    for (const folder of OF_WORKLOAD) mkdirSync(join(root, folder), { recursive: true });
    mkdirSync(join(state, 'journal'), { recursive: true, mode: 0o700 });
    return;
  }
  const own = { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 };
  ownFolder(root, { ...own, mode: 0o755 });
  ownFolder(state, { ...own, mode: 0o711 });
  ownFolder(join(state, 'journal'), { ...own, mode: 0o700 });
  for (const folder of OF_WORKLOAD) ownFolder(join(root, folder), { ...user, mode: 0o755 });
  ownFolder(join(root, DOCKER), { ...user, mode: 0o710 });
  ownFolder(stagingFolder({ paths: { workspace: root, run: '' }, user }), { ...user, mode: 0o700 });
}
