import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Failure, SessionRecord } from '../../launcher/contract/records.ts';
import { launchRequestWith } from '../support/launch-request.ts';
import { type Database, openDatabase } from '../support/table.ts';
import { Users } from '../support/users.ts';
import { OWNER } from '../support/world.ts';
import { ZONES } from './catalog.ts';
import { expectNothingLeft } from './ec2-checks.ts';
import { Ec2World } from './ec2-world.ts';

/** Calls that going up from nothing, from a warm disk and from a snapshot makes, and those that going down makes. */
const UP = ['describeInstanceTypeOfferings', 'describeSpotPriceHistory', 'createFleet', 'describeInstances', 'describeVolumes'];
const UP_WARM = ['attachVolume', 'describeVolumes', 'describeInstances', 'createFleet'];
const UP_COLD = ['describeSnapshots', 'createFleet', 'describeInstances'];
const DOWN = ['createSnapshot', 'describeSnapshots', 'detachVolume', 'terminateInstances', 'describeInstances', 'describeVolumes'];

describe('bad input and bad days on EC2', { timeout: 120_000 }, () => {
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

  const isOver = (id: string) => (sessions: SessionRecord[]) => !sessions.some((session) => session.id === id);
  const over = (id: string) => world.settle({ until: isOver(id) });
  const failureOf = async (id: string): Promise<Failure | null> => (await world.session(id)).failure;
  const up = async (name = 'shop', options: Parameters<Users['up']>[1] = {}) => {
    const id = await users.up(name, options);
    await world.settle();
    expect(await world.session(id)).toMatchObject({ phase: 'ready', failure: null });
    await world.expectContent(id);
    return id;
  };
  const fails = async (options: Parameters<Users['up']>[1] = {}, name = 'shop') => {
    const id = await users.up(name, options);
    await over(id);
    expect((await world.session(id)).phase).toBe('failed');
    return (await failureOf(id)) as Failure;
  };
  /** A workspace with something written, saved, whose disk is warm or gone. */
  const saved = async (disk: 'warm' | 'gone', name = 'shop') => {
    const id = await up(name);
    await users.write(id, 'a', '1');
    await users.down(id);
    await over(id);
    if (disk === 'warm') return;
    await world.clock.pass(world.limits.keepVolumeMs + world.limits.orphanGraceMs);
    for (let pass = 0; pass < 3; pass += 1) await world.reap();
    expect((await world.workspace(name)).volume).toBeNull();
  };
  const instances = () => world.aws.cloud.instances.all().filter(({ state }) => state !== 'terminated');
  /** Rounds of a bad day, however it goes. */
  const rounds = async (count: number) => {
    let passed = 0;
    await world.settle({
      until: () => {
        passed += 1;
        return passed > count;
      },
    });
  };
  /** The day is good again: the same wish succeeds with the same bytes, and nothing is left of the bad one. */
  const goodAgain = async (name = 'shop') => {
    world.aws.cloud.faults.clear();
    await world.settle({ until: (sessions) => sessions.every(({ phase }) => phase === 'ready' || phase === 'parked') });
    const [live] = (await world.live()).filter(({ workspace }) => workspace === name);
    if (live === undefined) await up(name);
    await world.settle();
    for (const { id } of await world.live()) {
      await world.expectContent(id);
      await users.down(id);
    }
    await expectNothingLeft(world);
  };

  it.each([
    [{ instanceTypes: ['z9.huge'] }, 'unsupported', /no instance type z9\.huge in us-east-1/, /ask for something else/],
    [{ instanceTypes: ['m8g.large'], arch: 'x86_64' as const }, 'unsupported', /m8g\.large is arm64, not x86_64/, /ask for something else/],
  ])('%j: the machine is named, and what to do', async (wish, code, detail, hint) => {
    expect(await fails(wish)).toMatchObject({
      code,
      detail: expect.stringMatching(detail),
      hint: expect.stringMatching(hint),
    });
    expect(instances()).toEqual([]);
    await goodAgain();
  });

  it('an image that is gone', async () => {
    const { images } = world.aws.cloud.catalog;
    const kept = new Map(images);
    images.clear();
    expect(await fails()).toMatchObject({
      code: 'bootstrap_failed',
      detail: expect.stringContaining('InvalidAMIID.NotFound'),
      hint: expect.stringMatching(/image of the boxes is gone.*bake one/),
    });
    expect(instances()).toEqual([]);
    for (const [id, image] of kept) images.set(id, image);
    await goodAgain();
  });

  it('no subnet', async () => {
    const { subnets } = world.aws.cloud.catalog;
    const kept = new Map(subnets);
    subnets.clear();
    expect(await fails()).toMatchObject({
      code: 'bootstrap_failed',
      detail: expect.stringContaining('InvalidSubnetID.NotFound'),
      hint: expect.stringMatching(/name a subnet that is there/),
    });
    for (const [id, subnet] of kept) subnets.set(id, subnet);
    await goodAgain();
  });

  it('a quota of 0 in both markets', async () => {
    await saved('warm');
    Object.assign(world.aws.cloud.pools.quotas, { spotVcpus: 0, onDemandVcpus: 0 });
    expect(await fails()).toMatchObject({
      code: 'no_capacity',
      detail: expect.stringMatching(/MaxSpotInstanceCountExceeded.*VcpuLimitExceeded/),
      hint: expect.stringMatching(/raise the vCPU quota.*devctl doctor/),
    });
    Object.assign(world.aws.cloud.pools.quotas, { spotVcpus: 64, onDemandVcpus: 64 });
    await goodAgain();
  });

  it('prices that are not to be had: the box comes up with an estimate', async () => {
    world.aws.cloud.faults.denied.add('describeSpotPriceHistory');
    const id = await up();
    expect((await world.session(id)).box).toMatchObject({ description: expect.stringContaining('about $'), price: { about: true } });
    await goodAgain();
  });

  describe('a permission that is revoked', () => {
    for (const [what, calls, disk] of [
      ['on the way up from nothing', UP, null],
      ['on the way up with a warm disk', UP_WARM, 'warm'],
      ['on the way up from a snapshot', UP_COLD, 'gone'],
    ] as const)
      for (const op of calls)
        it(`${what}, at ${op}: nothing is lost or left, and it comes up once it is given back`, async () => {
          if (disk !== null) await saved(disk);
          world.aws.cloud.faults.denied.add(op);
          const id = await users.up('shop');
          await rounds(150);
          const { phase, failure } = await world.session(id);
          if (phase === 'failed')
            expect(failure).toMatchObject({
              detail: expect.stringContaining('UnauthorizedOperation'),
              hint: expect.stringMatching(/devctl doctor names the permission/),
            });
          await goodAgain();
        });

    for (const op of DOWN)
      it(`on the way down, at ${op}: the work is kept, and saved once it is given back`, async () => {
        const id = await up();
        await users.write(id, 'a', '1');
        world.aws.cloud.faults.denied.add(op);
        await users.down(id);
        await rounds(150);
        const { phase, failure } = await world.session(id);
        if (failure !== null)
          expect([phase, failure]).toMatchObject([
            'ready',
            {
              code: 'snapshot_failed',
              detail: expect.stringContaining('UnauthorizedOperation'),
              hint: expect.stringContaining('devctl doctor'),
            },
          ]);
        await goodAgain();
      });

    for (const op of ['createTags', 'startInstances', 'stopInstances', 'describeInstances'])
      it(`of a persistent session, at ${op}: it rests with its machine, and goes on with it`, async () => {
        const id = await up('shop', { persistent: true, policy: 'on-demand' });
        await users.write(id, 'a', '1');
        if (op !== 'stopInstances') {
          await users.park(id);
          await world.settle();
        }
        const machine = (await world.session(id)).box?.id;
        world.aws.cloud.faults.denied.add(op);
        if (op === 'stopInstances') await users.park(id);
        else await users.wake(id);
        await rounds(60);
        world.aws.cloud.faults.clear();
        await world.settle({ until: (sessions) => sessions.every(({ phase }) => phase === 'ready' || phase === 'parked') });
        if ((await world.session(id)).phase === 'parked') await users.wake(id);
        await world.settle();
        expect(await world.session(id)).toMatchObject({ phase: 'ready', box: { id: machine } });
        await goodAgain();
      });
  });

  it('a quota that a parked machine does not fit into: it is kept, the session says so, and goes on with it later', async () => {
    const id = await up('shop', { persistent: true, policy: 'on-demand' });
    await users.write(id, 'a', '1');
    await users.park(id);
    await world.settle();
    const machine = (await world.session(id)).box?.id;
    world.aws.cloud.pools.quotas.onDemandVcpus = 0;
    for (let again = 0; again < 2; again += 1) {
      await users.wake(id);
      await world.settle();
      expect(await world.session(id)).toMatchObject({
        phase: 'parked',
        box: { id: machine },
        failure: { code: 'no_capacity', hint: expect.stringContaining('raise the vCPU quota') },
      });
      await world.clock.pass(world.limits.orphanGraceMs + 60_000);
      for (let pass = 0; pass < 2; pass += 1) await world.reap();
    }
    expect(instances().map(({ id: found, state }) => [found, state])).toEqual([[machine, 'stopped']]);
    world.aws.cloud.pools.quotas.onDemandVcpus = 64;
    await users.wake(id);
    await world.settle();
    expect(await world.session(id)).toMatchObject({ phase: 'ready', box: { id: machine } });
    await goodAgain();
  });

  it('a KMS key that is disabled: the launch says so, the snapshot stays, and it comes up with the key', async () => {
    await saved('gone');
    for (const snapshot of world.aws.cloud.snapshots.all()) snapshot.kmsKeyId = 'key-1';
    world.aws.cloud.catalog.disabledKeys.add('key-1');
    expect(await fails()).toMatchObject({
      code: 'bootstrap_failed',
      detail: expect.stringMatching(/ended at once: .*Client error on launch.*KMS key/),
      hint: expect.stringMatching(/enable the KMS key.*devctl up again/),
    });
    const { head, quarantined } = await world.workspace('shop');
    expect([head?.id, quarantined]).toEqual(['snap_1', null]);
    world.aws.cloud.catalog.disabledKeys.clear();
    await goodAgain();
  });

  it('41: a KMS key that is disabled under a live box: a down keeps the volume, and nothing is called saved', async () => {
    const id = await up();
    await users.write(id, 'a', '1');
    const volume = world.aws.cloud.volumes.get((await world.workspace('shop')).volume?.id ?? '');
    if (volume === undefined) throw new Error('no volume');
    volume.kmsKeyId = 'key-1';
    world.aws.cloud.catalog.disabledKeys.add('key-1');
    await users.down(id);
    await over(id);
    expect(await world.session(id)).toMatchObject({ phase: 'failed', receipt: null, failure: { code: 'snapshot_failed' } });
    const { head, volume: kept } = await world.workspace('shop');
    expect([head, kept?.id]).toEqual([null, volume.id]);
    await world.clock.pass(world.limits.keepVolumeMs + world.limits.orphanGraceMs);
    for (let pass = 0; pass < 3; pass += 1) await world.reap();
    expect(world.aws.cloud.volumes.get(volume.id)).toBeDefined();
    world.aws.cloud.catalog.disabledKeys.clear();
    await goodAgain();
  });

  it('41: a head that somebody deleted is told, never taken for an empty workspace, and an earlier one brings it back', async () => {
    await saved('gone');
    const again = await up();
    await users.write(again, 'b', '2');
    await users.down(again);
    await over(again);
    await world.clock.pass(world.limits.keepVolumeMs + world.limits.orphanGraceMs);
    for (let pass = 0; pass < 3; pass += 1) await world.reap();
    const head = (await world.workspace('shop')).head?.id;
    const found = world.aws.cloud.snapshots.all().find(({ tags }) => tags['devctl:snapshot']?.endsWith(`/${head}`));
    world.aws.hands.deleteSnapshot(found?.id ?? '');
    world.forget((await world.workspace('shop')).id);
    expect(await fails()).toMatchObject({
      code: 'workspace_quarantined',
      detail: expect.stringContaining(`no whole snapshot`),
      hint: expect.stringContaining('devctl restore'),
    });
    expect(instances()).toEqual([]);
    const { items } = await world.store.listSnapshots(OWNER, (await world.workspace('shop')).id, { limit: 9, after: null });
    expect(items.map(({ id }) => id)).toContain('snap_1');
  });

  it('13: a disk that cannot be mounted any more is told; its snapshot is kept, and brings the work back', async () => {
    await saved('warm');
    const { volume, head } = await world.workspace('shop');
    world.aws.hands.damageVolume(volume?.id ?? '');
    expect(await fails()).toMatchObject({ code: 'workspace_quarantined', hint: expect.stringContaining('devctl restore') });
    expect(head && world.contentOfHead(head)).toEqual({ a: '1' });
    expect(world.aws.cloud.volumes.get(volume?.id ?? '')).toBeDefined();
  });

  it('33: a machine that comes up for a session that is over is swept', async () => {
    const id = await up();
    await users.down(id);
    await over(id);
    const tags = { owner: OWNER, workspace: 'late', workspaceId: users.id('ws'), sessionId: id, generation: 1, operationId: `${id}.late` };
    const launch = launchRequestWith((prefix) => users.id(prefix), { tags });
    for (let step = 0, providerState: unknown = null; step < 60; step += 1) {
      const answer = await world.act(({ compute }) => compute.launch({ ...launch, providerState }));
      if (!answer.underway) break;
      providerState = answer.providerState;
      await world.clock.pass(1000);
    }
    await world.clock.pass(world.limits.orphanGraceMs + 60_000);
    expect(instances().map(({ state }) => state)).toEqual(['running']);
    await world.reap();
    await world.clock.pass(120_000);
    expect(instances()).toEqual([]);
    await goodAgain();
  });

  it('a snapshot of another account is never taken for ours', async () => {
    await saved('gone');
    const { head, id } = await world.workspace('shop');
    const [own] = world.aws.cloud.snapshots.all().filter(({ tags }) => tags['devctl:snapshot'] === `${head?.workspaceId}/${head?.id}`);
    if (own === undefined) throw new Error('no snapshot');
    // Shared with us under the same tags: whoever made it chose them.
    world.aws.addSnapshot({ image: { ...own.image, files: {} }, tags: own.tags, ownerId: '999999999999', shared: true, startedAtMs: 0 });
    await up();
    expect(world.truth(id)).toEqual({ a: '1' });
    world.aws.cloud.snapshots.remove(own.id);
    await goodAgain();
  });

  it('a snapshot that is larger than a new disk: the disk grows to it, and is never an empty one', async () => {
    await saved('gone');
    const [own] = world.aws.cloud.snapshots.all().filter(({ tags }) => tags['devctl:snapshot'] !== undefined);
    if (own === undefined) throw new Error('no snapshot');
    own.volumeSizeGiB = 300;
    world.aws.cloud.snapshots.changed(own);
    await world.clock.pass(60_000);
    await up();
    const { volume } = await world.workspace('shop');
    expect(world.aws.cloud.volumes.get(volume?.id ?? '')).toMatchObject({ sizeGiB: 300 });
    expect(volume?.gib).toBe(300);
    await goodAgain();
  });

  it('no storage left in the account: the launch says so, and leaves nothing', async () => {
    world.aws.cloud.faults.fail('createFleet', { times: 9, with: 'VolumeLimitExceeded' });
    expect(await fails()).toMatchObject({ code: 'disk_full', detail: expect.stringContaining('VolumeLimitExceeded') });
    expect(instances()).toEqual([]);
    await goodAgain();
  });

  it('no machine in any zone for a warm disk: the session fails, the work stays on it', async () => {
    await saved('warm');
    world.aws.cloud.pools.setAll({}, 0, ZONES);
    expect(await fails()).toMatchObject({ code: 'no_capacity', hint: expect.stringContaining('the workspace is untouched') });
    world.aws.cloud.pools.setAll({}, 100, ZONES);
    await world.clock.pass(300_000);
    await goodAgain();
  });
});
