import { existsSync, lstatSync, realpathSync, statSync } from 'node:fs';
import { basename, dirname, resolve } from 'node:path';
import { pipeline } from 'node:stream/promises';
import type { Client } from '../../client/client.ts';
import type { CopyNotes } from '../../contract/copy-notes.ts';
import { DevctlError } from '../../contract/errors.ts';
import { reasonOf } from '../../contract/system-errors.ts';
import { formatBytes } from '../../contract/units.ts';
import type { Cli } from '../cli.ts';
import { interruptible } from '../interrupt.ts';
import { CLI_LIMITS } from '../limits.ts';
import { json } from '../output.ts';
import { clientFor, isSessionId, isWorkspaceName, needSession } from '../refs.ts';
import type { Item } from '../select.ts';
import { Steps } from '../steps.ts';
import { plural } from '../text.ts';
import { UsageError } from '../usage-error.ts';
import type { Run } from '../verb.ts';

/** One side of a copy. `ref` null is the workspace of this folder. */
export type Side = { where: 'here'; path: string } | { where: 'box'; ref: string | null; path: string } | { where: 'stream' };

/** `shop:dist`, `:dist`, `./a`, `-`. A colon after a slash belongs to a name here. */
export function readSide(text: string): Side {
  if (text === '') throw new UsageError('a path is empty');
  if (text === '-') return { where: 'stream' };
  const at = text.indexOf(':');
  if (at < 0 || text.slice(0, at).includes('/') || text.startsWith('.')) return { where: 'here', path: text };
  const ref = text.slice(0, at);
  if (ref !== '' && !isSessionId(ref) && !isWorkspaceName(ref))
    throw new UsageError(`${JSON.stringify(ref)} is not the name of a workspace`, `for a file here write ./${text}`);
  return { where: 'box', ref: ref === '' ? null : ref, path: text.slice(at + 1) || '.' };
}

/** A path in the box that a program cannot take for a flag. */
const asArgument = (path: string): string => (path.startsWith('-') ? `./${path}` : path);

async function isBoxFolder(client: Client, session: string, path: string): Promise<boolean> {
  return (await client.exitCode(session, ['test', '-d', asArgument(path)])) === 0;
}

/** Everything under a local path, with `top` as the name of the path itself; an empty one stands for what is in the folder. */
async function localItems(cli: Cli, path: string, top: string): Promise<Item[]> {
  let stats: ReturnType<typeof lstatSync>;
  try {
    stats = lstatSync(path);
  } catch (error) {
    const isMissing = (error as NodeJS.ErrnoException).code === 'ENOENT';
    throw new DevctlError('not_found', `${path} ${isMissing ? 'does not exist' : `cannot be read: ${reasonOf(error)}`}`, {
      hint: 'nothing was copied',
    });
  }
  const { selectTree } = await import('../select.ts');
  const selection = selectTree(stats.isSymbolicLink() && top === '' ? realpathSync(path) : path, top);
  for (const note of selection.notes) cli.warn(note);
  return selection.items;
}

async function upload(
  cli: Cli,
  client: Client,
  from: string | null,
  session: string,
  target: string,
): Promise<{ files: number; bytes: number }> {
  if (from === null) return client.putFiles(session, target, cli.surroundings.stdin);
  const contents = /(?:^|\/)\.\/?$/.test(from);
  const intoFolder = contents || target.endsWith('/') || (await isBoxFolder(client, session, target));
  const local = resolve(cli.surroundings.cwd(), from);
  const base = target.replace(/\/+$/, '') || '/';
  const items = await localItems(cli, local, contents ? '' : basename(intoFolder ? local : base));
  const steps = new Steps(cli);
  let sent = 0;
  const all = items.reduce((sum, item) => sum + item.bytes, 0);
  steps.doing(() => `sending ${formatBytes(sent)} of ${formatBytes(all)}`);
  const { packItems } = await import('../pack.ts');
  let failure: unknown;
  const tar = packItems(items, (bytes) => {
    sent = bytes;
  }).once('error', (error) => {
    failure = error;
  });
  try {
    const sending = client.putFiles(session, intoFolder ? base : dirname(base), tar);
    return await interruptible(cli, 'the copy was broken off: look in the box before you rely on it', sending, steps);
  } catch (error) {
    throw failure instanceof DevctlError ? failure : error;
  } finally {
    steps.stop();
  }
}

async function download(
  cli: Cli,
  client: Client,
  session: string,
  path: string,
  to: string | null,
): Promise<{ files: number; bytes: number }> {
  const contents = /(?:^|\/)\.\/?$/.test(path);
  const source = path.replace(/\/+$/, '') || '/';
  const tar = await client.getFiles(session, source);
  if (to === null) {
    const { NoteReader } = await import('../unpack.ts');
    const reader = new NoteReader();
    await pipeline(tar, reader, cli.surroundings.stdout, { end: false });
    sayLeft(cli, reader.left);
    return { files: 0, bytes: 0 };
  }
  const target = resolve(cli.surroundings.cwd(), to);
  const isFolder = existsSync(target) && statSync(target).isDirectory();
  if (to.endsWith('/') && !isFolder)
    throw new DevctlError('not_found', `the folder ${to} does not exist`, { hint: 'make it first; nothing was copied' });
  const parent = isFolder ? target : dirname(target);
  if (!existsSync(parent))
    throw new DevctlError('not_found', `the folder ${parent} does not exist`, { hint: 'make it first; nothing was copied' });
  const { Unpacker } = await import('../unpack.ts');
  const inFolder = (parts: string[]): string[] => (contents ? parts.slice(1) : parts);
  const renamed = (parts: string[]): string[] => [basename(target), ...parts.slice(1)];
  const unpacker = new Unpacker(realpathSync(parent), isFolder ? inFolder : renamed);
  const steps = new Steps(cli);
  steps.doing(() => `copying ${path}`);
  try {
    const result = await interruptible(cli, `the copy was broken off: what is in ${parent} is not all of it`, unpacker.run(tar), steps);
    steps.stop();
    warnOf(cli, result.notes, result.notes.length);
    sayLeft(cli, result.left);
    return result;
  } finally {
    steps.stop();
  }
}

function warnOf(cli: Cli, notes: string[], count: number): void {
  const shown = notes.slice(0, CLI_LIMITS.copyNotes);
  for (const note of shown) cli.warn(note);
  if (count > shown.length) cli.warn(`and ${count - shown.length} more were left out`);
}

/** @throws DevctlError source_unavailable when content is missing in the copy */
function sayLeft(cli: Cli, left: CopyNotes | null): void {
  if (left === null) return;
  warnOf(
    cli,
    left.notes.map(({ path, why }) => `${path} ${why}`),
    left.count,
  );
  if (left.lost > 0)
    throw new DevctlError('source_unavailable', `${plural(left.lost, 'file or folder', 'files or folders')} could not be copied whole`, {
      hint: 'everything else is there; see the notes above',
    });
}

export const run: Run = async (cli, { args }) => {
  const [from, to] = [readSide(args[0] as string), readSide(args[1] as string)];
  const box = from.where === 'box' ? from : to;
  if ((from.where === 'box') === (to.where === 'box') || box.where !== 'box') {
    throw new UsageError(
      'one side of a copy must be in a box, and the other one here',
      'write devctl cp ./file shop:path, or devctl cp shop:path ./file',
    );
  }
  if (to.where === 'stream' && cli.surroundings.stdout.isTTY)
    throw new UsageError('a tar stream does not go to a terminal', 'write devctl cp … - | tar x');
  const client = await clientFor(cli, box.ref ?? undefined);
  const session = await needSession(cli, client, box.ref ?? undefined);
  const local = (side: Side): string | null => (side.where === 'here' ? side.path : null);
  const result =
    from.where === 'box'
      ? await download(cli, client, session.id, from.path, local(to))
      : await upload(cli, client, local(from), session.id, box.path);
  if (cli.form === 'json' && to.where !== 'stream') cli.print(json({ files: result.files, bytes: result.bytes }));
  else cli.say(`${plural(result.files, 'file')} · ${formatBytes(result.bytes)}`);
  return undefined;
};
