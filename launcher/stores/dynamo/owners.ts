import type { Connection } from './connection.ts';
import { OWNERS_PK, ownerKey } from './keys.ts';
import { rowKey, text } from './rows.ts';

/** Owners that one process remembers as recorded; past this it forgets them all and writes them again. */
const REMEMBERED = 10_000;

/** A page has a megabyte of rows. */
const PAGES_MAX = 10_000;

/** Who has, or had, anything. An owner is recorded before its first row is written, and never removed. */
export class Owners {
  readonly #connection: Connection;
  readonly #known = new Set<string>();

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  async know(owner: string): Promise<void> {
    if (this.#known.has(owner)) return;
    await this.#connection.put(ownerKey(owner), {});
    if (this.#known.size >= REMEMBERED) this.#known.clear();
    this.#known.add(owner);
  }

  async list(): Promise<string[]> {
    const owners: string[] = [];
    let start: Record<string, { S: string }> | undefined;
    for (let pages = 0; pages < PAGES_MAX; pages += 1) {
      const { rows, last } = await this.#connection.query({
        ConsistentRead: true,
        KeyConditionExpression: 'pk = :pk',
        ExpressionAttributeValues: { ':pk': text(OWNERS_PK) },
        ExclusiveStartKey: start,
      });
      owners.push(...rows.map((row) => rowKey(row).sk));
      start = last ? { pk: { S: rowKey(last).pk }, sk: { S: rowKey(last).sk } } : undefined;
      if (start === undefined) return owners;
    }
    throw new Error(`there are more than ${PAGES_MAX} pages of owners`);
  }
}
