import { describe, expect, it } from 'vitest';
import type { StoreBench } from './bench.ts';

export function turnCases(bench: () => StoreBench): void {
  describe('a turn', () => {
    const until = (holder: string, untilMs = 2000) => ({ holder, untilMs });
    const free = { nowMs: 1000, fromOthers: false };

    it('is had by one of many, and by the next one once it is ended', async () => {
      const { store, another } = bench();
      const holders = Array.from({ length: 20 }, (_, n) => `holder ${n}`);
      const taken = await Promise.all(holders.map((holder, n) => (n % 2 ? store : another()).takeTurn('reap', until(holder), free)));
      expect(taken.filter(Boolean)).toHaveLength(1);
      const mine = holders[taken.indexOf(true)] ?? '';
      expect(await store.hasTurn('reap', mine)).toBe(true);
      await store.endTurn('reap', 'somebody else');
      expect(await store.takeTurn('reap', until('next'), free)).toBe(false);
      await store.endTurn('reap', mine);
      expect(await store.hasTurn('reap', mine)).toBe(false);
      expect(await store.takeTurn('reap', until('next'), free)).toBe(true);
      expect(await store.takeTurn('look', until('next'), free)).toBe(true);
    });

    it('is free when its time is over', async () => {
      const { store } = bench();
      expect(await store.takeTurn('reap', until('dead'), free)).toBe(true);
      expect(await store.takeTurn('reap', until('early', 3000), { ...free, nowMs: 1999 })).toBe(false);
      expect(await store.takeTurn('reap', until('next', 3000), { ...free, nowMs: 2000 })).toBe(true);
    });

    it('may be taken from whoever has it, who finds out and ends nothing', async () => {
      const { store } = bench();
      await store.takeTurn('look', until('first'), { ...free, fromOthers: true });
      expect(await store.takeTurn('look', until('second'), { ...free, fromOthers: true })).toBe(true);
      expect([await store.hasTurn('look', 'first'), await store.hasTurn('look', 'second')]).toEqual([false, true]);
      await store.endTurn('look', 'first');
      expect(await store.hasTurn('look', 'second')).toBe(true);
      expect(await store.hasTurn('none', 'second')).toBe(false);
    });
  });
}
