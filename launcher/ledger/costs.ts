import type { OwnerMonth } from '../core/statement.ts';
import { UnreadableRecordError } from '../ports/store.ts';
import { everyPage } from './pages.ts';
import type { LedgerDeps } from './sessions.ts';

/** What is known of an owner's month. A session that cannot be read is left out: its entry counts when it is over. */
export async function readOwnerMonth({ store }: LedgerDeps, owner: string, month: string): Promise<OwnerMonth> {
  // Live ones first: one that ends meanwhile is then among the entries.
  const { sessions: live } = await store.getUsage(owner);
  const read = (id: string) =>
    store.getSession({ owner, id }).catch((error: unknown) => {
      if (error instanceof UnreadableRecordError) return null;
      throw error;
    });
  const sessions = (await Promise.all(live.map(read))).filter((session) => session !== null);
  const { items: charges } = await everyPage((page) => store.listCharges(owner, { month }, page));
  return { owner, sessions, charges };
}
