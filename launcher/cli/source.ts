import { statSync } from 'node:fs';
import { realpath } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { Client, Workspace } from '../client/client.ts';
import { DevctlError } from '../contract/errors.ts';
import { reasonOf } from '../contract/system-errors.ts';
import type { Cli } from './cli.ts';
import { knownFolders, nameOfAddress, nameOfFolder, numbered, workspaceAround, workspaceOf } from './folders.ts';
import { CLI_LIMITS } from './limits.ts';
import { findWorkspace, isWorkspaceName, unknownWorkspace } from './refs.ts';
import { UsageError } from './usage-error.ts';

/** What `up` was pointed at. */
export type SourceWord = { kind: 'folder'; folder: string } | { kind: 'git'; url: string } | { kind: 'word'; word: string };

/** What a session is to be made of. `folder` is where its files come from while its workspace is empty. */
export interface Plan {
  name: string;
  source: { kind: 'upload' } | { kind: 'git'; url: string; ref?: string } | undefined;
  folder: string | null;
  /** The workspace as it is before; null when it is new, undefined when nobody has looked. */
  workspace: Workspace | null | undefined;
}

const isAddress = (text: string): boolean =>
  /^[a-z][a-z0-9+.-]*:\/\//i.test(text) || /^[a-z][a-z0-9+.-]*::/i.test(text) || /^[\w.-]+@[^/\s]+:/.test(text);
const isPath = (text: string): boolean => text.includes('/') || text.startsWith('.') || text === '~';

/** What a SOURCE is, by its form alone. */
export function readSource(text: string | undefined, cwd: string, home: string | undefined): SourceWord {
  if (text === undefined) return { kind: 'folder', folder: cwd };
  if (text === '') throw new UsageError('the source is empty', 'give a folder, a git address or the name of a workspace');
  if (isAddress(text)) return { kind: 'git', url: text };
  if (!isPath(text)) return { kind: 'word', word: text };
  const path = home && (text === '~' || text.startsWith('~/')) ? home + text.slice(1) : text;
  return { kind: 'folder', folder: resolve(cwd, path) };
}

const isFolder = (path: string): boolean => {
  try {
    return statSync(path).isDirectory();
  } catch {
    return false;
  }
};

/** The real path of a folder: the same folder is the same workspace, whichever link leads to it. */
async function realFolder(folder: string): Promise<string> {
  let path: string;
  try {
    path = await realpath(folder);
  } catch (error) {
    const isMissing = (error as NodeJS.ErrnoException).code === 'ENOENT';
    throw new DevctlError(
      'source_unavailable',
      `the folder ${folder} ${isMissing ? 'does not exist' : `cannot be used: ${reasonOf(error)}`}`,
      {
        hint: 'give a folder, a git address or the name of a workspace',
      },
    );
  }
  if (!isFolder(path)) throw new DevctlError('source_unavailable', `${folder} is not a folder`, { hint: 'give the folder that it is in' });
  return path;
}

/** The first free name: `shop`, then `shop-2`, …; `mine` says that a taken one is the right one. */
async function freeName(
  client: Client,
  wish: string,
  mine: (workspace: Workspace) => boolean,
): Promise<{ name: string; workspace: Workspace | null }> {
  for (let n = 1; n <= CLI_LIMITS.nameTries; n += 1) {
    const name = n === 1 ? wish : numbered(wish, n);
    const workspace = await findWorkspace(client, name);
    if (workspace === null || mine(workspace)) return { name, workspace };
  }
  throw new UsageError(`${wish} and ${CLI_LIMITS.nameTries} names like it are taken`, 'give a name with --name');
}

/** Refuses to send in what nobody means to: the whole machine, or everything that a person has. */
async function assertProject(cli: Cli, folder: string): Promise<void> {
  const home = cli.env['HOME'] ? await realpath(cli.env['HOME']).catch(() => null) : null;
  if (folder !== '/' && folder !== home) return;
  if (cli.flags.name !== undefined && cli.flags.yes) return;
  throw new UsageError(
    `${folder === '/' ? '/' : 'your home folder'} is not a project`,
    'run it in the folder of a project, or give --name NAME --yes if you mean it',
  );
}

async function planFolder(cli: Cli, client: Client, given: string): Promise<Plan> {
  const folder = await realFolder(given);
  const { name: wish } = cli.flags;
  const known = workspaceOf(cli.home, cli.target.name, folder);
  if (known !== null && (wish === undefined || wish === known))
    return { name: known, source: { kind: 'upload' }, folder, workspace: undefined };
  if (known === null && wish === undefined) {
    const around = workspaceAround(cli.home, cli.target.name, folder);
    if (around) cli.warn(`${around.folder} around this folder has the workspace ${around.name}; this folder gets its own`);
  }
  await assertProject(cli, folder);
  if (wish !== undefined) {
    const other = knownFolders(cli.home, cli.target.name).find((entry) => entry.name === wish && entry.folder !== folder);
    const workspace = await findWorkspace(client, wish);
    if (workspace && other)
      throw new UsageError(`workspace ${wish} belongs to ${other.folder}`, `use it with devctl up ${wish}, or give another --name`);
    return { name: wish, source: { kind: 'upload' }, folder, workspace };
  }
  const { name, workspace } = await freeName(client, nameOfFolder(folder), () => false);
  if (name !== nameOfFolder(folder)) cli.warn(`the name ${nameOfFolder(folder)} is taken: this folder's workspace is ${name}`);
  return { name, source: { kind: 'upload' }, folder, workspace };
}

async function planAddress(cli: Cli, client: Client, url: string): Promise<Plan> {
  const { ref, name: wish } = cli.flags;
  const from = ref === undefined ? url : `${url}#${ref}`;
  const mine = (workspace: Workspace): boolean => workspace.source.kind === 'git' && workspace.source.from === from;
  const source = { kind: 'git' as const, url, ...(ref !== undefined && { ref }) };
  if (wish !== undefined) {
    const workspace = await findWorkspace(client, wish);
    // One that nothing has come into takes another address: the first one may have been wrong.
    if (workspace?.content === 'present' && !mine(workspace))
      throw new UsageError(`workspace ${wish} is not a clone of ${from}`, 'give another --name');
    return { name: wish, source, folder: null, workspace };
  }
  const wanted = nameOfAddress(url);
  const { name, workspace } = await freeName(client, wanted, mine);
  if (name !== wanted) cli.warn(`the name ${wanted} is taken: the workspace of this repository is ${name}`);
  return { name, source, folder: null, workspace };
}

async function planWord(cli: Cli, client: Client, word: string): Promise<Plan> {
  const cwd = cli.surroundings.cwd();
  const folder = resolve(cwd, word);
  const workspace = isWorkspaceName(word) ? await findWorkspace(client, word) : null;
  if (workspace) {
    if (isFolder(folder) && workspaceOf(cli.home, cli.target.name, await realFolder(folder)) !== word) {
      cli.warn(`${word} is the workspace; for the folder write ./${word}`);
    }
    if (cli.flags.name !== undefined && cli.flags.name !== word)
      throw new UsageError(`${word} is an existing workspace: it keeps its name`, 'leave --name out, or fork it');
    const home = knownFolders(cli.home, cli.target.name).find((entry) => entry.name === word);
    return { name: word, source: undefined, folder: home?.folder ?? null, workspace };
  }
  if (isFolder(folder)) return planFolder(cli, client, folder);
  const unknown = await unknownWorkspace(client, word);
  throw new DevctlError(
    'not_found',
    `there is no workspace and no folder ${JSON.stringify(word)}`,
    unknown.extra.hint === undefined ? {} : { hint: unknown.extra.hint },
  );
}

/** Decides which workspace is meant, and what it begins with if it is new. */
export async function plan(cli: Cli, client: Client, word: SourceWord): Promise<Plan> {
  if (word.kind === 'git') return planAddress(cli, client, word.url);
  if (cli.flags.ref !== undefined) throw new UsageError('--ref goes with a git address');
  return word.kind === 'folder' ? planFolder(cli, client, word.folder) : planWord(cli, client, word.word);
}
