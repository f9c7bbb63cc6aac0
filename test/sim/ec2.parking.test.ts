import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type Database, openDatabase } from '../support/table.ts';
import { Users } from '../support/users.ts';
import { OWNER } from '../support/world.ts';
import { ZONES } from './catalog.ts';
import { expectNothingLeft } from './ec2-checks.ts';
import { Ec2World } from './ec2-world.ts';

const DAY_MS = 24 * 3_600_000;

describe('persistent sessions on EC2', { timeout: 120_000 }, () => {
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

  const phaseOf = async (id: string) => (await world.session(id)).phase;
  const until = (id: string, phase: string) =>
    world.settle({ until: (sessions) => sessions.some((session) => session.id === id && session.phase === phase) });
  const instanceOf = async (id: string) => world.aws.cloud.instances.get((await world.session(id)).box?.id ?? '');
  const calls = (op: string) => world.aws.cloud.ledger.of(op).filter(({ outcome }) => outcome === 'ok').length;
  const snapshots = async () => {
    const { items } = await world.store.listSnapshots(OWNER, (await world.workspace('shop')).id, { limit: 50, after: null });
    return items.map(({ reason, state }) => `${reason} ${state}`);
  };
  /** A session with something written, parked and at rest. */
  const parked = async () => {
    const id = await users.up('shop', { persistent: true, policy: 'on-demand' });
    await world.settle();
    await users.write(id, 'a', '1');
    await users.park(id);
    await until(id, 'parked');
    await world.settle();
    return id;
  };
  const goesOn = async (id: string) => {
    await users.wake(id);
    await world.settle();
    expect(await phaseOf(id)).toBe('ready');
    await world.expectContent(id);
  };
  const endAll = async () => {
    world.aws.cloud.faults.clear();
    for (const { id, phase } of await world.live()) if (phase === 'ready' || phase === 'parked') await users.down(id);
    await expectNothingLeft(world);
  };

  it('are stopped when they are idle, and start again with their machine, their volume and a new lease', async () => {
    const id = await users.up('shop', { persistent: true, policy: 'on-demand', idleTtlMs: 60_000 });
    await world.settle();
    await users.write(id, 'a', '1');
    await until(id, 'parked');
    const before = await instanceOf(id);
    expect(before?.state).toBe('stopped');
    const fleets = calls('createFleet');
    await goesOn(id);
    const after = await instanceOf(id);
    expect([after?.id, after?.state, after?.tags['devctl:generation']]).toEqual([before?.id, 'running', '2']);
    expect([calls('createFleet'), calls('stopInstances'), calls('startInstances'), calls('attachVolume')]).toEqual([fleets, 1, 1, 0]);
    const { lease } = await world.session(id);
    expect(lease.idleDeadlineMs).toBeGreaterThan(world.clock.now());
    await users.write(id, 'b', '2');
    await endAll();
  });

  it('are no left-over while they are parked or being started, and one snapshot a day is made of what changed', async () => {
    const id = await parked();
    expect(await snapshots()).toEqual(['park completed']);
    for (let day = 0; day < 3; day += 1) {
      await world.clock.pass(DAY_MS);
      await world.settle();
      expect((await world.reap()).items.filter(({ kind }) => kind === 'box' || kind === 'volume')).toEqual([]);
    }
    expect([(await instanceOf(id))?.state, await snapshots()]).toEqual(['stopped', ['park completed']]);
    await users.wake(id);
    await world.settle({ until: (sessions) => sessions.some(({ generation }) => generation === 2) });
    await world.reap();
    await world.settle();
    await world.expectContent(id);
    await users.write(id, 'b', '2');
    await users.park(id);
    await until(id, 'parked');
    await world.clock.pass(DAY_MS + 60_000);
    await world.settle();
    expect(await snapshots()).toEqual(['park completed', 'park completed']);
    await endAll();
  });

  it('go on in another machine of the same zone when theirs cannot be started', async () => {
    const id = await parked();
    const before = await instanceOf(id);
    world.aws.cloud.pools.setAll({ type: before?.type ?? '', market: 'on-demand' }, 0, ZONES);
    await goesOn(id);
    const after = await instanceOf(id);
    expect(after?.id).not.toBe(before?.id);
    expect(after?.az).toBe(before?.az);
    expect(['shutting-down', 'terminated', undefined]).toContain(world.aws.cloud.instances.get(before?.id ?? '')?.state);
    const kept = await world.store.listEvents({ owner: OWNER, id }, null, 100);
    const steps = [...kept, ...(await world.session(id)).outbox].map(({ message }) => message);
    expect(steps).toContainEqual(expect.stringContaining('cannot be started: InsufficientInstanceCapacity'));
    await endAll();
  });

  it('go on from their snapshot in another zone when there is no machine in theirs', async () => {
    const id = await parked();
    const before = await instanceOf(id);
    world.aws.cloud.pools.setAll({ az: before?.az ?? '' }, 0, ZONES);
    await goesOn(id);
    expect((await instanceOf(id))?.az).not.toBe(before?.az);
    await endAll();
  });

  it('stay parked, with the reason, when there is no machine anywhere, and go on when there is', async () => {
    const id = await parked();
    world.aws.cloud.pools.setAll({}, 0, ZONES);
    await users.wake(id);
    await world.settle();
    expect(await world.session(id)).toMatchObject({ phase: 'parked', desired: 'parked', failure: { code: 'no_capacity' } });
    world.aws.cloud.pools.setAll({}, 100, ZONES);
    await world.clock.pass(300_000);
    await goesOn(id);
    expect((await world.session(id)).failure).toBeNull();
    await endAll();
  });

  it('lose nothing when somebody terminates their machine, and are parked again when somebody starts it', async () => {
    const id = await parked();
    const box = (await instanceOf(id))?.id ?? '';
    await world.clock.run(world.aws.ec2.startInstances({ InstanceIds: [box] }));
    await world.clock.pass(world.limits.parkedLookMs);
    await world.settle();
    await world.clock.pass(120_000);
    await world.settle();
    expect([await phaseOf(id), (await instanceOf(id))?.state]).toEqual(['parked', 'stopped']);
    await world.clock.run(world.aws.ec2.terminateInstances({ InstanceIds: [box] }));
    await world.clock.pass(world.limits.parkedLookMs);
    await world.settle();
    expect((await world.session(id)).box).toBeNull();
    await goesOn(id);
    await endAll();
  });

  it('lose nothing when their machine is terminated at the moment at which they are to go on', async () => {
    const id = await parked();
    await world.clock.run(world.aws.ec2.terminateInstances({ InstanceIds: [(await instanceOf(id))?.id ?? ''] }));
    await goesOn(id);
    await endAll();
  });

  it('go on running, and say why, when they may not be stopped; down ends them all the same', async () => {
    const id = await users.up('shop', { persistent: true, policy: 'on-demand' });
    await world.settle();
    await users.write(id, 'a', '1');
    world.aws.cloud.faults.denied.add('stopInstances');
    await users.park(id);
    await world.settle({ until: (sessions) => sessions.some(({ failure }) => failure !== null) });
    expect(await world.session(id)).toMatchObject({ phase: 'ready', desired: 'ready', failure: { code: 'park_failed' } });
    await world.settle();
    await world.expectContent(id);
    await endAll();
  });

  it('end while they are parked with a snapshot and a receipt', async () => {
    const id = await parked();
    await users.down(id);
    await world.settle({ until: (sessions) => sessions.length === 0 });
    expect(await world.session(id)).toMatchObject({ phase: 'stopped', receipt: { clean: true, report: { files: 1 } } });
    await endAll();
  });

  it('have a snapshot of the day also when they are never parked', async () => {
    const id = await users.up('shop', { persistent: true, policy: 'on-demand', idleTtlMs: 10 * DAY_MS, maxTtlMs: 10 * DAY_MS });
    await world.settle();
    await users.write(id, 'a', '1');
    for (let hour = 0; hour < 50; hour += 1) {
      await world.clock.pass(3_600_000);
      await world.settle();
    }
    expect(await snapshots()).toEqual(['checkpoint completed', 'checkpoint completed']);
    await endAll();
  });
});
