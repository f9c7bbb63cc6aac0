import { lstat, mkdir, readdir, realpath, rename, rm, stat } from 'node:fs/promises';
import type { IncomingMessage } from 'node:http';
import { basename, dirname, join } from 'node:path';
import type { BoxConfig } from '../launcher/contract/agent-config.ts';
import { DevctlError } from '../launcher/contract/errors.ts';
import { resolveInBox } from './paths.ts';
import type { BoxState } from './state.ts';
import { setFolderModes, unpack, type WriteGuard } from './unpack.ts';
import { stagingFolder } from './workspace-folders.ts';
import type { WriteGate } from './write-gate.ts';

export interface Counts {
  files: number;
  bytes: number;
}

interface FilesDeps {
  config: Pick<BoxConfig, 'paths' | 'limits' | 'user'>;
  box: BoxState;
  gate: WriteGate;
}

/** Files that come into the box. They are unpacked beside their place and then moved: a refused archive changes nothing. */
export class Files {
  readonly #deps: FilesDeps;
  #uploads = 0;

  constructor(deps: FilesDeps) {
    this.#deps = deps;
  }

  /** Every write of an upload: not while the disk is copied, and not at all once the box is being saved. */
  readonly #guard: WriteGuard = (work) =>
    this.#deps.gate.write(async () => {
      if (!this.#deps.box.open) throw new DevctlError('wrong_phase', 'the box takes no files: it is being saved');
      return work();
    });

  /** `PUT /import`: fills an empty /workspace/src, all or nothing. @throws DevctlError workspace_not_empty and those of `unpack` */
  async import(body: IncomingMessage): Promise<Counts> {
    const src = await this.#emptySource();
    return this.#staged(stagingFolder(this.#deps.config), 'import', async (staging) => {
      const counts = await this.#fill(staging, body);
      await this.#guard(() => takePlace(staging, src));
      this.#deps.box.change({});
      return counts;
    });
  }

  /** As `import`, up to the moment at which it would take its place: that is for somebody else, who has said where it waits. @throws as `import` */
  async importAt(staging: string, body: IncomingMessage): Promise<Counts> {
    await this.#emptySource();
    await this.#guard(() => mkdir(staging, { mode: 0o755 }));
    return this.#fill(staging, body).catch(async (error: unknown) => {
      await rm(staging, { recursive: true, force: true });
      throw error;
    });
  }

  async #emptySource(): Promise<string> {
    const src = join(this.#deps.config.paths.workspace, 'src');
    if ((await readdir(src)).length > 0) throw notEmpty();
    return src;
  }

  async #fill(staging: string, body: IncomingMessage): Promise<Counts> {
    const { files, bytes, folderModes } = await unpack(body, staging, this.#deps.config.limits, this.#guard);
    await this.#guard(() => setFolderModes(staging, folderModes));
    return { files, bytes };
  }

  /** `PUT /files?path=`: unpacks into a folder, which is made when it is not there. */
  async put(path: string, body: IncomingMessage): Promise<Counts> {
    const { folder, stagingParent } = await this.#target(path);
    return this.#staged(stagingParent, 'put', async (staging) => {
      const { files, bytes, folderModes } = await unpack(body, staging, this.#deps.config.limits, this.#guard);
      await this.#guard(async () => {
        await makeFolder(folder);
        const created = new Set<string>();
        await assertMergeable(staging, folder);
        await merge(staging, folder, '', created);
        await setFolderModes(folder, new Map([...folderModes].filter(([name]) => created.has(name))));
      });
      return { files, bytes };
    });
  }

  /**
   * Where an upload goes, with every link on the way resolved, and a folder on the same file system to unpack in.
   * A path that is written as one of the workspace must not be led out of it by a link.
   */
  async #target(path: string): Promise<{ folder: string; stagingParent: string }> {
    const { workspace } = this.#deps.config.paths;
    const wanted = resolveInBox(workspace, path);
    const folder = await realTarget(wanted);
    const root = await realpath(workspace);
    const inside = (candidate: string, parent: string) => candidate === parent || candidate.startsWith(`${parent}/`);
    if (inside(wanted, workspace) && !inside(folder, root))
      throw new DevctlError('invalid_request', `${path} is led out of the workspace by a link`);
    if (inside(folder, root))
      return { folder, stagingParent: stagingFolder({ ...this.#deps.config, paths: { ...this.#deps.config.paths, workspace: root } }) };
    await this.#guard(() => makeFolder(folder));
    return { folder, stagingParent: folder };
  }

  async #staged<T>(parent: string, kind: 'import' | 'put', work: (staging: string) => Promise<T>): Promise<T> {
    this.#uploads += 1;
    const staging = join(parent, `${kind}-${process.pid}-${this.#uploads}`);
    await this.#guard(() => mkdir(staging, { mode: 0o755 }));
    try {
      return await work(staging);
    } finally {
      // Of an upload that the saving of the box has cut off: the next box removes it.
      await this.#deps.gate.write(() => rm(staging, { recursive: true, force: true }));
    }
  }
}

const notEmpty = () => new DevctlError('workspace_not_empty', '/workspace/src has files');

/** Puts a whole folder in the place of an empty one. @throws DevctlError workspace_not_empty */
export async function takePlace(staging: string, src: string): Promise<void> {
  // The kernel lets a folder take the place of an empty one only.
  await rename(staging, src).catch((error: NodeJS.ErrnoException) => {
    throw error.code === 'ENOTEMPTY' || error.code === 'EEXIST' ? notEmpty() : error;
  });
}

/** The real path of something that need not be there in full yet. @throws DevctlError invalid_request when a file is in the way */
async function realTarget(path: string): Promise<string> {
  try {
    const real = await realpath(path);
    if ((await stat(real)).isDirectory()) return real;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    const dangling = await lstat(path).catch(() => null);
    if (!dangling) return join(await realTarget(dirname(path)), basename(path));
  }
  throw new DevctlError('invalid_request', `${path} is not a folder`);
}

/** A folder with all above it. One by one: the recursive call of Node hides why it failed. */
async function makeFolder(path: string): Promise<void> {
  if (await lstat(path).catch(() => null)) return;
  await makeFolder(dirname(path));
  await mkdir(path);
}

/** @throws DevctlError invalid_archive when a file would have to replace a folder, or the other way round */
async function assertMergeable(from: string, to: string): Promise<void> {
  for (const entry of await readdir(from, { withFileTypes: true })) {
    const there = await lstat(join(to, entry.name)).catch(() => null);
    if (!there) continue;
    if (entry.isDirectory() !== there.isDirectory()) {
      throw new DevctlError(
        'invalid_archive',
        `${JSON.stringify(entry.name)} is ${there.isDirectory() ? 'a folder' : 'not a folder'} in the box`,
      );
    }
    if (entry.isDirectory()) await assertMergeable(join(from, entry.name), join(to, entry.name));
  }
}

/** Moves what was unpacked to its place. A file replaces a file or link of its name; it is never written through a link. */
async function merge(from: string, to: string, path: string, created: Set<string>): Promise<void> {
  for (const entry of await readdir(from, { withFileTypes: true })) {
    const name = path === '' ? entry.name : `${path}/${entry.name}`;
    const there = entry.isDirectory() ? await lstat(join(to, entry.name)).catch(() => null) : null;
    if (there) {
      await merge(join(from, entry.name), join(to, entry.name), name, created);
      continue;
    }
    await rename(join(from, entry.name), join(to, entry.name));
    if (entry.isDirectory()) await noteFolders(join(to, entry.name), name, created);
  }
}

async function noteFolders(folder: string, path: string, created: Set<string>): Promise<void> {
  created.add(path);
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    if (entry.isDirectory()) await noteFolders(join(folder, entry.name), `${path}/${entry.name}`, created);
  }
}
