import { DevctlError } from '../contract/errors.ts';
import { isFinal } from '../contract/phases.ts';
import type { SessionRecord } from '../contract/records.ts';
import { budgetNotice, type Standing } from '../core/budget.ts';
import { monthOf } from '../core/cost.ts';
import { type OwnerMonth, spentOf } from '../core/statement.ts';
import { budgetsOf, meterBudget, readEveryMonth } from '../ledger/budgets.ts';
import { changeSession } from '../ledger/sessions.ts';
import type { ControllerDeps } from './deps.ts';

/**
 * Counts what the month has cost, and tells live sessions of the budgets that come near their end. Everything that was told stands in
 * the session itself: a pass may be repeated, or be broken off at any point.
 */
export async function watchBudgets(deps: ControllerDeps): Promise<void> {
  const money = { budgets: deps.budgets, storagePrices: deps.compute.storagePrices };
  const { ownerMicroUsd, deploymentMicroUsd } = money.budgets;
  if (money.storagePrices === null || (ownerMicroUsd === null && deploymentMicroUsd === null)) return;
  const nowMs = deps.clock.now();
  const month = monthOf(nowMs);
  let months: OwnerMonth[] = [];
  const read = async (): Promise<OwnerMonth[]> => {
    months = await readEveryMonth(deps, month);
    return months;
  };
  // The row of an owner is counted when he asks for a session; that of all owners here, since it takes them all.
  if (deploymentMicroUsd === null) await read();
  else await meterBudget(deps, money, { owner: null, month }, read);
  const of = { month, nowMs, prices: money.storagePrices, budgets: money.budgets };
  const spent = new Map(months.map((own) => [own.owner, spentOf(own, of)]));
  const all = [...spent.values()].reduce((sum, each) => sum + each, 0);
  for (const { owner, sessions } of months) {
    const standings = budgetsOf(money, owner).map((budget): Standing => {
      const whose = budget.owner === null ? 'deployment' : 'owner';
      return { whose, month, spentMicroUsd: whose === 'owner' ? (spent.get(owner) ?? 0) : all, budgetMicroUsd: budget.budgetMicroUsd };
    });
    for (const session of sessions) await tell(deps, session, standings);
  }
}

async function tell(deps: ControllerDeps, session: SessionRecord, standings: Standing[]): Promise<void> {
  if (isFinal(session.phase)) return;
  try {
    const told = await changeSession(deps, session, (current) => budgetNotice(current, standings, deps.clock.now()), session);
    if (told.checkpoint !== null) deps.signals.poke(session);
  } catch (error) {
    // It is over, or changes all the time: the next pass comes in a minute.
    if (!(error instanceof DevctlError)) throw error;
  }
}
