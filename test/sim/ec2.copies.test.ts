import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type Database, openDatabase } from '../support/table.ts';
import { type LiveFork, Users } from '../support/users.ts';
import { ZONES } from './catalog.ts';
import { expectNothingLeft } from './ec2-checks.ts';
import { Ec2World } from './ec2-world.ts';
import { sweep } from './sweep.ts';

/** Every n-th point is the quick run; SWEEP=all tries them all. */
const EVERY = process.env['SWEEP'] === 'all' ? 1 : Number(process.env['SWEEP'] ?? 13);
const GIB = 1024 ** 3;

let database: Database;
beforeAll(async () => {
  database = await openDatabase();
});
afterAll(() => database.close());

describe('a fork of a live box', () => {
  let world: Ec2World;
  let users: Users;
  let id: string;
  beforeEach(async () => {
    world = await Ec2World.open(database);
    users = new Users(world);
    id = await users.up('shop');
    await world.settle();
    await users.write(id, 'a', '1');
    await users.write(id, 'big', 'x');
    // What the snapshot has to upload before it is complete.
    (await world.machine(id)).write('big', 'x', 3 * GIB);
    world.aws.cloud.faults.rates.lagPerLook = 0;
  });

  const fork = (name = 'fork') => users.forkLive('shop', id, name);
  const begun = async (fork: LiveFork) => forkedNow(world, users, fork);
  const isUp = async (sessionId: string) => {
    await world.settle({ until: (sessions) => sessions.some((session) => session.id === sessionId && session.phase === 'ready') });
    await world.expectContent(sessionId);
  };
  const settled = () => world.settle();
  const copiesIn = () =>
    world.aws.cloud.volumes.all().filter(({ sourceVolumeId, state }) => sourceVolumeId !== null && state !== 'deleting');
  const events = async () => (await world.session(id)).outbox.map(({ message }) => message);
  const endAll = async () => {
    world.aws.cloud.faults.clear();
    for (const { id: sessionId, phase } of await world.live()) if (phase === 'ready') await users.down(sessionId);
    await expectNothingLeft(world);
  };

  it('is up from a copy of the disk long before its snapshot is complete, and has what was there when it was asked for', async () => {
    const asked = await fork();
    expect(await begun(asked)).toBe('copy');
    await users.write(id, 'after', 'the fork does not have this');
    const forked = await users.up('fork');
    await isUp(forked);
    const [pending] = (await world.store.listSnapshots('dev', (await world.session(id)).workspaceId, { limit: 1, after: null })).items;
    expect(pending).toMatchObject({ state: 'pending', reason: 'fork' });
    const [copy] = copiesIn();
    expect(await world.workspace('fork')).toMatchObject({ head: null, volume: { id: copy?.id } });
    expect(copy?.id).not.toBe((await world.workspace('shop')).volume?.id);
    await users.write(forked, 'b', 'of the fork');
    await settled();
    await world.reap();
    expect((await world.workspace('fork')).head).toEqual({ workspaceId: pending?.workspaceId, id: pending?.id });
    await users.down(forked);
    await world.settle({ until: (sessions) => !sessions.some((session) => session.id === forked) });
    const own = (await world.store.listSnapshots('dev', (await world.workspace('fork')).id, { limit: 1, after: null })).items[0];
    expect(own?.parent).toEqual({ workspaceId: pending?.workspaceId, id: pending?.id });
    await world.expectContent(id);
    await endAll();
  });

  it('that nobody uses becomes one of the snapshot, and its copy goes like any warm volume', async () => {
    await begun(await fork());
    await settled();
    await world.reap();
    expect(await world.workspace('fork')).toMatchObject({ head: expect.anything(), volume: { epoch: 1, savedEpoch: 1 } });
    await world.clock.pass(world.limits.keepVolumeMs + world.limits.orphanGraceMs);
    await world.reap();
    expect((await world.workspace('fork')).volume).toBeNull();
    const later = await users.up('fork');
    await isUp(later);
    await endAll();
  });

  it('whose snapshot fails keeps its copy, which is all that it has, for as long as nothing else has it', async () => {
    world.aws.cloud.faults.rates.errorPerSnapshot = 1;
    const asked = await fork();
    expect(await begun(asked)).toBe('copy');
    await settled();
    world.aws.cloud.faults.clear();
    await world.clock.pass(world.limits.keepVolumeMs + world.limits.orphanGraceMs);
    await world.reap();
    await world.reap();
    expect(copiesIn()).toHaveLength(1);
    await isUp(await users.up('fork'));
    await endAll();
  });

  it('begins elsewhere when there is no machine beside its copy: from the snapshot, once that is complete', async () => {
    await begun(await fork());
    await settled();
    const zone = copiesIn()[0]?.az ?? '';
    world.aws.cloud.pools.setAll({ az: zone }, 0, [zone]);
    const forked = await users.up('fork');
    await isUp(forked);
    const { box } = await world.session(forked);
    expect(world.aws.cloud.instances.get(box?.id ?? '')?.az).not.toBe(zone);
    expect(world.aws.cloud.volumes.get(box?.volumeId ?? '')?.snapshotId).not.toBeNull();
    world.aws.cloud.pools.setAll({}, 1000, ZONES);
    await endAll();
  });

  it('begins elsewhere from a snapshot of its copy when the first one is not complete', async () => {
    world.aws.cloud.faults.rates.slowPerSnapshot = 1;
    await begun(await fork());
    world.aws.cloud.faults.rates.slowPerSnapshot = 0;
    const zone = copiesIn()[0]?.az ?? '';
    world.aws.cloud.pools.setAll({ az: zone }, 0, [zone]);
    await isUp(await users.up('fork'));
    world.aws.cloud.pools.setAll({}, 1000, ZONES);
    await endAll();
  });

  it.each([
    ['the storage quota', 'VolumeLimitExceeded'],
    ['five copies that are under way', 'CopyVolumesLimitExceeded'],
    ['a missing permission', 'UnauthorizedOperation'],
    ['a volume that is being copied itself', 'IncorrectState'],
    ['an operation that is not known there', 'InvalidAction'],
  ])('waits for the snapshot when %s allows no copy, and an event says so', async (_, code) => {
    world.aws.cloud.faults.fail('copyVolumes', { with: code, times: 9 });
    const asked = await fork();
    expect(await begun(asked)).toBe('snapshot');
    expect(await events()).toContainEqual(expect.stringMatching(`its disk was not copied.*${code}`));
    expect(copiesIn()).toEqual([]);
    await isUp(await users.up('fork'));
    await endAll();
  });

  it('whose copy is answered too late does not hold its box up, and the copy is let go', async () => {
    world.aws.cloud.faults.hang('copyVolumes');
    const asked = await fork();
    expect(await begun(asked)).toBe('snapshot');
    expect(await events()).toContainEqual(expect.stringContaining('CopyVolumes took longer than 6000 ms'));
    await world.expectContent(id);
    await endAll();
  });

  it('adopts a copy whose answer was lost, by its token', async () => {
    world.aws.cloud.faults.lose('copyVolumes');
    expect(await begun(await fork())).toBe('copy');
    expect(copiesIn()).toHaveLength(1);
    await isUp(await users.up('fork'));
    await endAll();
  });

  it('never uses the copy of an earlier standstill: when the snapshot is refused, both are made anew', async () => {
    world.aws.cloud.faults.fail('createSnapshot', { with: 'SnapshotCreationPerVolumeRateExceeded', times: 1 });
    const asked = await fork();
    await world.settle({ until: () => world.aws.cloud.ledger.of('createSnapshot').length === 1, rounds: 50 });
    await users.write(id, 'between', 'the two tries');
    expect(await begun({ ...asked, files: world.truth((await world.session(id)).workspaceId) })).toBe('copy');
    await isUp(await users.up('fork'));
    const volume = world.aws.cloud.volumes.get((await world.workspace('fork')).volume?.id ?? '');
    expect(volume?.createdAtMs).toBeGreaterThan(world.aws.cloud.ledger.of('createSnapshot')[0]?.atMs ?? Number.POSITIVE_INFINITY);
    await endAll();
  });

  it('waits for the snapshot when the answer of that was lost, and its copies are gone by hand', async () => {
    world.aws.cloud.faults.lose('createSnapshot');
    const stop = world.clock.every(50, () => {
      for (const { id: volumeId, state, attachment } of copiesIn())
        if (state === 'available' && attachment === null) world.aws.hands.deleteVolume(volumeId);
    });
    expect(await begun(await fork())).toBe('snapshot');
    stop();
    await isUp(await users.up('fork'));
    await endAll();
  });

  it('has its copies still when the answer of the snapshot was lost', async () => {
    world.aws.cloud.faults.lose('createSnapshot');
    expect(await begun(await fork())).toBe('copy');
    await isUp(await users.up('fork'));
    expect(copiesIn()).toHaveLength(1);
    await endAll();
  });

  it('leaves nothing behind when nobody makes the workspace that a copy was made for', async () => {
    await fork();
    await settled();
    expect(copiesIn()).toHaveLength(1);
    await endAll();
    expect(copiesIn()).toEqual([]);
  });

  it('fails with its box when the disk is gone in the very moment, and nothing is made of it', async () => {
    const asked = await fork();
    world.aws.cloud.faults.fail('copyVolumes', { with: 'InvalidVolume.NotFound', times: 9 });
    world.aws.cloud.faults.fail('createSnapshot', { with: 'InvalidVolume.NotFound', times: 99 });
    expect(await begun(asked)).toBe('nothing');
    expect(copiesIn()).toEqual([]);
    world.aws.cloud.faults.clear();
    await endAll();
  });
});

/** Lets the launcher go on until there is something for the fork to begin with. */
async function forkedNow(world: Ec2World, users: Users, fork: LiveFork): Promise<'copy' | 'snapshot' | 'nothing'> {
  for (let looks = 0; looks < 4000; looks += 1) {
    await world.beat();
    const nextMs = (await world.look(fork.sessionId)) ?? world.clock.now();
    world.check();
    const found = await users.forked(fork);
    if (found !== null) return found;
    await world.clock.pass(Math.max(1, Math.min(nextMs - world.clock.now(), 500)));
  }
  throw new Error('nothing comes of the fork');
}

/** A fork of a live box from the wish to the end of both. */
async function forkLife(world: Ec2World): Promise<void> {
  const users = new Users(world);
  const id = await users.up('shop');
  await world.settle();
  await users.write(id, 'a', '1');
  const asked = await users.forkLive('shop', id, 'fork');
  const begun = await forkedNow(world, users, asked);
  expect(begun).not.toBe('nothing');
  await users.write(id, 'b', '2');
  const forked = await users.up('fork');
  await world.settle();
  await world.expectContent(forked);
  await world.expectContent(id);
  await users.write(forked, 'c', '3');
  await users.down(forked);
  await users.down(id);
  await world.settle({ until: (sessions) => sessions.length === 0 });
  await users.delete('fork');
  await expectNothingLeft(world);
}

describe('the life of a fork of a live box', () => {
  it('with a launcher that dies before or after a call of EC2, or loses its answer: W, L, X and P hold', {
    timeout: 3_600_000,
  }, async () => {
    const { points, of, calls, broken } = await sweep(database, forkLife, { every: EVERY });
    console.log(`crash sweep of a live fork: ${points} of ${of} points of ${calls} calls`);
    expect(broken).toEqual([]);
  });
});
