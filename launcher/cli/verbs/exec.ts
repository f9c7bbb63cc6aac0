import { runAttached } from '../attached.ts';
import { execStart } from '../exec-start.ts';
import { clientFor, isSessionId, needSession } from '../refs.ts';
import { UsageError } from '../usage-error.ts';
import type { Run } from '../verb.ts';

export const run: Run = async (cli, { args, rest }) => {
  const [given] = args;
  const { stdin, stdout, stderr } = cli.surroundings;
  if (!rest || rest.length === 0) {
    const advice =
      given === undefined
        ? 'write devctl exec -- COMMAND'
        : `write devctl exec ${given} COMMAND, or devctl exec -- ${given} for the box of this folder`;
    throw new UsageError('there is no command', advice);
  }
  if (rest[0] === '') throw new UsageError('the command is empty');
  if (cli.flags.tty && !stdin.isTTY)
    throw new UsageError('--tty needs a terminal on standard input', 'leave -t out: pipes work without it');
  const start = execStart(cli, rest, cli.flags.tty === true);
  const client = await clientFor(cli, given);
  const session = given !== undefined && isSessionId(given) ? given : (await needSession(cli, client, given)).id;
  const stream = await client.attach(session);
  return runAttached({ stream, start, stdin: cli.flags.stdin === false ? null : stdin, stdout, stderr });
};
