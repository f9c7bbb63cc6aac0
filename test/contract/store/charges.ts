import { describe, expect, it } from 'vitest';
import type { SessionCharge, StorageCharge } from '../../../launcher/contract/records.ts';
import { allPages, type StoreBench } from './bench.ts';
import { asStored, sessionId, T0, workspaceId } from './fixtures.ts';

const common = (owner: string) => ({ owner, month: '2026-02', workspace: 'shop', workspaceId: workspaceId(1), untilMs: T0 });
const aSessionCharge = (owner: string, n: number, patch: Partial<SessionCharge> = {}): SessionCharge => ({
  ...common(owner),
  kind: 'session',
  sessionId: sessionId(n),
  spent: { boxMicroUsd: 1000 + n, diskMicroUsd: 10, boxMs: 3_600_000 },
  about: false,
  ...patch,
});
const aStorageCharge = (owner: string, patch: Partial<StorageCharge> = {}): StorageCharge => ({
  ...common(owner),
  kind: 'storage',
  diskMicroUsd: 5,
  snapshotMicroUsd: 6,
  level: { diskGiB: 64, snapshotBytes: 2 ** 40, about: true },
  ...patch,
});

export function chargeCases(bench: () => StoreBench): void {
  describe('entries of a month', () => {
    it('are one however often they are written, and never go back to knowing less', async () => {
      const { store, another } = bench();
      const entry = aSessionCharge('dev', 1);
      await Promise.all(Array.from({ length: 20 }, (_, n) => (n % 2 ? store : another()).putCharge(entry)));
      await store.putCharge(aSessionCharge('dev', 1, { untilMs: T0 - 1, spent: { boxMicroUsd: 1, diskMicroUsd: 1, boxMs: 1 } }));
      const list = () => allPages(9, (page) => store.listCharges('dev', { month: '2026-02' }, page));
      expect((await list()).items).toEqual([asStored(entry)]);
      const later = aSessionCharge('dev', 1, { untilMs: T0 + 1, about: true });
      await store.putCharge(later);
      expect((await list()).items).toEqual([asStored(later)]);
    });

    it('are listed by month and kind, in pages, and each owner has his own', async () => {
      const { store } = bench();
      for (const n of [3, 1, 2]) await store.putCharge(aSessionCharge('dev', n));
      await store.putCharge(aStorageCharge('dev'));
      await store.putCharge(aSessionCharge('dev', 4, { month: '2026-03' }));
      await store.putCharge(aSessionCharge('eve', 5));
      const all = await allPages(2, (page) => store.listCharges('dev', { month: '2026-02' }, page));
      expect(all.sizes).toEqual([2, 2]);
      expect(all.items.map((charge) => (charge.kind === 'session' ? charge.sessionId : charge.kind))).toEqual([
        sessionId(1),
        sessionId(2),
        sessionId(3),
        'storage',
      ]);
      const stored = await allPages(9, (page) => store.listCharges('dev', { month: '2026-02', kind: 'storage' }, page));
      expect(stored.items).toEqual([asStored(aStorageCharge('dev'))]);
      expect(await store.listOwners()).toEqual(['dev', 'eve']);
    });
  });
}
