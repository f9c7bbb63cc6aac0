import {
  closeSync,
  constants,
  existsSync,
  lstatSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  type Stats,
  statSync,
} from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { linkStaysWithin } from '../contract/archive.ts';
import { DevctlError } from '../contract/errors.ts';
import { git, gitLine, splitNames } from './git.ts';
import { CLI_LIMITS } from './limits.ts';
import { plural } from './text.ts';

/** One thing to send. `name` is its path in the archive, without a slash at its end. */
export interface Item {
  name: string;
  /** Where it is here; null when its content is given in `text`. */
  path: string | null;
  kind: 'file' | 'folder' | 'link';
  mode: number;
  bytes: number;
  mtimeMs: number;
  link?: string;
  text?: string;
}

export interface Selection {
  items: Item[];
  files: number;
  bytes: number;
  /** Local branches, when the folder is a repository. */
  branches: number | null;
  /** What a person should know: things left out, things that will not work in the box. */
  notes: string[];
}

/** Collects items under the bounds, and everything that cannot be read so that it is told at once. */
class Collector {
  readonly items: Item[] = [];
  readonly notes: string[] = [];
  readonly unreadable: string[] = [];
  bytes = 0;
  #skipped = new Map<string, string[]>();
  readonly #root: string;
  readonly #avoid: string;

  constructor(root: string, avoid: string) {
    this.#root = root;
    this.#avoid = avoid;
  }

  /** Adds what is at `path`; says what it is, or null when nothing was added. */
  add(name: string, path: string): Item['kind'] | null {
    if (path === this.#avoid || path.startsWith(`${this.#avoid}/`)) return null;
    let stats: Stats;
    try {
      stats = lstatSync(path);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
      this.unreadable.push(name);
      return null;
    }
    const base = { name, path, mode: stats.mode & 0o777, mtimeMs: stats.mtimeMs };
    if (stats.isDirectory()) return this.#push({ ...base, kind: 'folder', bytes: 0 });
    if (stats.isSymbolicLink()) return this.#addLink(base, path);
    if (!stats.isFile()) {
      this.skip('a socket, pipe or device', name);
      return null;
    }
    try {
      closeSync(openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK));
    } catch {
      this.unreadable.push(name);
      return null;
    }
    this.bytes += stats.size;
    return this.#push({ ...base, kind: 'file', bytes: stats.size });
  }

  /** A link that leads out of the folder would make the other side refuse the whole archive. */
  #addLink(base: Pick<Item, 'name' | 'path' | 'mode' | 'mtimeMs'>, path: string): Item['kind'] | null {
    const link = textOf(readlinkSync(path, { encoding: 'buffer' }));
    if (link !== null && linkStaysWithin(link, base.name.split('/').length - 1))
      return this.#push({ ...base, kind: 'link', bytes: 0, link });
    this.skip(link === null ? 'a link to a name that is not UTF-8' : 'a link that leads out of the folder', base.name);
    return null;
  }

  addText(name: string, text: string): void {
    const bytes = Buffer.byteLength(text);
    this.bytes += bytes;
    this.#push({ name, path: null, kind: 'file', mode: 0o644, bytes, mtimeMs: Date.now(), text });
  }

  skip(reason: string, name: string): void {
    this.#skipped.set(reason, [...(this.#skipped.get(reason) ?? []), name]);
  }

  #push(item: Item): Item['kind'] {
    if (this.items.length >= CLI_LIMITS.sourceFiles) throw this.#tooMuch(`more than ${plural(CLI_LIMITS.sourceFiles, 'file')}`);
    if (this.bytes > CLI_LIMITS.sourceBytes) throw this.#tooMuch(`more than ${CLI_LIMITS.sourceBytes / 1024 ** 3} GiB`);
    this.items.push(item);
    return item.kind;
  }

  #tooMuch(what: string): DevctlError {
    return new DevctlError('too_large', `${this.#root} has ${what}`, {
      hint: 'run devctl up in the folder of one project, or make it a git repository that ignores what is not needed',
    });
  }

  /** Walks a folder whole. */
  tree(name: string, path: string, leaveOut: (name: string) => boolean = () => false): void {
    let entries: Buffer[];
    try {
      entries = readdirSync(path, { encoding: 'buffer' }) as unknown as Buffer[];
    } catch {
      this.unreadable.push(name || '.');
      return;
    }
    for (const bytes of entries.sort(Buffer.compare)) {
      const entry = textOf(bytes);
      const child = name ? `${name}/${entry ?? bytes.toString('latin1')}` : (entry ?? bytes.toString('latin1'));
      if (entry === null) this.skip('a name that is not UTF-8', child);
      else if (!leaveOut(child) && this.add(child, join(path, entry)) === 'folder') this.tree(child, join(path, entry), leaveOut);
    }
  }

  finish(branches: number | null): Selection {
    if (this.unreadable.length > 0) {
      const shown = this.unreadable.slice(0, CLI_LIMITS.notes).join(', ');
      const more = this.unreadable.length - CLI_LIMITS.notes;
      throw new DevctlError('source_unavailable', `cannot read ${shown}${more > 0 ? ` and ${more} more` : ''}`, {
        hint: 'make them readable, or have git ignore them; nothing was uploaded',
      });
    }
    for (const [reason, names] of this.#skipped) {
      const more = names.length - CLI_LIMITS.notes;
      this.notes.push(`left out (${reason}): ${names.slice(0, CLI_LIMITS.notes).join(', ')}${more > 0 ? ` and ${more} more` : ''}`);
    }
    const files = this.items.filter((item) => item.kind !== 'folder').length;
    return { items: this.items, files, bytes: this.bytes, branches, notes: this.notes };
  }
}

/** A name as text; null when its bytes are not UTF-8. */
function textOf(bytes: Buffer): string | null {
  const text = bytes.toString('utf8');
  return Buffer.from(text, 'utf8').equals(bytes) ? text : null;
}

/** Files of git itself that belong to this machine: locks of running commands, sockets, other worktrees. */
const isPassingGitFile = (name: string): boolean => /\.lock$|\/fsmonitor--daemon(?:\.ipc|\/)|\/gc\.pid$/.test(name);

/** Whether a folder above this one has something for git: if not, git need not be asked. */
function isUnderGit(folder: string): boolean {
  for (let at = folder; at !== dirname(at); at = dirname(at)) if (existsSync(join(dirname(at), '.git'))) return true;
  return false;
}

/**
 * What of a folder goes into a new workspace: in a git repository the tracked and the untracked but not ignored files, and
 * the history; elsewhere everything. Nothing is read but names and sizes.
 * @param avoid a folder that never goes in: devctl's own state
 * @throws DevctlError source_unavailable, too_large
 */
export async function selectFiles(folder: string, avoid: string): Promise<Selection> {
  const collector = new Collector(folder, avoid);
  if (existsSync(join(folder, '.git'))) {
    const branches = gitLine(folder, ['for-each-ref', '--format=.', 'refs/heads']);
    await addRepository(collector, '', folder, 0);
    return collector.finish((await branches)?.split('\n').length ?? 0);
  }
  const top = isUnderGit(folder) ? await gitLine(folder, ['rev-parse', '--show-toplevel']) : null;
  if (top !== null) {
    collector.notes.push(`the git history is in ${top}: only the files of this folder go in`);
    await addListed(collector, '', folder, 0);
  } else collector.tree('', folder);
  return collector.finish(null);
}

/** A file or folder whole, under another name; `top` empty is what is in the folder. */
export function selectTree(path: string, top: string): Selection {
  const collector = new Collector(path, '\0');
  const kind = top === '' ? 'folder' : collector.add(top, path);
  if (kind === 'folder') collector.tree(top, path);
  return collector.finish(null);
}

/** A repository: its files, then git's own folder. */
async function addRepository(collector: Collector, name: string, folder: string, depth: number): Promise<void> {
  if (depth > CLI_LIMITS.sourceDepth) throw new DevctlError('too_large', `${folder} is a repository ${depth} levels deep`);
  await addListed(collector, name, folder, depth);
  const dot = join(folder, '.git');
  const dotName = name ? `${name}/.git` : '.git';
  if (lstatSync(dot).isDirectory()) {
    collector.add(dotName, dot);
    collector.tree(dotName, dot, isPassingGitFile);
  } else if (depth === 0) await addOutsideGitFolder(collector, dotName, folder);
  else collector.add(dotName, dot);
  noteWhatStaysBehind(collector, dot, folder);
}

async function addListed(collector: Collector, prefix: string, folder: string, depth: number): Promise<void> {
  const listed = splitNames(await git(folder, ['ls-files', '-z', '-co', '--exclude-standard', '--deduplicate']));
  for (const bytes of listed) {
    const own = textOf(bytes)?.replace(/\/+$/, '');
    if (own === undefined) {
      collector.skip('a name that is not UTF-8', bytes.toString('latin1'));
      continue;
    }
    const name = prefix ? `${prefix}/${own}` : own;
    const path = join(folder, own);
    // A folder in the list is a repository of its own: a submodule, or a clone within the clone.
    if (collector.add(name, path) === 'folder' && existsSync(join(path, '.git'))) await addRepository(collector, name, path, depth + 1);
  }
}

/**
 * The folder is a worktree or a submodule: its history lies outside of it. It goes in as an ordinary repository, with the
 * history that it shares and the HEAD and index of its own.
 */
async function addOutsideGitFolder(collector: Collector, dotName: string, folder: string): Promise<void> {
  const [own, common] = await Promise.all([
    gitLine(folder, ['rev-parse', '--absolute-git-dir']),
    gitLine(folder, ['rev-parse', '--git-common-dir']),
  ]);
  if (own === null || common === null) {
    throw new DevctlError('source_unavailable', `${join(folder, '.git')} points to a repository that is not there`, {
      hint: 'see git status there; nothing was uploaded',
    });
  }
  const shared = resolve(folder, common);
  collector.add(dotName, shared);
  const mine = ['HEAD', 'index', 'ORIG_HEAD'];
  const replaced = new Set([...mine, 'config', 'worktrees', 'logs/HEAD'].map((part) => `${dotName}/${part}`));
  collector.tree(dotName, shared, (name) => replaced.has(name) || isPassingGitFile(name));
  for (const part of mine) collector.add(`${dotName}/${part}`, join(own, part));
  collector.addText(`${dotName}/config`, readFileSync(join(shared, 'config'), 'utf8').replace(/^\s*(?:worktree|bare)\s*=.*\n?/gim, ''));
  collector.notes.push('this folder is a git worktree or submodule: in the box it is a repository of its own');
}

function noteWhatStaysBehind(collector: Collector, dot: string, folder: string): void {
  if (!statSync(dot).isDirectory()) return;
  if (existsSync(join(dot, 'objects/info/alternates'))) {
    collector.notes.push(`${folder} borrows history from another repository: run git repack -a -d in it to have it whole in the box`);
  }
  try {
    if (/^\s*url\s*=\s*https?:\/\/[^/\s]*:[^/\s]*@|extraheader\s*=/im.test(readFileSync(join(dot, 'config'), 'utf8'))) {
      collector.notes.push(`${join(dirname(dot), '.git/config')} has a password in it, which goes into the box too`);
    }
  } catch {
    // The tree walk has already named a config that cannot be read.
  }
}
