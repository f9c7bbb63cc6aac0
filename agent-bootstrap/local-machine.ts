import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Log, Machine, WorkspaceMount } from './ports.ts';

/** A workspace that the provider has mounted before the agent started: only its folders are missing at first. */
export function mountedWorkspace(root: string): WorkspaceMount {
  return {
    prepare() {
      for (const folder of ['src', 'home', 'cache']) mkdirSync(join(root, folder), { recursive: true });
      mkdirSync(join(root, '.devctl-box', 'journal'), { recursive: true, mode: 0o700 });
    },
  };
}

/** A sandbox ends with its first process: the kernel takes every other process of the PID namespace with it. */
export function sandboxMachine(log: Log, killWorkload: () => void): Machine {
  return {
    end(reason) {
      log(`ending: ${reason}`);
      killWorkload();
      process.exit(0);
    },
  };
}
