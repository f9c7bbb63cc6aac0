import type { Client, Session, Workspace } from '../../client/client.ts';
import { isDevctlError } from '../../contract/errors.ts';
import { isFinal, PHASES } from '../../contract/phases.ts';
import { formatBytes, formatUsd } from '../../contract/units.ts';
import type { Cli } from '../cli.ts';
import { workspaceAround } from '../folders.ts';
import { json, pairs, plainRows } from '../output.ts';
import { costText, receiptLines } from '../receipt.ts';
import { clientFor, findWorkspace, isSessionId, latestSession } from '../refs.ts';
import { clockTime, seconds, span } from '../text.ts';
import type { Run } from '../verb.ts';

const at = (iso: string | null, now: Date): string => (iso === null ? '' : clockTime(new Date(iso), now));

const SETUP = { true: 'may run', false: 'may not run', null: 'does not run: nobody has allowed it yet' };

/** Everything of a workspace as names and values. */
export function workspacePairs(workspace: Workspace, now: Date): Array<[string, string]> {
  const { source } = workspace;
  const origin = source.from === null ? source.kind : `${source.kind} of ${source.from}`;
  const head = workspace.head === null ? 'none yet' : `${workspace.headOf ? `${workspace.headOf}@` : ''}${workspace.head}`;
  return [
    ['workspace', workspace.name],
    ['  id', workspace.id],
    ['  owner', workspace.owner],
    ['  made', `${at(workspace.createdAt, now)} from ${origin}`],
    ['  content', workspace.content],
    [
      '  head',
      `${head}${workspace.headAt === null ? '' : ` · ${at(workspace.headAt, now)}`}${workspace.bytes === null ? '' : ` · ${formatBytes(workspace.bytes)}`}`,
    ],
    ['  unsaved', workspace.unsaved ? 'yes: its disk has work that is in no snapshot' : 'no'],
    ['  setup script', SETUP[String(workspace.setupAllowed) as keyof typeof SETUP]],
    ['  quarantined', workspace.quarantined ?? ''],
    ['  keeps', `the last ${workspace.retention.keepLast} snapshots, and one a day for ${workspace.retention.keepDaily} days`],
  ];
}

/** What was asked of its machine beside the size; what it is stands under `box`. */
const askedWords = ({ policy, arch, persistent, awsCredentials }: Session): string =>
  [
    ...(persistent ? ['persistent'] : []),
    ...(awsCredentials ? ['AWS credentials'] : []),
    ...(policy === 'spot-preferred' ? [] : [policy]),
    ...(arch === null ? [] : [arch]),
  ].join(' · ');

function sessionPairs(session: Session, now: Date): Array<[string, string]> {
  const { lease, box } = session;
  const times = Object.entries(session.timings)
    .filter(([, ms]) => ms > 0)
    .sort(([, a], [, b]) => a - b)
    .map(([phase, ms]) => `${phase} ${seconds(ms)}`);
  const live = !isFinal(session.phase);
  return [
    ['session', session.id],
    ['  phase', `${session.phase}: ${PHASES[session.phase].about}${session.desired === 'stopped' && live ? ' (stopping)' : ''}`],
    ['  failure', session.failure ? `${session.failure.detail} (${session.failure.code}); ${session.failure.hint}` : ''],
    [
      '  size',
      `${session.instanceTypes.length === 0 ? session.size : `one of ${session.instanceTypes.join(', ')}`}${session.network ? '' : ', no network'}`,
    ],
    ['  asked for', askedWords(session)],
    ['  secrets', session.secrets.map(({ name, valueFrom }) => `${name} from ${valueFrom}`).join(', ')],
    ['  box', box ? `${box.description} · ${box.id} · generation ${session.generation}` : ''],
    ['  provider', session.provider],
    [
      '  heartbeat',
      box?.heartbeatAt
        ? `${span(now.getTime() - Date.parse(box.heartbeatAt))} ago${box.silent ? ': silent, it is frozen, overloaded or cut off' : ''}`
        : '',
    ],
    ['  leased', at(session.createdAt, now)],
    ['  ready', at(session.readyAt, now)],
    ['  ended', session.endedAt ? `${at(session.endedAt, now)}${session.endReason ? ` (${session.endReason})` : ''}` : ''],
    [
      session.persistent ? '  is parked' : '  stops',
      live && session.desired !== 'parked'
        ? `${at(lease.endsAt, now)}: after ${span(lease.idleTtlMs)} idle, and at ${at(lease.hardEndsAt, now)} at the latest`
        : '',
    ],
    ['  holds', lease.holds.map((hold) => `${hold.name} until ${at(hold.until, now)}`).join(', ')],
    ['  cost', session.cost ? `${costText(session.cost)}${live ? ` · ${formatUsd(session.cost.perHourUsd)} an hour` : ''}` : ''],
    [
      '  budget',
      session.budget === null || !live ? '' : `of this month ${session.budget === 'spent' ? '' : 'nearly '}spent: see devctl cost`,
    ],
    ['  times', times.join(' · ')],
  ];
}

async function sessionOrNull(cli: Cli, client: Client, given: string | undefined): Promise<Session | null> {
  try {
    return await latestSession(cli, client, given);
  } catch (error) {
    if (given !== undefined && isSessionId(given)) throw error;
    const named = given ?? workspaceAround(cli.home, cli.target.name, cli.surroundings.cwd())?.name;
    if (isDevctlError(error, 'not_found') && named !== undefined && (await findWorkspace(client, named))) return null;
    throw error;
  }
}

export const run: Run = async (cli, { args }) => {
  const client = await clientFor(cli, args[0]);
  const session = await sessionOrNull(cli, client, args[0]);
  const name = session?.workspace ?? args[0] ?? workspaceAround(cli.home, cli.target.name, cli.surroundings.cwd())?.name ?? '';
  const workspace = await findWorkspace(client, name);
  const info = await client.call('info', {}).catch(() => null);
  if (cli.form === 'json') cli.print(json({ workspace, session, launcher: info }));
  else if (cli.form === 'plain') cli.print(plainRows([[name, session?.phase ?? 'none', session?.id ?? '', workspace?.head ?? '']]));
  else {
    const now = new Date();
    const launcher: Array<[string, string]> = info
      ? [['launcher', `${cli.target.name} · ${info.provider} · ${info.isolation} · version ${info.version}`]]
      : [];
    cli.print(
      pairs([...(workspace ? workspacePairs(workspace, now) : []), ...(session ? sessionPairs(session, now) : []), ...launcher], cli.out),
    );
    if (session?.receipt) cli.print(`${receiptLines(session).join('\n')}\n`);
  }
  return undefined;
};
