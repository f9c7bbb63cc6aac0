import type { SpawnSyncOptions, SpawnSyncReturns } from 'node:child_process';

interface InRoot extends SpawnSyncOptions {
  /** Name below /tmp of the root, and the path that is laid there, read-only. */
  binds?: Record<string, string>;
  env?: Record<string, string>;
  /** @default true; without it the command has a loopback of its own, which is down */
  network?: boolean;
  /** Folder that takes what the command changes; the root stays as it is. */
  scratch?: string;
}

/** The sources that are replaced in the root folder, by their variables. */
export const REPLACED: Record<string, string>;
export const provisionEnv: Record<string, string>;
export function provisionBinds(): Record<string, string>;
export function inRoot(root: string, command: string[], options?: InRoot): SpawnSyncReturns<string>;
/** Path of the provisioned root folder, made where it is missing. It is for reading. */
export function provisionedRoot(): string;
