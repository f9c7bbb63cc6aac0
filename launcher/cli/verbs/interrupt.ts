import type { Client, Session } from '../../client/client.ts';
import { interruptSchema } from '../../contract/api.ts';
import { DevctlError } from '../../contract/errors.ts';
import { isFinal } from '../../contract/phases.ts';
import { formatDuration, parseDurationMs } from '../../contract/units.ts';
import { failureOf } from '../lease.ts';
import { json, plainRows } from '../output.ts';
import { clientFor, needSession } from '../refs.ts';
import { Steps } from '../steps.ts';
import { plainText } from '../text.ts';
import { check } from '../validate.ts';
import type { Run } from '../verb.ts';

const TIMEOUT_MS = 600_000;

/** Follows what happens until the session is ready in a later generation, or over. */
async function backAgain(client: Client, session: Session, steps: Steps, signal: AbortSignal): Promise<Session> {
  let text = 'taking the box away';
  const start = performance.now();
  steps.doing(() => `${text} · ${Math.round((performance.now() - start) / 1000)} s`);
  for await (const event of client.events(session.id, { signal })) {
    text = plainText(event.message);
    const isBack = event.type === 'session.ready' && Number(event.data?.['generation']) > session.generation;
    if (isBack) break;
  }
  return client.call('getSession', { params: { id: session.id } });
}

export const run: Run = async (cli, { args }) => {
  const body = { in: cli.flags.interruptIn ?? '2m' };
  check(interruptSchema, body, { in: '--in' });
  const timeoutMs = cli.flags.timeout === undefined ? TIMEOUT_MS : (parseDurationMs(cli.flags.timeout) ?? TIMEOUT_MS);
  const client = await clientFor(cli, args[0]);
  const before = await needSession(cli, client, args[0]);
  const asked = await client.call('interruptSession', { params: { id: before.id }, body });
  if (before.phase === 'rescuing') cli.warn('its box is being taken away already: this waits with it');
  let after = asked;
  if (cli.flags.wait !== false) {
    const steps = new Steps(cli);
    const start = performance.now();
    const late = AbortSignal.timeout(timeoutMs);
    try {
      after = await backAgain(client, before, steps, late);
    } catch (error) {
      if (!late.aborted) throw error;
      const detail = `session ${before.id} was not back after ${formatDuration(timeoutMs)}`;
      throw new DevctlError('timeout', detail, { hint: 'it goes on in the background: see devctl events', sessionId: before.id });
    } finally {
      steps.stop();
    }
    if (isFinal(after.phase)) throw failureOf(after);
    steps.done('back', performance.now() - start, `gen ${after.generation} · ${plainText(after.box?.description ?? '')}`);
  }
  if (cli.form === 'json') cli.print(json(after));
  else if (cli.form === 'plain') cli.print(plainRows([[after.workspace, after.phase, String(after.generation)]]));
  else if (cli.flags.wait === false) cli.print(`the box of ${after.workspace} is taken away: see devctl events ${after.workspace} -f\n`);
  else cli.print(`${after.workspace} goes on in generation ${after.generation}\n`);
  return undefined;
};
