import { mkdir, realpath } from 'node:fs/promises';
import { ClassicLevel } from 'classic-level';
import createTable from 'dynalite/actions/createTable.js';
import deleteItem from 'dynalite/actions/deleteItem.js';
import describeTable from 'dynalite/actions/describeTable.js';
import getItem from 'dynalite/actions/getItem.js';
import putItem from 'dynalite/actions/putItem.js';
import query from 'dynalite/actions/query.js';
import updateItem from 'dynalite/actions/updateItem.js';
import createTableRules from 'dynalite/validations/createTable.js';
import deleteItemRules from 'dynalite/validations/deleteItem.js';
import describeTableRules from 'dynalite/validations/describeTable.js';
import getItemRules from 'dynalite/validations/getItem.js';
import validations from 'dynalite/validations/index.js';
import putItemRules from 'dynalite/validations/putItem.js';
import queryRules from 'dynalite/validations/query.js';
import updateItemRules from 'dynalite/validations/updateItem.js';
import { KeyedLock } from './lock.ts';
import { LogWriter } from './log-writer.ts';
import { itemPrefix, RequestStore, type Shared } from './tables.ts';

export interface EngineAnswer {
  status: number;
  body: string;
}

const OPERATIONS = new Map([
  ['CreateTable', { action: createTable, rules: createTableRules }],
  ['DescribeTable', { action: describeTable, rules: describeTableRules }],
  ['GetItem', { action: getItem, rules: getItemRules }],
  ['PutItem', { action: putItem, rules: putItemRules }],
  ['UpdateItem', { action: updateItem, rules: updateItemRules }],
  ['DeleteItem', { action: deleteItem, rules: deleteItemRules }],
  ['Query', { action: query, rules: queryRules }],
]);

const problem = (status: number, type: string, message: string): EngineAnswer => ({
  status,
  body: JSON.stringify({ __type: `com.amazonaws.dynamodb.v20120810#${type}`, message }),
});

/** An error of dynalite that is an answer to the caller: it carries its status and body. */
const isAnswer = (error: unknown): error is { statusCode: number; body: unknown } =>
  typeof error === 'object' && error !== null && 'statusCode' in error && 'body' in error;

function answerOf(error: unknown): EngineAnswer {
  if (isAnswer(error)) return { status: error.statusCode, body: JSON.stringify(error.body) };
  const cause = (error as { cause?: unknown } | null)?.cause ?? error;
  return problem(500, 'InternalServerError', cause instanceof Error ? cause.message : String(cause));
}

/**
 * Folders that this process has open. A second open of one would be refused by LevelDB, but its refusal closes a
 * descriptor of the lock file, and with that POSIX takes the lock away from the first.
 */
const OPEN_DIRS = new Set<string>();

async function claimDir(dir: string): Promise<string> {
  await mkdir(dir, { recursive: true, mode: 0o700 });
  const path = await realpath(dir);
  if (OPEN_DIRS.has(path)) throw Object.assign(new Error('already open in this process'), { code: 'LEVEL_LOCKED' });
  OPEN_DIRS.add(path);
  return path;
}

/**
 * A DynamoDB table store inside this process: dynalite's actions over LevelDB files. It listens nowhere; requests come
 * as the name of the operation and its JSON body, and every failure is an answer with its status, never a throw.
 */
export class Engine {
  readonly #shared: Shared;
  readonly #inFlight = new Set<Promise<EngineAnswer>>();
  #closed = false;

  private constructor(shared: Shared) {
    this.#shared = shared;
  }

  /** @throws an error when `dir` cannot be opened; it or its cause has the code LEVEL_LOCKED when somebody has it open */
  static async open(dir: string, options: { sync: boolean }): Promise<Engine> {
    const path = await claimDir(dir);
    const level = new ClassicLevel<string, string>(path, { keyEncoding: 'utf8', valueEncoding: 'utf8' });
    try {
      await level.open();
    } catch (error) {
      OPEN_DIRS.delete(path);
      throw error;
    }
    return new Engine({ level, writer: new LogWriter(level, options.sync), locks: new KeyedLock(), tables: new Map() });
  }

  /** @param operation name without its version prefix: `GetItem` */
  handle(operation: string, body: string): Promise<EngineAnswer> {
    if (this.#closed) return Promise.resolve(problem(503, 'ServiceUnavailable', 'the store is closed'));
    const answer = this.#run(operation, body);
    this.#inFlight.add(answer);
    void answer.then(() => this.#inFlight.delete(answer));
    return answer;
  }

  /**
   * Removes rows whose number attribute `attribute` (seconds since the epoch) has passed, as DynamoDB's TTL does by itself.
   * @returns how many were removed
   */
  async removeExpired(table: string, attribute: string, nowSec: number): Promise<number> {
    const { level, locks, writer } = this.#shared;
    const prefix = itemPrefix(table);
    const expired = (text: string | undefined): boolean => {
      if (text === undefined) return false;
      const row = JSON.parse(text) as Record<string, { N?: string } | undefined>;
      return Number(row[attribute]?.N ?? Number.POSITIVE_INFINITY) < nowSec;
    };
    let removed = 0;
    await writer.ready();
    for await (const [key, text] of level.iterator({ gte: prefix, lt: `${prefix}\xff` })) {
      if (this.#closed) break;
      if (!expired(text)) continue;
      await new Promise<void>((resolve) => locks.acquire(key, resolve));
      try {
        if (!expired(level.getSync(key))) continue;
        await writer.write([{ type: 'del', key }]);
        removed += 1;
      } finally {
        locks.release(key);
      }
    }
    return removed;
  }

  /** Waits for what is under way, then closes the files. May be called twice. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await Promise.all(this.#inFlight);
    await this.#shared.level.close();
    OPEN_DIRS.delete(this.#shared.level.location);
  }

  async #run(operation: string, body: string): Promise<EngineAnswer> {
    const found = OPERATIONS.get(operation);
    if (!found) return problem(400, 'UnknownOperationException', `${operation} is not an operation of the embedded store`);
    let fail: (error: unknown) => void = () => {};
    const failed = new Promise<never>((_, reject) => {
      fail = reject;
    });
    const store = new RequestStore(this.#shared, fail);
    try {
      await this.#shared.writer.ready();
      const request = validations.checkTypes(JSON.parse(body), found.rules.types);
      validations.checkValidations(request, found.rules.types, found.rules.custom, store);
      const done = new Promise<unknown>((resolve, reject) => {
        found.action(store, request, (error, value) => (error ? reject(error) : resolve(value)));
      });
      return { status: 200, body: JSON.stringify(await Promise.race([done, failed])) };
    } catch (error) {
      return answerOf(error);
    } finally {
      store.release();
    }
  }
}
