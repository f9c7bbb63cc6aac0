import { closeSync, fsyncSync, openSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect } from 'vitest';
import { VolumeMount } from '../../agent-bootstrap/ec2/volume-mount.ts';
import { makeWorkspaceFolders } from '../../agent-bootstrap/workspace-folders.ts';
import type { BoxDisk } from '../../launcher/contract/box.ts';
import { DiskRack } from './disk-file.ts';

export const VOLUME = 'vol-0123456789abcdef0';
export const OTHER = 'vol-0fedcba9876543210';
export const NEW: BoxDisk = { volumeId: VOLUME, fileSystem: null, mayFormat: true };
export const KNOWN: BoxDisk = { volumeId: VOLUME, fileSystem: null, mayFormat: false };

/** Of the test that runs: its disks, and what was said of them. */
export let rack: DiskRack;
export let said: string[];

/** For the file that calls it: each test has disks of its own. */
export function useRack(): void {
  beforeEach(() => {
    rack = new DiskRack();
    said = [];
  });
  afterEach(() => rack.close());
}

/** What an agent mounts a disk with. */
export function mountOf(wanted: BoxDisk, { root = rack.mountPoint(), appearMs = 200 } = {}) {
  const log = (line: string) => void said.push(line);
  const mount = new VolumeMount({
    root,
    wanted: async () => wanted,
    folders: () => makeWorkspaceFolders(root, null),
    log,
    disks: rack.seen,
    appearMs,
  });
  return { mount, root };
}

/** A file that is on the disk when this returns. */
export function writeThrough(path: string, text: string): void {
  const fd = openSync(path, 'w');
  writeSync(fd, text);
  fsyncSync(fd);
  closeSync(fd);
}

/** A disk with a workspace on it, which was made quiet. */
export async function usedDisk(bytes?: number): Promise<{ file: string; fileSystem: string }> {
  const file = rack.blank(bytes);
  rack.attach(VOLUME, file);
  const { mount, root } = mountOf(NEW);
  await mount.prepare();
  writeThrough(join(root, 'src', 'work'), 'of hours');
  expect(await mount.release()).toBe('unmounted');
  rack.detach(VOLUME);
  return { file, fileSystem: mount.fileSystem ?? '' };
}

/** How a disk is refused. */
export const problem = (code: string, message: RegExp) =>
  expect.objectContaining({ name: 'DiskProblem', code, message: expect.stringMatching(message) });

export function writeAt(file: string, bytes: Buffer, position: number): void {
  const fd = openSync(file, 'r+');
  writeSync(fd, bytes, 0, bytes.length, position);
  closeSync(fd);
}
