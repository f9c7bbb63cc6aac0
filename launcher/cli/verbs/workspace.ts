import { collect } from '../../client/client.ts';
import { updateWorkspaceSchema } from '../../contract/api.ts';
import { formatBytes } from '../../contract/units.ts';
import { each } from '../each.ts';
import { forgetWorkspace, knownFolders } from '../folders.ts';
import { wholeNumber } from '../numbers.ts';
import { json, pairs, plainRows } from '../output.ts';
import { clientFor, needWorkspace, withWorkspace, workspaceName } from '../refs.ts';
import { Exit } from '../report.ts';
import { plural, span } from '../text.ts';
import { check } from '../validate.ts';
import type { Run } from '../verb.ts';
import { workspacePairs } from './status.ts';

export const list: Run = async (cli) => {
  const workspaces = cli.hasLauncher() ? await collect((await cli.client()).list('listWorkspaces', { query: { limit: 200 } })) : [];
  const folders = new Map(knownFolders(cli.home, cli.target.name).map(({ name, folder }) => [name, folder]));
  const now = Date.now();
  cli.show({
    json: workspaces,
    header: ['WORKSPACE', 'HEAD', 'SAVED', 'SIZE', 'SESSION', 'FROM', ''],
    rows: workspaces.map((workspace) => [
      workspace.name,
      workspace.head ?? '–',
      workspace.headAt === null ? '–' : `${span(now - Date.parse(workspace.headAt))} ago`,
      workspace.bytes === null ? '–' : formatBytes(workspace.bytes),
      workspace.session ?? '–',
      folders.get(workspace.name) ?? workspace.source.from ?? workspace.source.kind,
      workspace.quarantined ? 'damaged' : workspace.unsaved ? 'unsaved work' : '',
    ]),
    plain: workspaces.map(({ name, head, headAt, bytes, session, source, quarantined, unsaved }) => [
      name,
      head,
      headAt,
      bytes,
      session,
      folders.get(name) ?? source.from ?? source.kind,
      quarantined ? 'damaged' : unsaved ? 'unsaved' : 'saved',
    ]),
    none: 'no workspace yet · devctl up makes one of this folder',
  });
  return undefined;
};

export const show: Run = async (cli, { args }) => {
  const name = workspaceName(cli, args[0]);
  const client = await clientFor(cli, name);
  const workspace = await needWorkspace(client, name);
  if (cli.form === 'json') cli.print(json(workspace));
  else if (cli.form === 'plain') cli.print(plainRows([[workspace.name, workspace.id, workspace.head ?? '', workspace.session ?? '']]));
  else cli.print(pairs(workspacePairs(workspace, new Date()), cli.out));
  return undefined;
};

export const remove: Run = async (cli, { args }) => {
  const names = [...new Set(args.map((name) => workspaceName(cli, name)))];
  const { done, code } = await each(cli, names, false, async (name) => {
    const client = await clientFor(cli, name);
    const workspace = await needWorkspace(client, name);
    const what = workspace.bytes === null ? '' : ` (${formatBytes(workspace.bytes)})`;
    if (!(await cli.confirm(`delete workspace ${name}${what} with all of its snapshots?`))) throw new Exit(1);
    await client.call('deleteWorkspace', { params: { name }, query: { force: cli.flags.force ? 'true' : 'false' } });
    forgetWorkspace(cli.home, cli.target.name, name);
    if (cli.form !== 'json') cli.print(`workspace ${name} is deleted\n`);
    return { deleted: name };
  });
  if (cli.form === 'json') cli.print(json(done));
  return code;
};

const RETENTION_FLAGS = { 'retention.keepLast': '--keep-last', 'retention.keepDaily': '--keep-daily' };

export const retention: Run = async (cli, { args }) => {
  const name = workspaceName(cli, args[0]);
  const { keepLast, keepDaily } = cli.flags;
  const change = {
    ...(keepLast !== undefined && { keepLast: wholeNumber(keepLast, '--keep-last', 1, 1000) }),
    ...(keepDaily !== undefined && { keepDaily: wholeNumber(keepDaily, '--keep-daily', 0, 366) }),
  };
  check(updateWorkspaceSchema, { retention: change }, RETENTION_FLAGS);
  const client = await clientFor(cli, name);
  let workspace = await needWorkspace(client, name);
  const { retention: before } = workspace;
  const isLess = (change.keepLast ?? before.keepLast) < before.keepLast || (change.keepDaily ?? before.keepDaily) < before.keepDaily;
  if (isLess && !(await cli.confirm(`keep fewer snapshots of workspace ${name}, and delete the others?`))) return 1;
  if (Object.keys(change).length > 0) workspace = await client.call('updateWorkspace', { params: { name }, body: { retention: change } });
  const { retention: now } = workspace;
  if (cli.form === 'json') cli.print(json(now));
  else if (cli.form === 'plain') cli.print(plainRows([[String(now.keepLast), String(now.keepDaily)]]));
  else cli.print(`workspace ${name} keeps its newest ${now.keepLast} snapshots, and the newest of each of ${now.keepDaily} days\n`);
  return undefined;
};

export const prune: Run = async (cli, { args }) => {
  const name = workspaceName(cli, args[0]);
  const client = await clientFor(cli, name);
  const dryRun = cli.flags.dryRun === true;
  const result = await withWorkspace(client, name, () => client.call('pruneSnapshots', { params: { name }, body: { dryRun } }));
  if (cli.form === 'json') cli.print(json({ ...result, dryRun }));
  else if (cli.form === 'plain') cli.print(plainRows(result.removed.map((id) => [id])));
  else {
    const removed =
      result.removed.length === 0
        ? 'nothing to remove'
        : `${plural(result.removed.length, 'snapshot')} ${dryRun ? 'would be removed' : 'removed'}: ${result.removed.join(', ')}`;
    cli.print(`${removed} · ${result.kept} kept\n`);
  }
  return undefined;
};

export const allowSetup: Run = async (cli, { args }) => {
  const name = workspaceName(cli, args[0]);
  const client = await clientFor(cli, name);
  const setupAllowed = cli.flags.forbid !== true;
  const workspace = await withWorkspace(client, name, () => client.call('updateWorkspace', { params: { name }, body: { setupAllowed } }));
  if (cli.form === 'json') cli.print(json(workspace));
  else cli.print(`.devctl/setup.sh of ${name} ${setupAllowed ? 'may run in its boxes, from the next devctl up on' : 'may not run'}\n`);
  return undefined;
};
