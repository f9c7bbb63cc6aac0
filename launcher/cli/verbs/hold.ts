import { createHoldSchema } from '../../contract/api.ts';
import { holdNameSchema } from '../../contract/fields.ts';
import type { Cli } from '../cli.ts';
import { clientFor, findWorkspace, isSessionId, isWorkspaceName, needSession } from '../refs.ts';
import { clockTime } from '../text.ts';
import { UsageError } from '../usage-error.ts';
import { check } from '../validate.ts';
import type { Run } from '../verb.ts';

/** One word is the name of a hold, unless it is a session or a workspace: then the hold has still to be named. */
async function readWords(cli: Cli, args: readonly string[]): Promise<{ ref: string | undefined; name: string | undefined }> {
  const [first, second] = args;
  if (first === undefined || second !== undefined) return { ref: first, name: second };
  if (isSessionId(first)) return { ref: first, name: undefined };
  const isWorkspace = isWorkspaceName(first) && cli.hasLauncher() && (await findWorkspace(await cli.client(), first)) !== null;
  return isWorkspace ? { ref: first, name: undefined } : { ref: undefined, name: first };
}

export const run: Run = async (cli, { args, given }) => {
  if (cli.flags.for !== undefined) check(createHoldSchema, { name: 'x', for: cli.flags.for }, { for: '--for' });
  const { ref, name } = await readWords(cli, args);
  if (name === undefined) {
    if (given.has('for') || given.has('release'))
      throw new UsageError('which hold? Give it a name', `devctl hold ${ref === undefined ? '' : `${ref} `}build --for 2h`);
    return listHolds(cli, ref);
  }
  check(holdNameSchema, name, { '': 'the name of the hold' });
  const body = { name, for: cli.flags.for ?? '2h' };
  const client = await clientFor(cli, ref);
  const session = await needSession(cli, client, ref);
  if (cli.flags.release) {
    await client.call('deleteHold', { params: { id: session.id, hold: name } });
    cli.print(cli.form === 'json' ? '{}\n' : `hold ${name} of ${session.workspace} is released\n`);
    return undefined;
  }
  const hold = await client.call('createHold', { params: { id: session.id }, body });
  cli.print(
    cli.form === 'json'
      ? `${JSON.stringify(hold)}\n`
      : `hold ${hold.name} keeps ${session.workspace} until ${clockTime(new Date(hold.until), new Date())}\n`,
  );
  return undefined;
};

const listHolds = async (cli: Cli, ref: string | undefined): Promise<undefined> => {
  const session = await needSession(cli, await clientFor(cli, ref), ref);
  cli.show({
    json: session.lease.holds,
    header: ['HOLD', 'UNTIL'],
    rows: session.lease.holds.map((hold) => [hold.name, clockTime(new Date(hold.until), new Date())]),
    plain: session.lease.holds.map((hold) => [hold.name, hold.until]),
    none: `nothing holds ${session.workspace}`,
  });
  return undefined;
};
