import { join } from 'node:path';
import type { BoxConfig } from '../launcher/contract/agent-config.ts';
import { readToken } from './config.ts';
import { socketLink } from './launcher-link.ts';
import type { Log, Machine, Startup, WorkspaceMount } from './ports.ts';
import { makeWorkspaceFolders } from './workspace-folders.ts';

/** A workspace that the provider has mounted before the agent started, and copies by itself: only its folders are missing at first. */
export const mountedWorkspace = ({ paths, user }: Pick<BoxConfig, 'paths' | 'user'>): WorkspaceMount => ({
  fileSystem: undefined,
  prepare: async () => makeWorkspaceFolders(paths.workspace, user),
  release: async () => undefined,
  hold: async () => {},
  letGo: async () => {},
});

/** What an agent in a sandbox needs: everything was made before it started. */
export const startInSandbox = (config: BoxConfig, log: Log): Startup => ({
  config,
  link: socketLink(join(config.paths.run, 'launcher.sock'), readToken()),
  mount: mountedWorkspace(config),
  machine: sandboxMachine(log),
  role: null,
  guarded: null,
  // Its launcher is who would know.
  watchInterruption: () => {},
});

/** A sandbox ends with its first process: the kernel takes every other process of the PID namespace with it. */
function sandboxMachine(log: Log): Machine {
  return {
    end(reason, killWorkload) {
      log(`ending: ${reason}`);
      killWorkload();
      process.exit(0);
    },
    isGoingDown: async () => false,
  };
}
