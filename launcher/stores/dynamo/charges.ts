import { type ChargeRecord, chargeRecordSchema } from '../../contract/records.ts';
import type { StorePort } from '../../ports/store.ts';
import { KNOWS_LESS } from './conditions.ts';
import type { Connection } from './connection.ts';
import { chargeKey, chargePrefix } from './keys.ts';
import { listOwned } from './lists.ts';
import type { Owners } from './owners.ts';
import { encode, number, type Shape } from './rows.ts';

const SHAPE: Shape<ChargeRecord> = {
  schema: chargeRecordSchema,
  columns: { untilMs: 'chargedUntilMs' },
  key: chargeKey,
};

/** A month is kept for more than a year: bills are compared with the year before. */
const KEEP_MS = 400 * 24 * 3_600_000;

export function chargeMethods(connection: Connection, owners: Owners): Pick<StorePort, 'putCharge' | 'listCharges'> {
  return {
    async putCharge(charge) {
      await owners.know(charge.owner);
      const row = { ...encode(SHAPE, charge), expirySec: number(Math.ceil((charge.untilMs + KEEP_MS) / 1000)) };
      const guard = { condition: KNOWS_LESS, values: { ':until': number(charge.untilMs) } };
      await connection.put(chargeKey(charge), row, guard);
    },

    listCharges: (owner, { month, kind }, page) =>
      listOwned(connection, SHAPE, { owner, prefix: chargePrefix(month, kind), newestFirst: false }, page),
  };
}
