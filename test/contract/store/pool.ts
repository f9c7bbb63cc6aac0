import { describe, expect, it } from 'vitest';
import { UnreadableRecordError } from '../../../launcher/ports/store.ts';
import { allPages, type StoreBench } from './bench.ts';
import { aPoolBox, asStored, poolBoxId, sessionId } from './fixtures.ts';

export function poolCases(bench: () => StoreBench): void {
  describe('boxes of the pool', () => {
    it('are given back as they were put; a second of the same id is refused', async () => {
      const { store } = bench();
      const future = { ...aPoolBox(1), tier: 'gold' };
      expect([await store.createPoolBox(future), await store.createPoolBox(aPoolBox(1))]).toEqual([true, false]);
      expect(await store.getPoolBox(poolBoxId(1))).toEqual(asStored(future));
      expect(await store.getPoolBox(poolBoxId(2))).toBeNull();
      expect(await store.listOwners()).toEqual([]);
    });

    it('of many that claim a box one has it', async () => {
      const { store, another } = bench();
      const box = aPoolBox(1);
      await store.createPoolBox(box);
      const claims = await Promise.all(
        Array.from({ length: 60 }, (_, n) => {
          const claim = { owner: 'dev', sessionId: sessionId(n), generation: 1, operationId: `op_${n}` };
          return (n % 2 ? store : another()).savePoolBox({ ...box, phase: 'claimed', claim });
        }),
      );
      const won = claims.filter((claimed) => claimed !== null);
      expect(won).toHaveLength(1);
      expect(won[0]?.version).toBe(2);
      expect(await store.getPoolBox(box.id)).toEqual(asStored(won[0]));
    });

    it('are saved and removed only over the version that was read', async () => {
      const { store } = bench();
      const box = aPoolBox(1);
      expect([await store.savePoolBox(box), await store.deletePoolBox(box)]).toEqual([null, false]);
      await store.createPoolBox(box);
      const ending = await store.savePoolBox({ ...box, phase: 'ending' });
      expect([await store.savePoolBox(box), await store.deletePoolBox(box)]).toEqual([null, false]);
      expect([await store.deletePoolBox(ending ?? box), await store.getPoolBox(box.id)]).toEqual([true, null]);
    });

    it('are listed in pages, the oldest first, without what cannot be read', async () => {
      const { store, putRow, warnings } = bench();
      for (const n of [3, 1, 5, 2]) await store.createPoolBox(aPoolBox(n));
      await putRow({ pk: { S: 'POOL' }, sk: { S: poolBoxId(4) }, doc: { S: '{"phase":"new"}' } });
      const { items, unreadable, sizes } = await allPages(2, (page) => store.listPoolBoxes(page));
      expect(items.map(({ id }) => id)).toEqual([1, 2, 3, 5].map(poolBoxId));
      expect([unreadable, sizes.length]).toEqual([[`POOL ${poolBoxId(4)}`], 3]);
      expect(warnings).not.toEqual([]);
      await expect(store.getPoolBox(poolBoxId(4))).rejects.toBeInstanceOf(UnreadableRecordError);
    });
  });
}
