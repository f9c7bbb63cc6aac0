import { randomUUID } from 'node:crypto';
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { BoxDisk } from '../../launcher/contract/box.ts';
import { DiskProblem } from '../disk-problem.ts';
import { keepReserve } from '../journal.ts';
import { monotonicMs } from '../monotonic.ts';
import { readNote, writeNote } from '../notes.ts';
import type { Log, WorkspaceMount } from '../ports.ts';
import { FILE_SYSTEM, LABEL, mountProblem, namesOf, pickDisk, planFor } from './disk-plan.ts';
import { readContent, type SeenDisk, seeDisks } from './disks.ts';
import { runTool } from './tools.ts';

/** A volume that is attached while its machine boots may come late. */
const APPEAR_MS = 60_000;
const LOOK_MS = 25;
const FORMAT_MS = 120_000;
/** The log of a file system that was not unmounted is read and carried out first. */
const MOUNT_MS = 300_000;
const GROW_MS = 60_000;
const UNMOUNT_MS = 60_000;
const FREEZE_MS = 20_000;
/** A disk that nobody comes back for goes on by itself. */
const HELD_MAX_MS = 600_000;

interface VolumeMountOptions {
  /** Where it is mounted. */
  root: string;
  /** Asks the launcher which disk it is. */
  wanted(): Promise<BoxDisk>;
  /** File in memory of the machine that tells the next agent what is mounted: it may find no launcher to ask. @default none */
  notePath?: string;
  /** Makes what must be there on it. */
  folders(): void;
  log: Log;
  /** @default those of this machine */
  disks?: () => SeenDisk[];
  /** @default 60 s */
  appearMs?: number;
}

/** The volume of the workspace: found by its id, looked at, formatted when it is the first and empty, grown to its size, mounted. */
export class VolumeMount implements WorkspaceMount {
  readonly #options: VolumeMountOptions;
  #fileSystem: string | undefined;
  #wanted: BoxDisk | null = null;
  #thaw: NodeJS.Timeout | null = null;

  constructor(options: VolumeMountOptions) {
    this.#options = options;
  }

  get fileSystem(): string | undefined {
    return this.#fileSystem;
  }

  async prepare(): Promise<void> {
    const { root, folders, log } = this.#options;
    await this.letGo();
    const mounted = deviceAt(root);
    // Asked once: a box that saves itself has no launcher to ask.
    const wanted = this.#wanted ?? (mounted === null ? null : this.#noted()) ?? (await this.#options.wanted());
    const startedAtMs = monotonicMs();
    const disk = await this.#find(wanted);
    if (mounted !== null && mounted !== disk.device)
      throw new DiskProblem('disk_unavailable', `${mounted} is mounted at ${root}, and ${wanted.volumeId} is ${disk.device}`);
    if (mounted === null) await this.#mount(disk, wanted);
    this.#fileSystem = await uuidOf(disk);
    this.#wanted = { ...wanted, fileSystem: this.#fileSystem, mayFormat: false };
    this.#note(this.#wanted);
    await this.#grow();
    folders();
    keepReserve(join(root, '.devctl-box'));
    log(`${wanted.volumeId} (${disk.device}) is at ${root}, ${Math.round(monotonicMs() - startedAtMs)} ms after it was asked for`);
  }

  #note(wanted: BoxDisk): void {
    const { notePath } = this.#options;
    if (notePath !== undefined) writeNote(notePath, wanted);
  }

  #noted(): BoxDisk | null {
    const { notePath } = this.#options;
    return notePath === undefined ? null : readNote<BoxDisk>(notePath);
  }

  /** Unmounted; where something does not let go of it, frozen, until it is let go or nobody has come back for it; where not even that, flushed. */
  async release(): ReturnType<WorkspaceMount['release']> {
    const { root, log } = this.#options;
    if (deviceAt(root) === null) return 'unmounted';
    await this.letGo();
    const { code, said } = await runTool(['umount', root], UNMOUNT_MS);
    if (code === 0) return 'unmounted';
    if (deviceAt(root) === null) return 'unmounted';
    log(`${root} could not be unmounted: ${said}`);
    return this.hold().then(
      () => 'frozen' as const,
      (error: Error) => {
        log(error.message);
        return 'open' as const;
      },
    );
  }

  /** @throws Error when it cannot be frozen; then it is not */
  async hold(): Promise<void> {
    const { root, log } = this.#options;
    // Whatever else is there is not the workspace: it would be the disk of the machine that stands still.
    if (deviceAt(root) === null) throw new Error(`${root} is not mounted`);
    this.#expireAfter(HELD_MAX_MS, () => log(`nobody came back for ${root}: it is written to again`));
    const { code, said } = await runTool(['fsfreeze', '--freeze', root], FREEZE_MS);
    if (code === 0) return;
    await this.letGo();
    throw new Error(`${root} could not be frozen: ${said}`);
  }

  /** Also what an agent before this one froze. */
  async letGo(): Promise<void> {
    const { root } = this.#options;
    if (this.#thaw !== null) clearTimeout(this.#thaw);
    this.#thaw = null;
    if (deviceAt(root) !== null) await runTool(['fsfreeze', '--unfreeze', root], FREEZE_MS);
  }

  #expireAfter(ms: number, tell: () => void): void {
    if (this.#thaw !== null) clearTimeout(this.#thaw);
    this.#thaw = setTimeout(() => {
      tell();
      void this.letGo();
    }, ms);
  }

  async #find(wanted: BoxDisk): Promise<SeenDisk> {
    const { disks = seeDisks, appearMs = APPEAR_MS, log } = this.#options;
    const deadlineMs = monotonicMs() + appearMs;
    for (let looks = 0; ; looks += 1) {
      const seen = disks();
      const found = pickDisk(seen, wanted);
      if (found !== null) return found;
      if (looks === 0) log(`${wanted.volumeId} is not there yet: there are ${namesOf(seen)}`);
      if (monotonicMs() >= deadlineMs)
        throw new DiskProblem(
          'disk_unavailable',
          `${wanted.volumeId} did not come to this machine, which has ${namesOf(seen) || 'no disk'}`,
        );
      await sleep(LOOK_MS);
    }
  }

  async #mount(disk: SeenDisk, wanted: BoxDisk): Promise<void> {
    const { root, log } = this.#options;
    const content = await readContent(disk).catch((error: Error) => {
      throw new DiskProblem('disk_unavailable', `${wanted.volumeId} (${disk.device}) cannot be read: ${error.message}`);
    });
    if (planFor(content, wanted) === 'format') await format(disk, wanted, log);
    mkdirSync(root, { recursive: true, mode: 0o755 });
    const { code, said } = await runTool(['mount', '-t', FILE_SYSTEM, '-o', 'noatime,nodev', disk.device, root], MOUNT_MS);
    if (code !== 0) throw mountProblem(wanted.volumeId, said);
  }

  /** One that was made larger: more room is no reason not to begin. */
  async #grow(): Promise<void> {
    const { root, log } = this.#options;
    const { code, said } = await runTool(['xfs_growfs', '-d', root], GROW_MS);
    if (code !== 0) log(`${root} could not be grown to its disk: ${said}`);
  }
}

/** Without force: mkfs refuses by itself what has something on it. */
async function format({ device }: SeenDisk, { volumeId }: BoxDisk, log: Log): Promise<void> {
  log(`${volumeId} (${device}) is new and empty: it gets a file system`);
  const { code, said } = await runTool(['mkfs.xfs', '-q', '-K', '-L', LABEL, '-m', `uuid=${randomUUID()}`, device], FORMAT_MS);
  if (code !== 0) throw new DiskProblem('disk_unavailable', `${volumeId} could not be formatted: ${said}`);
}

async function uuidOf(disk: SeenDisk): Promise<string> {
  const content = await readContent(disk);
  if (content.kind !== 'files') throw new DiskProblem('disk_unavailable', `${disk.device} has no file system although it is mounted`);
  return content.uuid;
}

/** The device that is mounted there; null: none. */
function deviceAt(root: string): string | null {
  const lines = readFileSync('/proc/self/mounts', 'utf8').split('\n');
  const found = lines.map((line) => line.split(' ')).findLast(([, at]) => at === root);
  return found?.[0] ?? null;
}
