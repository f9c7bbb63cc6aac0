import { DevctlError } from '../contract/errors.ts';
import { idTimeMs } from '../contract/fields.ts';
import type { BudgetRecord } from '../contract/records.ts';
import { formatUsd } from '../contract/units.ts';
import { meteredBudget, type Standing } from '../core/budget.ts';
import { dollars, monthOf } from '../core/cost.ts';
import { LIMITS } from '../core/limits.ts';
import type { Money, OwnerMonth } from '../core/statement.ts';
import type { Admission } from '../ports/store.ts';
import { readOwnerMonth } from './costs.ts';
import { mapBounded } from './parallel.ts';
import type { LedgerDeps } from './sessions.ts';

/** A budget that was set: of one owner, or (owner null) of all. */
interface Budget {
  owner: string | null;
  budgetMicroUsd: number;
}

/** Those that a session of this owner counts against; none where nothing costs anything. */
export function budgetsOf({ budgets, storagePrices }: Money, owner: string): Budget[] {
  const { ownerMicroUsd, deploymentMicroUsd } = budgets;
  if (storagePrices === null) return [];
  return [
    ...(ownerMicroUsd === null ? [] : [{ owner, budgetMicroUsd: ownerMicroUsd }]),
    ...(deploymentMicroUsd === null ? [] : [{ owner: null, budgetMicroUsd: deploymentMicroUsd }]),
  ];
}

export async function readEveryMonth(deps: LedgerDeps, month: string): Promise<OwnerMonth[]> {
  const owners = await deps.store.listOwners();
  return mapBounded(owners, LIMITS.concurrency, (owner) => readOwnerMonth(deps, owner, month));
}

/** Somebody who was let in this long ago has a record, or will never have one. */
const isYoung = (deps: LedgerDeps, id: string): boolean => deps.clock.now() - (idTimeMs(id) ?? 0) < LIMITS.budgetStaleMs;

/**
 * Counts a budget anew and writes its row.
 * @param read the months of those who count against it; called after the row was read
 * @returns the row; null when somebody was let in meanwhile, or somebody else has counted
 */
export async function meterBudget(
  deps: LedgerDeps,
  money: Money,
  { owner, month }: { owner: string | null; month: string },
  read: () => Promise<readonly OwnerMonth[]>,
): Promise<BudgetRecord | null> {
  const nowMs = deps.clock.now();
  const blank = { owner, month, version: 0, meteredAt: nowMs, spentMicroUsd: 0, committedMicroUsd: 0, admitted: [] };
  const row = (await deps.store.getBudget(owner, month)) ?? blank;
  const months = await read();
  const of = { month, nowMs, prices: money.storagePrices, budgets: money.budgets };
  return deps.store.saveBudget(meteredBudget(row, months, of, (id) => isYoung(deps, id)));
}

/**
 * Lets a session in if less than each budget is spent or set aside: of many at once only those that fit. Repeating changes nothing.
 * @returns how the budgets stood when they were counted last
 * @throws DevctlError budget_exceeded, conflict (counted anew by others all the time)
 */
export async function admitToBudgets(deps: LedgerDeps, money: Money, owner: string, admission: Admission): Promise<Standing[]> {
  const standings: Standing[] = [];
  try {
    for (const budget of budgetsOf(money, owner)) standings.push(await admit(deps, money, budget, admission));
  } catch (error) {
    await leaveBudgets(deps, money, owner, admission);
    throw error;
  }
  return standings;
}

/** Takes back what was set aside for a session that there will not be. */
export async function leaveBudgets(deps: LedgerDeps, money: Money, owner: string, admission: Admission): Promise<void> {
  const month = monthOf(deps.clock.now());
  for (const budget of budgetsOf(money, owner)) await deps.store.leaveBudget({ owner: budget.owner, month }, admission);
}

async function admit(deps: LedgerDeps, money: Money, { owner, budgetMicroUsd }: Budget, admission: Admission): Promise<Standing> {
  const { store, clock } = deps;
  for (let attempt = 0; attempt < LIMITS.casAttempts; attempt += 1) {
    const month = monthOf(clock.now());
    const row = await store.getBudget(owner, month);
    if (row?.admitted.includes(admission.entry)) return standingOf(row, budgetMicroUsd);
    if (row === null || isToBeCounted(row, budgetMicroUsd, clock.now())) {
      const read = () => (owner === null ? readEveryMonth(deps, month) : Promise.all([readOwnerMonth(deps, owner, month)]));
      await meterBudget(deps, money, { owner, month }, read);
    } else if (row.committedMicroUsd >= budgetMicroUsd) throw overBudget(row, budgetMicroUsd);
    else if (await store.admitToBudget(row, admission, budgetMicroUsd)) return standingOf(row, budgetMicroUsd);
  }
  throw new DevctlError('conflict', 'the budget of the month is being counted anew by others all the time');
}

/** Nobody is refused on the word of an old row, nor let in on that of a very old one. */
function isToBeCounted({ meteredAt, committedMicroUsd, admitted }: BudgetRecord, budgetMicroUsd: number, nowMs: number): boolean {
  const keepMs = committedMicroUsd >= budgetMicroUsd ? LIMITS.budgetRecheckMs : LIMITS.budgetStaleMs;
  return nowMs - meteredAt > keepMs || admitted.length >= LIMITS.budgetAdmissions;
}

const standingOf = ({ owner, month, spentMicroUsd }: BudgetRecord, budgetMicroUsd: number): Standing => ({
  whose: owner === null ? 'deployment' : 'owner',
  month,
  spentMicroUsd,
  budgetMicroUsd,
});

function overBudget({ owner, month, spentMicroUsd }: BudgetRecord, budgetMicroUsd: number): DevctlError {
  const who = owner === null ? 'all owners together have' : 'you have';
  const rest = spentMicroUsd < budgetMicroUsd ? ', and the first hour of sessions that have just begun takes the rest' : '';
  const spent = `${who} spent ${formatUsd(dollars(spentMicroUsd))} of the budget of ${formatUsd(dollars(budgetMicroUsd))} for ${month}`;
  return new DevctlError('budget_exceeded', spent + rest);
}
