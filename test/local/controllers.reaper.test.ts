import { PutItemCommand } from '@aws-sdk/client-dynamodb';
import { describe, expect, it } from 'vitest';
import { reap } from '../../launcher/controllers/reaper.ts';
import { expectNothingLeft } from '../support/checks.ts';
import { database, downAndSettle, eachInAFreshWorld, openFreshWorld, upWith, users, world } from '../support/fresh-world.ts';
import { OWNER } from '../support/world.ts';

eachInAFreshWorld();

const later = (): void => world.clock.advance(world.limits.orphanGraceMs + 1000);

/** Things that no record knows: a box with its volume, and a snapshot. */
async function strays(): Promise<void> {
  const tags = {
    owner: OWNER,
    workspace: 'ghost',
    workspaceId: users.id('ws'),
    sessionId: users.id('ses'),
    generation: 1,
    operationId: 'stray',
  };
  const request = {
    tags,
    source: { kind: 'blank' as const },
    size: 'small' as const,
    policy: 'spot' as const,
    instanceTypes: [],
    arch: null,
    network: true,
    persistent: false,
    parked: null,
    pooled: null,
    boxToken: 't',
    providerState: null,
  };
  await world.compute.launch(request);
  const volumeId = [...world.compute.disks.volumes.keys()].at(-1) as string;
  const ref = { workspaceId: tags.workspaceId, id: 'snap_1' };
  await world.compute.snapshot({
    tags,
    ref,
    volumeId,
    liveBox: { boxId: 'box-stray', sessionId: tags.sessionId, generation: 1 },
    parent: null,
  });
}

const everything = () => [world.compute.running().length, world.compute.disks.volumes.size, world.compute.disks.snapshots.size];

describe('things without a record', () => {
  it('are removed once they are older than the grace time, and not before', async () => {
    await strays();
    const young = await world.reap();
    expect(young.items[0]?.thing).toMatchObject({ owner: OWNER, workspace: 'ghost', usdPerMonth: null });
    expect(young.items.map(({ action }) => action)).toEqual(['waiting', 'waiting', 'waiting']);
    expect(everything()).toEqual([1, 1, 1]);
    later();
    await world.reap();
    await world.reap();
    expect(everything()).toEqual([0, 0, 0]);
  });

  it('are only named by a dry run, which changes nothing at all', async () => {
    const id = await upWith('shop', { a: '1' });
    await downAndSettle(id);
    await users.delete('shop');
    await strays();
    world.clock.advance(world.limits.keepVolumeMs + 1000);
    const calls = () => [...world.launcher.life.trace].filter((label) => !/\.(get|list|vouches)/.test(label));
    const before = [calls(), everything()];
    const { items, dryRun } = await world.reap(true);
    expect(dryRun).toBe(true);
    expect(new Set(items.map(({ action }) => action))).toEqual(new Set(['would_remove']));
    expect(items.length).toBeGreaterThanOrEqual(4);
    expect([calls(), everything()]).toEqual(before);
  });

  it('stay when the list is not whole, or fails', async () => {
    await strays();
    later();
    world.compute.partial = true;
    expect((await world.reap()).complete).toBe(false);
    world.compute.partial = false;
    world.compute.faults.add({ op: 'list', times: 1 });
    expect((await world.reap()).complete).toBe(false);
    expect(everything()).toEqual([1, 1, 1]);
  });

  it('stay when only the first of the two lists has them', async () => {
    await strays();
    later();
    const slow = world.newLauncher();
    let lists = 0;
    slow.life.beforeCall = (label) => {
      if (label === 'compute.list') lists += 1;
      if (lists === 2) world.compute.boxes.clear();
      return undefined;
    };
    const { items } = await reap(slow.deps, { dryRun: false });
    expect(items.map(({ kind }) => kind).sort()).toEqual(['snapshot', 'volume']);
  });

  it('that cannot be removed now are tried in the next pass, and stop nothing else', async () => {
    await strays();
    later();
    world.compute.faults.add({ op: 'end' });
    world.compute.faults.add({ op: 'dropSnapshot' });
    expect((await world.reap()).items.map(({ action }) => action)).toEqual(['failed', 'failed', 'failed']);
    await world.reap();
    await world.reap();
    expect(everything()).toEqual([0, 0, 0]);
  });
});

describe('records that point at nothing', () => {
  it('a claim whose session is over is given free; one that is just being made is not', async () => {
    const id = await upWith('shop', { a: '1' });
    await downAndSettle(id);
    const workspace = await world.workspace('shop');
    const saved = await world.store.saveWorkspace({ ...workspace, claim: { sessionId: id, generation: 1 } });
    await world.reap();
    expect((await world.workspace('shop')).claim).toBeNull();
    const making = users.id('ses');
    await world.store.saveWorkspace({ ...(await world.workspace('shop')), claim: { sessionId: making, generation: 1 } });
    await world.reap();
    expect((await world.workspace('shop')).claim?.sessionId).toBe(making);
    later();
    await world.reap();
    expect((await world.workspace('shop')).claim).toBeNull();
    expect(saved).not.toBeNull();
  });

  it('places in the quota that nothing holds are given back, when they are not young', async () => {
    const [session, workspace] = [users.id('ses'), users.id('ws')];
    const quotas = { liveSessions: 9, workspaces: 9, snapshotBytes: 1e9 };
    await world.store.reserveSession(OWNER, session, quotas);
    await world.store.reserveWorkspace(OWNER, workspace, quotas);
    await world.reap();
    expect(await world.store.getUsage(OWNER)).toMatchObject({ sessions: [session], workspaces: [workspace] });
    later();
    await world.reap();
    expect(await world.store.getUsage(OWNER)).toMatchObject({ sessions: [], workspaces: [] });
  });

  it('a snapshot that nobody is making any more is removed; the head never is, whatever its record says', async () => {
    const id = await upWith('shop', { a: '1' });
    await downAndSettle(id);
    const { id: workspaceId } = await world.workspace('shop');
    const head = await world.store.getSnapshot(OWNER, { workspaceId, id: 'snap_1' });
    if (head === null) throw new Error('no head');
    await world.store.createSnapshot({ ...head, id: 'snap_7', seq: 7, state: 'pending', operationId: 'left' });
    await world.store.createSnapshot({ ...head, id: 'snap_8', seq: 8, state: 'error', operationId: 'broken' });
    later();
    await world.reap();
    const { items } = await world.store.listSnapshots(OWNER, workspaceId, { limit: 9, after: null });
    expect(items.map((snapshot) => snapshot.id)).toEqual(['snap_1']);
    expect(world.compute.disks.snapshots.size).toBe(1);
    await world.store.tombstoneSnapshot(OWNER, { workspaceId, id: 'snap_1' });
    for (let pass = 0; pass < 3; pass += 1) await world.reap();
    await world.oracle.check();
    expect(world.compute.disks.snapshots.size).toBe(1);
  });
});

describe('a row that nobody can read', () => {
  const damaged = async (sk: string) =>
    database.client.send(
      new PutItemCommand({
        TableName: world.tableName,
        Item: { pk: { S: `O#${OWNER}` }, sk: { S: sk }, doc: { S: '{"phase":"melting"}' }, version: { N: '1' } },
      }),
    );

  it('keeps what it may own, is reported, and the others go on', async () => {
    const id = await upWith('shop', { a: '1' });
    await downAndSettle(await upWith('blog', { b: '1' }));
    await damaged(`S#${id}`);
    await strays();
    world.clock.advance(world.limits.keepVolumeMs + 1000);
    const { items } = await world.reap();
    expect(world.compute.boxOf(id)).toBeDefined();
    expect((await world.workspace('shop')).claim?.sessionId).toBe(id);
    expect(items.filter(({ action }) => action === 'removed').map(({ kind }) => kind)).toContain('box');
    expect((await world.workspace('blog')).volume).toBeNull();
    expect(world.telemetry.lines.some(({ op }) => op === 'reap.unreadable')).toBe(true);
  });

  it('among the workspaces leaves its pins and quota alone, and says that the pass was not whole', async () => {
    await downAndSettle(await upWith('shop', { a: '1' }));
    await users.fork('shop', 'fork');
    const fork = await world.workspace('fork');
    await damaged('W#fork');
    later();
    expect((await world.reap()).complete).toBe(false);
    expect((await world.store.getUsage(OWNER)).workspaces).toContain(fork.id);
    expect((await world.store.getSnapshot(OWNER, fork.head as never))?.pins).toEqual([fork.id]);
    expect((await world.workspace('shop')).name).toBe('shop');
  });
});

describe('the deletion of a workspace', () => {
  it('goes on after a crash at any of its calls, until nothing is left', { timeout: 120_000 }, async () => {
    const deletion = async (crashAt: number): Promise<number> => {
      await openFreshWorld();
      const id = await upWith('shop', { a: '1' });
      await users.checkpoint(id);
      await world.settle();
      await downAndSettle(id);
      await users.restore('shop', 'snap_1');
      await users.delete('shop');
      const { life } = world.launcher;
      let calls = 0;
      life.fault = () => {
        calls += 1;
        return calls === crashAt ? (crashAt % 2 === 0 ? 'before' : 'after') : null;
      };
      await world.reap();
      const total = calls;
      later();
      await expectNothingLeft(world);
      expect(await world.store.getWorkspace(OWNER, 'shop')).toBeNull();
      return total;
    };
    const calls = await deletion(-1);
    for (let at = 1; at <= calls; at += 1) await deletion(at);
  });

  it('waits for the fork that begins from its snapshot, and for a volume that is in use', async () => {
    await downAndSettle(await upWith('shop', { a: '1' }));
    await users.fork('shop', 'fork');
    // As an API that saw no pin yet.
    await world.store.saveWorkspace({ ...(await world.workspace('shop')), deleting: true });
    world.compute.disks.forgotten.add((await world.workspace('shop')).id);
    await world.reap();
    expect((await world.workspace('shop')).deleting).toBe(true);
    await users.delete('fork');
    world.compute.faults.add({ op: 'dropVolume', kind: 'busy' });
    await world.reap();
    expect((await world.workspace('shop')).volume).not.toBeNull();
    await world.reap();
    expect(await world.store.getWorkspace(OWNER, 'shop')).toBeNull();
    await expectNothingLeft(world);
  });
});
