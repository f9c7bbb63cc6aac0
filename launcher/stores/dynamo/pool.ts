import { type PoolBoxRecord, poolBoxRecordSchema } from '../../contract/records.ts';
import type { StorePort } from '../../ports/store.ts';
import { IS_NEW, VERSION_UNCHANGED } from './conditions.ts';
import type { Connection } from './connection.ts';
import { POOL_PK, POOL_PREFIX, poolBoxKey } from './keys.ts';
import { listRows } from './lists.ts';
import { decode, encode, number, type Shape } from './rows.ts';

const SHAPE: Shape<PoolBoxRecord> = {
  schema: poolBoxRecordSchema,
  columns: { version: 'version' },
  key: ({ id }) => poolBoxKey(id),
};

const versionGuard = ({ version }: PoolBoxRecord) => ({ condition: VERSION_UNCHANGED, values: { ':version': number(version) } });

type PoolMethods = Pick<StorePort, 'getPoolBox' | 'createPoolBox' | 'savePoolBox' | 'deletePoolBox' | 'listPoolBoxes'>;

export function poolMethods(connection: Connection): PoolMethods {
  return {
    async getPoolBox(id) {
      const row = await connection.get(poolBoxKey(id));
      return row && decode(SHAPE, row);
    },

    createPoolBox: (box) => connection.put(SHAPE.key(box), encode(SHAPE, box), { condition: IS_NEW }),

    async savePoolBox(box) {
      const saved = { ...box, version: box.version + 1 };
      const won = await connection.change(SHAPE.key(box), { set: encode(SHAPE, saved) }, versionGuard(box));
      return won ? saved : null;
    },

    deletePoolBox: (box) => connection.remove(SHAPE.key(box), versionGuard(box)),

    listPoolBoxes: (page) => listRows(connection, SHAPE, { pk: POOL_PK, prefix: POOL_PREFIX, newestFirst: false }, page),
  };
}
