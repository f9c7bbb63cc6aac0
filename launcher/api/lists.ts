import type { Page, PageRequest } from '../ports/store.ts';
import { collectPage, openCursor, sealCursor } from './cursor.ts';
import type { UserCall } from './operation.ts';

/** A filtered list stops after this many pages of the store and goes on with the next request. */
const PAGES_PER_REQUEST = 20;

interface ListSource<Record, View> {
  read(page: PageRequest): Promise<Page<Record>>;
  keep?(record: Record): boolean;
  view(records: Record[]): Promise<View[]>;
}

/** One page of a list of the caller, with a cursor that only they and only this list can use. */
export async function listReply<Record, View>(
  call: UserCall & { query: { limit: number; cursor?: string | undefined } },
  list: string,
  source: ListSource<Record, View>,
): Promise<{ body: { items: View[]; nextCursor: string | null } }> {
  const { deps, caller, query } = call;
  const name = { owner: caller.owner, list };
  const secret = deps.config.cursorSecret;
  const page = await collectPage((after, limit) => source.read({ after, limit }), {
    after: openCursor(secret, name, query.cursor),
    limit: query.limit,
    maxPages: PAGES_PER_REQUEST,
    keep: source.keep?.bind(source) ?? (() => true),
  });
  if (page.unreadable.length > 0) {
    deps.telemetry.warn({ op: 'store.unreadable', owner: caller.owner, list, keys: page.unreadable.slice(0, 10) });
    deps.telemetry.count('devctl_unreadable_records_total', { list: list.split(' ')[0] ?? list }, page.unreadable.length);
  }
  return {
    body: { items: await source.view(page.items), nextCursor: page.next === null ? null : sealCursor(secret, name, page.next) },
  };
}
