import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { recover } from '../../launcher/controllers/recover.ts';
import { launchRequestWith } from '../support/launch-request.ts';
import { type Database, openDatabase } from '../support/table.ts';
import { Users } from '../support/users.ts';
import { Ec2World } from './ec2-world.ts';

let database: Database;
beforeAll(async () => {
  database = await openDatabase();
});
afterAll(() => database.close());

describe('a table that is lost on EC2', () => {
  it('is rebuilt from the tags: every workspace of every owner comes up with its bytes', { timeout: 120_000 }, async () => {
    const world = await Ec2World.open(database);
    const users = new Users(world);
    const over = (id: string) => world.settle({ until: (sessions) => !sessions.some((session) => session.id === id) });
    const live = await users.up('shop');
    await world.settle();
    await users.write(live, 'a', '1');
    await users.checkpoint(live);
    await world.settle();
    await users.write(live, 'b', '2');
    const blog = await users.up('blog');
    await world.settle();
    await users.write(blog, 'c', '3');
    await users.down(blog);
    await over(blog);
    await users.fork('blog', 'fork');
    const fork = await users.up('fork');
    await world.settle();
    await users.write(fork, 'd', '4');
    await users.down(fork);
    await over(fork);
    const kept = await users.up('kept', { persistent: true, policy: 'on-demand', network: false });
    await world.settle();
    await users.write(kept, 'e', '5');
    // Another owner, whose launch nobody took up any more.
    const eve = { owner: 'eve', workspace: 'shop', workspaceId: users.id('ws'), sessionId: users.id('ses'), generation: 1 };
    let providerState: unknown = null;
    for (let step = 0; step < 60; step += 1) {
      const request = launchRequestWith((prefix) => users.id(prefix), { tags: { ...eve, operationId: `${eve.sessionId}.g1.launch` } });
      const answer = await world.act(({ compute }) => compute.launch({ ...request, providerState }));
      if (!answer.underway) break;
      providerState = answer.providerState;
      await world.clock.pass(1000);
    }
    await world.clock.pass(60_000);
    const things = (): number => world.aws.cloud.volumes.all().length + world.aws.cloud.snapshots.all().length;
    const before = things();
    await world.loseTable(database);

    // An old account beside an empty table: nothing is deleted.
    await world.reap();
    await world.reap();
    expect(things()).toBe(before);

    const done = await world.act((deps) => recover(deps, { dryRun: false }));
    expect(done).toMatchObject({ complete: true, recordsMissing: false, left: [] });
    expect(done.workspaces.map(({ owner, name, session }) => [owner, name, session === null]).sort()).toEqual([
      ['dev', 'blog', true],
      ['dev', 'fork', true],
      ['dev', 'kept', false],
      ['dev', 'shop', false],
      ['eve', 'shop', false],
    ]);
    const snapshots = await world.store.listSnapshots('dev', (await world.workspace('fork')).id, { limit: 9, after: null });
    expect(snapshots.items.map(({ parent }) => parent?.workspaceId)).toEqual([(await world.workspace('blog')).id]);
    expect(await world.session(live)).toMatchObject({ size: 'small', policy: 'spot-preferred', network: true, persistent: false });
    expect(await world.session(kept)).toMatchObject({ policy: 'on-demand', network: false, persistent: true, phase: 'ready' });

    // The box that runs goes on; the others come up with what their owner wrote.
    await world.settle();
    await world.expectContent(live);
    await users.down(live);
    await over(live);
    await users.down(kept);
    await over(kept);
    for (const name of ['shop', 'blog', 'fork']) {
      const id = await users.up(name);
      await world.settle();
      expect((await world.session(id)).phase).toBe('ready');
      await world.expectContent(id);
      await users.down(id);
      await over(id);
    }
    await world.reap();
    world.check();
  });
});
