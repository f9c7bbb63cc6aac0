import type { RecoverResult } from '../../contract/api.ts';
import type { Cli } from '../cli.ts';
import { json, plainRows, table } from '../output.ts';
import { plainText, plural } from '../text.ts';
import { UsageError } from '../usage-error.ts';
import type { Run } from '../verb.ts';

function showPlan(cli: Cli, { workspaces, left }: RecoverResult): void {
  const rows = workspaces.map(({ owner, name, head, disk, session, quarantined }) => [
    owner,
    name,
    head ?? '–',
    disk ?? '–',
    session ?? '–',
    quarantined === null ? '' : `quarantined: ${quarantined}`,
  ]);
  if (rows.length > 0) cli.print(table(['OWNER', 'WORKSPACE', 'HEAD', 'DISK', 'SESSION', ''], rows, cli.out));
  // Tags hold nothing of it, so nobody can say whether there was any.
  for (const { name, session } of workspaces)
    if (session !== null)
      cli.warn(
        `session ${session} comes back without secrets, a list of hosts (--egress) and --aws: if it had any, devctl down ${name}, and devctl up with them`,
      );
  for (const { kind, id, reason } of left) cli.warn(`${kind} ${id} is left as it is: ${reason}`);
}

function summary({ workspaces, snapshots, dryRun, recordsMissing, complete }: RecoverResult): string {
  const what = `${plural(workspaces.length, 'workspace')} and ${plural(snapshots, 'snapshot')}`;
  if (!complete) return `${what} seen, but the list was not whole: nothing was done, repeat it`;
  if (dryRun) return `${what} would be brought back`;
  return `${what} brought back${recordsMissing ? '; what is left keeps the reaper from deleting anything' : ''}`;
}

export const run: Run = async (cli) => {
  if (!cli.flags.fromTags) throw new UsageError('what to recover from is not said', 'write devctl recover --from-tags');
  const client = await cli.client();
  let result = await client.call('recover', { body: { dryRun: true } });
  if (cli.form === 'table') showPlan(cli, result);
  const isMore = result.workspaces.length + result.snapshots > 0 || result.recordsMissing;
  if (!cli.flags.dryRun && isMore && result.complete) {
    const question = `bring back ${plural(result.workspaces.length, 'workspace')} and ${plural(result.snapshots, 'snapshot')}?`;
    if (!(await cli.confirm(question))) return 1;
    result = await client.call('recover', { body: { dryRun: false } });
  }
  if (cli.form === 'json') cli.print(json(result));
  else if (cli.form === 'plain')
    cli.print(
      plainRows(result.workspaces.map(({ owner, name, head, disk, session }) => [owner, name, head ?? '', disk ?? '', session ?? ''])),
    );
  else cli.print(`${plainText(summary(result))}\n`);
  return result.complete ? undefined : 1;
};
