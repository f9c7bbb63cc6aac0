import type { Client, Session } from '../../client/client.ts';
import { collect } from '../../client/client.ts';
import { DevctlError } from '../../contract/errors.ts';
import { isFinal } from '../../contract/phases.ts';
import { formatDuration, parseDurationMs } from '../../contract/units.ts';
import type { Cli } from '../cli.ts';
import { each } from '../each.ts';
import { workspaceAround } from '../folders.ts';
import { interruptible } from '../interrupt.ts';
import { failureOf } from '../lease.ts';
import { json, plainRows } from '../output.ts';
import { receiptLines, snapshotText, stoppedText } from '../receipt.ts';
import { findSession, needWorkspace, workspaceName } from '../refs.ts';
import { Steps } from '../steps.ts';
import { plainText, plural } from '../text.ts';
import { UsageError } from '../usage-error.ts';
import type { Run } from '../verb.ts';

const TIMEOUT_MS = 3_600_000;

function nothing(cli: Cli, why: string): undefined {
  if (cli.form === 'json') cli.print(json([]));
  else if (cli.form === 'table') cli.print(`nothing to do: ${why}\n`);
}

/** The live session that is meant; null when there is nothing to end. */
async function meant(cli: Cli, client: Client, given: string | undefined): Promise<Session | null> {
  const session = await findSession(cli, client, given);
  if (session && isFinal(session.phase)) return null;
  if (!session && given !== undefined) await needWorkspace(client, given);
  return session;
}

async function narrate(client: Client, session: Session, steps: Steps, signal: AbortSignal): Promise<void> {
  let text = 'making it quiet';
  const start = performance.now();
  steps.doing(() => `${text} · ${Math.round((performance.now() - start) / 1000)} s`);
  try {
    const after = (await collect(client.events(session.id, { follow: false, signal }))).at(-1)?.id;
    for await (const event of client.events(session.id, { signal, ...(after !== undefined && { after }) })) text = plainText(event.message);
  } catch {
    // Only decoration: the wait itself tells what is wrong.
  }
}

/** Ends one session and waits as far as was asked. */
async function end(cli: Cli, client: Client, session: Session, steps: Steps, isAlone: boolean): Promise<Session> {
  const wait = cli.flags.wait === false ? 'quiet' : 'stopped';
  const waitMs = cli.flags.timeout === undefined ? TIMEOUT_MS : (parseDurationMs(cli.flags.timeout) as number);
  const quiet = new AbortController();
  if (cli.talks && isAlone) void narrate(client, session, steps, quiet.signal);
  try {
    return await client.call('endSession', { params: { id: session.id }, query: { wait, timeout: formatDuration(waitMs) }, waitMs });
  } finally {
    quiet.abort();
    steps.stop();
  }
}

/** Times of the steps out of the moments at which the session entered its phases. */
function showSteps(steps: Steps, before: Session, after: Session): void {
  const { quiescing, ending, saving, stopped, failed } = after.timings;
  const over = stopped ?? failed;
  if (quiescing !== undefined && ending !== undefined) steps.done('quiet', ending - quiescing, stoppedText(after));
  if (ending !== undefined && (saving ?? over) !== undefined && before.box) steps.done('box gone', ((saving ?? over) as number) - ending);
  if (saving !== undefined && over !== undefined && after.receipt?.snapshot) steps.done('snapshot', over - saving, snapshotText(after));
}

/** @param isAlone false when several are ended at once: their live lines would overwrite each other */
async function endAndTell(cli: Cli, client: Client, session: Session, isAlone: boolean): Promise<Session> {
  const steps = new Steps(cli);
  const after = await end(cli, client, session, steps, isAlone);
  if (cli.talks && isAlone) showSteps(steps, session, after);
  if (cli.form === 'table') {
    if (isFinal(after.phase)) cli.print(`${receiptLines(after).map(plainText).join('\n')}\n`);
    else cli.print(`${after.workspace} is quiet and being saved (${after.phase}): see devctl status ${after.workspace}\n`);
  }
  if (after.phase === 'failed') throw failureOf(after);
  return after;
}

/** Ends sessions at the same time. */
async function endThese(cli: Cli, client: Client, sessions: readonly Session[]): Promise<number> {
  const [only] = sessions.length === 1 ? sessions : [];
  const background = only
    ? `it goes on in the background: see devctl status ${only.workspace}`
    : 'they go on in the background: see devctl ls';
  const ending = each(cli, sessions, true, (session) => endAndTell(cli, client, session, session === only));
  const { done, code } = await interruptible(cli, background, ending);
  showData(cli, done);
  return code;
}

async function endAll(cli: Cli): Promise<number | undefined> {
  if (!cli.isRunning()) return nothing(cli, 'no launcher is running');
  const client = await cli.client();
  const sessions = (await collect(client.list('listSessions', { query: { limit: 200 } }))).filter((session) => !isFinal(session.phase));
  if (sessions.length === 0) return nothing(cli, 'no session is live');
  const names = sessions.map((session) => session.workspace).join(', ');
  if (!(await cli.confirm(`end ${plural(sessions.length, 'session')} (${plainText(names)})?`))) return 1;
  return endThese(cli, client, sessions);
}

/** Those that were named, or the workspace of this folder. */
async function endNamed(cli: Cli, names: ReadonlyArray<string | undefined>): Promise<number> {
  const found = await each(cli, names, false, async (given) => {
    if (!cli.hasLauncher())
      throw new DevctlError('not_found', `there is no workspace ${JSON.stringify(given)}`, { hint: 'make one with devctl up' });
    const session = await meant(cli, await cli.client(), given);
    if (!session && cli.form === 'table') cli.print(`nothing to do: ${given ?? workspaceName(cli, given)} has no live session\n`);
    return session;
  });
  const sessions = new Map(found.done.flatMap((session) => (session ? [[session.id, session] as const] : [])));
  if (sessions.size > 0) return Math.max(found.code, await endThese(cli, await cli.client(), [...sessions.values()]));
  if (found.code === 0) showData(cli, []);
  return found.code;
}

function showData(cli: Cli, sessions: readonly Session[]): void {
  if (cli.form === 'json') cli.print(json(sessions));
  if (cli.form === 'plain')
    cli.print(plainRows(sessions.map((session) => [session.workspace, session.phase, session.receipt?.snapshot ?? ''])));
}

export const run: Run = async (cli, { args }) => {
  if (cli.flags.timeout !== undefined) {
    const [{ check }, { downQuerySchema }] = await Promise.all([import('../validate.ts'), import('../../contract/api.ts')]);
    check(downQuerySchema, { timeout: cli.flags.timeout }, { timeout: '--timeout' });
  }
  const names = [...new Set(args)];
  if (cli.flags.downAll) {
    if (names.length > 0) throw new UsageError('--all and a name cannot be given together');
    return endAll(cli);
  }
  if (names.length > 0) return endNamed(cli, names);
  if (!workspaceAround(cli.home, cli.target.name, cli.surroundings.cwd())) return nothing(cli, 'this folder has no workspace');
  if (!cli.hasLauncher()) return nothing(cli, 'no launcher is running and there is no state');
  return endNamed(cli, [undefined]);
};
