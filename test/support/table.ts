import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import type { Clock, Random } from '../../launcher/ports/clock.ts';
import type { StorePort } from '../../launcher/ports/store.ts';
import { openEmbeddedDynamo } from '../../launcher/stores/dynamo/embedded.ts';
import { createDynamoStore } from '../../launcher/stores/dynamo/store.ts';
import { ensureTable } from '../../launcher/stores/dynamo/table.ts';

/** The real embedded database, for as many tables as a suite wants. */
export interface Database {
  client: DynamoDBClient;
  /** The real adapter on a table of its own. */
  open(clock: Clock, random: Random): Promise<{ store: StorePort; tableName: string }>;
  close(): Promise<void>;
}

export async function openDatabase(): Promise<Database> {
  const dir = mkdtempSync(join(tmpdir(), 'devctl-table-'));
  const { client, close } = await openEmbeddedDynamo({ dir, sync: false });
  let tables = 0;
  return {
    client,
    async open(clock, random) {
      tables += 1;
      const tableName = `table-${tables}`;
      await ensureTable(client, tableName);
      return { tableName, store: createDynamoStore({ client, tableName, clock, random }) };
    },
    async close() {
      await close();
      rmSync(dir, { recursive: true, force: true });
    },
  };
}
