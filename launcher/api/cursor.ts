import { createHmac, timingSafeEqual } from 'node:crypto';
import { DevctlError } from '../contract/errors.ts';
import type { Page } from '../ports/store.ts';

/** Which list a cursor belongs to: it opens no other, and nobody else's. */
export interface ListName {
  owner: string;
  list: string;
}

function macOf(secret: string, name: ListName, position: string): Buffer {
  return createHmac('sha256', secret)
    .update(JSON.stringify([name.owner, name.list, position]))
    .digest();
}

/** A position of the store as the client sees it: readable by anyone, made by nobody but us. */
export function sealCursor(secret: string, name: ListName, position: string): string {
  return `${Buffer.from(position).toString('base64url')}.${macOf(secret, name, position).toString('base64url')}`;
}

/** @throws DevctlError invalid_cursor */
export function openCursor(secret: string, name: ListName, cursor: string | undefined): string | null {
  if (cursor === undefined) return null;
  const [encoded = '', mac = '', ...rest] = cursor.split('.');
  const position = Buffer.from(encoded, 'base64url').toString();
  const given = Buffer.from(mac, 'base64url');
  const wanted = macOf(secret, name, position);
  if (rest.length > 0 || given.length !== wanted.length || !timingSafeEqual(given, wanted) || sealCursor(secret, name, position) !== cursor)
    throw new DevctlError('invalid_cursor', 'the cursor was not made by this list for you');
  return position;
}

/**
 * Up to `limit` items that pass the filter, reading at most `maxPages` pages: a long stretch without any gives a short
 * page with a cursor, not a long wait.
 */
export async function collectPage<T>(
  read: (after: string | null, limit: number) => Promise<Page<T>>,
  options: { after: string | null; limit: number; maxPages: number; keep: (item: T) => boolean },
): Promise<{ items: T[]; next: string | null; unreadable: string[] }> {
  const items: T[] = [];
  const unreadable: string[] = [];
  let after = options.after;
  for (let page = 0; page < options.maxPages; page += 1) {
    // Asking for no more than is missing keeps the position of the store exact.
    const found = await read(after, options.limit - items.length);
    items.push(...found.items.filter(options.keep));
    unreadable.push(...found.unreadable);
    after = found.next;
    if (after === null || items.length >= options.limit) break;
  }
  return { items, next: after, unreadable };
}
