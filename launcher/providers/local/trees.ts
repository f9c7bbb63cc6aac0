import { spawn } from 'node:child_process';
import { constants, copyFileSync, existsSync, readdirSync, renameSync, rmdirSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { reasonOf } from '../../contract/system-errors.ts';
import type { Random } from '../../ports/clock.ts';
import { ComputeError } from '../../ports/compute.ts';
import { findTool } from './isolation.ts';
import { JAIL_TOOLS, jailArgv } from './jail.ts';
import { syncFolder } from './layout.ts';
import { tiedTo } from './tie.ts';

/** Names of what is not there yet, or no longer: nothing lists them, nothing restores them, and the next start clears them away. */
const PARTIAL = '.partial-';
const TRASH = '.trash-';

/** Left free on the disk by every copy. */
const RESERVE_BYTES = 64 * 1024 ** 2;
const ERROR_MAX_BYTES = 2_000;
/** A tool of a launcher that was killed may still be dying, and write until it has. */
const CLEAR_TRIES = 5;
const CLEAR_RETRY_MS = 50;

export interface TreeSize {
  files: number;
  /** Sum of the lengths of the files. */
  bytes: number;
  /** What they take on disk. */
  diskBytes: number;
}

/** Whole trees of files: copied, measured and deleted by the system's own tools, which never follow a link in them. */
export class Trees {
  /**
   * Goes before each tool. As an ordinary user, become root of a user namespace: a box may have left folders that even
   * their owner may not read or empty. And end with the launcher: a copy that nobody waits for is of no use.
   */
  readonly #prefix: string[];
  readonly #reflink: boolean;
  readonly #random: Random;
  /** Argument vector of a copy that can see nothing else of the host; null where boxes are plain processes and see it all anyway. */
  readonly #jail: ((from: string, to: string, command: string[]) => string[]) | null;

  /** @param isolated boxes are kept in, so copies of what they made are, too */
  constructor(stateDir: string, isRoot: boolean, isolated: boolean, random: Random) {
    this.#random = random;
    const [jailUnshare, jailSetpriv, ...others] = JAIL_TOOLS.map(findTool);
    const canJail = isolated && jailUnshare && jailSetpriv && others.every((tool) => tool !== null);
    this.#jail = canJail ? (from, to, command) => jailArgv(jailUnshare, jailSetpriv, isRoot, from, to, command) : null;
    const linux = process.platform === 'linux';
    const [unshare, setpriv] = [findTool('unshare'), findTool('setpriv')];
    this.#prefix = [
      ...(linux && !isRoot && unshare ? [unshare, '--user', '--map-root-user', '--'] : []),
      ...(linux && setpriv ? tiedTo(setpriv, process.pid) : []),
    ];
    this.#reflink = canReflink(stateDir);
  }

  /** True when copies share their blocks, so that they cost next to nothing. */
  get reflink(): boolean {
    return this.#reflink;
  }

  /**
   * Copies the tree `from` and puts it at `to`, all or nothing: under a name that nothing knows until every byte is on the
   * disk, then by one rename together with what `describe` writes beside it.
   * @param name of the copied tree within the new folder
   * @throws ComputeError disk_full, missing, transient
   */
  async copy(from: string, to: string, name: string, describe: (partial: string) => Promise<void>): Promise<void> {
    // A name of its own: a copy of a launcher that was killed may still be dying.
    const partial = join(dirname(to), `${PARTIAL}${basename(to)}-${this.#suffix()}`);
    if (!existsSync(from)) throw new ComputeError('missing', `there is no ${basename(dirname(from))} to copy`);
    try {
      // With its parent: the last thing in that may just be going, and the empty folder with it.
      await this.#run('mkdir', ['-p', '-m', '0700', '--', partial]);
      if (this.#jail)
        await this.#spawn('cp', this.#jail(from, partial, ['cp', '-a', '--reflink=auto', '-T', '--', '/from', `/to/${name}`]));
      else {
        const flags = process.platform === 'linux' ? ['-a', '--reflink=auto'] : ['-c', '-R', '-p'];
        await this.#run('cp', [...flags, '--', from, join(partial, name)]);
      }
      await describe(partial);
      // Of the whole file system: cp has no way to flush what it wrote.
      await this.#run('sync', process.platform === 'linux' ? ['-f', '--', partial] : []);
      renameSync(partial, to);
      syncFolder(dirname(to));
    } catch (error) {
      await this.#remove(partial).catch(() => {});
      throw error;
    }
  }

  /** @throws ComputeError disk_full when a copy of this size does not fit */
  assertFits(folder: string, size: TreeSize): void {
    if (this.#reflink) return;
    const { bavail, bsize } = statfsSync(folder);
    if (bavail * bsize < size.diskBytes + RESERVE_BYTES) {
      throw new ComputeError(
        'disk_full',
        `a copy needs ${size.diskBytes} bytes beside the ${RESERVE_BYTES} that stay free, and only ${bavail * bsize} are free`,
      );
    }
  }

  /** Counts a tree without following links. A file with several names is counted once. */
  async measure(folder: string): Promise<TreeSize> {
    if (process.platform !== 'linux') {
      const kib = Number.parseInt(await this.#run('du', ['-sk', folder]), 10);
      const names = await this.#run('find', [folder, '-type', 'f']);
      return { files: names.split('\n').length - 1, bytes: kib * 1024, diskBytes: kib * 1024 };
    }
    const size = { files: 0, bytes: 0, diskBytes: 0 };
    const linked = new Set<string>();
    const count = (line: string) => {
      const [kind, bytes, blocks, names, inode] = line.split(' ');
      if (kind === 'f' && names !== '1') {
        if (linked.has(inode as string)) return;
        linked.add(inode as string);
      }
      if (kind) size.diskBytes += Number(blocks) * 512;
      if (kind !== 'f') return;
      size.files += 1;
      size.bytes += Number(bytes);
    };
    // Line by line: a box may have made more files than fit into memory as text.
    await this.#run('find', [folder, '-xdev', '-printf', '%y %s %b %n %i\\n'], count);
    return size;
  }

  /** Takes a folder away at once, then deletes what was in it. A folder that is not there is fine. */
  async drop(folder: string): Promise<void> {
    const trash = join(dirname(folder), `${TRASH}${basename(folder)}-${this.#suffix()}`);
    try {
      renameSync(folder, trash);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return;
      throw error;
    }
    syncFolder(dirname(folder));
    await this.#remove(trash);
  }

  /** Deletes what an earlier launcher has left half done in a folder. @returns why, for each that is left for the next time */
  async clear(folder: string): Promise<string[]> {
    const left: string[] = [];
    for (const entry of readdirSync(folder)) {
      if (!entry.startsWith(PARTIAL) && !entry.startsWith(TRASH)) continue;
      const trash = join(folder, entry.startsWith(TRASH) ? entry : `${TRASH}${this.#suffix()}`);
      renameSync(join(folder, entry), trash);
      await this.#removeAtLast(trash).catch((error: Error) => left.push(error.message));
    }
    return left;
  }

  async #removeAtLast(path: string): Promise<void> {
    for (let attempt = 1; attempt < CLEAR_TRIES; attempt += 1) {
      try {
        return await this.#remove(path);
      } catch {
        // Something still writes to it.
        await sleep(CLEAR_RETRY_MS);
      }
    }
    await this.#remove(path);
  }

  #suffix(): string {
    return Buffer.from(this.#random.bytes(4)).toString('hex');
  }

  async #remove(path: string): Promise<void> {
    await this.#run('rm', ['-rf', '--', path]);
  }

  /** @param onLine called for each line of standard output; without it they are returned. @throws ComputeError disk_full, transient */
  #run(tool: string, args: string[], onLine?: (line: string) => void): Promise<string> {
    return this.#spawn(tool, [...this.#prefix, findTool(tool) ?? tool, ...args], onLine);
  }

  #spawn(tool: string, argv: string[], onLine?: (line: string) => void): Promise<string> {
    const [program, ...rest] = argv as [string, ...string[]];
    return new Promise((resolve, reject) => {
      const child = spawn(program, rest, {
        stdio: ['ignore', 'pipe', 'pipe'],
        env: { LC_ALL: 'C', PATH: '/usr/bin:/bin:/usr/sbin:/sbin' },
      });
      let output = '';
      let errors = '';
      child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
        output += chunk;
        if (!onLine) return;
        const lines = output.split('\n');
        output = lines.pop() as string;
        for (const line of lines) onLine(line);
      });
      child.stderr.on('data', (chunk: Buffer) => {
        if (errors.length < ERROR_MAX_BYTES) errors += chunk;
      });
      child.on('error', (error) => reject(new ComputeError('transient', `${tool} cannot be run: ${reasonOf(error)}`, { cause: error })));
      child.on('close', (code, signal) => {
        if (code === 0) resolve(output);
        else if (/No space left on device|Disk quota exceeded/.test(errors))
          reject(new ComputeError('disk_full', `${tool}: no space left`));
        else reject(new ComputeError('transient', `${tool} failed (${signal ?? code}): ${errors.trim().slice(0, 500)}`));
      });
    });
  }
}

/** Takes a folder away if nothing is in it. */
export function dropIfEmpty(folder: string): void {
  try {
    rmdirSync(folder);
  } catch {
    // It is in use, or gone.
  }
}

/** Folders in `parent` that are whole. */
export const wholeEntries = (parent: string): string[] => readdirSync(parent).filter((entry) => !entry.startsWith('.'));

function canReflink(folder: string): boolean {
  const from = join(folder, `.reflink-${process.pid}`);
  try {
    writeFileSync(from, 'x'.repeat(4096));
    copyFileSync(from, `${from}-copy`, constants.COPYFILE_FICLONE_FORCE);
    return true;
  } catch {
    // Refused by the file system: that is the answer.
    return false;
  } finally {
    rmSync(from, { force: true });
    rmSync(`${from}-copy`, { force: true });
  }
}
