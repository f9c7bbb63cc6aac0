import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { ACCOUNT } from '../sim/catalog.ts';
import { iamBlock } from '../support/function-url.ts';
import { LambdaWorld } from '../support/lambda-world.ts';
import { type Database, openDatabase } from '../support/table.ts';

const MINUTE_MS = 60_000;
const ALICE = iamBlock('user/alice', ACCOUNT);
const owner = ALICE.userId;

let database: Database;
let world: LambdaWorld;
beforeAll(async () => {
  database = await openDatabase();
});
afterAll(() => database.close());
beforeEach(async () => {
  world = await LambdaWorld.open(database);
});
afterEach(() => {
  expect(world.aws.cloud.violations).toEqual([]);
});

async function create(workspace: string, body: object = {}): Promise<string> {
  const said = await world.ask(ALICE, 'POST', '/sessions', { workspace, ...body });
  expect(said.status, JSON.stringify(said.body)).toBe(201);
  return String(said.body['id']);
}

async function up(workspace: string, body: object = {}): Promise<string> {
  const id = await create(workspace, body);
  await world.phase(owner, id, 'ready');
  return id;
}

const read = async (id: string) => {
  const session = await world.store.getSession({ owner, id });
  if (session === null) throw new Error(`there is no ${id}`);
  return session;
};
const machineOf = async (id: string) => {
  const machine = world.machines().find(({ host }) => host.imds.tags()['devctl:session'] === id);
  if (machine === undefined) throw new Error(`${id} has no machine`);
  return machine;
};
const alive = () => world.aws.cloud.instances.all().filter(({ state }) => state !== 'terminated' && state !== 'shutting-down');
const end = async (id: string): Promise<void> => {
  expect((await world.ask(ALICE, 'DELETE', `/sessions/${id}`)).status).toBe(202);
  await world.phase(owner, id, 'stopped');
};

describe('a session in Lambda', () => {
  it('lives from its request to its end without anything that runs in between', async () => {
    const id = await up('shop');
    const machine = await machineOf(id);
    machine.write('a', '1');
    machine.flush();
    await end(id);
    await world.clock.pass(MINUTE_MS);
    expect(alive()).toEqual([]);
    expect(world.failures).toEqual([]);
    const again = await up('shop');
    expect((await machineOf(again)).files()).toEqual({ a: '1' });
    expect((await read(again)).generation).toBe(1);
    expect(world.told('Failures')).toBe(0);
    expect(world.told('UnknownEvents')).toBe(0);
  });

  it('is ready soon after its machine is: nobody waits for the minute', async () => {
    world.ticks = false;
    world.hearsAws = false;
    const startedMs = world.clock.now();
    const id = await up('shop');
    expect(world.clock.now() - startedMs).toBeLessThan(90_000);
    await world.clock.pass(10 * MINUTE_MS);
    // A session that is in use costs no run of a function but those of its box.
    const looks = world.invoked.length;
    await world.clock.pass(10 * MINUTE_MS);
    expect(world.invoked.length).toBe(looks);
    expect((await read(id)).phase).toBe('ready');
  });

  it('goes on when every run that was asked for is lost: the minute finds it, and no request fails of it', async () => {
    world.loseInvokes = true;
    const id = await create('shop');
    await world.clock.pass(5000);
    expect((await read(id)).phase).toBe('requested');
    expect(world.lines.filter(({ op }) => op === 'lambda.poke').length).toBeGreaterThan(0);
    world.loseInvokes = false;
    await world.phase(owner, id, 'ready');
    await end(id);
  });

  it('is kept within the time of a function: what is not finished is handed on', async () => {
    world.timeoutMs = 6000;
    world.ticks = false;
    const id = await up('shop');
    expect(world.invoked).toContainEqual({ devctl: 'look', owner, id, hops: 1 });
    expect(world.failures).toEqual([]);
    expect(id).toBe((await read(id)).id);
  });

  it('is looked after by one run at a time: a new one takes over', async () => {
    const id = await create('shop');
    await world.clock.pass(2000);
    for (let n = 0; n < 5; n += 1) void world.run({ devctl: 'look', owner, id });
    await world.phase(owner, id, 'ready');
    await world.clock.pass(1000);
    const ended = world.lines.filter(({ op, kind }) => op === 'lambda.event' && kind === 'look').map(({ ended: how }) => how);
    expect(ended.filter((how) => how === 'taken').length).toBeGreaterThanOrEqual(4);
    expect(ended.filter((how) => how === 'rests').length).toBeGreaterThanOrEqual(1);
    expect(alive()).toHaveLength(1);
  });

  it('is ended by the minute when its lease is over', async () => {
    const id = await up('shop', { idleTtl: '10m' });
    await world.phase(owner, id, 'stopped');
    expect((await read(id)).endReason).toBe('idle');
  });
});

describe('what AWS tells of', () => {
  const warning = (instanceId: string, detail: object = {}) =>
    world.envelope('EC2 Spot Instance Interruption Warning', [`arn:aws:ec2:us-east-1b:instance/${instanceId}`], {
      'instance-id': instanceId,
      'instance-action': 'terminate',
      ...detail,
    });
  const rescues = async (id: string) =>
    (await world.store.listEvents({ owner, id }, null, 500))
      .concat((await read(id)).outbox)
      .filter(({ type }) => type === 'box.interrupted');

  it('a spot warning starts the rescue, once, however often it comes; a late one is of a box that is no more', async () => {
    const id = await up('shop', { policy: 'spot' });
    const { box } = await read(id);
    const instanceId = box?.id ?? '';
    (await machineOf(id)).write('a', '1');
    (await machineOf(id)).flush();
    const said = warning(instanceId);
    for (let n = 0; n < 3; n += 1) void world.run(said);
    await world.until(async () => (await read(id)).generation === 2 && (await read(id)).phase === 'ready', 'it goes on in another box');
    expect(new Set((await rescues(id)).map((event) => event.id)).size).toBe(1);
    expect((await machineOf(id)).files()).toEqual({ a: '1' });
    await world.clock.run(world.run(said));
    await world.clock.pass(2 * MINUTE_MS);
    expect([(await read(id)).generation, (await read(id)).phase]).toEqual([2, 'ready']);
    expect((await read(id)).interruption ?? null).toBeNull();
  });

  it('is heard before the box itself says so, and leaves its source', async () => {
    const id = await up('shop', { policy: 'spot' });
    const instanceId = (await read(id)).box?.id ?? '';
    await world.clock.run(world.run(warning(instanceId)));
    expect((await read(id)).interruption).toMatchObject({ source: 'provider', save: true });
  });

  it('where AWS tells nothing, the word of the box is enough, and is acted on before its time is over', async () => {
    const id = await up('shop', { policy: 'spot' });
    world.ticks = false;
    world.hearsAws = false;
    const instanceId = (await read(id)).box?.id ?? '';
    (await machineOf(id)).write('a', '1');
    (await machineOf(id)).flush();
    world.aws.hands.interrupt(instanceId, { eventLost: true });
    // The machine has two minutes left.
    await world.until(async () => (await read(id)).generation === 2, 'another box is launched', MINUTE_MS);
    await world.phase(owner, id, 'ready');
    expect((await machineOf(id)).files()).toEqual({ a: '1' });
  });

  it('a machine that died is replaced as soon as it is told', async () => {
    const id = await up('shop');
    world.ticks = false;
    world.aws.hands.breakInstance((await read(id)).box?.id ?? '');
    await world.until(async () => (await read(id)).generation === 2, 'another box', MINUTE_MS);
    await world.phase(owner, id, 'ready');
  });

  it('an event of each kind has the session looked at that its thing is of', async () => {
    const id = await up('shop');
    const { box } = await read(id);
    const instance = box?.id ?? '';
    const volume = box?.volumeId ?? '';
    await world.ask(ALICE, 'POST', `/sessions/${id}/snapshots`, {});
    await world.until(
      async () => world.aws.cloud.snapshots.all().some(({ state, tags }) => state === 'completed' && tags['devctl:session'] === id),
      'a snapshot',
    );
    const snapshot = world.aws.cloud.snapshots.all().find(({ tags }) => tags['devctl:session'] === id)?.id ?? '';
    await world.clock.pass(MINUTE_MS);
    for (const event of [
      world.envelope('EC2 Instance State-change Notification', [`arn:aws:ec2:us-east-1:${ACCOUNT}:instance/${instance}`], {
        'instance-id': instance,
        state: 'running',
      }),
      world.envelope('EC2 Instance Rebalance Recommendation', [`arn:aws:ec2:us-east-1b:instance/${instance}`], { 'instance-id': instance }),
      world.envelope('EBS Snapshot Notification', [`arn:aws:ec2::us-east-1:snapshot/${snapshot}`], {
        event: 'createSnapshot',
        result: 'succeeded',
        cause: '',
        'request-id': '',
        snapshot_id: `arn:aws:ec2::us-east-1:snapshot/${snapshot}`,
        source: `arn:aws:ec2::us-east-1:volume/${volume}`,
        startTime: '2026-02-03T14:00:00Z',
        endTime: '2026-02-03T14:01:00Z',
      }),
      world.envelope(
        'EBS Volume Notification',
        [`arn:aws:ec2:us-east-1:${ACCOUNT}:volume/${volume}`, `arn:aws:ec2:us-east-1:${ACCOUNT}:instance/${instance}`],
        {
          result: 'attached',
          cause: '',
          event: 'attachVolume',
          'request-id': '',
        },
      ),
    ]) {
      const before = world.invoked.length;
      await world.clock.run(world.run(event));
      expect(world.invoked.slice(before), String(event['detail-type'])).toEqual([{ devctl: 'look', owner, id }]);
    }
    expect(world.failures).toEqual([]);
  });

  it.each([
    ['of a kind that is not known', () => world.envelope('EC2 AMI State Change', [], {})],
    ['of another service', () => world.envelope('Scheduled Event', [], {}, 'aws.scheduler')],
    ['without its machine', () => world.envelope('EC2 Instance State-change Notification', [], { state: 'running' })],
    ['of a machine that has no id', () => warning('i-xyz')],
    ['of a time that is none', () => ({ ...warning('i-0123456789abcdef0'), time: 'yyyy-mm-ddThh:mm:ssZ' })],
    [
      'of a volume that is not named',
      () => world.envelope('EBS Volume Notification', [`arn:aws:ec2:us-east-1:${ACCOUNT}:instance/i-1`], { event: 'x' }),
    ],
    ['of a snapshot under another form', () => world.envelope('EBS Snapshot Notification', [], { snapshot_id: ['snap-1'] })],
    ['that names a built-in', () => world.envelope('constructor', [], {}, 'toString')],
    ['that is a list', () => []],
    ['that is nothing', () => null],
    ['that is a text', () => 'look'],
    ['to look at nobody', () => ({ devctl: 'look', owner: '', id: 'x' })],
    ['to do something else', () => ({ devctl: 'reap' })],
    ['with too many hops', () => ({ devctl: 'look', owner, id: 'ses_01k2m3n4p5q6r7s8t9v0wxyz12', hops: 1e9 })],
    ['with more than is known', () => ({ devctl: 'look', owner, id: 'ses_01k2m3n4p5q6r7s8t9v0wxyz12', as: 'root' })],
  ])('an event %s is told of and never comes again', async (_what, event) => {
    await world.clock.run(world.run(event()));
    expect(world.failures).toEqual([]);
    expect(world.told('UnknownEvents')).toBe(1);
    expect(world.invoked).toEqual([]);
  });

  it('what is of another account, region or deployment is left alone', async () => {
    const id = await up('shop');
    const instance = (await read(id)).box?.id ?? '';
    await world.clock.run(world.run({ ...warning(instance), account: '999999999999' }));
    await world.clock.run(world.run({ ...warning(instance), region: 'eu-central-1' }));
    const tags = [{ Key: 'devctl:deployment', Value: 'other' }];
    await world.clock.run(world.aws.ec2.createTags({ Resources: [instance], Tags: tags }));
    await world.clock.pass(20_000);
    await world.clock.run(world.run(warning(instance)));
    await world.clock.run(world.run(warning('i-00000000000000000')));
    const heard = world.lines.filter(({ op, kind }) => op === 'lambda.event' && kind !== 'look' && kind !== 'tick' && kind !== 'thing');
    expect(heard.map(({ kind, sessionId }) => [kind, sessionId])).toEqual([
      ['foreign', undefined],
      ['foreign', undefined],
      ['interruption', null],
      ['interruption', null],
    ]);
    expect(world.told('UnknownEvents')).toBe(0);
    expect((await read(id)).interruption ?? null).toBeNull();
    expect(world.failures).toEqual([]);
  });

  it('an event that meets a table that is out of reach comes again', async () => {
    const id = await up('shop');
    const instance = (await read(id)).box?.id ?? '';
    const { send } = database.client;
    database.client.send = (async () => {
      throw Object.assign(new Error('socket hang up'), { name: 'TimeoutError' });
    }) as typeof send;
    try {
      await world.clock.run(world.run(warning(instance)));
    } finally {
      database.client.send = send;
    }
    expect(world.failures[0]).toMatchObject({ name: 'StoreUnavailableError' });
    expect(world.told('Failures')).toBeGreaterThan(0);
  });
});

describe('the minute', () => {
  it('reaps, one at a time, and says so; what nothing owns goes', async () => {
    await world.clock.pass(MINUTE_MS + 10_000);
    expect(world.told('ReaperPass')).toBe(1);
    const before = world.told('ReaperPass');
    const both = Promise.all([world.run(world.scheduled()), world.run(world.scheduled())]);
    await world.clock.run(both);
    expect(world.told('ReaperPass') - before).toBe(1);
    const id = await up('shop');
    const session = await read(id);
    await world.store.saveSession({ ...session, phase: 'failed', box: null, dueAt: null, desired: 'stopped', op: null });
    const workspace = await world.store.getWorkspace(owner, 'shop');
    if (workspace) await world.store.saveWorkspace({ ...workspace, claim: null });
    await world.until(async () => alive().length === 0, 'the box that nobody owns is gone', 40 * MINUTE_MS);
    expect(world.told('OrphansFound')).toBeGreaterThan(0);
  });

  it('goes on after a reaper that died', async () => {
    world.crash = { at: world.calls + 6, after: false };
    await world.clock.pass(MINUTE_MS);
    expect(world.crashes).toBe(1);
    expect(world.told('ReaperPass')).toBe(0);
    await world.clock.pass(world.timeoutMs + 2 * MINUTE_MS);
    expect(world.told('ReaperPass')).toBeGreaterThan(0);
  });

  it('vouches for a new table, with or without the words of EventBridge', async () => {
    world = await LambdaWorld.open(database, {}, true);
    world.ticks = false;
    expect(await world.store.vouches()).toBe(false);
    await world.clock.run(world.run({ devctl: 'tick' }));
    expect(await world.store.vouches()).toBe(true);
    await world.clock.run(world.run(world.scheduled()));
    expect(world.told('ReaperPass')).toBe(2);
  });

  it('keeps the pool', async () => {
    world = await LambdaWorld.open(database, { pool: { base: 1, boxSize: 'small' } });
    await world.until(
      async () => (await world.store.listPoolBoxes({ limit: 10, after: null })).items.some(({ phase }) => phase === 'ready'),
      'a box in reserve',
    );
    const [box] = (await world.store.listPoolBoxes({ limit: 10, after: null })).items;
    const id = await up('shop', { size: 'small', policy: 'on-demand' });
    expect((await read(id)).box?.id).toBe(box?.boxId);
  });

  it('tells when AWS has too many calls', async () => {
    world.aws.cloud.faults.rates.throttledPerCall = 1;
    await create('shop');
    await world.clock.pass(20_000);
    expect(world.told('Throttles')).toBeGreaterThan(0);
  });
});

describe('a function that dies', () => {
  it('at any call, before or after it, is made good by those that come after it', async () => {
    const life = async (): Promise<void> => {
      const id = await up('shop');
      (await machineOf(id)).write('a', '1');
      (await machineOf(id)).flush();
      await end(id);
      const next = await up('shop');
      expect((await machineOf(next)).files()).toEqual({ a: '1' });
      await end(next);
      await world.clock.pass(2 * MINUTE_MS);
      expect(alive()).toEqual([]);
    };
    await life();
    const { calls } = world;
    const points = 24;
    for (let n = 0; n < points; n += 1) {
      world = await LambdaWorld.open(database);
      world.crash = { at: Math.floor(((n + 0.5) * calls) / points), after: n % 2 === 0 };
      await life();
      expect(world.crashes, `at call ${world.crash.at} of ${calls}`).toBe(1);
      expect(world.aws.cloud.violations).toEqual([]);
    }
  }, 120_000);
});
