import { type SnapshotRecord, type SnapshotRef, snapshotRecordSchema } from '../../contract/records.ts';
import type { SnapshotPatch, StorePort } from '../../ports/store.ts';
import { IS_COMPLETED, IS_NEW, IS_THERE, IS_TOMBSTONED, IS_UNPINNED, NOT_TOMBSTONED, OUTCOME_FITS } from './conditions.ts';
import type { Connection } from './connection.ts';
import { snapshotKey, snapshotPrefix } from './keys.ts';
import { listOwned } from './lists.ts';
import { decode, encode, type Row, type Shape, stringSet, text, toColumn } from './rows.ts';

const COLUMNS = {
  state: 'snapshotState',
  completedAt: 'completedAt',
  bytes: 'wholeBytes',
  newBytes: 'newBytes',
  files: 'fileCount',
  clean: 'isClean',
  pins: 'pins',
} as const;

const SHAPE: Shape<SnapshotRecord> = {
  schema: snapshotRecordSchema,
  columns: COLUMNS,
  key: (snapshot) => snapshotKey(snapshot.owner, snapshot),
};

const DELETING = text('deleting');

async function updateSnapshot(connection: Connection, owner: string, ref: SnapshotRef, patch: SnapshotPatch): Promise<boolean> {
  const set: Row = {};
  for (const [field, value] of Object.entries(patch) as Array<[keyof SnapshotPatch, unknown]>) {
    const column = value === undefined ? undefined : toColumn(value);
    if (column) set[COLUMNS[field]] = column;
  }
  const guard: { condition: string; values: Row } =
    patch.state === undefined
      ? { condition: NOT_TOMBSTONED, values: { ':deleting': DELETING } }
      : { condition: OUTCOME_FITS, values: { ':pending': text('pending'), ':outcome': text(patch.state) } };
  return connection.change(snapshotKey(owner, ref), { set }, guard);
}

type SnapshotMethods = Pick<
  StorePort,
  | 'getSnapshot'
  | 'createSnapshot'
  | 'updateSnapshot'
  | 'pinSnapshot'
  | 'unpinSnapshot'
  | 'tombstoneSnapshot'
  | 'deleteSnapshot'
  | 'listSnapshots'
>;

export function snapshotMethods(connection: Connection): SnapshotMethods {
  return {
    async getSnapshot(owner, ref) {
      const row = await connection.get(snapshotKey(owner, ref));
      return row && decode(SHAPE, row);
    },

    createSnapshot: (snapshot) => connection.put(SHAPE.key(snapshot), encode(SHAPE, snapshot), { condition: IS_NEW }),

    updateSnapshot: (owner, ref, patch) => updateSnapshot(connection, owner, ref, patch),

    pinSnapshot: (owner, ref, workspaceId) =>
      connection.update(
        snapshotKey(owner, ref),
        'ADD pins :pin',
        { condition: IS_COMPLETED, values: { ':completed': text('completed') } },
        { ':pin': stringSet([workspaceId]) },
      ),

    async unpinSnapshot(owner, ref, workspaceId) {
      await connection.update(snapshotKey(owner, ref), 'DELETE pins :pin', { condition: IS_THERE }, { ':pin': stringSet([workspaceId]) });
    },

    tombstoneSnapshot: (owner, ref) =>
      connection.update(snapshotKey(owner, ref), 'SET snapshotState = :deleting', { condition: IS_UNPINNED }, { ':deleting': DELETING }),

    deleteSnapshot: (owner, ref) =>
      connection.remove(snapshotKey(owner, ref), { condition: IS_TOMBSTONED, values: { ':deleting': DELETING } }),

    listSnapshots: (owner, workspaceId, page) =>
      listOwned(connection, SHAPE, { owner, prefix: snapshotPrefix(workspaceId), newestFirst: true }, page),
  };
}
