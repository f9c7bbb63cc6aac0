import { GetItemCommand, PutItemCommand } from '@aws-sdk/client-dynamodb';
import { describe, expect, it } from 'vitest';
import { reap } from '../../launcher/controllers/reaper.ts';
import { recover } from '../../launcher/controllers/recover.ts';
import type { StorePort } from '../../launcher/ports/store.ts';
import { createDynamoStore } from '../../launcher/stores/dynamo/store.ts';
import { ensureTable } from '../../launcher/stores/dynamo/table.ts';
import { database, downAndSettle, eachInAFreshWorld, openFreshWorld, upWith, users, world } from '../support/fresh-world.ts';

eachInAFreshWorld();

const everything = () => [world.compute.running().length, world.compute.disks.volumes.size, world.compute.disks.snapshots.size];

/** The table is gone, and a launcher that starts makes another one. */
const loseTable = async (): Promise<StorePort> => (await database.open(world.clock, world.random)).store;

describe('a table that was lost', () => {
  it('lets nothing be deleted, however old it is: what has no record is not left over', async () => {
    const live = await upWith('shop', { a: '1' });
    await users.checkpoint(live);
    await downAndSettle(await upWith('blog', { b: '1' }));
    const before = everything();
    const store = await loseTable();
    world.clock.advance(30 * 24 * 3_600_000);
    for (let pass = 0; pass < 3; pass += 1) {
      const { items, recordsMissing } = await reap({ ...world.launcher.deps, store }, { dryRun: false });
      expect(recordsMissing).toBe(true);
      expect(new Set(items.map(({ action }) => action))).toEqual(new Set(['unknown']));
      expect(items).toHaveLength(before.reduce((sum, count) => sum + count, 0));
    }
    expect(everything()).toEqual(before);
    expect(world.compute.violations).toEqual([]);
  });

  it('is believed once a whole list has nothing that it does not know, and not before', async () => {
    await downAndSettle(await upWith('shop', { a: '1' }));
    const store = await loseTable();
    const pass = () => reap({ ...world.launcher.deps, store }, { dryRun: false });
    world.compute.partial = true;
    expect(await pass()).toMatchObject({ recordsMissing: true, complete: false });
    world.compute.disks.volumes.clear();
    world.compute.disks.snapshots.clear();
    expect(await pass()).toMatchObject({ recordsMissing: true, complete: false });
    world.compute.partial = false;
    world.compute.faults.add({ op: 'list', times: 1 });
    expect(await pass()).toMatchObject({ recordsMissing: true, complete: false });
    expect(await store.vouches()).toBe(false);
    expect(await pass()).toMatchObject({ recordsMissing: false, complete: true });
    expect(await store.vouches()).toBe(true);
  });

  it('and came back out of a backup is another table: the mark in it is not believed', async () => {
    expect(await world.store.vouches()).toBe(true);
    const key = { pk: { S: 'TABLE' }, sk: { S: 'VOUCHES' } };
    const { Item } = await database.client.send(new GetItemCommand({ TableName: world.tableName, Key: key }));
    const copy = `${world.tableName}-copy`;
    await ensureTable(database.client, copy);
    await database.client.send(new PutItemCommand({ TableName: copy, Item }));
    const store = createDynamoStore({ client: database.client, tableName: copy, clock: world.clock, random: world.random });
    expect(await store.vouches()).toBe(false);
    await store.vouch();
    expect(await store.vouches()).toBe(true);
  });
});

const recovered = (dryRun = false) => world.act((deps) => recover(deps, { dryRun }));

describe('a recovery from tags', () => {
  it('brings back every workspace with its bytes, and the boxes that run; then the table is believed again', async () => {
    const live = await upWith('shop', { a: '1' });
    await users.checkpoint(live);
    await world.settle();
    await users.write(live, 'b', '2');
    await downAndSettle(await upWith('blog', { c: '3' }));
    await users.fork('blog', 'fork');
    await downAndSettle(await upWith('fork', { d: '4' }));
    const before = everything();
    const [shop, blog, fork] = await Promise.all(['shop', 'blog', 'fork'].map((name) => world.workspace(name)));
    await world.loseTable(database);

    const plan = await recovered(true);
    expect(plan).toMatchObject({ dryRun: true, complete: true, recordsMissing: true, left: [] });
    expect(await world.store.listOwners()).toEqual([]);
    const done = await recovered();
    expect(done).toMatchObject({ dryRun: false, recordsMissing: false, left: [] });
    expect(done.workspaces.map(({ name }) => name).sort()).toEqual(['blog', 'fork', 'shop']);
    expect(everything()).toEqual(before);
    expect(await world.workspace('shop')).toMatchObject({ id: shop?.id, head: shop?.head, volume: { id: shop?.volume?.id } });
    expect(await world.session(live)).toMatchObject({ phase: 'ready', generation: 1, box: { id: world.compute.boxOf(live)?.id } });

    // It goes on as before: the box reports, is saved and let go, and everything comes up with what was in it.
    await world.settle();
    await users.write(live, 'e', '5');
    await downAndSettle(live);
    for (let pass = 0; pass < 2; pass += 1) await world.reap();
    for (const name of ['shop', 'blog', 'fork']) {
      const id = await users.up(name);
      await world.settle();
      expect((await world.session(id)).phase).toBe('ready');
      const { workspaceId } = await world.session(id);
      const volumeId = world.compute.boxOf(id)?.volumeId ?? '';
      expect(world.compute.disks.content(volumeId)).toEqual(world.oracle.truth(workspaceId));
    }
    expect([blog?.id, fork?.id]).toEqual([(await world.workspace('blog')).id, (await world.workspace('fork')).id]);
    expect(world.compute.violations).toEqual([]);
  });

  it('may die at any of its calls, and is repeated', { timeout: 60_000 }, async () => {
    const life = async (crashAt: number): Promise<number> => {
      await openFreshWorld();
      const live = await upWith('shop', { a: '1' });
      await users.checkpoint(live);
      await world.settle();
      await world.loseTable(database);
      let calls = 0;
      world.launcher.life.fault = () => {
        calls += 1;
        return calls === crashAt ? (crashAt % 2 === 0 ? 'before' : 'after') : null;
      };
      // A list that fails is one that is not whole: whoever asked repeats it.
      if ((await recovered()).recordsMissing) {
        world.launcher = world.newLauncher();
        await recovered();
      }
      expect(await world.store.vouches()).toBe(true);
      const total = calls;
      expect(await world.workspace('shop')).toMatchObject({ claim: { sessionId: live } });
      await world.settle();
      await downAndSettle(live);
      expect((await world.session(live)).phase).toBe('stopped');
      return total;
    };
    const calls = await life(-1);
    for (let at = 1; at <= calls; at += 1) await life(at);
  });

  it('keeps several disks of one workspace, which comes back quarantined', async () => {
    const id = await upWith('shop', { a: '1' });
    await downAndSettle(id);
    const { volume } = await world.workspace('shop');
    const first = world.compute.disks.volumes.get(volume?.id ?? '');
    if (first === undefined) throw new Error('no disk');
    world.compute.disks.makeVolume(first.tags, { a: 'older?' }, world.clock.now());
    await world.loseTable(database);
    expect(await recovered()).toMatchObject({
      recordsMissing: false,
      workspaces: [{ quarantined: expect.stringContaining('several disks') }],
    });
    world.clock.advance(30 * 24 * 3_600_000);
    for (let pass = 0; pass < 3; pass += 1) await world.reap();
    expect(world.compute.disks.volumes.size).toBe(2);
    await expect(users.up('shop')).rejects.toMatchObject({ code: 'workspace_quarantined' });
    await users.restore('shop', 'snap_1');
    const again = await users.up('shop');
    await world.settle();
    expect((await world.session(again)).phase).toBe('ready');
  });

  it('does nothing on the word of a list that is not whole', async () => {
    await downAndSettle(await upWith('shop', { a: '1' }));
    await world.loseTable(database);
    world.compute.partial = true;
    expect(await recovered()).toMatchObject({ dryRun: true, complete: false, recordsMissing: true });
    expect(await world.store.listOwners()).toEqual([]);
  });
});
