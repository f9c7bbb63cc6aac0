import {
  CreateTableCommand,
  type CreateTableCommandInput,
  DescribeTableCommand,
  type DynamoDBClient,
  ResourceInUseException,
  ResourceNotFoundException,
  type TableDescription,
  UpdateContinuousBackupsCommand,
  UpdateTableCommand,
  UpdateTimeToLiveCommand,
} from '@aws-sdk/client-dynamodb';

/** Seconds since the epoch after which a row may be removed. Only for clean-up: expiry is always checked in code. */
export const EXPIRY_ATTRIBUTE = 'expirySec';

/** Live sessions by the time they must be looked at: rows without both attributes are not in it. */
export const DUE_INDEX = 'due';

const POLL_MS = 500;
const POLLS = 120;

/** The one table. Infrastructure makes it from this same definition. */
export const tableDefinition = (tableName: string) =>
  ({
    TableName: tableName,
    BillingMode: 'PAY_PER_REQUEST',
    AttributeDefinitions: [
      { AttributeName: 'pk', AttributeType: 'S' },
      { AttributeName: 'sk', AttributeType: 'S' },
      { AttributeName: 'liveShard', AttributeType: 'S' },
      { AttributeName: 'lookAt', AttributeType: 'N' },
    ],
    KeySchema: [
      { AttributeName: 'pk', KeyType: 'HASH' },
      { AttributeName: 'sk', KeyType: 'RANGE' },
    ],
    GlobalSecondaryIndexes: [
      {
        IndexName: DUE_INDEX,
        KeySchema: [
          { AttributeName: 'liveShard', KeyType: 'HASH' },
          { AttributeName: 'lookAt', KeyType: 'RANGE' },
        ],
        Projection: { ProjectionType: 'KEYS_ONLY' },
      },
    ],
  }) satisfies CreateTableCommandInput;

/** Null when there is none. */
export async function describeTable(client: DynamoDBClient, tableName: string): Promise<TableDescription | null> {
  try {
    return (await client.send(new DescribeTableCommand({ TableName: tableName }))).Table ?? null;
  } catch (error) {
    if (error instanceof ResourceNotFoundException) return null;
    throw error;
  }
}

async function create(client: DynamoDBClient, tableName: string): Promise<void> {
  try {
    await client.send(new CreateTableCommand(tableDefinition(tableName)));
  } catch (error) {
    if (!(error instanceof ResourceInUseException)) throw error;
  }
}

/** What is wrong with the shape of a table that is not one of ours; null for one of ours. */
export function otherShapeOf(table: TableDescription, tableName: string): string | null {
  const keys = table.KeySchema?.map((key) => `${key.AttributeName}:${key.KeyType}`).join(' ');
  const indexes = table.GlobalSecondaryIndexes?.map((index) => index.IndexName) ?? [];
  if (keys === 'pk:HASH sk:RANGE' && indexes.includes(DUE_INDEX)) return null;
  return `table ${tableName} exists and is not one of devctl: its keys are ${keys}, its indexes ${indexes.join(', ') || 'none'}`;
}

/** Somebody else's table under our name must not be written to. */
function assertOurs(table: TableDescription, tableName: string): void {
  const other = otherShapeOf(table, tableName);
  if (other !== null) throw new Error(other);
}

/**
 * The same at AWS: a table that is made here cannot be deleted by one wrong call, can be taken back to any second of the last 35
 * days, and loses what has expired. Of a table that was there, nothing is changed.
 * @throws as ensureTable
 */
export async function ensureAwsTable(client: DynamoDBClient, tableName: string): Promise<void> {
  const isNew = (await describeTable(client, tableName)) === null;
  await ensureTable(client, tableName);
  if (!isNew) return;
  const TableName = tableName;
  await whenFree(() => client.send(new UpdateTableCommand({ TableName, DeletionProtectionEnabled: true })));
  const TimeToLiveSpecification = { AttributeName: EXPIRY_ATTRIBUTE, Enabled: true };
  await whenFree(() => client.send(new UpdateTimeToLiveCommand({ TableName, TimeToLiveSpecification })));
  const PointInTimeRecoverySpecification = { PointInTimeRecoveryEnabled: true };
  await whenFree(() => client.send(new UpdateContinuousBackupsCommand({ TableName, PointInTimeRecoverySpecification })));
}

/** A table that is active may still be busy with the setting before, and its backups come up after it. */
const BUSY = new Set(['ResourceInUseException', 'ContinuousBackupsUnavailableException', 'LimitExceededException']);

async function whenFree(set: () => Promise<unknown>): Promise<void> {
  for (let poll = 1; ; poll += 1) {
    try {
      await set();
      return;
    } catch (error) {
      if (!BUSY.has((error as Error).name) || poll >= POLLS) throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

/**
 * Makes the table if it is not there and waits until it can be used. May be repeated, and by many at once.
 * @throws Error when a table of this name has another shape, or is not active after a minute; errors of the SDK
 */
export async function ensureTable(client: DynamoDBClient, tableName: string): Promise<void> {
  for (let poll = 0; poll < POLLS; poll += 1) {
    const table = await describeTable(client, tableName);
    if (table === null) {
      await create(client, tableName);
      continue;
    }
    if (table.TableStatus === 'ACTIVE' || table.TableStatus === 'UPDATING') {
      assertOurs(table, tableName);
      return;
    }
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
  throw new Error(`table ${tableName} is not active after ${(POLL_MS * POLLS) / 1000} s`);
}
