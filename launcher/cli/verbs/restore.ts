import { DevctlError, isDevctlError } from '../../contract/errors.ts';
import { snapshotIdSchema } from '../../contract/fields.ts';
import { json, plainRows } from '../output.ts';
import { clientFor, withWorkspace, workspaceName } from '../refs.ts';
import { check } from '../validate.ts';
import type { Run } from '../verb.ts';

export const run: Run = async (cli, { args }) => {
  const snapshot = args.at(-1) as string;
  const given = args.length === 2 ? args[0] : undefined;
  check(snapshotIdSchema, snapshot, { '': 'the snapshot' });
  const name = workspaceName(cli, given);
  const client = await clientFor(cli, name);
  const workspace = await withWorkspace(client, name, () =>
    client.call('restoreWorkspace', { params: { name }, body: { snapshot, force: cli.flags.restoreForce === true } }),
  ).catch((error: unknown) => {
    if (!isDevctlError(error, 'workspace_in_use')) throw error;
    throw new DevctlError('workspace_in_use', error.detail, {
      ...error.extra,
      hint: `end it first with devctl down ${name}; that makes a snapshot, too`,
    });
  });
  if (cli.form === 'json') cli.print(json(workspace));
  else if (cli.form === 'plain') cli.print(plainRows([[workspace.name, workspace.head ?? '']]));
  else cli.print(`workspace ${workspace.name} begins with ${snapshot} at the next devctl up; newer snapshots are kept\n`);
  return undefined;
};
