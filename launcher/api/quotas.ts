import { DevctlError } from '../contract/errors.ts';
import { formatBytes, formatUsd } from '../contract/units.ts';
import { monthOf } from '../core/cost.ts';
import { spentOf } from '../core/statement.ts';
import { readOwnerMonth } from '../ledger/costs.ts';
import type { ApiDeps } from './deps.ts';
import { mapBounded } from './parallel.ts';

function exceeded(deps: ApiDeps, which: 'sessions' | 'workspaces' | 'bytes'): DevctlError {
  const { liveSessions, workspaces, snapshotBytes } = deps.quotas;
  switch (which) {
    case 'sessions':
      return new DevctlError('quota_exceeded', `you have ${liveSessions} live sessions, which is the most`);
    case 'workspaces':
      return new DevctlError('quota_exceeded', `you have ${workspaces} workspaces, which is the most`);
    case 'bytes':
      return new DevctlError('quota_exceeded', `your snapshots have ${formatBytes(snapshotBytes)}, which is the most`, {
        hint: 'prune snapshots with devctl workspace prune, or delete a workspace',
      });
  }
}

/**
 * What was spent until now, against the budgets of the month: nothing is reserved for what the session itself will cost.
 * @throws DevctlError budget_exceeded
 */
export async function assertBudget(deps: ApiDeps, owner: string): Promise<void> {
  const { budgets, storagePrices: prices } = deps.money;
  const { ownerMicroUsd, deploymentMicroUsd } = budgets;
  if (ownerMicroUsd === null && deploymentMicroUsd === null) return;
  const nowMs = deps.clock.now();
  const of = { month: monthOf(nowMs), nowMs, prices, budgets };
  const owners = deploymentMicroUsd === null ? [owner] : await deps.store.listOwners();
  const spent = await mapBounded(owners, deps.limits.concurrency, async (each) => ({
    owner: each,
    microUsd: spentOf(await readOwnerMonth(deps, each, of.month), of),
  }));
  const own = spent.find((each) => each.owner === owner)?.microUsd ?? 0;
  const all = spent.reduce((sum, { microUsd }) => sum + microUsd, 0);
  if (ownerMicroUsd !== null && own >= ownerMicroUsd) throw overBudget('you have', own, ownerMicroUsd, of.month);
  if (deploymentMicroUsd !== null && all >= deploymentMicroUsd)
    throw overBudget('all owners together have', all, deploymentMicroUsd, of.month);
}

const overBudget = (who: string, spent: number, budget: number, month: string): DevctlError =>
  new DevctlError('budget_exceeded', `${who} spent ${formatUsd(spent / 1e6)} of the budget of ${formatUsd(budget / 1e6)} for ${month}`);

/** Takes one place of the owner's quota; taking it again changes nothing. @throws DevctlError quota_exceeded */
export async function reserveSession(deps: ApiDeps, owner: string, sessionId: string): Promise<void> {
  const result = await deps.store.reserveSession(owner, sessionId, deps.quotas);
  if (result !== 'ok') throw exceeded(deps, result);
}

/** As reserveSession, for a workspace. @throws DevctlError quota_exceeded */
export async function reserveWorkspace(deps: ApiDeps, owner: string, workspaceId: string): Promise<void> {
  const result = await deps.store.reserveWorkspace(owner, workspaceId, deps.quotas);
  if (result !== 'ok') throw exceeded(deps, result);
}
