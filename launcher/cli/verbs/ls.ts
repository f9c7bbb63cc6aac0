import { collect, type Session } from '../../client/client.ts';
import type { Cli } from '../cli.ts';
import { costText } from '../receipt.ts';
import { span } from '../text.ts';
import type { Run } from '../verb.ts';

/** How long until the lease ends by idleness; a hold or the hard limit is named where it decides. */
function idleIn(session: Session, now: number): string {
  if (session.phase !== 'ready') return '–';
  return span(Math.max(0, Date.parse(session.lease.endsAt) - now));
}

const REMARK_MAX = 60;
const shortened = (text: string): string => (text.length > REMARK_MAX ? `${text.slice(0, REMARK_MAX)}…` : text);

/** What is worth saying beside the columns. */
function remark(session: Session): string {
  if (session.box?.silent) return 'silent: its box does not answer';
  if (session.failure) return shortened(session.failure.detail);
  if (session.desired === 'stopped' && session.phase === 'ready') return 'stopping';
  if (session.budget !== null) return session.budget === 'spent' ? 'the budget is spent' : 'the budget is nearly spent';
  if (session.generation > 1) return `gen ${session.generation}`;
  if (session.lease.holds.length > 0) return `held: ${session.lease.holds.map((hold) => hold.name).join(', ')}`;
  if (session.phase === 'ready' && session.content === 'empty') return 'empty';
  return '';
}

/** @param withCost false where nothing costs anything */
function rowOf(session: Session, now: number, withCost: boolean): string[] {
  const endedAt = session.endedAt === null ? now : Date.parse(session.endedAt);
  return [
    session.workspace,
    session.phase,
    session.box?.description ?? '–',
    span(endedAt - Date.parse(session.createdAt)),
    idleIn(session, now),
    ...(withCost ? [session.cost === null ? '–' : costText(session.cost)] : []),
    session.owner,
    remark(session),
  ];
}

export const run: Run = async (cli: Cli) => {
  const all = cli.flags.lsAll ? ('true' as const) : ('false' as const);
  const sessions = cli.hasLauncher() ? await collect((await cli.client()).list('listSessions', { query: { all, limit: 200 } })) : [];
  const now = Date.now();
  const withCost = sessions.some(({ cost }) => cost !== null);
  cli.show({
    json: sessions,
    header: ['WORKSPACE', 'PHASE', 'BOX', 'AGE', 'IDLE IN', ...(withCost ? ['COST'] : []), 'OWNER', ''],
    rows: sessions.map((session) => rowOf(session, now, withCost)),
    plain: sessions.map(({ workspace, phase, id, size, createdAt, lease, owner, cost }) => [
      workspace,
      phase,
      id,
      size,
      createdAt,
      lease.endsAt,
      owner,
      cost?.usd ?? null,
    ]),
    none: `nothing is live · ${cli.err.bold('devctl up')} leases a box for this folder`,
  });
  return undefined;
};
