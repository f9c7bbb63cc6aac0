import type { Client, Session, Workspace } from '../../client/client.ts';
import { type CreateSessionInput, createSessionSchema, FORK_COUNT_MAX, forkSchema } from '../../contract/api.ts';
import type { Cli } from '../cli.ts';
import { interruptible } from '../interrupt.ts';
import { deadlineIn, lease, waitReady } from '../lease.ts';
import { wholeNumber } from '../numbers.ts';
import { clientFor, withWorkspace, workspaceName } from '../refs.ts';
import { Steps } from '../steps.ts';
import { UsageError } from '../usage-error.ts';
import { check } from '../validate.ts';
import type { Run } from '../verb.ts';
import { WISH_FIELDS, wishOf } from '../wish.ts';

const READY_MS = 600_000;
const FIELD_FLAGS = { names: '--names', count: '--count', snapshot: '--snapshot' };

function sessionSettings(cli: Cli): Omit<CreateSessionInput, 'workspace'> {
  const settings = wishOf(cli.flags);
  check(createSessionSchema, { workspace: 'x', ...settings }, WISH_FIELDS);
  return settings;
}

async function bringUp(cli: Cli, client: Client, workspace: Workspace, settings: Omit<CreateSessionInput, 'workspace'>): Promise<Session> {
  const deadline = deadlineIn(READY_MS);
  const steps = new Steps(cli);
  const { session } = await lease(client, { workspace: workspace.name, ...settings }, deadline, steps);
  return waitReady(client, session, deadline, steps, { talks: false });
}

export const run: Run = async (cli, { args }) => {
  const { flags } = cli;
  if (flags.names && flags.count !== undefined && flags.names.length !== Number(flags.count)) {
    throw new UsageError(`--count ${flags.count} and ${flags.names.length} names do not agree`, 'leave --count out');
  }
  const count = flags.names?.length ?? (flags.count === undefined ? 1 : wholeNumber(flags.count, '--count', 1, FORK_COUNT_MAX));
  const body = { count, ...(flags.names && { names: flags.names }), ...(flags.snapshot !== undefined && { snapshot: flags.snapshot }) };
  check(forkSchema, body, FIELD_FLAGS);
  const settings = sessionSettings(cli);
  const name = workspaceName(cli, args[0]);
  const client = await clientFor(cli, name);
  const { snapshot, workspaces } = await withWorkspace(client, name, () => client.call('forkWorkspace', { params: { name }, body }));
  cli.say(`${workspaces.length} from ${name}@${snapshot}; ${name} stays as it is`);
  const boxes = flags.forkUp ? workspaces.map((workspace) => bringUp(cli, client, workspace, settings)) : [];
  const sessions = await interruptible(cli, 'the forks are made; their boxes go on coming up: see devctl ls', Promise.all(boxes));
  cli.show({
    json: { snapshot, workspaces, sessions },
    header: ['WORKSPACE', 'FROM', 'SESSION', 'PHASE'],
    rows: workspaces.map((workspace, at) => [workspace.name, `${name}@${snapshot}`, sessions[at]?.id ?? '–', sessions[at]?.phase ?? '–']),
  });
  if (!flags.forkUp) cli.say(`devctl up ${workspaces[0]?.name ?? ''}  leases a box for one`);
  return undefined;
};
