import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import type { SeenDisk } from '../../agent-bootstrap/ec2/disks.ts';

export const run = (program: string, ...args: string[]): string =>
  execFileSync(program, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] }).trim();

/** Disks that are files, attached to this machine as loop devices. Only root may attach one. */
export class DiskRack {
  readonly dir = realpathSync(mkdtempSync(join(tmpdir(), 'devctl-disks-')));
  readonly #attached = new Map<string, { device: string; file: string; readOnly: boolean }>();
  readonly #mounts: string[] = [];
  #files = 0;

  /** A new disk of zeros. It takes room only as it is written to. */
  blank(bytes = 400 * 1024 ** 2): string {
    this.#files += 1;
    const file = join(this.dir, `disk-${this.#files}`);
    writeFileSync(file, '');
    truncateSync(file, bytes);
    return file;
  }

  /** What has come to the disk so far, as a snapshot has it. */
  copyOf(file: string): string {
    this.#files += 1;
    const copy = join(this.dir, `disk-${this.#files}`);
    run('cp', '--sparse=always', file, copy);
    return copy;
  }

  attach(volumeId: string, file: string, { readOnly = false } = {}): string {
    const device = run('losetup', '--find', '--show', ...(readOnly ? ['--read-only'] : []), file);
    this.#attached.set(volumeId, { device, file, readOnly });
    return device;
  }

  detach(volumeId: string): void {
    const { device = '' } = this.#attached.get(volumeId) ?? {};
    this.#attached.delete(volumeId);
    run('losetup', '--detach', device);
  }

  /** As the agent sees the disks of a machine. */
  readonly seen = (): SeenDisk[] =>
    [...this.#attached].map(([volumeId, { device, readOnly }]) => ({
      device,
      volumeId: volumeId.split('/')[0] as string,
      readOnly,
      bytes: Number(readFileSync(`/sys/block/${basename(device)}/size`, 'utf8')) * 512,
    }));

  mountPoint(): string {
    const path = join(this.dir, `at-${this.#mounts.length + 1}`);
    mkdirSync(path);
    this.#mounts.push(path);
    return path;
  }

  close(): void {
    for (const path of this.#mounts) quietly('umount', path);
    for (const volumeId of [...this.#attached.keys()]) this.detach(volumeId);
    rmSync(this.dir, { recursive: true, force: true });
  }
}

export const sumOf = (file: string): string => createHash('sha256').update(readFileSync(file)).digest('hex');

export function quietly(program: string, ...args: string[]): void {
  try {
    run(program, ...args);
  } catch {
    // It is as it should be already.
  }
}
