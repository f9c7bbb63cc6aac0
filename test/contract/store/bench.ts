import { randomBytes } from 'node:crypto';
import { type AttributeValue, type DynamoDBClient, GetItemCommand, PutItemCommand } from '@aws-sdk/client-dynamodb';
import type { StorePort } from '../../../launcher/ports/store.ts';
import type { LogFields, Telemetry } from '../../../launcher/ports/telemetry.ts';
import { createDynamoStore } from '../../../launcher/stores/dynamo/store.ts';
import { ensureTable } from '../../../launcher/stores/dynamo/table.ts';
import { Faults } from './faults.ts';
import { T0 } from './fixtures.ts';

/** A server that speaks DynamoDB. Each test has a client of its own: the SDK's budget of retries belongs to a client. */
export interface StoreServer {
  connect(): DynamoDBClient;
  close(): Promise<void>;
}

/** A store on a table of its own, with what a test needs to look behind it. */
export interface StoreBench {
  store: StorePort;
  faults: Faults;
  clock: { nowMs: number };
  warnings: LogFields[];
  /** A second store on the same table, as another launcher would have it. */
  another(): StorePort;
  close(): void;
  putRow(row: Record<string, AttributeValue>): Promise<void>;
  getRow(pk: string, sk: string): Promise<Record<string, AttributeValue> | undefined>;
}

export async function openBench(server: StoreServer): Promise<StoreBench> {
  const client = server.connect();
  const faults = new Faults();
  client.middlewareStack.add(faults.middleware, { step: 'deserialize', priority: 'high', name: 'faults' });
  const tableName = `test-${randomBytes(6).toString('hex')}`;
  await ensureTable(client, tableName);
  faults.reset();
  const clock = { nowMs: T0 };
  const warnings: LogFields[] = [];
  const telemetry: Telemetry = { info() {}, warn: (fields) => warnings.push(fields), error() {}, count() {}, observe() {}, gauge() {} };
  const another = () =>
    createDynamoStore({
      client,
      tableName,
      telemetry,
      clock: { now: () => clock.nowMs },
      random: { bytes: (length) => randomBytes(length) },
    });
  return {
    store: another(),
    another,
    close: () => client.destroy(),
    faults,
    clock,
    warnings,
    async putRow(row) {
      await client.send(new PutItemCommand({ TableName: tableName, Item: row }));
    },
    async getRow(pk, sk) {
      const key = { pk: { S: pk }, sk: { S: sk } };
      return (await client.send(new GetItemCommand({ TableName: tableName, Key: key, ConsistentRead: true }))).Item;
    },
  };
}

/** Every page of a list, `limit` at a time, with the sizes of the pages. */
export async function allPages<T>(
  limit: number,
  list: (page: { limit: number; after: string | null }) => Promise<{ items: T[]; next: string | null; unreadable: string[] }>,
): Promise<{ items: T[]; unreadable: string[]; sizes: number[] }> {
  const items: T[] = [];
  const unreadable: string[] = [];
  const sizes: number[] = [];
  let after: string | null = null;
  do {
    const page = await list({ limit, after });
    items.push(...page.items);
    unreadable.push(...page.unreadable);
    sizes.push(page.items.length);
    after = page.next;
  } while (after !== null && sizes.length < 1000);
  return { items, unreadable, sizes };
}
