import type { Readable } from 'node:stream';
import { wholeNumber } from '../numbers.ts';
import { clientFor, latestSession } from '../refs.ts';
import { UsageError } from '../usage-error.ts';
import type { Run } from '../verb.ts';

const TAIL_MAX = 10_000;

/** Passes text on as it is, colours and all: these are the words of the box, as in a terminal of it. */
async function pour(from: Readable, to: NodeJS.WriteStream): Promise<void> {
  for await (const chunk of from as AsyncIterable<Uint8Array>) {
    if (!to.write(chunk)) await new Promise((resolve) => to.once('drain', resolve));
  }
}

export const run: Run = async (cli, { args }) => {
  const tail = cli.flags.tail === undefined ? undefined : wholeNumber(cli.flags.tail, '--tail', 0, TAIL_MAX);
  const query = { follow: cli.flags.follow ? ('true' as const) : ('false' as const), ...(tail !== undefined && { tail }) };
  if (cli.flags.launcherLog && args[0] !== undefined) throw new UsageError('--launcher goes without a session');
  const client = cli.flags.launcherLog ? await cli.client() : await clientFor(cli, args[0]);
  const stop = new AbortController();
  process.once('SIGINT', () => {
    stop.abort();
    process.exit(130);
  });
  if (cli.flags.launcherLog) {
    await pour(await client.text('launcherLogs', { query, signal: stop.signal }), cli.surroundings.stdout);
    return undefined;
  }
  const session = await latestSession(cli, client, args[0]);
  await pour(await client.logs(session.id, query, stop.signal), cli.surroundings.stdout);
  return undefined;
};
