import { existsSync, realpathSync } from 'node:fs';
import { join } from 'node:path';
import type { Client, Session } from '../../client/client.ts';
import type { CreateSessionInput } from '../../contract/api.ts';
import { isDevctlError } from '../../contract/errors.ts';
import { formatBytes, parseDurationMs } from '../../contract/units.ts';
import type { Cli } from '../cli.ts';
import { recall, remember, workspaceAround, workspaceOf } from '../folders.ts';
import { interruptible } from '../interrupt.ts';
import { type Deadline, deadlineIn, failureOf, lease, waitReady } from '../lease.ts';
import { json, plainRows } from '../output.ts';
import { findWorkspace } from '../refs.ts';
import type { Selection } from '../select.ts';
import { type Plan, plan, readSource, type SourceWord } from '../source.ts';
import { Steps } from '../steps.ts';
import { plural, span } from '../text.ts';
import type { Run } from '../verb.ts';
import { WISH_FLAGS, wishOf } from '../wish.ts';

/** How long an upload may wait for its box. */
const EARLY_MS = 120_000;
/** How an upload fails that came too early, or whose launcher was started again. */
const TOO_EARLY: ReadonlySet<string> = new Set(['timeout', 'wrong_phase', 'unavailable', 'box_unreachable']);

/** Flags whose words are the person's own: others have been looked at by the table of flags. */
const FREE_FLAGS = ['name', 'type', 'secret', 'idle', 'max', 'timeout', 'ref'] as const;

/** The request as the flags say it, looked at before anything is started. */
async function request(cli: Cli, word: SourceWord): Promise<Omit<CreateSessionInput, 'workspace' | 'source'>> {
  const { flags } = cli;
  const body = {
    ...wishOf(flags),
    ...(flags.allowSetup !== undefined && { allowSetup: flags.allowSetup }),
  };
  if (word.kind === 'git' || FREE_FLAGS.some((flag) => flags[flag] !== undefined)) {
    // The schemas take longer to load than the rest of this command.
    const { checkUp } = await import('../up-check.ts');
    const source = word.kind === 'git' && { kind: 'git' as const, url: word.url, ...(flags.ref !== undefined && { ref: flags.ref }) };
    checkUp(flags, { ...body, ...(source && { source }) });
  }
  return body;
}

/** The files of the folder, if they may be needed. Read before a box is leased: what cannot be read is told first. */
async function selection(cli: Cli, chosen: Plan, begun: Promise<Selection> | null): Promise<Selection | null> {
  const { folder, workspace } = chosen;
  if (folder === null || cli.flags.import === false || workspace?.content === 'present') return null;
  if (workspace && workspace.source.kind !== 'upload') return null;
  if (!existsSync(folder)) return null;
  return begun ?? select(cli, folder);
}

const select = async (cli: Cli, folder: string): Promise<Selection> => (await import('../select.ts')).selectFiles(folder, cli.home.dir);

/** In a repository that has no workspace yet git is asked for the files while the launcher is asked for its name. */
function beginSelection(cli: Cli, word: SourceWord): Promise<Selection> | null {
  if (word.kind !== 'folder' || cli.flags.import === false || !existsSync(join(word.folder, '.git'))) return null;
  const folder = realpathSync(word.folder);
  if (workspaceOf(cli.home, cli.target.name, folder) !== null) return null;
  const begun = select(cli, folder);
  begun.catch(() => undefined);
  return begun;
}

function introduce(cli: Cli, chosen: Plan, files: Selection | null): void {
  const { name, workspace, folder, source } = chosen;
  const head = `workspace ${cli.err.bold(name)}`;
  if (workspace?.head) {
    const age = workspace.headAt === null ? '' : ` · ${span(Date.now() - Date.parse(workspace.headAt))} ago`;
    cli.say(`${head}  head ${workspace.head}${age}${workspace.bytes === null ? '' : ` · ${formatBytes(workspace.bytes)}`}`);
  } else if (files && folder) {
    const counted = [plural(files.files, 'file'), files.branches === null ? '' : plural(files.branches, 'branch', 'branches')]
      .filter(Boolean)
      .join(', ');
    cli.say(`${head}  new, from ${cli.tilde(folder)} (${counted})`);
  } else cli.say(`${head}${source?.kind === 'git' && !workspace ? `  new, a clone of ${source.url}` : ''}`);
}

/** A folder on its way into the box. `bytes`: what went in; null when another command was quicker, whose files then count. */
interface Import {
  sent: number;
  bytes: Promise<number | null>;
}

/** Sends the folder in: at once, or with `waitMs` as soon as there is a box. */
function startImport(client: Client, session: Session, files: Selection, options: { waitMs?: number } = {}): Import {
  const started: Import = { sent: 0, bytes: send() };
  return started;

  async function send(): Promise<number | null> {
    const { packItems } = await import('../pack.ts');
    const tar = packItems(files.items, (bytes) => {
      started.sent = bytes;
    });
    let failure: unknown;
    tar.once('error', (error) => {
      failure = error;
    });
    try {
      return (await client.importSource(session.id, tar, options)).bytes;
    } catch (error) {
      if (isDevctlError(error, 'workspace_not_empty')) return null;
      throw isDevctlError(failure) ? failure : error;
    }
  }
}

/** The folder is in. What was sent before there was a box may have been refused or cut off for that: then it is sent again. */
async function finishImport(client: Client, session: Session, files: Selection, early: Import, steps: Steps): Promise<void> {
  const start = performance.now();
  let current = early;
  steps.doing(() => `sending ${formatBytes(current.sent)} of ${formatBytes(files.bytes)}`);
  const bytes = await early.bytes.catch((error: unknown) => {
    if (!isDevctlError(error) || !TOO_EARLY.has(error.code)) throw error;
    current = startImport(client, session, files);
    return current.bytes;
  });
  if (bytes !== null) steps.done('workspace in', performance.now() - start, formatBytes(bytes));
}

function setupNote(cli: Cli, chosen: Plan): void {
  const { folder, name, workspace } = chosen;
  if (folder === null || cli.flags.allowSetup !== undefined || typeof workspace?.setupAllowed === 'boolean') return;
  if (existsSync(join(folder, '.devctl', 'setup.sh')))
    cli.warn(`.devctl/setup.sh was not run: allow it with devctl workspace allow-setup ${name} (with --forbid: never)`);
}

const BUDGET_WORDS = {
  near: 'a budget of this month is nearly spent: once it is, no new session is leased; see devctl cost',
  spent: 'a budget of this month is spent: no new session is leased, this one goes on; see devctl cost',
};

/** What a person wants to know at the end, and what to do next. */
function conclude(cli: Cli, session: Session): void {
  if (cli.form !== 'table') {
    cli.print(cli.form === 'json' ? json(session) : plainRows([[session.id, session.workspace, session.phase]]));
    return;
  }
  const { idleTtlMs, hardEndsAt } = session.lease;
  cli.print(
    `session ${session.id} is ${session.phase} · ${session.persistent ? 'is parked' : 'stops'} after ${span(idleTtlMs)} idle (${span(Date.parse(hardEndsAt) - Date.now())} at most)\n`,
  );
  if (!cli.talks) return;
  const here = cli.surroundings.cwd();
  const name = session.workspace;
  cli.say('');
  for (const [verb, meaning] of [
    [`devctl shell ${name}`, 'a terminal in it'],
    [`devctl exec ${name} npm test`, 'run a command'],
    ...(session.persistent ? [[`devctl park ${name}`, 'stop its box and keep it'] as const] : []),
    [`devctl down ${name}`, 'snapshot it and let it go'],
  ] as const) {
    cli.say(`  ${shortFor(cli, verb, name, here).padEnd(28)}${cli.err.dim(meaning)}`);
  }
}

/** Verbs need no name in the folder of the workspace. */
function shortFor(cli: Cli, command: string, name: string, here: string): string {
  if (workspaceAround(cli.home, cli.target.name, here)?.name !== name) return command;
  return command.includes(' exec ') ? command.replace(` ${name} `, ' -- ') : command.replace(` ${name}`, '');
}

async function bringUp(
  cli: Cli,
  client: Client,
  body: CreateSessionInput,
  chosen: Plan,
  files: Selection | null,
  deadline: Deadline,
  steps: Steps,
): Promise<{ session: Session; oldFailure: Session['failure'] }> {
  const start = performance.now();
  try {
    const { session, isNew, isWoken } = await lease(client, body, deadline, steps);
    const oldFailure = session.failure;
    if (isNew) steps.done('leased', performance.now() - start);
    else if (WISH_FLAGS.some((flag) => cli.given.has(flag)))
      cli.warn(`${chosen.name} has a live session already: its machine, times, network and secrets stay as they are until devctl down`);
    if (cli.flags.wait === false || cli.flags.detach) return { session, oldFailure };
    const early = files && session.content === 'empty' ? startImport(client, session, files, { waitMs: EARLY_MS }) : null;
    early?.bytes.catch(() => undefined);
    const ready = await waitReady(client, session, deadline, steps, { talks: cli.talks });
    if (isNew || isWoken) launchedSteps(steps, ready, isWoken === true);
    if (early && files) await finishImport(client, ready, files, early, steps);
    else if (ready.content === 'empty' && chosen.folder !== null && cli.flags.import !== false)
      cli.warn(`the workspace is empty, and ${chosen.folder} cannot be sent in`);
    steps.done('ready', performance.now() - start, isNew ? '' : isWoken ? 'it was parked' : 'it was there already');
    return { session: ready, oldFailure };
  } finally {
    steps.stop();
  }
}

function launchedSteps(steps: Steps, session: Session, isWoken: boolean): void {
  const { launching = 0, bootstrapping = 0, ready = 0 } = session.timings;
  const from = session.generation > 1 ? `gen ${session.generation} · ` : '';
  steps.done('box launched', bootstrapping - launching, `${from}${session.box?.description ?? ''}`);
  const source = isWoken ? 'its disk was kept' : session.head === null ? '' : `from ${session.head}`;
  if (session.content === 'present') steps.done('workspace in', ready - bootstrapping, source);
}

export const run: Run = async (cli, { args }) => {
  const word = readSource(args[0], cli.surroundings.cwd(), cli.env['HOME']);
  const settings = await request(cli, word);
  const begun = beginSelection(cli, word);
  const client = await cli.client();
  const chosen = await plan(cli, client, word);
  if (chosen.workspace === undefined && (cli.talks || chosen.folder !== null)) chosen.workspace = await findWorkspace(client, chosen.name);
  const files = await selection(cli, chosen, begun);
  for (const note of files?.notes ?? []) cli.warn(note);
  if (files?.files === 0) cli.warn(`${chosen.folder} has no files: the workspace begins empty`);
  introduce(cli, chosen, files);
  const before = chosen.folder === null ? null : workspaceOf(cli.home, cli.target.name, chosen.folder);
  if (chosen.folder !== null) remember(cli.home, cli.target.name, chosen.folder, chosen.name);
  const body = { workspace: chosen.name, ...settings, ...(chosen.source && { source: chosen.source }) };
  const timeoutMs = cli.flags.timeout === undefined ? 600_000 : (parseDurationMs(cli.flags.timeout) as number);
  let session: Session;
  let oldFailure: Session['failure'];
  try {
    // Ctrl-C leaves the session alone: the next `up` takes it up again.
    const background = `workspace ${chosen.name} goes on coming up in the background; devctl up takes it up again, devctl down ends it`;
    const steps = new Steps(cli);
    const bringing = bringUp(cli, client, body, chosen, files, deadlineIn(timeoutMs), steps);
    ({ session, oldFailure } = await interruptible(cli, background, bringing, steps));
  } catch (error) {
    // A refused lease may have made no workspace: then the folder must not be taken for one that has it.
    if (chosen.folder !== null && (await findWorkspace(client, chosen.name).catch(() => undefined)) === null)
      recall(cli.home, cli.target.name, chosen.folder, before);
    throw error;
  }
  if (files) setupNote(cli, chosen);
  if (session.budget !== null) cli.warn(BUDGET_WORDS[session.budget]);
  conclude(cli, session);
  if (session.phase !== 'ready' || !session.failure) return undefined;
  // What failed before this command (a setup script, a snapshot) was told then: the box that is wanted is there.
  if (session.failure.code !== oldFailure?.code || session.failure.detail !== oldFailure.detail) throw failureOf(session);
  cli.warn(`something failed earlier: ${session.failure.detail}`);
  return undefined;
};
