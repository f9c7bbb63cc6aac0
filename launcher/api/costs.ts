import { DevctlError } from '../contract/errors.ts';
import { monthOf } from '../core/cost.ts';
import { statement } from '../core/statement.ts';
import { readOwnerMonth } from '../ledger/costs.ts';
import { mapBounded } from '../ledger/parallel.ts';
import type { Call, Reply } from './operation.ts';
import { assertScope } from './tokens.ts';

export async function costs({ deps, caller, query }: Call<'costs'>): Promise<Reply<'costs'>> {
  const nowMs = deps.clock.now();
  const month = query.month ?? monthOf(nowMs);
  if (month > monthOf(nowMs))
    throw new DevctlError('invalid_request', `month "${month}" has not begun`, { hint: 'leave it out for this month' });
  if (query.owners === 'all') assertScope(caller, 'admin');
  const owners = query.owners === 'all' ? await deps.store.listOwners() : [caller.owner];
  const months = await mapBounded(owners, deps.limits.concurrency, (owner) => readOwnerMonth(deps, owner, month));
  const { budgets, storagePrices: prices } = deps.money;
  return { body: statement(months, { month, nowMs, prices, budgets }) };
}
