import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type Database, openDatabase } from '../support/table.ts';
import { Users } from '../support/users.ts';
import { OWNER } from '../support/world.ts';
import { ZONES } from './catalog.ts';
import { expectNothingLeft } from './ec2-checks.ts';
import { Ec2World } from './ec2-world.ts';

describe('sessions on EC2 on bad days', () => {
  let database: Database;
  let world: Ec2World;
  let users: Users;
  beforeAll(async () => {
    database = await openDatabase();
  });
  afterAll(() => database.close());
  beforeEach(async () => {
    world = await Ec2World.open(database);
    users = new Users(world);
  });

  const up = async (name = 'shop') => {
    const id = await users.up(name);
    await world.settle();
    await world.expectContent(id);
    return id;
  };
  const written = async () => {
    const id = await up();
    await users.write(id, 'a', '1');
    return id;
  };
  const stepsOf = async (id: string) => (await world.session(id)).outbox.map(({ message }) => message);
  const boxOf = async (id: string) => (await world.session(id)).box?.id ?? '';
  const over = (id: string) => world.settle({ until: (sessions) => !sessions.some((session) => session.id === id) });
  const nextGeneration = async (id: string, from: number) => {
    const isUp = ({ phase, generation }: { phase: string; generation: number }) => phase === 'ready' && generation > from;
    await world.settle({ until: (sessions) => sessions.some((session) => session.id === id && isUp(session)) });
    await world.expectContent(id);
  };
  const endAll = async () => {
    world.aws.cloud.faults.clear();
    for (const { id, phase } of await world.live()) if (phase === 'ready') await users.down(id);
    await expectNothingLeft(world);
  };

  it('under spot a session without a spot machine fails with no capacity, says what to do, and leaves nothing', async () => {
    world.aws.cloud.pools.setAll({ market: 'spot' }, 0, ZONES);
    const id = await users.up('shop', { policy: 'spot' });
    await over(id);
    const { phase, failure } = await world.session(id);
    expect(phase).toBe('failed');
    expect(failure).toMatchObject({ code: 'no_capacity', hint: expect.stringContaining('--policy spot-preferred') });
    expect(await stepsOf(id)).toContainEqual(expect.stringMatching(/us-east-1\w spot: (InsufficientInstance|Unfulfillable)Capacity/));
    expect(world.aws.cloud.instances.all()).toEqual([]);
    const other = await users.up('shop');
    await world.settle();
    expect((await world.session(other)).box?.description).toContain('on-demand');
    await endAll();
  });

  it('a type that the region does not know ends the session with its name, and with nothing made', async () => {
    const id = await users.up('shop', { instanceTypes: ['z9.huge'] });
    await over(id);
    expect(await world.session(id)).toMatchObject({
      phase: 'failed',
      failure: { code: 'unsupported', detail: expect.stringContaining('no instance type z9.huge in us-east-1') },
    });
    expect(world.aws.cloud.instances.all()).toEqual([]);
    await endAll();
  });

  it('22: a snapshot that ends in error is made again, and the volume stays until one is whole', async () => {
    const id = await written();
    world.aws.cloud.faults.rates.errorPerSnapshot = 1;
    await users.down(id);
    await world.settle({ until: (sessions) => sessions.some(({ phase, op }) => phase === 'saving' && (op?.attempt ?? 0) > 1) });
    expect(world.aws.cloud.volumes.get((await world.workspace('shop')).volume?.id ?? '')).toBeDefined();
    world.aws.cloud.faults.rates.errorPerSnapshot = 0;
    await over(id);
    await up();
    await endAll();
  });

  for (const warningMs of [120_000, 30_000, 5000, 1000, 0])
    it(`29: a notice ${warningMs / 1000} s before the end, told twice, loses nothing`, async () => {
      const id = await written();
      world.aws.hands.interrupt(await boxOf(id), { warningMs, doubled: true });
      await nextGeneration(id, 1);
      expect((await world.session(id)).generation).toBe(2);
      await endAll();
    });

  it('30: a box that is taken while its volume is being attached, and while it is saved', async () => {
    const id = await written();
    await users.down(id);
    await over(id);
    const again = await users.up('shop');
    await world.settle({
      until: (sessions) => sessions.some(({ providerState }) => (providerState as { step?: string } | null)?.step === 'attach'),
    });
    const [instance] = world.aws.cloud.instances.all().filter(({ state }) => state === 'running');
    world.aws.hands.interrupt(instance?.id ?? '', { warningMs: 0 });
    await world.settle();
    await world.expectContent(again);
    await users.write(again, 'b', '2');
    await users.down(again);
    await world.settle({ until: (sessions) => sessions.some(({ snapshot }) => snapshot !== null) });
    world.aws.hands.interrupt(await boxOf(again), { warningMs: 0 });
    await over(again);
    await up();
    await endAll();
  });

  it('a box that is lost where there is no other machine: its volume is saved, and begins elsewhere', async () => {
    const id = await written();
    const az = world.aws.cloud.volumes.get((await world.workspace('shop')).volume?.id ?? '')?.az ?? '';
    world.aws.hands.breakInstance(await boxOf(id));
    // What it had is not to be had again.
    world.aws.cloud.pools.setAll({ az }, 0, ZONES);
    await world.clock.pass(world.limits.silentMs);
    await nextGeneration(id, 1);
    const { items } = await world.store.listSnapshots(OWNER, (await world.workspace('shop')).id, { limit: 20, after: null });
    expect(items.map(({ reason, state }) => [reason, state])).toContainEqual(['rescue', 'completed']);
    await endAll();
  });

  it('41: a down that may take no snapshot keeps the box, says why, and ends when it may', async () => {
    const id = await written();
    world.aws.cloud.faults.denied.add('createSnapshot');
    await users.down(id);
    await world.settle({ until: (sessions) => sessions.some(({ failure }) => failure !== null) });
    expect(await world.session(id)).toMatchObject({ phase: 'ready', failure: { code: 'snapshot_failed' } });
    await world.settle();
    await world.expectContent(id);
    await endAll();
  });

  it('41: a volume that somebody deleted is told, and never replaced by an empty one', async () => {
    const id = await written();
    await users.down(id);
    await over(id);
    const { volume } = await world.workspace('shop');
    world.aws.hands.deleteVolume(volume?.id ?? '');
    await world.clock.pass(60_000);
    const again = await users.up('shop');
    await over(again);
    expect(await world.session(again)).toMatchObject({ phase: 'failed', failure: { code: 'workspace_quarantined' } });
  });

  it('42: an up right after a down has the newest state while the snapshot is still on its way', async () => {
    const id = await written();
    world.aws.cloud.faults.rates.slowPerSnapshot = 1;
    await users.down(id);
    await world.settle({ until: (sessions) => sessions.every((session) => session.phase === 'saving') });
    while ((await world.workspace('shop')).claim !== null) await world.look(id);
    expect(world.aws.cloud.snapshots.all().map(({ state }) => state)).toContain('pending');
    const again = await users.up('shop');
    await world.settle({ until: (sessions) => sessions.some((session) => session.id === again && session.phase === 'ready') });
    await world.expectContent(again);
    await endAll();
  });

  it('threat 14: the reaper leaves alone what carries tags that somebody forged', async () => {
    const id = await written();
    const instance = world.aws.cloud.instances.get(await boxOf(id));
    if (instance === undefined) throw new Error('no instance');
    const forged = { ...instance.tags, 'devctl:session': 'ses_00000000000000000000000000', 'devctl:owner-hash': 'forged' };
    const other = await up('blog');
    const victim = world.aws.cloud.instances.get(await boxOf(other));
    if (victim === undefined) throw new Error('no instance');
    const { tags } = victim;
    victim.tags = forged;
    world.aws.cloud.instances.changed(victim);
    await world.clock.pass(world.limits.orphanGraceMs + 60_000);
    await world.reap();
    await world.reap();
    expect(victim.state).toBe('running');
    victim.tags = tags;
    world.aws.cloud.instances.changed(victim);
  });
});
