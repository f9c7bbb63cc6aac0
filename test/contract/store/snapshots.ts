import { describe, expect, it } from 'vitest';
import { allPages, type StoreBench } from './bench.ts';
import { aSnapshot, asStored, workspaceId } from './fixtures.ts';

export function snapshotCases(bench: () => StoreBench): void {
  describe('snapshots', () => {
    const ref = { workspaceId: workspaceId(1), id: 'snap_1' };
    const fork = workspaceId(2);

    it('give back what was put, once', async () => {
      const { store } = bench();
      const snapshot = aSnapshot('dev', 1, { pins: [workspaceId(3), fork].sort() });
      expect(await store.createSnapshot(snapshot)).toBe(true);
      expect(await store.createSnapshot(aSnapshot('dev', 1, { note: 'again' }))).toBe(false);
      expect(await store.getSnapshot('dev', ref)).toEqual(asStored(snapshot));
      expect(await store.getSnapshot('eve', ref)).toBeNull();
      expect(await store.getSnapshot('dev', { ...ref, id: 'snap_2' })).toBeNull();
    });

    it('are listed newest first by number, not as text, and by workspace', async () => {
      const { store } = bench();
      for (const seq of [2, 10, 9, 1, 100]) await store.createSnapshot(aSnapshot('dev', seq));
      await store.createSnapshot(aSnapshot('dev', 7, { workspaceId: fork }));
      const { items, sizes } = await allPages(2, (page) => store.listSnapshots('dev', workspaceId(1), page));
      expect(items.map((snapshot) => snapshot.seq)).toEqual([100, 10, 9, 2, 1]);
      expect(sizes).toEqual([2, 2, 1]);
    });

    it('take their outcome, with everything else kept', async () => {
      const { store } = bench();
      const snapshot = aSnapshot('dev', 1, { state: 'pending', completedAt: null, bytes: null, files: null, pins: [fork] });
      await store.createSnapshot(snapshot);
      const outcome = { state: 'completed', completedAt: 5, bytes: 7, newBytes: 3, files: 2, clean: false } as const;
      expect(await store.updateSnapshot('dev', ref, outcome)).toBe(true);
      expect(await store.updateSnapshot('dev', ref, outcome)).toBe(true);
      expect(await store.getSnapshot('dev', ref)).toEqual({ ...snapshot, ...outcome });
      expect(await store.updateSnapshot('dev', ref, { bytes: null, newBytes: undefined })).toBe(true);
      expect(await store.getSnapshot('dev', ref)).toEqual({ ...snapshot, ...outcome, bytes: null });
      expect(await store.updateSnapshot('dev', { ...ref, id: 'snap_2' }, outcome)).toBe(false);
      expect(await store.getSnapshot('dev', { ...ref, id: 'snap_2' })).toBeNull();
    });

    it.each([
      ['completed', 'error'],
      ['error', 'completed'],
      ['completed', 'pending'],
    ] as const)('that are %s do not become %s: who is late loses', async (state, late) => {
      const { store } = bench();
      await store.createSnapshot(aSnapshot('dev', 1, { state }));
      expect(await store.updateSnapshot('dev', ref, { state: late, bytes: 1 })).toBe(false);
      expect(await store.getSnapshot('dev', ref)).toEqual(aSnapshot('dev', 1, { state }));
    });

    it.each(['pending', 'error'] as const)('that are %s cannot be pinned', async (state) => {
      const { store } = bench();
      await store.createSnapshot(aSnapshot('dev', 1, { state }));
      expect(await store.pinSnapshot('dev', ref, fork)).toBe(false);
      expect((await store.getSnapshot('dev', ref))?.pins).toEqual([]);
    });

    it('that are not there can be neither pinned, unpinned, tombstoned nor deleted, and do not come into being', async () => {
      const { store } = bench();
      expect(await store.pinSnapshot('dev', ref, fork)).toBe(false);
      await store.unpinSnapshot('dev', ref, fork);
      expect(await store.tombstoneSnapshot('dev', ref)).toBe(false);
      expect(await store.deleteSnapshot('dev', ref)).toBe(false);
      expect(await store.listSnapshots('dev', ref.workspaceId, { limit: 10, after: null })).toMatchObject({ items: [], unreadable: [] });
    });

    it('that are pinned cannot be tombstoned, until the last pin is gone', async () => {
      const { store } = bench();
      await store.createSnapshot(aSnapshot('dev', 1));
      for (const pin of [fork, fork, workspaceId(3)]) expect(await store.pinSnapshot('dev', ref, pin)).toBe(true);
      expect((await store.getSnapshot('dev', ref))?.pins).toEqual([fork, workspaceId(3)]);
      for (const pin of [fork, workspaceId(3)]) {
        expect(await store.tombstoneSnapshot('dev', ref)).toBe(false);
        await store.unpinSnapshot('dev', ref, pin);
        await store.unpinSnapshot('dev', ref, pin);
      }
      expect(await store.getSnapshot('dev', ref)).toEqual(aSnapshot('dev', 1));
      expect(await store.tombstoneSnapshot('dev', ref)).toBe(true);
      expect(await store.tombstoneSnapshot('dev', ref)).toBe(true);
    });

    it('that are tombstoned stay so, until they are deleted', async () => {
      const { store } = bench();
      await store.createSnapshot(aSnapshot('dev', 1));
      expect(await store.deleteSnapshot('dev', ref)).toBe(false);
      await store.tombstoneSnapshot('dev', ref);
      expect(await store.pinSnapshot('dev', ref, fork)).toBe(false);
      expect(await store.updateSnapshot('dev', ref, { state: 'completed' })).toBe(false);
      expect((await store.getSnapshot('dev', ref))?.state).toBe('deleting');
      expect(await store.deleteSnapshot('dev', ref)).toBe(true);
      expect(await store.deleteSnapshot('dev', ref)).toBe(false);
      expect(await store.getSnapshot('dev', ref)).toBeNull();
    });

    it('are never pinned and tombstoned both, whoever is first', async () => {
      const { store, another } = bench();
      const seqs = Array.from({ length: 30 }, (_, i) => i + 1);
      await Promise.all(seqs.map((seq) => store.createSnapshot(aSnapshot('dev', seq))));
      const other = another();
      const race = async (seq: number) => {
        const one = { workspaceId: workspaceId(1), id: `snap_${seq}` };
        const pin = () => store.pinSnapshot('dev', one, fork);
        const tombstone = () => other.tombstoneSnapshot('dev', one);
        const [first, second] = await Promise.all(seq % 2 ? [pin(), tombstone()] : [tombstone(), pin()]);
        return { won: [first, second].filter(Boolean).length, snapshot: await store.getSnapshot('dev', one) };
      };
      for (const { won, snapshot } of await Promise.all(seqs.map(race))) {
        expect(won).toBe(1);
        expect(snapshot?.state === 'deleting').toBe(snapshot?.pins.length === 0);
      }
    });
  });
}
