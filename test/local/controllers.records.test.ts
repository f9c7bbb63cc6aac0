import { GetItemCommand, PutItemCommand } from '@aws-sdk/client-dynamodb';
import { describe, expect, it } from 'vitest';
import { reap } from '../../launcher/controllers/reaper.ts';
import type { StorePort } from '../../launcher/ports/store.ts';
import { createDynamoStore } from '../../launcher/stores/dynamo/store.ts';
import { ensureTable } from '../../launcher/stores/dynamo/table.ts';
import { database, downAndSettle, eachInAFreshWorld, upWith, users, world } from '../support/fresh-world.ts';

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
