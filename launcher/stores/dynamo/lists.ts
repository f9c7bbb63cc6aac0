import type { QueryCommandInput } from '@aws-sdk/client-dynamodb';
import type { Page, PageRequest } from '../../ports/store.ts';
import type { Connection } from './connection.ts';
import { decodeCursor, encodeCursor, ownerPk } from './keys.ts';
import { decodeAll, keyRow, type Row, rowKey, type Shape, text } from './rows.ts';

/**
 * Up to `limit` rows of a query and, when there are more, the last row of the page: one more than asked for is read, so
 * that a full page which is the last has no next. The table may cut a page short by its size; then there is a next.
 */
export async function queryPage(
  connection: Connection,
  input: Omit<QueryCommandInput, 'TableName'>,
  limit: number,
): Promise<{ rows: Row[]; last: Row | null }> {
  const { rows, last } = await connection.query({ ...input, Limit: limit + 1 });
  if (rows.length <= limit) return { rows, last };
  const kept = rows.slice(0, limit);
  return { rows: kept, last: kept.at(-1) ?? null };
}

/** One page of the rows of an owner whose sort key begins with `prefix`, as listRows. */
export const listOwned = <T extends object>(
  connection: Connection,
  shape: Shape<T>,
  { owner, ...list }: { owner: string; prefix: string; newestFirst: boolean },
  page: PageRequest,
): Promise<Page<T>> => listRows(connection, shape, { pk: ownerPk(owner), ...list }, page);

/**
 * One page of the rows of a partition whose sort key begins with `prefix`.
 * @throws DevctlError `invalid_cursor`, StoreUnavailableError
 */
export async function listRows<T extends object>(
  connection: Connection,
  shape: Shape<T>,
  list: { pk: string; prefix: string; newestFirst: boolean },
  page: PageRequest,
): Promise<Page<T>> {
  const { pk } = list;
  const { rows, last } = await queryPage(
    connection,
    {
      ConsistentRead: true,
      KeyConditionExpression: 'pk = :pk AND begins_with(sk, :prefix)',
      ExpressionAttributeValues: { ':pk': text(pk), ':prefix': text(list.prefix) },
      ScanIndexForward: !list.newestFirst,
      ...(page.after !== null && { ExclusiveStartKey: keyRow({ pk, sk: decodeCursor(list.prefix, page.after) }) }),
    },
    page.limit,
  );
  const { items, unreadable } = decodeAll(shape, rows);
  connection.reportUnreadable(unreadable);
  return { items, unreadable, next: last ? encodeCursor(list.prefix, rowKey(last).sk) : null };
}
