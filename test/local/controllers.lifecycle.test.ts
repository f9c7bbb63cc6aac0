import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { expectNothingLeft, expectSaved } from '../support/checks.ts';
import { type Database, openDatabase } from '../support/table.ts';
import { Users } from '../support/users.ts';
import { World } from '../support/world.ts';

let database: Database;
beforeAll(async () => {
  database = await openDatabase();
});
afterAll(() => database.close());

describe('the life of a session', () => {
  it('goes up, is written to, goes down, and comes back as it was', async () => {
    const world = await World.open(database);
    const users = new Users(world);
    const first = await users.up('shop');
    await world.settle();
    expect((await world.session(first)).phase).toBe('ready');
    await users.write(first, 'a', '1');
    await users.down(first);
    await world.settle();
    const stopped = await world.session(first);
    expect(stopped).toMatchObject({ phase: 'stopped', endReason: 'user', failure: null, receipt: { snapshot: 'snap_1', clean: true } });
    await expectSaved(world, 'shop');

    const second = await users.up('shop');
    await world.settle();
    await users.write(second, 'b', '2');
    await users.checkpoint(second);
    await world.settle();
    expect((await world.workspace('shop')).head?.id).toBe('snap_2');
    await users.fork('shop', 'shop-f1');
    const fork = await users.up('shop-f1');
    await world.settle();
    await users.write(fork, 'c', '3');
    await users.down(fork);
    await world.pass(2 * 3_600_000, 60_000);
    expect(await world.session(second)).toMatchObject({ phase: 'stopped', endReason: 'idle' });
    await expectSaved(world, 'shop');
    await expectSaved(world, 'shop-f1');

    await users.restore('shop', 'snap_1');
    const third = await users.up('shop');
    await world.settle();
    expect(world.compute.disks.content((await world.session(third)).box?.volumeId ?? '')).toEqual({ a: '1' });
    await users.down(third);
    await expectNothingLeft(world);
    await expectSaved(world, 'shop');
  });
});
