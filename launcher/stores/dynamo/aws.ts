import type { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { createDynamoClient } from './client.ts';
import { ensureAwsTable } from './table.ts';

/** An open table, wherever it is. */
export interface Table {
  client: DynamoDBClient;
  name: string;
  /** Removes rows whose time is over. @returns how many */
  removeExpired(nowMs: number): Promise<number>;
  close(): Promise<void>;
}

/**
 * The table of an AWS account, made where there is none, with the credentials that this process finds.
 * @throws errors of the SDK; Error as ensureTable
 */
export async function openAwsTable({
  region,
  endpoint,
  table: name,
}: {
  region: string;
  endpoint?: string | undefined;
  table: string;
}): Promise<Table> {
  const client = createDynamoClient({ region, ...(endpoint && { endpoint }) });
  try {
    await ensureAwsTable(client, name);
  } catch (error) {
    client.destroy();
    throw error;
  }
  // DynamoDB removes by itself what has expired.
  return { client, name, removeExpired: async () => 0, close: async () => client.destroy() };
}
