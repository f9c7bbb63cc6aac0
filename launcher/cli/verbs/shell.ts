import { runAttached } from '../attached.ts';
import { execStart } from '../exec-start.ts';
import { clientFor, needSession } from '../refs.ts';
import { UsageError } from '../usage-error.ts';
import type { Run } from '../verb.ts';

export const run: Run = async (cli, { args }) => {
  const { stdin, stdout, stderr } = cli.surroundings;
  if (!stdin.isTTY) throw new UsageError('devctl shell needs a terminal on standard input', 'for pipes and scripts there is devctl exec');
  const start = execStart(cli, [], true);
  const client = await clientFor(cli, args[0]);
  const session = await needSession(cli, client, args[0]);
  const stream = await client.attach(session.id);
  return runAttached({ stream, start, stdin, stdout, stderr });
};
