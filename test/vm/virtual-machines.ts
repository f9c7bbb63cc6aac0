import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Machines, MachineUrls, ShellResult } from '../aws/account/machines.ts';
import { blankDisk, CachedDisk, copyDisk } from './disk.ts';
import { bootImage } from './image.mjs';
import { Instance } from './instance.ts';

const LOG_CHARS = 4_000;

/** What the next machines have that machines do not have as a rule. */
export interface Rig {
  workspace?: 'missing' | 'read-only';
  /** Of the disk of the workspace. */
  bus?: 'virtio';
  /** Disks beside that of the workspace. */
  others?: { serial: string; file: string }[];
  clockOffsetMs?: number;
  /** Port of this machine's loopback that is a host of the internet for the machine. */
  outsidePort?: number;
}

interface Running {
  instance: Instance;
  disk: CachedDisk | null;
}

/** Machines that are machines: each boots the provisioned image in QEMU. A volume is a file, and a snapshot a copy of what has been flushed to it. */
export class VirtualMachines implements Machines {
  readonly dir = realpathSync(mkdtempSync(join(tmpdir(), 'vm-')));
  readonly #image = bootImage();
  readonly #running = new Map<string, Running>();
  /** When each instance was started. */
  readonly startedAt = new Map<string, number>();
  rig: Rig = {};
  launcherPort = 0;
  /** File of the volume that a machine was last started with. */
  latestVolume = '';

  constructor() {
    for (const folder of ['volumes', 'snapshots', 'instances']) mkdirSync(join(this.dir, folder));
  }

  volume(id: string): string {
    return join(this.dir, 'volumes', id);
  }

  createVolume(id: string, snapshotId: string | undefined, sizeGiB: number): void {
    if (existsSync(this.volume(id))) return;
    if (snapshotId === undefined) blankDisk(this.volume(id), sizeGiB);
    else copyDisk(join(this.dir, 'snapshots', snapshotId), this.volume(id), sizeGiB);
  }

  takeSnapshot(id: string, volumeId: string): void {
    copyDisk(this.volume(volumeId), join(this.dir, 'snapshots', id));
  }

  async boot(instanceId: string, volumeId: string, urls: MachineUrls): Promise<void> {
    if (this.#running.has(instanceId)) return;
    const { workspace, bus, others = [], clockOffsetMs = 0, outsidePort } = this.rig;
    const folder = join(this.dir, 'instances', instanceId);
    mkdirSync(folder, { recursive: true });
    const isServed = workspace === undefined;
    const disk = isServed ? await CachedDisk.open(this.volume(volumeId), join(folder, 'disk')) : null;
    const serial = volumeId.replace('-', '');
    const own =
      disk !== null
        ? [{ serial, socket: disk.socket, ...(bus && { bus }) }]
        : workspace === 'missing'
          ? []
          : [{ serial, file: this.volume(volumeId), readOnly: true }];
    const instance = new Instance({
      folder,
      image: this.#image,
      disks: [...others, ...own],
      urls,
      launcherPort: this.launcherPort,
      clockOffsetMs,
      ...(outsidePort !== undefined && { outsidePort }),
    });
    this.#running.set(instanceId, { instance, disk });
    this.startedAt.set(instanceId, Date.now());
    this.latestVolume = this.volume(volumeId);
    await instance.start(() => this.#ended(instanceId, urls));
  }

  /** A machine that has powered itself off ends its instance. */
  #ended(instanceId: string, urls: MachineUrls): void {
    const machine = this.#running.get(instanceId);
    if (machine === undefined) return;
    this.#running.delete(instanceId);
    void machine.disk?.cut();
    void fetch(urls.powerOff, { method: 'POST' }).catch(() => {});
  }

  async off(instanceId: string): Promise<void> {
    const machine = this.#running.get(instanceId);
    this.#running.delete(instanceId);
    // First the disk: QEMU flushes what it can when it ends.
    await machine?.disk?.cut();
    await machine?.instance.cut();
  }

  port(instanceId: string): number | null {
    return this.#running.get(instanceId)?.instance.sessionPort ?? null;
  }

  async shell(instanceId: string, line: string): Promise<ShellResult> {
    const machine = this.#running.get(instanceId);
    if (machine === undefined) throw new Error(`${instanceId} does not run`);
    return machine.instance.shell(line);
  }

  log(instanceId: string): string {
    const file = join(this.dir, 'instances', instanceId, 'agent.log');
    return existsSync(file) ? readFileSync(file, 'utf8').replaceAll('\r', '') : '';
  }

  logs(): string {
    const instances = join(this.dir, 'instances');
    const said = (id: string) =>
      readdirSync(join(instances, id))
        .filter((name) => name.endsWith('.log'))
        .map((name) => `== ${id}: ${name}\n${readFileSync(join(instances, id, name), 'utf8').slice(-LOG_CHARS)}`);
    return readdirSync(instances).flatMap(said).join('\n');
  }

  async close(): Promise<void> {
    await Promise.all([...this.#running.keys()].map((id) => this.off(id)));
    rmSync(this.dir, { recursive: true, force: true, maxRetries: 5 });
  }
}
