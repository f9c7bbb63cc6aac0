import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { parsePoolWindow } from '../../launcher/contract/pool.ts';
import { createPoolKeeper } from '../../launcher/controllers/pool.ts';
import { type Database, openDatabase } from '../support/table.ts';
import { Users } from '../support/users.ts';
import { OWNER } from '../support/world.ts';
import { ZONES } from './catalog.ts';
import { expectNothingLeft } from './ec2-checks.ts';
import { poolLife } from './ec2-life.ts';
import { Ec2World } from './ec2-world.ts';
import { sweep } from './sweep.ts';

/** As in ec2.life.test.ts. */
const EVERY = process.env['SWEEP'] === 'all' ? 1 : Number(process.env['SWEEP'] ?? 41);
const FROM = Number(process.env['SWEEP_FROM'] ?? 1);
const MINUTE_MS = 60_000;
const MUTATING = ['createFleet', 'createTags', 'startInstances', 'createVolume', 'attachVolume', 'stopInstances', 'terminateInstances'];

describe('the pool on EC2', { timeout: 120_000 }, () => {
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

  const calls = (op: string) => world.aws.cloud.ledger.of(op).filter(({ outcome }) => outcome === 'ok').length;
  /** What was called to change something, and how often. */
  const changesOf = async (run: () => Promise<unknown>) => {
    const before = MUTATING.map(calls);
    await run();
    const made = MUTATING.map((op, index) => [op, calls(op) - (before[index] ?? 0)] as const);
    return Object.fromEntries(made.filter(([, count]) => count > 0));
  };
  const instanceOf = async (id: string) => world.aws.cloud.instances.get((await world.session(id)).box?.id ?? '');
  const stateOf = (boxId: string | null | undefined) => world.aws.cloud.instances.get(boxId ?? '')?.state;
  const alive = () => world.aws.cloud.instances.all().filter(({ state }) => !['terminated', 'shutting-down'].includes(state));
  const messagesOf = async (id: string) => {
    const kept = await world.store.listEvents({ owner: OWNER, id }, null, 100);
    return [...kept, ...(await world.session(id)).outbox].map(({ message }) => message);
  };
  const up = async (name = 'shop', options: Parameters<Users['up']>[1] = {}) => {
    const id = await users.up(name, options);
    await world.settle();
    expect((await world.session(id)).phase).toBe('ready');
    await world.expectContent(id);
    return id;
  };
  const down = async (id: string) => {
    await users.down(id);
    await world.settle({ until: (sessions) => !sessions.some((session) => session.id === id) });
  };
  const minutes = async (count: number) => {
    for (let minute = 0; minute < count; minute += 1) {
      await world.reap();
      world.check();
      await world.clock.pass(MINUTE_MS);
    }
  };
  const endAll = async (): Promise<void> => {
    world.aws.cloud.faults.clear();
    world.aws.cloud.pools.setAll({}, 1000, ZONES);
    world.keepPool(0);
    for (const { id, phase } of await world.live()) if (phase === 'ready' || phase === 'parked') await users.down(id);
    await expectNothingLeft(world);
    expect(await world.poolBoxes()).toEqual([]);
  };

  it('runs its boxes once and stops them; a session takes one, which is its own from then on', async () => {
    world.keepPool(2);
    const filling = await changesOf(() => world.filled());
    expect(filling).toEqual({ createFleet: 2, stopInstances: 2 });
    const boxes = await world.poolBoxes();
    expect(boxes.map(({ boxId }) => stateOf(boxId))).toEqual(['stopped', 'stopped']);
    let id = '';
    const taking = await changesOf(async () => {
      id = await up();
    });
    expect(taking).toEqual({ createTags: 1, startInstances: 1, createVolume: 1, attachVolume: 1 });
    const instance = await instanceOf(id);
    expect(boxes.map(({ boxId }) => boxId)).toContain(instance?.id);
    expect(instance).toMatchObject({ state: 'running', tags: { 'devctl:session': id, 'devctl:generation': '1', 'devctl:owner': OWNER } });
    await users.write(id, 'a', '1');
    await world.filled();
    await minutes(15);
    await world.settle();
    await world.expectContent(id);
    expect((await world.poolBoxes()).map(({ phase }) => phase)).toEqual(['ready', 'ready']);
    await down(id);
    await endAll();
  });

  it('a box takes the warm volume that is where it is, and is restored from a snapshot else', async () => {
    world.keepPool(1);
    await world.filled();
    const first = await up();
    await users.write(first, 'a', '1');
    await down(first);
    await world.filled();
    const warm = await changesOf(() => up());
    expect(warm).toEqual({ createTags: 1, startInstances: 1, attachVolume: 1 });
    const [second] = await world.live();
    await users.write(second?.id ?? '', 'b', '2');
    await down(second?.id ?? '');
    await world.clock.pass(world.limits.keepVolumeMs + world.limits.orphanGraceMs);
    await minutes(3);
    expect((await world.workspace('shop')).volume).toBeNull();
    await world.filled();
    const restored = await changesOf(() => up());
    expect(restored).toEqual({ createTags: 1, startInstances: 1, createVolume: 1, attachVolume: 1 });
    await endAll();
  });

  it.each(['stopping', 'stopped'] as const)(
    'is waited for while it is still shown as %s, as it was before it was started',
    async (before) => {
      world.keepPool(1);
      const [box] = await world.filled();
      const { ec2 } = world.aws;
      const describeNow = ec2.describeInstances.bind(ec2);
      let old = 0;
      ec2.describeInstances = async (input) => {
        const answer = await describeNow(input);
        const mine = (answer.Reservations ?? [])
          .flatMap(({ Instances = [] }) => Instances)
          .filter(({ InstanceId }) => InstanceId === box?.boxId);
        if (calls('startInstances') > 0 && mine.length > 0 && old < 3) {
          old += 1;
          for (const instance of mine) instance.State = { Name: before };
        }
        return answer;
      };
      const id = await up();
      expect([(await instanceOf(id))?.id, old]).toEqual([box?.boxId, 3]);
      await endAll();
    },
  );

  it('a volume that is elsewhere gets a machine beside it, and the pool keeps its box', async () => {
    world.keepPool(1);
    const [box] = await world.filled();
    world.aws.cloud.pools.setAll({ az: box?.place ?? '' }, 0, [box?.place ?? '']);
    const id = await up('shop', { policy: 'spot' });
    await users.write(id, 'a', '1');
    await down(id);
    world.aws.cloud.pools.setAll({}, 1000, ZONES);
    const again = await changesOf(() => up());
    expect(again).toEqual({ createFleet: 1, attachVolume: 1 });
    expect((await world.poolBoxes()).map(({ phase }) => phase)).toEqual(['ready']);
    await endAll();
  });

  it('a snapshot that is larger than a new workspace makes a volume as large as it is', async () => {
    world.keepPool(1);
    const id = await up('shop', { policy: 'spot' });
    await users.write(id, 'a', '1');
    await down(id);
    await world.clock.pass(world.limits.keepVolumeMs + world.limits.orphanGraceMs);
    await minutes(3);
    const { snapshots } = world.aws.cloud;
    const [head] = snapshots.all().filter(({ tags }) => tags['devctl:snapshot'] !== undefined);
    if (head === undefined) throw new Error('no snapshot');
    head.volumeSizeGiB = 73;
    snapshots.changed(head);
    await world.clock.pass(MINUTE_MS);
    await world.filled();
    const restored = await up();
    const { box } = await world.session(restored);
    expect(world.aws.cloud.volumes.get(box?.volumeId ?? '')?.sizeGiB).toBe(73);
    expect(calls('createVolume')).toBe(1);
    await endAll();
  });

  it('a disk that is read in at a rate that is paid for is made so, and without it where AWS does not give it', async () => {
    world = await Ec2World.open(database, { provider: { volumeInitializationRate: 200 } });
    users = new Users(world);
    const rateOf = async (id: string) => world.aws.cloud.volumes.get((await world.session(id)).box?.volumeId ?? '')?.initializationRate;
    const saved = async (id: string) => {
      await users.write(id, 'a', id);
      await down(id);
      await world.clock.pass(world.limits.keepVolumeMs + world.limits.orphanGraceMs);
      await minutes(3);
      world.keepPool(1);
      await world.filled();
    };
    await saved(await up());
    const paid = await up();
    expect(await rateOf(paid)).toBe(200);
    await saved(paid);
    world.aws.cloud.faults.fail('createVolume', { with: 'InsufficientVolumeCapacity' });
    const unpaid = await up();
    expect([await rateOf(unpaid), calls('startInstances')]).toEqual([null, 2]);
    await endAll();
  });

  it('of two sessions that want the one box exactly one gets it; the other has a machine of its own', async () => {
    world.keepPool(1);
    const [box] = await world.filled();
    const names = ['shop', 'api', 'web'];
    const ids: string[] = [];
    for (const name of names) ids.push(await users.up(name));
    // All of them look before any of them has gone on.
    for (let step = 0; step < 6; step += 1) await Promise.all(ids.map((id) => world.look(id)));
    await world.settle();
    const boxes = await Promise.all(ids.map(async (id) => (await world.session(id)).box?.id));
    expect(boxes.filter((id) => id === box?.boxId)).toHaveLength(1);
    expect(new Set(boxes).size).toBe(3);
    for (const id of ids) await world.expectContent(id);
    await endAll();
  });

  it('no session takes one that must be spot, of another size, or of a type by name', async () => {
    world.keepPool(1);
    await world.filled();
    await up('one', { policy: 'spot' });
    await up('two', { size: 'medium' });
    await up('three', { instanceTypes: ['t3a.small'] });
    await up('four', { arch: 'arm64' });
    expect([calls('startInstances'), (await world.poolBoxes()).map(({ phase }) => phase)]).toEqual([0, ['ready']]);
    await up('five', { arch: 'x86_64', policy: 'on-demand' });
    expect(calls('startInstances')).toBe(1);
    await endAll();
  });

  it('a box that is lost is replaced by one of the pool in its zone; a persistent session is parked and goes on as any other', async () => {
    const id = await up('shop', { policy: 'on-demand', persistent: true });
    await users.write(id, 'a', '1');
    world.keepPool(1);
    await world.filled();
    world.aws.hands.breakInstance((await instanceOf(id))?.id ?? '');
    await world.clock.pass(world.limits.silentMs);
    await world.settle({ until: (sessions) => sessions.some(({ generation, phase }) => generation === 2 && phase === 'ready') });
    await world.expectContent(id);
    expect(calls('startInstances')).toBe(1);
    await users.park(id);
    await world.settle({ until: (sessions) => sessions.some(({ phase }) => phase === 'parked') });
    await minutes(12);
    await users.wake(id);
    await world.settle();
    await world.expectContent(id);
    expect((await world.session(id)).generation).toBe(3);
    await endAll();
  });

  it('a box that cannot be started is let go, and the session has a machine all the same', async () => {
    world.keepPool(1);
    const [box] = await world.filled();
    const { type } = world.aws.cloud.instances.get(box?.boxId ?? '') ?? {};
    world.aws.cloud.pools.setAll({ type: type ?? '', market: 'on-demand' }, 0, ZONES);
    const id = await up();
    expect(await messagesOf(id)).toContainEqual(expect.stringContaining('of the pool cannot be had: InsufficientInstanceCapacity'));
    expect(stateOf(box?.boxId)).not.toBe('stopped');
    await endAll();
  });

  it('a box that may not be started or tagged is let go after a few tries', async () => {
    for (const op of ['createTags', 'startInstances', 'createVolume']) {
      world.keepPool(1);
      const [box] = await world.filled();
      world.aws.cloud.faults.denied.add(op as never);
      const id = await up(op.toLowerCase());
      expect((await instanceOf(id))?.id).not.toBe(box?.boxId);
      world.aws.cloud.faults.denied.clear();
      await down(id);
      await minutes(12);
    }
    await endAll();
  });

  it('a box that somebody terminated is replaced, and a session that was about to take it has another machine', async () => {
    world.keepPool(2);
    const [first, second] = await world.filled();
    await world.clock.run(world.aws.ec2.terminateInstances({ InstanceIds: [first?.boxId ?? ''] }));
    await minutes(4);
    const boxes = await world.filled();
    expect(boxes.map(({ boxId }) => boxId)).not.toContain(first?.boxId);
    expect(boxes.map(({ boxId }) => boxId)).toContain(second?.boxId);
    await world.clock.run(world.aws.ec2.terminateInstances({ InstanceIds: boxes.map(({ boxId }) => boxId ?? '') }));
    await up();
    await endAll();
  });

  it('a box that somebody started is stopped again', async () => {
    world.keepPool(1);
    const [box] = await world.filled();
    await world.clock.run(world.aws.ec2.startInstances({ InstanceIds: [box?.boxId ?? ''] }));
    await minutes(5);
    expect((await world.filled()).map(({ boxId }) => [boxId, stateOf(boxId)])).toEqual([[box?.boxId, 'stopped']]);
    await endAll();
  });

  it('boxes of an older image are let go and others come; none of them is given away', async () => {
    world.keepPool(2);
    const old = await world.filled();
    const isOld = (boxId: string | null | undefined) => old.some((box) => box.boxId === boxId);
    await world.newImage();
    const id = await up();
    expect(isOld((await instanceOf(id))?.id)).toBe(false);
    await minutes(10);
    const boxes = await world.filled();
    expect(boxes.some(({ boxId }) => isOld(boxId))).toBe(false);
    expect(boxes[0]?.image).not.toBe(old[0]?.image);
    expect(old.map(({ boxId }) => stateOf(boxId) ?? 'terminated')).toEqual(['terminated', 'terminated']);
    await endAll();
  });

  it('as many go as are too many', async () => {
    world.keepPool(3);
    const all = await world.filled();
    world.keepPool(1);
    await minutes(5);
    expect((await world.filled()).map(({ id }) => id)).toEqual([all[0]?.id]);
    expect(alive()).toHaveLength(1);
    await endAll();
  });

  it('a schedule fills it in the morning and empties it in the evening', async () => {
    const window = parsePoolWindow('daily 15:00-16:00 UTC=2');
    if (typeof window === 'string') throw new Error(window);
    const at = (hour: number) => Math.ceil((world.clock.now() - hour * 3_600_000) / 86_400_000) * 86_400_000 + hour * 3_600_000;
    await world.clock.pass(at(14.5) - world.clock.now());
    world.keepPool(0, { windows: [window] });
    await minutes(2);
    expect(alive()).toEqual([]);
    await world.clock.pass(at(15) - world.clock.now());
    await world.filled(2);
    await world.clock.pass(at(16) - world.clock.now());
    await minutes(5);
    expect([alive(), await world.poolBoxes()]).toEqual([[], []]);
    await endAll();
  });

  it('a box that never stops is ended and another one comes', async () => {
    world.keepPool(1);
    world.aws.cloud.faults.denied.add('stopInstances');
    await minutes(5);
    const [stuck] = await world.poolBoxes();
    expect(stuck?.phase).toBe('warming');
    await minutes(20);
    expect(await world.store.getPoolBox(stuck?.id ?? '')).toBeNull();
    world.aws.cloud.faults.denied.clear();
    expect((await world.filled())[0]?.id).not.toBe(stuck?.id);
    await endAll();
  });

  it('without a machine to be had it says why, and is filled when there is one', async () => {
    world.keepPool(1);
    world.aws.cloud.pools.setAll({ market: 'on-demand' }, 0, ZONES);
    await minutes(3);
    expect(await world.poolBoxes()).toMatchObject([{ phase: 'launching', boxId: null, problem: expect.stringContaining('no machine of') }]);
    expect(calls('createFleet')).toBeLessThanOrEqual(2);
    world.aws.cloud.pools.setAll({}, 1000, ZONES);
    expect((await world.filled())[0]?.problem).toBeNull();
    await endAll();
  });

  it('costs no call and no query when there is none and nothing is left of one', async () => {
    const asked: string[] = [];
    const { deps } = world.launcher;
    const store = new Proxy(deps.store, {
      get: (target, name) => {
        asked.push(String(name));
        return Reflect.get(target, name);
      },
    });
    const keeper = createPoolKeeper({ ...deps, store, random: world.random });
    for (let minute = 0; minute < 5; minute += 1) await world.clock.run(keeper.tend());
    expect(asked).toEqual(['listPoolBoxes']);
    await up();
    expect(world.launcher.life.trace.filter((label) => label.includes('PoolBox'))).toEqual(['store.listPoolBoxes']);
    await endAll();
  });

  it('what the pool has no record of is left over after the grace time, and nothing that it has', async () => {
    world.keepPool(2);
    const [box, other] = await world.filled();
    if (box === undefined) throw new Error('no box');
    await world.store.deletePoolBox(box);
    world.keepPool(1);
    const seen = (await world.reap()).items.filter(({ kind }) => kind === 'box');
    expect(seen.map(({ id, action }) => [id, action])).toEqual([[box.boxId, 'waiting']]);
    await world.clock.pass(world.limits.orphanGraceMs);
    await minutes(3);
    expect([stateOf(box.boxId) === 'stopped', stateOf(other?.boxId)]).toEqual([false, 'stopped']);
    await endAll();
  });

  it('does not keep a new table from being trusted, and is collected there', async () => {
    world.keepPool(1);
    const [box] = await world.filled();
    await world.loseTable(database);
    world.keepPool(0);
    expect((await world.reap()).recordsMissing).toBe(false);
    await world.clock.pass(world.limits.orphanGraceMs);
    await minutes(3);
    expect(stateOf(box?.boxId)).not.toBe('stopped');
    await endAll();
  });

  it('a launcher dies before or after a call of EC2 or of the pool, or its answer is lost: W, L, X and P hold', {
    timeout: 7_200_000,
  }, async () => {
    const counts = (label: string) => label.startsWith('ec2.') || label.includes('PoolBox');
    const { points, of, calls: all, broken } = await sweep(database, poolLife, { every: EVERY, from: FROM, counts });
    console.log(`crash sweep of the pool: ${points} of ${of} points of ${all} calls`);
    expect(broken).toEqual([]);
  });
});
