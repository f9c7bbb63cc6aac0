import type { Costs, OwnerCost } from '../contract/costs.ts';
import { isFinal } from '../contract/phases.ts';
import type { ChargeRecord, SessionCharge, SessionRecord, Spent, StorageCharge } from '../contract/records.ts';
import {
  burnOf,
  dollars,
  HOUR_MS,
  monthRange,
  NOTHING,
  plus,
  projected,
  type StoragePrices,
  sessionCharges,
  storageBurn,
  storageSpent,
} from './cost.ts';

/** What is known of an owner's month: its entries, and the sessions that are not over. */
export interface OwnerMonth {
  owner: string;
  sessions: readonly SessionRecord[];
  charges: readonly ChargeRecord[];
}

/** Micro-dollars a month; null: none was set. */
export interface Budgets {
  ownerMicroUsd: number | null;
  deploymentMicroUsd: number | null;
}

export const NO_BUDGETS: Budgets = { ownerMicroUsd: null, deploymentMicroUsd: null };

/** What of it the launcher that runs knows. */
export interface Money {
  /** Null: nothing costs anything. */
  storagePrices: StoragePrices | null;
  budgets: Budgets;
}

export interface StatementOf {
  month: string;
  nowMs: number;
  prices: StoragePrices | null;
  budgets: Budgets;
}

/** Sessions that a statement names for each owner. */
const SESSIONS_MAX = 500;

interface SessionLine {
  charge: SessionCharge;
  live: boolean;
}

/** Each session once: what its entry says counts, since that is written when it is over. */
function sessionLines({ sessions, charges }: OwnerMonth, { month, nowMs }: StatementOf): SessionLine[] {
  const over = charges.filter((charge) => charge.kind === 'session');
  const known = new Set(over.map(({ sessionId }) => sessionId));
  const live = sessions
    .filter(({ id, phase }) => !known.has(id) && !isFinal(phase))
    .flatMap((session) => sessionCharges(session, nowMs).filter((charge) => charge.month === month));
  return [...over.map((charge) => ({ charge, live: false })), ...live.map((charge) => ({ charge, live: true }))];
}

/** Figures of a workspace, micro-dollars. */
interface WorkspaceLine {
  id: string;
  name: string;
  sessions: number;
  spent: Spent;
  diskMicroUsd: number;
  snapshotMicroUsd: number;
}

const totalOf = ({ spent, diskMicroUsd, snapshotMicroUsd }: WorkspaceLine): number => spent.boxMicroUsd + diskMicroUsd + snapshotMicroUsd;

function workspaceLines(sessions: SessionLine[], storage: StorageCharge[], { prices, nowMs }: StatementOf): WorkspaceLine[] {
  const lines = new Map<string, WorkspaceLine>();
  const lineOf = ({ workspaceId: id, workspace: name }: ChargeRecord): WorkspaceLine => {
    const line = lines.get(id) ?? { id, name, sessions: 0, spent: NOTHING, diskMicroUsd: 0, snapshotMicroUsd: 0 };
    lines.set(id, line);
    return line;
  };
  for (const { charge } of sessions) {
    const line = lineOf(charge);
    line.sessions += 1;
    line.spent = plus(line.spent, charge.spent);
  }
  for (const charge of storage) Object.assign(lineOf(charge), prices === null ? {} : storageSpent(charge, prices, nowMs));
  return [...lines.values()].sort((a, b) => totalOf(b) - totalOf(a) || a.name.localeCompare(b.name, 'en'));
}

const hours = (ms: number): number => Math.round((ms / HOUR_MS) * 1000) / 1000;

const budgetView = (budgetMicroUsd: number | null, spentMicroUsd: number): OwnerCost['budget'] =>
  budgetMicroUsd === null
    ? null
    : { usd: dollars(budgetMicroUsd), spent: budgetMicroUsd === 0 ? 1 : Math.round((spentMicroUsd / budgetMicroUsd) * 1000) / 1000 };

/** What an owner's month cost until now, micro-dollars. */
export const spentOf = (owner: OwnerMonth, of: StatementOf): number => linesOf(owner, of).microUsd;

function linesOf(owner: OwnerMonth, of: StatementOf) {
  const storage = owner.charges.filter((charge) => charge.kind === 'storage');
  const sessions = sessionLines(owner, of);
  const workspaces = workspaceLines(sessions, storage, of);
  return { sessions, storage, workspaces, microUsd: workspaces.reduce((sum, line) => sum + totalOf(line), 0) };
}

function ownerStatement(owner: OwnerMonth, of: StatementOf): { microUsd: number; burn: number; view: OwnerCost } {
  const { sessions, storage, workspaces, microUsd } = linesOf(owner, of);
  const isPresent = of.nowMs < monthRange(of.month).untilMs;
  const live = owner.sessions.reduce((sum, session) => sum + burnOf(session), 0);
  const kept = storage.reduce((sum, { level }) => sum + (of.prices === null ? 0 : storageBurn(level, of.prices)), 0);
  const burn = isPresent ? live + kept : 0;
  const dearest = sessions
    .map(({ charge, live: isLive }) => ({ charge, isLive, microUsd: charge.spent.boxMicroUsd + charge.spent.diskMicroUsd }))
    .sort((a, b) => b.microUsd - a.microUsd || b.charge.sessionId.localeCompare(a.charge.sessionId, 'en'));
  const view = {
    owner: owner.owner,
    usd: dollars(microUsd),
    projectedUsd: dollars(projected(microUsd, of.month, of.nowMs)),
    perHourUsd: dollars(burn),
    about: sessions.some(({ charge }) => charge.about) || storage.some(({ level }) => level.about),
    budget: budgetView(of.budgets.ownerMicroUsd, microUsd),
    workspaces: workspaces.map((line) => ({
      id: line.id,
      name: line.name,
      sessions: line.sessions,
      boxHours: hours(line.spent.boxMs),
      boxesUsd: dollars(line.spent.boxMicroUsd),
      disksUsd: dollars(line.diskMicroUsd),
      snapshotsUsd: dollars(line.snapshotMicroUsd),
      usd: dollars(totalOf(line)),
    })),
    sessions: dearest.slice(0, SESSIONS_MAX).map(({ charge, isLive, microUsd: own }) => ({
      id: charge.sessionId,
      workspace: charge.workspace,
      live: isLive,
      boxHours: hours(charge.spent.boxMs),
      usd: dollars(own),
      about: charge.about,
    })),
    moreSessions: Math.max(0, sessions.length - SESSIONS_MAX),
  };
  return { microUsd, burn, view };
}

/** What a month cost until now, by owner, workspace and session; the dearest first. */
export function statement(owners: readonly OwnerMonth[], of: StatementOf): Costs {
  const all = owners.map((owner) => ownerStatement(owner, of)).sort((a, b) => b.microUsd - a.microUsd);
  const microUsd = all.reduce((sum, { microUsd: own }) => sum + own, 0);
  const burn = all.reduce((sum, { burn: own }) => sum + own, 0);
  return {
    month: of.month,
    until: new Date(Math.min(of.nowMs, monthRange(of.month).untilMs)).toISOString(),
    free: of.prices === null,
    usd: dollars(microUsd),
    projectedUsd: dollars(projected(microUsd, of.month, of.nowMs)),
    perHourUsd: dollars(burn),
    about: all.some(({ view }) => view.about),
    budget: budgetView(of.budgets.deploymentMicroUsd, microUsd),
    owners: all.map(({ view }) => view),
  };
}
