import { type IdempotencyRecord, idempotencyRecordSchema } from '../../contract/records.ts';
import { type StorePort, StoreUnavailableError } from '../../ports/store.ts';
import { NEW_OR_EXPIRED } from './conditions.ts';
import type { Connection } from './connection.ts';
import { idempotencyKey } from './keys.ts';
import { decode, encode, number, type Shape } from './rows.ts';

const SHAPE: Shape<IdempotencyRecord> = {
  schema: idempotencyRecordSchema,
  columns: { expiresAt: 'expiresAtMs' },
  key: (record) => idempotencyKey(record.owner, record.key),
};

/** The winner may expire or be cleaned up just before it is read: then it is tried again. */
const CLAIM_ATTEMPTS = 5;

export function idempotencyMethods(connection: Connection): Pick<StorePort, 'claimIdempotency'> {
  return {
    async claimIdempotency(record, nowMs) {
      const key = SHAPE.key(record);
      const row = { ...encode(SHAPE, record), expirySec: number(Math.ceil(record.expiresAt / 1000)) };
      const guard = { condition: NEW_OR_EXPIRED, values: { ':nowMs': number(nowMs) } };
      for (let attempt = 0; attempt < CLAIM_ATTEMPTS; attempt += 1) {
        if (await connection.put(key, row, guard)) return record;
        const winner = await connection.get(key);
        if (winner) return decode(SHAPE, winner);
      }
      throw new StoreUnavailableError(`the idempotency key of ${record.owner} is being removed again and again`);
    },
  };
}
