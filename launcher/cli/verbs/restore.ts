import { snapshotIdSchema } from '../../contract/fields.ts';
import { json, plainRows } from '../output.ts';
import { workspaceName } from '../refs.ts';
import { UsageError } from '../usage-error.ts';
import { check } from '../validate.ts';
import type { Run } from '../verb.ts';

export const run: Run = async (cli, { args }) => {
  const [given, snapshot] = args.length === 2 ? args : [undefined, args[0]];
  if (snapshot === undefined) throw new UsageError('which snapshot?', 'devctl restore [WORKSPACE] SNAPSHOT; see devctl snapshots');
  check(snapshotIdSchema, snapshot, { '': 'the snapshot' });
  const name = workspaceName(cli, given);
  const client = await cli.client();
  const workspace = await client.call('restoreWorkspace', { params: { name }, body: { snapshot, force: cli.flags.restoreForce === true } });
  if (cli.form === 'json') cli.print(json(workspace));
  else if (cli.form === 'plain') cli.print(plainRows([[workspace.name, workspace.head ?? '']]));
  else cli.print(`workspace ${workspace.name} begins with ${snapshot} at the next devctl up; newer snapshots are kept\n`);
  return undefined;
};
