import type { StorePort } from '../../ports/store.ts';
import { budgetMethods } from './budgets.ts';
import { chargeMethods } from './charges.ts';
import { Connection, type DynamoStoreOptions } from './connection.ts';
import { eventMethods } from './events.ts';
import { idempotencyMethods } from './idempotency.ts';
import { ownerKey, vouchKey } from './keys.ts';
import { Owners } from './owners.ts';
import { poolMethods } from './pool.ts';
import { text } from './rows.ts';
import { sessionMethods } from './sessions.ts';
import { snapshotMethods } from './snapshots.ts';
import { tokenMethods } from './tokens.ts';
import { turnMethods } from './turns.ts';
import { usageMethods } from './usage.ts';
import { workspaceMethods } from './workspaces.ts';

export type { DynamoStoreOptions } from './connection.ts';

/** The store over one DynamoDB table, which must be there (ensureTable). It keeps no state but the names of owners it has recorded. */
export function createDynamoStore(options: DynamoStoreOptions): StorePort {
  const connection = new Connection(options);
  const owners = new Owners(connection);
  return {
    ...sessionMethods(connection, owners),
    ...eventMethods(connection),
    ...workspaceMethods(connection, owners),
    ...snapshotMethods(connection),
    ...usageMethods(connection, owners),
    ...chargeMethods(connection, owners),
    ...budgetMethods(connection, owners),
    ...tokenMethods(connection, owners),
    ...idempotencyMethods(connection),
    ...poolMethods(connection),
    ...turnMethods(connection),
    listOwners: () => owners.list(),
    async vouches() {
      const row = await connection.get(vouchKey);
      return row !== null && row['tableIdentity']?.S === (await connection.identity());
    },
    async vouch() {
      await connection.put(vouchKey, { tableIdentity: text(await connection.identity()) });
    },
    ping: () => connection.touch(ownerKey('ping')),
  };
}
