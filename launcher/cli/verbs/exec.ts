import type { Client } from '../../client/client.ts';
import { DevctlError, isDevctlError } from '../../contract/errors.ts';
import { runAttached } from '../attached.ts';
import type { Cli } from '../cli.ts';
import { execStart } from '../exec-start.ts';
import { clientFor, isSessionId, needSession } from '../refs.ts';
import { UsageError } from '../usage-error.ts';
import type { Run } from '../verb.ts';

/** What is taken for the name of a box may be the command: then `--` was forgotten. */
function withDashes(given: string, rest: readonly string[]): string {
  const words = [given, ...rest].map((word) => (/^[\w./:=@%+,-]+$/.test(word) ? word : JSON.stringify(word)));
  return `for a command in the box of this folder write devctl exec -- ${words.join(' ')}`;
}

async function boxOf(cli: Cli, given: string | undefined, rest: readonly string[]): Promise<{ client: Client; session: string }> {
  try {
    const client = await clientFor(cli, given);
    if (given !== undefined && isSessionId(given)) return { client, session: given };
    client.prepareAttach();
    return { client, session: (await needSession(cli, client, given)).id };
  } catch (error) {
    if (given === undefined) throw error;
    if (error instanceof UsageError) throw new UsageError(error.message, withDashes(given, rest));
    const isUnknown = isDevctlError(error, 'not_found') && error.detail.startsWith('there is no workspace');
    throw isUnknown ? new DevctlError('not_found', error.detail, { hint: `${error.extra.hint}; ${withDashes(given, rest)}` }) : error;
  }
}

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
  const { client, session } = await boxOf(cli, given, rest);
  const stream = await client.attach(session);
  return runAttached({ stream, start, stdin: cli.flags.stdin === false ? null : stdin, stdout, stderr });
};
