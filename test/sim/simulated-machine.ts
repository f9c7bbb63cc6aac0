import type { Mount } from './disks.ts';
import type { Boot, Machine, MachineDisk, MachineHost } from './machine.ts';

export interface SimulatedMachineOptions {
  /** Where the workspace is attached. @default /dev/sdf */
  device?: string;
  /** UUID that a blank disk is formatted with. @default workspace */
  fileSystem?: string;
  /** Blocks that a mount reads one after the other. @default 40 */
  mountBlocks?: number;
  /** It has its disk and would register now. */
  onUp?: (machine: SimulatedMachine) => void;
}

const LOOK_MS = 500;

/**
 * The least that a box does: it waits for its disk, formats a blank one, mounts it, and reports; it takes writes, and can be
 * made quiet or frozen. A frozen one thaws by itself, so that a launcher that died does not leave it so.
 */
export class SimulatedMachine implements Machine {
  state: 'waiting' | 'ready' | 'quiet' | 'failed' | 'off' = 'waiting';
  /** Why it failed. */
  problem: string | null = null;
  readonly host: MachineHost;
  readonly #options: Required<Omit<SimulatedMachineOptions, 'onUp'>> & SimulatedMachineOptions;
  #mount: Mount | null = null;
  #cancelThaw = () => {};

  constructor(host: MachineHost, options: SimulatedMachineOptions = {}) {
    this.host = host;
    this.#options = { device: '/dev/sdf', fileSystem: 'workspace', mountBlocks: 40, ...options };
    this.#look();
  }

  static boot(options: SimulatedMachineOptions = {}): Boot {
    return (host) => new SimulatedMachine(host, options);
  }

  read(path: string): string | null {
    return this.#mounted().read(path);
  }

  files(): Record<string, string> {
    return this.#mounted().files();
  }

  write(path: string, text: string, bytes?: number): void {
    this.#mounted().write(path, text, bytes);
  }

  flush(): void {
    this.#mounted().flush();
  }

  /** Every writer is stopped, everything is on the disk, and the disk is let go. Repeating is fine. */
  quiesce(): void {
    if (this.state === 'quiet') return;
    this.#mounted().unmount();
    this.#mount = null;
    this.state = 'quiet';
  }

  reopen(): void {
    if (this.state === 'quiet') this.#open();
  }

  /** Flushed, and held still for at most so long. */
  freeze(maxMs: number): void {
    this.#mounted().freeze();
    this.#cancelThaw();
    this.#cancelThaw = this.host.clock.after(maxMs, () => this.#mount?.thaw());
  }

  /** @returns false when it had thawed by itself: what was taken meanwhile is of no one moment */
  thaw(): boolean {
    this.#cancelThaw();
    const stood = this.#mounted().isFrozen;
    this.#mounted().thaw();
    return stood;
  }

  off(): void {
    this.#cancelThaw();
    this.#mount = null;
    this.state = 'off';
  }

  #look(): void {
    if (this.state === 'off') return;
    const disk = this.host.disk(this.#options.device);
    if (disk === null) this.host.clock.after(LOOK_MS, () => this.#look());
    else this.host.clock.after(disk.readMs(this.#options.mountBlocks), () => this.#open());
  }

  #open(): void {
    if (this.state === 'off') return;
    const disk = this.host.disk(this.#options.device);
    if (disk === null) return;
    try {
      this.#mount = this.#mountOf(disk);
      this.state = 'ready';
      this.#options.onUp?.(this);
    } catch (error) {
      this.state = 'failed';
      this.problem = String(error);
    }
  }

  #mountOf(disk: MachineDisk): Mount {
    if (disk.fileSystem === null) disk.format(this.#options.fileSystem);
    else if (disk.fileSystem !== this.#options.fileSystem) throw new Error(`it is another disk: ${disk.fileSystem}`);
    return disk.mount();
  }

  #mounted(): Mount {
    if (this.#mount === null) throw new Error(`the box takes nothing: ${this.state}`);
    return this.#mount;
  }
}
