import {
  type AttributeValue,
  DeleteItemCommand,
  DescribeTableCommand,
  type DynamoDBClient,
  GetItemCommand,
  PutItemCommand,
  QueryCommand,
  type QueryCommandInput,
  UpdateItemCommand,
} from '@aws-sdk/client-dynamodb';
import type { Clock, Random } from '../../ports/clock.ts';
import type { Telemetry } from '../../ports/telemetry.ts';
import { isConditionFailed, toStoreError, wasRetried } from './errors.ts';
import { type Key, keyText } from './keys.ts';
import { keyRow, type Row, text } from './rows.ts';

export interface DynamoStoreOptions {
  client: DynamoDBClient;
  /** At least 3 characters. */
  tableName: string;
  clock: Clock;
  random: Random;
  telemetry?: Telemetry;
  /**
   * How long ended sessions and events stay, ms.
   * @default 30 days
   */
  keepMs?: number;
}

interface Expression {
  condition: string;
  values?: Row;
}

/** Marks of who wrote a row: of its first write, which stays, and of its latest. */
type Proof = 'createId' | 'writeId';

const WRITE_ID_BYTES = 12;

/**
 * The calls of one table. A conditional write answers whether it won. When the answer to a write that won is lost, the
 * SDK sends it again and it then fails on its own success: the row's mark tells, and the call answers that it won.
 * Every other error is a StoreUnavailableError.
 */
export class Connection {
  readonly clock: Clock;
  readonly telemetry: Telemetry | undefined;
  readonly keepMs: number;
  readonly #client: DynamoDBClient;
  readonly #table: string;
  readonly #random: Random;

  constructor(options: DynamoStoreOptions) {
    this.#client = options.client;
    this.#table = options.tableName;
    this.#random = options.random;
    this.clock = options.clock;
    this.telemetry = options.telemetry;
    this.keepMs = options.keepMs ?? 30 * 24 * 3_600_000;
  }

  /** The row as it is now: strongly consistent. */
  async get(key: Key): Promise<Row | null> {
    const command = new GetItemCommand({ TableName: this.#table, Key: keyRow(key), ConsistentRead: true });
    const answer = await this.#call('get', () => this.#client.send(command));
    return answer?.Item ?? null;
  }

  /** A cheap read that may be a moment old. */
  async touch(key: Key): Promise<void> {
    await this.#call('ping', () => this.#client.send(new GetItemCommand({ TableName: this.#table, Key: keyRow(key) })));
  }

  /** Puts a whole row. Without a condition it replaces what is there. */
  async put(key: Key, row: Row, guard?: Expression): Promise<boolean> {
    const id = this.#mark();
    const command = new PutItemCommand({
      TableName: this.#table,
      Item: { ...row, ...keyRow(key), createId: text(id), writeId: text(id) },
      ...(guard && { ConditionExpression: guard.condition }),
      ...(guard?.values && { ExpressionAttributeValues: guard.values }),
    });
    return (await this.#call('put', () => this.#client.send(command))) !== null || this.#isOurs(key, 'createId', id);
  }

  /** Sets and removes columns of a row that is there, and marks it. What else is in the row stays. */
  async change(key: Key, change: { set: Row; remove?: string[] }, guard: Expression): Promise<boolean> {
    const id = this.#mark();
    const set: Row = { ...change.set, writeId: text(id) };
    const names = Object.keys(set);
    const sets = `SET ${names.map((name) => `${name} = :set_${name}`).join(', ')}`;
    const removes = change.remove?.length ? ` REMOVE ${change.remove.join(', ')}` : '';
    const values = Object.fromEntries(names.map((name) => [`:set_${name}`, set[name] as AttributeValue]));
    return (await this.update(key, sets + removes, guard, values)) || this.#isOurs(key, 'writeId', id);
  }

  /** An update that may be repeated: its own success does not fail its condition. Makes the row if the condition allows it. */
  async update(key: Key, expression: string, guard: Expression, values: Row = {}): Promise<boolean> {
    const command = new UpdateItemCommand({
      TableName: this.#table,
      Key: keyRow(key),
      UpdateExpression: expression,
      ConditionExpression: guard.condition,
      ExpressionAttributeValues: { ...guard.values, ...values },
    });
    return (await this.#call('update', () => this.#client.send(command))) !== null;
  }

  /** Removes the row. When an answer was lost on the way and the row is gone, it was we who removed it. */
  async remove(key: Key, guard: Required<Expression>): Promise<boolean> {
    const command = new DeleteItemCommand({
      TableName: this.#table,
      Key: keyRow(key),
      ConditionExpression: guard.condition,
      ExpressionAttributeValues: guard.values,
    });
    let retried = false;
    const answer = await this.#call(
      'delete',
      () => this.#client.send(command),
      (error) => {
        retried = wasRetried(error);
      },
    );
    return answer !== null || (retried && (await this.get(key)) === null);
  }

  async query(input: Omit<QueryCommandInput, 'TableName'>): Promise<{ rows: Row[]; last: Row | null }> {
    const command = new QueryCommand({ ...input, TableName: this.#table });
    const answer = await this.#call('query', () => this.#client.send(command));
    return { rows: answer?.Items ?? [], last: answer?.LastEvaluatedKey ?? null };
  }

  /** What tells this table from every other one of its name: one that was made anew, or came out of a backup, has another. */
  async identity(): Promise<string> {
    const command = new DescribeTableCommand({ TableName: this.#table });
    const answer = await this.#call('describe', () => this.#client.send(command));
    const { TableId: id, CreationDateTime: madeAt } = answer?.Table ?? {};
    return id ?? `made at ${madeAt?.getTime() ?? 0}`;
  }

  /** Seconds since the epoch at which a row that is of no use after `fromMs` may be removed. */
  expiry(fromMs: number): Row {
    return { expirySec: { N: String(Math.ceil((fromMs + this.keepMs) / 1000)) } };
  }

  reportUnreadable(keys: string[]): void {
    for (const key of keys) this.telemetry?.warn({ op: 'store.unreadable', outcome: 'error', key });
    if (keys.length > 0) this.telemetry?.count('devctl_store_unreadable_rows_total', {}, keys.length);
  }

  #mark(): string {
    return Buffer.from(this.#random.bytes(WRITE_ID_BYTES)).toString('base64url');
  }

  async #isOurs(key: Key, proof: Proof, id: string): Promise<boolean> {
    const ours = (await this.get(key))?.[proof]?.S === id;
    if (ours) this.telemetry?.info({ op: 'store.answer_lost', outcome: 'ok', key: keyText(key) });
    return ours;
  }

  /** The answer, or null when the condition did not hold. @throws StoreUnavailableError */
  async #call<T>(operation: string, send: () => Promise<T>, onLost?: (error: unknown) => void): Promise<T | null> {
    const startedMs = performance.now();
    let outcome = 'ok';
    try {
      return await send();
    } catch (error) {
      if (isConditionFailed(error)) {
        outcome = 'lost';
        onLost?.(error);
        return null;
      }
      outcome = 'error';
      throw toStoreError(error, operation);
    } finally {
      this.telemetry?.observe('devctl_store_call_seconds', (performance.now() - startedMs) / 1000, { operation, outcome });
    }
  }
}
