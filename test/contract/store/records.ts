import { describe, expect, it } from 'vitest';
import { UnreadableRecordError } from '../../../launcher/ports/store.ts';
import { allPages, type StoreBench } from './bench.ts';
import { anIdempotency, aSession, asStored, aToken, aWorkspace, sessionId, T0, tokenId, workspaceId } from './fixtures.ts';

export function recordCases(bench: () => StoreBench): void {
  describe('workspaces', () => {
    it('gives back what was put; a second of the same name is refused', async () => {
      const { store } = bench();
      const shop = aWorkspace('dev', 'shop');
      expect(await store.createWorkspace(shop)).toBe(true);
      expect(await store.createWorkspace(aWorkspace('dev', 'shop', { id: workspaceId(2) }))).toBe(false);
      expect(await store.createWorkspace(aWorkspace('eve', 'shop'))).toBe(true);
      expect(await store.getWorkspace('dev', 'shop')).toEqual(asStored(shop));
      expect(await store.getWorkspace('dev', 'other')).toBeNull();
    });

    it('saves over the version that was read, and no other', async () => {
      const { store } = bench();
      const shop = aWorkspace('dev', 'shop');
      expect(await store.saveWorkspace(shop)).toBeNull();
      await store.createWorkspace(shop);
      const outcomes = await Promise.all(
        Array.from({ length: 100 }, (_, n) => store.saveWorkspace({ ...shop, claim: { sessionId: sessionId(n), generation: 1 } })),
      );
      const winners = outcomes.filter((outcome) => outcome !== null);
      expect(winners).toHaveLength(1);
      expect(winners[0]?.version).toBe(1);
      expect(await store.getWorkspace('dev', 'shop')).toEqual(asStored(winners[0]));
    });

    it('never takes a workspace for an earlier one of the same name and version', async () => {
      const { store } = bench();
      const before = aWorkspace('dev', 'shop', { id: workspaceId(1) });
      const after = aWorkspace('dev', 'shop', { id: workspaceId(2) });
      await store.createWorkspace(before);
      expect(await store.deleteWorkspace(before)).toBe(true);
      await store.createWorkspace(after);
      expect(await store.saveWorkspace(before)).toBeNull();
      expect(await store.deleteWorkspace(before)).toBe(false);
      expect(await store.getWorkspace('dev', 'shop')).toEqual(asStored(after));
    });

    it('removes only the version that was read', async () => {
      const { store } = bench();
      const shop = aWorkspace('dev', 'shop');
      await store.createWorkspace(shop);
      const saved = await store.saveWorkspace({ ...shop, deleting: true });
      expect(await store.deleteWorkspace(shop)).toBe(false);
      expect(await store.deleteWorkspace(saved ?? shop)).toBe(true);
      expect(await store.deleteWorkspace(saved ?? shop)).toBe(false);
      expect(await store.getWorkspace('dev', 'shop')).toBeNull();
    });

    it('lists by name, by owner, in pages, and skips what cannot be read', async () => {
      const { store, putRow } = bench();
      for (const name of ['c', 'a', 'd', 'b']) await store.createWorkspace(aWorkspace('dev', name));
      await store.createWorkspace(aWorkspace('eve', 'e'));
      await putRow({ pk: { S: 'O#dev' }, sk: { S: 'W#bb' }, doc: { S: '{"name":"bb"}' } });
      const { items, unreadable } = await allPages(2, (page) => store.listWorkspaces('dev', page));
      expect(items.map((workspace) => workspace.name)).toEqual(['a', 'b', 'c', 'd']);
      expect(unreadable).toEqual(['O#dev W#bb']);
      await expect(store.getWorkspace('dev', 'bb')).rejects.toBeInstanceOf(UnreadableRecordError);
    });

    it('keeps fields that this version does not know', async () => {
      const { store } = bench();
      const future = { ...aWorkspace('dev', 'shop'), tier: 'gold', claim: { sessionId: sessionId(1), generation: 1, host: 'h1' } };
      await store.createWorkspace(future);
      const read = await store.getWorkspace('dev', 'shop');
      await store.saveWorkspace({ ...(read as typeof future), setupAllowed: true });
      expect(await store.getWorkspace('dev', 'shop')).toEqual({ ...future, setupAllowed: true, version: 1 });
    });
  });

  describe('owners', () => {
    it('are everyone who has anything', async () => {
      const { store, another } = bench();
      expect(await store.listOwners()).toEqual([]);
      const quotas = { liveSessions: 1, workspaces: 1, snapshotBytes: 1 };
      await store.createSession(aSession('arn:aws:iam::123:role/dev', 1));
      await another().createWorkspace(aWorkspace('bob@example.org', 'shop'));
      await store.createToken(aToken('carol', 1));
      await store.reserveSession('dave', sessionId(1), quotas);
      await store.reserveWorkspace('erin', workspaceId(1), quotas);
      await another().createSession(aSession('carol', 2));
      expect((await store.listOwners()).sort()).toEqual(['arn:aws:iam::123:role/dev', 'bob@example.org', 'carol', 'dave', 'erin']);
    });

    it('cannot see or change each other by any id', async () => {
      const { store } = bench();
      await store.createSession(aSession('dev', 1));
      await store.createWorkspace(aWorkspace('dev', 'shop'));
      await store.createToken(aToken('dev', 1));
      expect(await store.getSession({ owner: 'eve', id: sessionId(1) })).toBeNull();
      expect(await store.getWorkspace('eve', 'shop')).toBeNull();
      expect(await store.getToken('eve', tokenId(1))).toBeNull();
      expect(await store.revokeToken('eve', tokenId(1), T0)).toBe(false);
      expect(await store.saveSession(aSession('eve', 1))).toBeNull();
      expect(await store.deleteWorkspace(aWorkspace('eve', 'shop'))).toBe(false);
      for (const id of [`x#S#${sessionId(1)}`, '', '../dev', `#E#${sessionId(1)}`]) {
        expect(await store.getSession({ owner: 'eve', id })).toBeNull();
      }
    });
  });

  describe('tokens', () => {
    it('are put once, listed newest first and revoked for good', async () => {
      const { store } = bench();
      expect(await store.createToken(aToken('dev', 1, { expiresAt: T0 + 5 }))).toBe(true);
      expect(await store.createToken(aToken('dev', 1, { name: 'other' }))).toBe(false);
      await store.createToken(aToken('dev', 2));
      expect(await store.revokeToken('dev', tokenId(1), T0 + 1)).toBe(true);
      expect(await store.revokeToken('dev', tokenId(1), T0 + 9)).toBe(true);
      expect(await store.revokeToken('dev', tokenId(3), T0)).toBe(false);
      const revoked = aToken('dev', 1, { expiresAt: T0 + 5, revokedAt: T0 + 1 });
      expect(await store.getToken('dev', tokenId(1))).toEqual(revoked);
      expect(await store.listTokens('dev', { limit: 10, after: null })).toEqual({
        items: [aToken('dev', 2), revoked],
        unreadable: [],
        next: null,
      });
    });

    it('revoked at once by many are revoked', async () => {
      const { store } = bench();
      await store.createToken(aToken('dev', 1));
      const outcomes = await Promise.all(Array.from({ length: 20 }, (_, n) => store.revokeToken('dev', tokenId(1), T0 + n)));
      expect(outcomes).toEqual(Array.from({ length: 20 }, () => true));
      expect((await store.getToken('dev', tokenId(1)))?.revokedAt).toBeGreaterThanOrEqual(T0);
    });
  });

  describe('idempotency', () => {
    it('gives the first record to everyone until it expires, and the next one after', async () => {
      const { store } = bench();
      const first = anIdempotency('dev', 'k', { resourceId: sessionId(1) });
      const second = anIdempotency('dev', 'k', { resourceId: sessionId(2), expiresAt: T0 + 5000 });
      expect(await store.claimIdempotency(first, T0)).toEqual(first);
      expect(await store.claimIdempotency(second, T0 + 999)).toEqual(first);
      expect(await store.claimIdempotency(second, T0 + 1000)).toEqual(second);
      expect(await store.claimIdempotency(first, T0 + 1001)).toEqual(second);
      expect(await store.claimIdempotency(anIdempotency('eve', 'k'), T0)).toEqual(anIdempotency('eve', 'k'));
    });

    it('lets one of 100 at once decide', async () => {
      const { store, another } = bench();
      const claims = await Promise.all(
        Array.from({ length: 100 }, (_, n) =>
          (n % 2 ? store : another()).claimIdempotency(anIdempotency('dev', 'k', { resourceId: sessionId(n) }), T0),
        ),
      );
      expect(new Set(claims.map((claim) => claim.resourceId)).size).toBe(1);
    });
  });

  it('answers a ping', async () => {
    await expect(bench().store.ping()).resolves.toBeUndefined();
  });

  it('gives what is over an expiry for clean-up, and what is not over none', async () => {
    const { store, getRow } = bench();
    const session = aSession('dev', 1);
    await store.createSession(session);
    const row = () => getRow('O#dev', `S#${sessionId(1)}`);
    expect((await row())?.['expirySec']).toBeUndefined();
    await store.saveSession({ ...session, phase: 'stopped', endedAt: T0 });
    expect(await row()).toMatchObject({ expirySec: { N: String(T0 / 1000 + 30 * 86_400) } });
    expect((await row())?.['lookAt']).toBeUndefined();
    await store.claimIdempotency(anIdempotency('dev', 'k'), T0);
    expect((await getRow('O#dev', 'I#k'))?.['expirySec']).toEqual({ N: String(T0 / 1000 + 1) });
    const token = () => getRow('O#dev', `T#${tokenId(1)}`);
    await store.createToken(aToken('dev', 1));
    expect((await token())?.['expirySec']).toBeUndefined();
    await store.revokeToken('dev', tokenId(1), T0);
    expect(await token()).toMatchObject({ expirySec: { N: String(T0 / 1000 + 30 * 86_400) } });
  });
}
