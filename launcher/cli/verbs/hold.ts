import { createHoldSchema } from '../../contract/api.ts';
import { holdNameSchema } from '../../contract/fields.ts';
import { clientFor, needSession } from '../refs.ts';
import { clockTime } from '../text.ts';
import { UsageError } from '../usage-error.ts';
import { check } from '../validate.ts';
import type { Run } from '../verb.ts';

export const run: Run = async (cli, { args, given }) => {
  const [ref, name] = args.length === 2 ? args : [undefined, args[0]];
  if (name === undefined) {
    if (given.has('for') || given.has('release')) throw new UsageError('which hold? Give it a name', 'devctl hold build --for 2h');
    return listHolds(cli, ref);
  }
  check(holdNameSchema, name, { '': 'the name of the hold' });
  const body = { name, for: cli.flags.for ?? '2h' };
  check(createHoldSchema, body, { for: '--for', name: 'the name of the hold' });
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

const listHolds = async (cli: Parameters<Run>[0], ref: string | undefined): Promise<undefined> => {
  const session = await needSession(cli, await clientFor(cli, ref), ref);
  cli.show({
    json: session.lease.holds,
    header: ['HOLD', 'UNTIL'],
    rows: session.lease.holds.map((hold) => [hold.name, cli.form === 'plain' ? hold.until : clockTime(new Date(hold.until), new Date())]),
    none: `nothing holds ${session.workspace}`,
  });
  return undefined;
};
