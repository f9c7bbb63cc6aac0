import type { VirtualClock } from './clock.ts';
import { type Disk, Mount } from './disks.ts';
import { COLD_BLOCK_READ_MS } from './figures.ts';
import type { SimInstance, SimVolume } from './model.ts';
import type { Tags } from './tags.ts';

/** What runs on an instance. It may keep timers of the virtual clock, and ends them in `off`. */
export interface Machine {
  /** The power is gone: it does nothing any more. Its mounts have lost their page cache. */
  off(): void;
  /** A command of Systems Manager. @returns its standard output @throws when the command fails */
  command?(document: string, parameters: Record<string, string[]>): string;
}

/** Called when the system of an instance is up; what it gives lives until the power goes. */
export type Boot = (host: MachineHost) => Machine;

/** An instance as seen from inside. */
export interface MachineHost {
  readonly instanceId: string;
  readonly type: string;
  readonly az: string;
  readonly clock: VirtualClock;
  readonly imds: Imds;
  readonly userData: string;
  /** The volume that is attached under this device name now. */
  disk(device: string): MachineDisk | null;
  /** The system is shut down from inside: the instance stops or terminates, as it was launched to. */
  shutdown(): void;
}

/** The metadata service. */
export interface Imds {
  /** spot/instance-action: null (404) until there is a notice. */
  instanceAction(): { action: 'terminate'; time: string } | null;
  /** events/recommendations/rebalance: null (404) until there is one. */
  rebalance(): { noticeTime: string } | null;
  tags(): Tags;
}

/** A block device. */
export interface MachineDisk {
  readonly volumeId: string;
  /** UUID of its file system; null on a blank one. */
  readonly fileSystem: string | null;
  format(fileSystem: string): void;
  mount(): Mount;
  /** What reading so many blocks, one after the other, takes now, ms: those that are not hydrated are fetched first. */
  readMs(blocks: number): number;
}

/** The machine of one instance while it has power. */
export class Power {
  machine: Machine | null = null;
  readonly #instance: SimInstance;
  readonly #clock: VirtualClock;
  readonly #volumes: () => SimVolume[];
  readonly #shutdown: () => void;

  constructor(instance: SimInstance, clock: VirtualClock, volumes: () => SimVolume[], shutdown: () => void) {
    this.#instance = instance;
    this.#clock = clock;
    this.#volumes = volumes;
    this.#shutdown = shutdown;
  }

  boot(boot: Boot): void {
    this.machine = boot(this.#host());
  }

  /** Without a word to anyone: the page cache of every mount is lost. */
  cut(): void {
    for (const volume of this.#attached()) volume.disk.mount?.lose();
    const { machine } = this;
    this.machine = null;
    machine?.off();
  }

  #attached(): SimVolume[] {
    return this.#volumes().filter(({ attachment }) => attachment?.instanceId === this.#instance.id);
  }

  #host(): MachineHost {
    const { id, type, az, userData } = this.#instance;
    return {
      instanceId: id,
      type,
      az,
      userData,
      clock: this.#clock,
      imds: this.#imds(),
      disk: (device) => this.#disk(device),
      shutdown: this.#shutdown,
    };
  }

  #disk(device: string): MachineDisk | null {
    const volume = this.#attached().find(({ attachment }) => attachment?.device === device && attachment.state !== 'attaching');
    if (volume === undefined) return null;
    const { disk } = volume;
    return {
      volumeId: volume.id,
      fileSystem: disk.image.fileSystem,
      format: (fileSystem) => this.#writable(disk).format(fileSystem),
      mount: () => Mount.open(disk, { instanceId: this.#instance.id }),
      readMs: (blocks) => Math.round(blocks * COLD_BLOCK_READ_MS * coldShare(volume, this.#clock.now())),
    };
  }

  #writable(disk: Disk): Disk {
    disk.rules.written({ instanceId: this.#instance.id });
    return disk;
  }

  #imds(): Imds {
    const instance = this.#instance;
    return {
      instanceAction: () => instance.notice && { action: instance.notice.action, time: new Date(instance.notice.atMs).toISOString() },
      rebalance: () => (instance.rebalanceAtMs === null ? null : { noticeTime: new Date(instance.rebalanceAtMs).toISOString() }),
      tags: () => instance.tags,
    };
  }
}

/** Share of a volume's blocks that are not there yet. */
function coldShare({ createdAtMs, hydratedAtMs, sourceVolumeId }: SimVolume, nowMs: number): number {
  // A copy reads from the volume that it was made of, in the same zone.
  if (sourceVolumeId !== null) return 0;
  if (nowMs >= hydratedAtMs) return 0;
  return (hydratedAtMs - nowMs) / (hydratedAtMs - createdAtMs);
}
