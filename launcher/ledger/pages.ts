import { LIMITS } from '../core/limits.ts';
import type { Page, PageRequest } from '../ports/store.ts';

const PAGE_ITEMS = 200;

export interface Everything<T> {
  items: T[];
  /** Keys of rows that no record could be made of. */
  unreadable: string[];
  /** False when there are more pages than are read. */
  complete: boolean;
}

/** Every page of a list, one after the other, up to `LIMITS.listPages`. */
export async function everyPage<T>(list: (page: PageRequest) => Promise<Page<T>>): Promise<Everything<T>> {
  const items: T[] = [];
  const unreadable: string[] = [];
  let after: string | null = null;
  for (let pages = 0; pages < LIMITS.listPages; pages += 1) {
    const page: Page<T> = await list({ limit: PAGE_ITEMS, after });
    items.push(...page.items);
    unreadable.push(...page.unreadable);
    if (page.next === null) return { items, unreadable, complete: true };
    after = page.next;
  }
  return { items, unreadable, complete: false };
}
