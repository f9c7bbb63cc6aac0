import { isFinal } from '../contract/phases.ts';
import { TYPE_OF_SIZE } from '../contract/plan.ts';
import { MACHINE_EXTRAS_MICRO_USD_PER_HOUR, onDemandPrice } from '../contract/prices.ts';
import type { BudgetRecord, SessionBudget, SessionRecord } from '../contract/records.ts';
import { formatUsd } from '../contract/units.ts';
import { burnOf, dollars, monthOf, NOTHING, spentByMonth } from './cost.ts';
import { LIMITS } from './limits.ts';
import type { Change, NewEvent } from './session.ts';
import { type OwnerMonth, type StatementOf, spentOf } from './statement.ts';

/** How much of a month's budget is spent: of one owner's, or of the one for all. */
export interface Standing {
  whose: 'owner' | 'deployment';
  month: string;
  spentMicroUsd: number;
  budgetMicroUsd: number;
}

export function levelOf({ spentMicroUsd, budgetMicroUsd }: Standing): SessionBudget['level'] {
  if (spentMicroUsd >= budgetMicroUsd) return 'spent';
  return spentMicroUsd * 100 >= budgetMicroUsd * LIMITS.budgetNearPercent ? 'near' : null;
}

type Wish = Pick<SessionRecord, 'size' | 'instanceTypes'>;

/** An hour of the machine that was asked for, on demand: the most that its first hour should cost. */
export function firstHourMicroUsd({ size, instanceTypes }: Wish): number {
  const types = instanceTypes.length === 0 ? [TYPE_OF_SIZE[size]] : instanceTypes;
  return MACHINE_EXTRAS_MICRO_USD_PER_HOUR + Math.max(...types.map((type) => onDemandPrice(type).microUsd));
}

/** What of its first hour a session has not spent yet. One that is to have no machine spends none. */
function aheadMicroUsd(session: SessionRecord, month: string, nowMs: number): number {
  if (isFinal(session.phase) || session.desired !== 'ready') return 0;
  const { boxMicroUsd, diskMicroUsd } = spentByMonth(session, nowMs)[month] ?? NOTHING;
  return Math.max(0, (burnOf(session) || firstHourMicroUsd(session)) - boxMicroUsd - diskMicroUsd);
}

/** How a session that was let in is written down until its record counts: its id, and what is set aside for it. */
export const admission = (id: string, wish: Wish): { entry: string; microUsd: number } => {
  const microUsd = firstHourMicroUsd(wish);
  return { entry: `${id}=${microUsd}`, microUsd };
};

const readAdmission = (entry: string): { sessionId: string; microUsd: number } => {
  const [id = '', microUsd] = entry.split('=');
  return { sessionId: id.split('.')[0] as string, microUsd: Number(microUsd) };
};

/**
 * The row of a budget as it stands: what was spent, and the first hour of each live session, so that many that are asked for at once are
 * not let in together. Those that were let in and have no record yet go on counting.
 * @param isYoung whether the session of this id may still get its record
 */
export function meteredBudget(
  row: BudgetRecord,
  owners: readonly OwnerMonth[],
  of: StatementOf,
  isYoung: (sessionId: string) => boolean,
): BudgetRecord {
  const sessions = owners.flatMap((owner) => owner.sessions);
  const recorded = new Set(sessions.map(({ id }) => id));
  const admitted = row.admitted.filter((entry) => {
    const { sessionId } = readAdmission(entry);
    return !recorded.has(sessionId) && isYoung(sessionId);
  });
  const spentMicroUsd = owners.reduce((sum, owner) => sum + spentOf(owner, of), 0);
  const ahead = sessions.reduce((sum, session) => sum + aheadMicroUsd(session, of.month, of.nowMs), 0);
  const committedMicroUsd = admitted.reduce((sum, entry) => sum + readAdmission(entry).microUsd, spentMicroUsd + ahead);
  return { ...row, meteredAt: of.nowMs, spentMicroUsd, committedMicroUsd, admitted };
}

const WHOSE: Readonly<Record<Standing['whose'], string>> = { owner: 'your budget', deployment: 'the budget of all owners together' };

function noticeOf(standing: Standing, level: 'near' | 'spent'): NewEvent {
  const { whose, month, spentMicroUsd, budgetMicroUsd } = standing;
  const what = `${WHOSE[whose]} of ${formatUsd(dollars(budgetMicroUsd))} for ${month}`;
  const spent = formatUsd(dollars(spentMicroUsd));
  const message =
    level === 'spent'
      ? `${what} is spent (${spent}): no new session is leased; this one goes on, and a snapshot of it is made`
      : `${Math.floor((spentMicroUsd * 100) / budgetMicroUsd)} % of ${what} is spent (${spent}): once it is, no new session is leased`;
  return { type: `budget.${level}`, message, data: { whose, month, usd: dollars(spentMicroUsd), budgetUsd: dollars(budgetMicroUsd) } };
}

const mayCheckpoint = ({ phase, desired, checkpoint, snapshot, interruption }: SessionRecord): boolean =>
  phase === 'ready' && desired === 'ready' && checkpoint === null && snapshot === null && !interruption;

/**
 * What a live session is told of the budgets of the month: each threshold of each budget once, and once a budget is spent a snapshot of its
 * box is made, once. Null when it was told all of that.
 */
export function budgetNotice(session: SessionRecord, standings: readonly Standing[], nowMs: number): Change | null {
  if (isFinal(session.phase)) return null;
  const month = monthOf(nowMs);
  const known = session.budget?.month === month ? session.budget : null;
  const told = new Set(known?.told);
  const events: NewEvent[] = [];
  let level: SessionBudget['level'] = null;
  for (const standing of standings) {
    const reached = levelOf(standing);
    if (reached === null) continue;
    level = level === 'spent' ? level : reached;
    if (told.has(`${standing.whose}.${reached}`) || told.has(`${standing.whose}.spent`)) continue;
    told.add(`${standing.whose}.${reached}`);
    events.push(noticeOf(standing, reached));
  }
  const unsaved = standings.filter((standing) => levelOf(standing) === 'spent' && !told.has(`${standing.whose}.saved`));
  const saves = unsaved.length > 0 && mayCheckpoint(session);
  if (saves) for (const { whose } of unsaved) told.add(`${whose}.saved`);
  if (events.length === 0 && !saves && level === (known?.level ?? null)) return null;
  const operationId = `${session.id}.budget.${month}.${unsaved.map(({ whose }) => whose).join('+')}`;
  const checkpoint = { operationId, note: `the budget of ${month} is spent`, reason: 'checkpoint' as const };
  return { patch: { budget: { month, level, told: [...told] }, ...(saves && { checkpoint, dueAt: nowMs }) }, events };
}
