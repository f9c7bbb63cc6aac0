import { type BudgetRecord, budgetRecordSchema } from '../../contract/records.ts';
import type { StorePort } from '../../ports/store.ts';
import { BUDGET_FITS, IS_ADMITTED, IS_NEW, VERSION_UNCHANGED } from './conditions.ts';
import type { Connection } from './connection.ts';
import { budgetKey } from './keys.ts';
import type { Owners } from './owners.ts';
import { decode, encode, number, type Shape, stringSet, text } from './rows.ts';

const SHAPE: Shape<BudgetRecord> = {
  schema: budgetRecordSchema,
  columns: { version: 'version', committedMicroUsd: 'committedMicroUsd', admitted: 'admitted' },
  key: budgetKey,
};

/** A row is of use for its month only. */
const KEEP_MS = 62 * 24 * 3_600_000;

type BudgetMethods = Pick<StorePort, 'getBudget' | 'saveBudget' | 'admitToBudget' | 'leaveBudget'>;

/** The row is small (some hundred bytes): letting a session in costs one read and one write of it. */
export function budgetMethods(connection: Connection, owners: Owners): BudgetMethods {
  async function getBudget(owner: string | null, month: string): Promise<BudgetRecord | null> {
    const row = await connection.get(budgetKey({ owner, month }));
    return row && decode(SHAPE, row);
  }
  return {
    getBudget,

    async saveBudget(budget) {
      if (budget.owner !== null) await owners.know(budget.owner);
      const saved = { ...budget, version: budget.version + 1 };
      const row = { ...encode(SHAPE, saved), expirySec: number(Math.ceil((budget.meteredAt + KEEP_MS) / 1000)) };
      const isFirst = budget.version === 0;
      const guard = isFirst ? { condition: IS_NEW } : { condition: VERSION_UNCHANGED, values: { ':version': number(budget.version) } };
      return (await connection.put(budgetKey(budget), row, guard)) ? saved : null;
    },

    async admitToBudget({ owner, month }, { entry, microUsd }, budgetMicroUsd) {
      const guard = { condition: BUDGET_FITS, values: { ':budget': number(budgetMicroUsd), ':entry': text(entry) } };
      const add = { ':one': stringSet([entry]), ':microUsd': number(microUsd), ':step': number(1) };
      const expression = 'ADD admitted :one, committedMicroUsd :microUsd, version :step';
      if (await connection.update(budgetKey({ owner, month }), expression, guard, add)) return true;
      // Its own success, of which the answer was lost, or one before it.
      return (await getBudget(owner, month))?.admitted.includes(entry) ?? false;
    },

    async leaveBudget({ owner, month }, { entry, microUsd }) {
      const guard = { condition: IS_ADMITTED, values: { ':entry': text(entry) } };
      const values = { ':one': stringSet([entry]), ':microUsd': number(-microUsd), ':step': number(1) };
      const expression = 'DELETE admitted :one ADD committedMicroUsd :microUsd, version :step';
      await connection.update(budgetKey({ owner, month }), expression, guard, values);
    },
  };
}
