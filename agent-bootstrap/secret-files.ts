import {
  closeSync,
  constants,
  fchmodSync,
  fchownSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  statfsSync,
  unlinkSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { DevctlError } from '../launcher/contract/errors.ts';
import { randomBytes } from './lazy-crypto.ts';

/** tmpfs and ramfs. Source: statfs(2). */
const MEMORY: ReadonlySet<number> = new Set([0x01021994, 0x858458f6]);

interface SecretFilesOptions {
  /** Its parent belongs to the agent, and is a file system in memory. */
  folder: string;
  /** Who the files are for; null: the agent's own user. */
  user: { uid: number; gid: number } | null;
}

/** Secrets as files in memory, which are gone with the machine and in no snapshot. */
export class SecretFiles {
  readonly #options: SecretFilesOptions;

  constructor(options: SecretFilesOptions) {
    this.#options = options;
  }

  /**
   * Puts a value in the place of NAME as a whole, for its user to read. The folder is that user's, so nothing in it is trusted: the file is
   * a new one, and takes its name without a look at what has it.
   * @throws DevctlError unsupported when the folder is not in memory
   */
  put(name: string, value: Uint8Array): string {
    const { folder, user } = this.#options;
    this.#makeFolder();
    const partial = join(folder, `.${randomBytes(12).toString('hex')}`);
    const fd = openSync(partial, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW, 0o600);
    try {
      fchmodSync(fd, 0o600);
      for (let at = 0; at < value.length; ) at += writeSync(fd, value, at);
      if (user !== null) fchownSync(fd, user.uid, user.gid);
      renameSync(partial, join(folder, name));
    } catch (error) {
      rmSync(partial, { force: true });
      throw error;
    } finally {
      closeSync(fd);
    }
    return join(folder, name);
  }

  /** Removes every file, and follows no link: what runs may still write to the folder. */
  removeFiles(): void {
    const { folder } = this.#options;
    for (const name of namesIn(folder)) {
      try {
        unlinkSync(join(folder, name));
      } catch {
        // A folder of the workload's own, or it was quicker.
      }
    }
  }

  /** Removes all of it. Nothing of the workload may run. */
  removeAll(): void {
    const { folder } = this.#options;
    for (const name of namesIn(folder)) rmSync(join(folder, name), { recursive: true, force: true });
  }

  #makeFolder(): void {
    const { folder, user } = this.#options;
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    assertInMemory(folder);
    const fd = openSync(folder, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW);
    try {
      if (user !== null) fchownSync(fd, user.uid, user.gid);
      fchmodSync(fd, 0o700);
    } finally {
      closeSync(fd);
    }
  }
}

/** @throws DevctlError unsupported when what is written to a folder goes to a disk */
export function assertInMemory(folder: string): void {
  if (lstatSync(folder).isDirectory() && MEMORY.has(statfsSync(folder).type)) return;
  throw new DevctlError('unsupported', `${folder} is not in memory: a secret would be written to a disk`, {
    hint: 'the image of the box has to mount a tmpfs at /run/devctl',
  });
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    // Nobody wanted a file yet.
    return [];
  }
}
