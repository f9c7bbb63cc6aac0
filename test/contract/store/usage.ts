import { describe, expect, it } from 'vitest';
import { UnreadableRecordError } from '../../../launcher/ports/store.ts';
import type { StoreBench } from './bench.ts';
import { sessionId, workspaceId } from './fixtures.ts';

const ROOMY = { liveSessions: 100, workspaces: 100, snapshotBytes: 1000 };
const ref = (n: number) => ({ workspaceId: workspaceId(1), id: `snap_${n}` });

export function usageCases(bench: () => StoreBench): void {
  describe('usage', () => {
    it('begins with nothing', async () => {
      expect(await bench().store.getUsage('dev')).toEqual({ owner: 'dev', sessions: [], workspaces: [], snapshots: [], snapshotBytes: 0 });
    });

    it.each([
      ['sessions', 'reserveSession', sessionId],
      ['workspaces', 'reserveWorkspace', workspaceId],
    ] as const)('lets exactly the quota of %s through, of 100 at once', async (kind, reserve, idOf) => {
      const { store, another } = bench();
      const quotas = { ...ROOMY, liveSessions: 7, workspaces: 7 };
      const stores = [store, another()];
      const outcomes = await Promise.all(Array.from({ length: 100 }, (_, n) => (stores[n % 2] ?? store)[reserve]('dev', idOf(n), quotas)));
      expect(outcomes.filter((outcome) => outcome === 'ok')).toHaveLength(7);
      expect(outcomes.filter((outcome) => outcome === kind)).toHaveLength(93);
      const usage = await store.getUsage('dev');
      expect(usage[kind]).toEqual(outcomes.flatMap((outcome, n) => (outcome === 'ok' ? [idOf(n)] : [])).sort());
      expect(await store[reserve]('eve', idOf(1), quotas)).toBe('ok');
    });

    it('counts a repeated reservation once, also when the quota is full', async () => {
      const { store } = bench();
      const quotas = { ...ROOMY, liveSessions: 1, workspaces: 1 };
      for (let i = 0; i < 3; i += 1) {
        expect(await store.reserveSession('dev', sessionId(1), quotas)).toBe('ok');
        expect(await store.reserveWorkspace('dev', workspaceId(1), quotas)).toBe('ok');
      }
      await store.addSnapshotBytes('dev', ref(1), 5000);
      expect(await store.reserveSession('dev', sessionId(1), quotas)).toBe('ok');
      expect(await store.reserveWorkspace('dev', workspaceId(1), { ...quotas, workspaces: 0 })).toBe('ok');
      expect(await store.getUsage('dev')).toMatchObject({ sessions: [sessionId(1)], workspaces: [workspaceId(1)] });
    });

    it('gives the place back, however often it is released', async () => {
      const { store } = bench();
      const quotas = { ...ROOMY, liveSessions: 1, workspaces: 1 };
      await store.releaseSession('dev', sessionId(1));
      await store.releaseWorkspace('dev', workspaceId(1));
      for (const n of [1, 2, 3]) {
        expect(await store.reserveSession('dev', sessionId(n), quotas)).toBe('ok');
        expect(await store.reserveSession('dev', sessionId(n + 1), quotas)).toBe('sessions');
        expect(await store.reserveWorkspace('dev', workspaceId(n), quotas)).toBe('ok');
        expect(await store.reserveWorkspace('dev', workspaceId(n + 1), quotas)).toBe('workspaces');
        for (let again = 0; again < 2; again += 1) {
          await store.releaseSession('dev', sessionId(n));
          await store.releaseWorkspace('dev', workspaceId(n));
        }
      }
      expect(await store.getUsage('dev')).toMatchObject({ sessions: [], workspaces: [] });
    });

    it('refuses everything where the quota is nothing', async () => {
      const { store } = bench();
      const none = { liveSessions: 0, workspaces: 0, snapshotBytes: 0 };
      expect(await store.reserveSession('dev', sessionId(1), { ...ROOMY, liveSessions: 0 })).toBe('sessions');
      expect(await store.reserveWorkspace('dev', workspaceId(1), { ...ROOMY, workspaces: 0 })).toBe('workspaces');
      expect(await store.reserveSession('dev', sessionId(1), { ...none, liveSessions: 1 })).toBe('bytes');
    });

    it('counts the bytes of each snapshot once, and refuses at the quota', async () => {
      const { store } = bench();
      await Promise.all([1, 2, 1, 2, 1].map((n) => store.addSnapshotBytes('dev', ref(n), n * 400)));
      expect(await store.getUsage('dev')).toMatchObject({
        snapshots: [1, 2].map((n) => `${workspaceId(1)}/snap_${n}`),
        snapshotBytes: 1200,
      });
      expect(await store.reserveSession('dev', sessionId(1), ROOMY)).toBe('bytes');
      expect(await store.reserveWorkspace('dev', workspaceId(1), ROOMY)).toBe('bytes');
      await Promise.all([1, 1, 3, 1].map((n) => store.removeSnapshotBytes('dev', ref(n), 400)));
      expect(await store.getUsage('dev')).toMatchObject({ snapshots: [`${workspaceId(1)}/snap_2`], snapshotBytes: 800 });
      expect(await store.reserveSession('dev', sessionId(1), ROOMY)).toBe('ok');
      await store.removeSnapshotBytes('dev', ref(2), 900);
      expect(await store.getUsage('dev')).toMatchObject({ snapshots: [], snapshotBytes: 0 });
    });

    it('has room for the snapshots of every workspace that the quotas allow', async () => {
      const { store, putRow } = bench();
      const snapshots = Array.from({ length: 200 * 18 }, (_, n) => `${workspaceId(Math.floor(n / 18))}/snap_${1000 + n}`);
      await putRow({ pk: { S: 'O#dev' }, sk: { S: 'USAGE' }, snapshotSet: { SS: snapshots }, bytesSum: { N: '3600' } });
      await store.addSnapshotBytes('dev', ref(1), 1);
      expect((await store.getUsage('dev')).snapshots).toHaveLength(3601);
    });

    it('says so when its counters are damaged', async () => {
      const { store, putRow } = bench();
      await putRow({ pk: { S: 'O#dev' }, sk: { S: 'USAGE' }, bytesSum: { S: 'many' } });
      expect((await store.getUsage('dev')).snapshotBytes).toBe(0);
      await putRow({ pk: { S: 'O#dev' }, sk: { S: 'USAGE' }, bytesSum: { N: '1.5' } });
      await expect(store.getUsage('dev')).rejects.toBeInstanceOf(UnreadableRecordError);
    });
  });
}
