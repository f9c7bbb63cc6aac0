import type { SessionEvent } from '../../contract/records.ts';
import { clientFor, latestSession } from '../refs.ts';
import { plainText } from '../text.ts';
import type { Run } from '../verb.ts';

/** One line of an event: the time here, the kind, the words. */
export function eventLine(event: SessionEvent): string {
  const at = new Date(event.atMs);
  const time = [at.getHours(), at.getMinutes(), at.getSeconds()].map((part) => String(part).padStart(2, '0')).join(':');
  return `${time}  ${plainText(event.type).padEnd(22)} ${plainText(event.message)}\n`;
}

export const run: Run = async (cli, { args }) => {
  const client = await clientFor(cli, args[0]);
  const session = await latestSession(cli, client, args[0]);
  const stop = new AbortController();
  process.once('SIGINT', () => {
    stop.abort();
    process.exit(130);
  });
  for await (const event of client.events(session.id, { follow: cli.flags.follow === true, signal: stop.signal })) {
    if (cli.form === 'json') cli.print(`${JSON.stringify(event)}\n`);
    else if (cli.form === 'plain')
      cli.print(`${event.id}\t${new Date(event.atMs).toISOString()}\t${plainText(event.type)}\t${plainText(event.message)}\n`);
    else cli.print(eventLine(event));
  }
  return undefined;
};
