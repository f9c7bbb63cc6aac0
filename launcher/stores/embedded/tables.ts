import { Readable } from 'node:stream';
import type { ClassicLevel } from 'classic-level';
import type { KeyedLock } from './lock.ts';
import type { LogWriter, Write } from './log-writer.ts';

/** A row as dynalite keeps it: attribute values in DynamoDB's own JSON form. */
type Row = Record<string, unknown>;
type Callback<T> = (error: unknown, value?: T) => void;

export interface RangeOptions {
  gt?: string;
  gte?: string;
  lt?: string;
  lte?: string;
  reverse?: boolean;
  limit?: number;
}

interface Rows {
  get(key: string, done: Callback<Row>): void;
  put(key: string, row: Row, done: Callback<void>): void;
  del(key: string, done: Callback<void>): void;
  lock(key: string, run: (release: (done: Callback<unknown>) => Callback<unknown>) => void): void;
  createValueStream(range: RangeOptions): Readable;
}

/** What dynalite's actions ask of their storage. */
export interface TableStore {
  options: { maxItemSize: number; createTableMs: number };
  tableDb: Rows & { awsRegion: string; awsAccountId: string };
  getTable(name: string, checkStatus: boolean | Callback<Row>, done?: Callback<Row>): void;
  getItemDb(table: string): Rows;
  getIndexDb(kind: string, table: string, index: string): Rows;
}

/** What the requests of one database share. */
export interface Shared {
  level: ClassicLevel<string, string>;
  locks: KeyedLock;
  writer: LogWriter;
  /** Table descriptions, which never change once made. */
  tables: Map<string, Row>;
}

const MAX_ITEM_BYTES = 400 * 1024;

export const itemPrefix = (table: string): string => `item-${table}~`;
const indexPrefix = (kind: string, table: string, index: string): string => `index-${kind.toLowerCase()}~${table}~${index}~`;
const TABLE_PREFIX = 'table~';

const tableNotFound = (): Error =>
  Object.assign(new Error('table not found'), {
    statusCode: 400,
    body: { __type: 'com.amazonaws.dynamodb.v20120810#ResourceNotFoundException', message: 'Requested resource not found' },
  });

/**
 * The storage of one request. Writes to an index are kept back until the item itself is written, and go to disk with it
 * in one atomic batch: a killed process leaves no session that its index does not know.
 */
export class RequestStore implements TableStore {
  readonly options = { maxItemSize: MAX_ITEM_BYTES, createTableMs: 0 };
  readonly tableDb: TableStore['tableDb'];
  readonly #shared: Shared;
  readonly #fail: (error: unknown) => void;
  readonly #held = new Set<string>();
  #pending: Write[] = [];

  /** @param fail takes what an action throws in a callback, where nobody else could catch it */
  constructor(shared: Shared, fail: (error: unknown) => void) {
    this.#shared = shared;
    this.#fail = fail;
    this.tableDb = {
      ...this.#rows(TABLE_PREFIX, (write, done) => this.#commit(write, done)),
      awsRegion: 'local',
      awsAccountId: '000000000000',
    };
  }

  getTable(name: string, checkStatus: boolean | Callback<Row>, done?: Callback<Row>): void {
    const answer = typeof checkStatus === 'function' ? checkStatus : (done as Callback<Row>);
    const known = this.#shared.tables.get(name);
    if (known) {
      answer(null, known);
      return;
    }
    this.tableDb.get(name, (error, table) => {
      if (error || !table) {
        answer(error ?? tableNotFound());
        return;
      }
      // A kill between the two writes of CreateTable leaves CREATING; there is nothing more to be made.
      const active = { ...table, TableStatus: 'ACTIVE' };
      this.#shared.tables.set(name, active);
      answer(null, active);
    });
  }

  getItemDb(table: string): Rows {
    return this.#rows(itemPrefix(table), (write, done) => this.#commit(write, done));
  }

  getIndexDb(kind: string, table: string, index: string): Rows {
    return this.#rows(indexPrefix(kind, table, index), (write, done) => {
      this.#pending.push(write);
      done(null);
    });
  }

  /** Lets go of every lock that the request still holds. */
  release(): void {
    for (const key of this.#held) this.#shared.locks.release(key);
    this.#held.clear();
  }

  #commit(write: Write, done: Callback<void>): void {
    const batch = [...this.#pending, write];
    this.#pending = [];
    this.#shared.writer
      .write(batch)
      .then(
        () => done(null),
        (error: unknown) => done(error),
      )
      .catch(this.#fail);
  }

  #rows(prefix: string, write: (write: Write, done: Callback<void>) => void): Rows {
    const { level, locks } = this.#shared;
    return {
      get: (key, done) => {
        const text = level.getSync(prefix + key);
        done(null, text === undefined ? undefined : (JSON.parse(text) as Row));
      },
      put: (key, row, done) => write({ type: 'put', key: prefix + key, value: JSON.stringify(row) }, done),
      del: (key, done) => write({ type: 'del', key: prefix + key }, done),
      lock: (key, run) => {
        const name = prefix + key;
        locks.acquire(name, () => {
          this.#held.add(name);
          try {
            run((done) => done);
          } catch (error) {
            this.#fail(error);
          }
        });
      },
      createValueStream: (range) => Readable.from(readRange(level, prefix, range)),
    };
  }
}

/** The rows of a range, parsed. With no limit they are read as they are asked for. */
async function* readRange(level: Shared['level'], prefix: string, range: RangeOptions): AsyncGenerator<Row> {
  const lower = range.gt === undefined ? { gte: prefix + (range.gte ?? '') } : { gt: prefix + range.gt };
  const upper = range.lte === undefined ? { lt: prefix + (range.lt ?? '\xff') } : { lte: prefix + range.lte };
  const values = level.values({ ...lower, ...upper, reverse: range.reverse ?? false, limit: range.limit ?? -1 });
  for await (const text of values) yield JSON.parse(text) as Row;
}
