import { describe, expect, it } from 'vitest';
import { isUnsaved } from '../../launcher/core/workspace.ts';
import { StoreUnavailableError } from '../../launcher/ports/store.ts';
import { expectNothingLeft, expectSaved } from '../support/checks.ts';
import { downAndSettle, eachInAFreshWorld, openFreshWorld, upWith, users, world } from '../support/fresh-world.ts';

eachInAFreshWorld();

const MINUTE_MS = 60_000;

describe('a launch that does not work', () => {
  it.each(['transient', 'unreachable'] as const)('for a %s reason is made again, three times in all', async (kind) => {
    world.compute.faults.add({ op: 'launch', kind, times: 2 });
    expect((await world.session(await upWith('shop', {}))).phase).toBe('ready');
    world.compute.faults.add({ op: 'launch', kind, times: 3 });
    const id = await users.up('fork');
    await world.settle();
    expect(await world.session(id)).toMatchObject({ phase: 'failed', failure: { code: 'bootstrap_failed' } });
    expect((await world.workspace('fork')).claim).toBeNull();
  });

  it.each([
    ['capacity', 'no_capacity'],
    ['disk_full', 'disk_full'],
    ['missing', 'workspace_quarantined'],
    ['fatal', 'bootstrap_failed'],
  ] as const)('for lack of %s ends the session with %s, and the workspace can be tried again', async (kind, code) => {
    const first = await upWith('shop', { a: '1' });
    await downAndSettle(first);
    world.compute.faults.add({ op: 'launch', kind });
    const id = await users.up('shop');
    await world.settle();
    expect(await world.session(id)).toMatchObject({ phase: 'failed', failure: { code } });
    const again = await upWith('shop', { b: '2' });
    await downAndSettle(again);
    await expectNothingLeft(world);
    await expectSaved(world, 'shop');
  });

  it.each([
    ['capacity', [], false],
    ['disk_full', [], false],
    ['fatal', [], true],
    ['capacity', ['transient'], true],
  ] as const)('for lack of %s after %j leaves a saved volume unsaved: %s', async (kind, before, unsaved) => {
    await downAndSettle(await upWith('shop', { a: '1' }));
    for (const earlier of before) world.compute.faults.add({ op: 'launch', kind: earlier });
    world.compute.faults.add({ op: 'launch', kind });
    const id = await users.up('shop');
    await world.settle();
    expect((await world.session(id)).phase).toBe('failed');
    expect(isUnsaved(await world.workspace('shop'))).toBe(unsaved);
    await downAndSettle(await upWith('shop', { b: '2' }));
    await expectSaved(world, 'shop');
  });

  it('because the volume is in use waits, and a down in the middle of it does not', async () => {
    world.compute.faults.add({ op: 'launch', kind: 'busy', times: 5 });
    const id = await upWith('shop', {});
    expect(await world.session(id)).toMatchObject({ phase: 'ready', launchAttempts: 0 });
    world.compute.faults.add({ op: 'launch', kind: 'busy', times: 1e6 });
    const stuck = await users.up('fork');
    for (let looks = 0; looks < 5; looks += 1) {
      await world.look(stuck);
      world.clock.advance(1000);
    }
    expect((await world.session(stuck)).phase).toBe('launching');
    await users.down(stuck);
    await world.settle();
    expect(await world.session(stuck)).toMatchObject({ phase: 'stopped', failure: null, endReason: 'user' });
  });

  it('because no box ever registers ends it after its time, and lets the box go', async () => {
    const id = await users.up('shop');
    await world.look(id);
    world.mute.add(world.compute.boxOf(id)?.id ?? '');
    await world.settle();
    expect(await world.session(id)).toMatchObject({ phase: 'failed', failure: { code: 'bootstrap_failed' } });
    expect(world.compute.running()).toEqual([]);
  });
});

describe('a box that is lost with no notice', () => {
  it('before it is ready: the same volume in the next generation, a bounded number of times', async () => {
    const id = await users.up('shop');
    for (let times = 0; times < 3; times += 1) {
      await world.look(id);
      world.compute.lose(world.compute.boxOf(id)?.id ?? '');
    }
    await world.settle();
    expect(await world.session(id)).toMatchObject({ phase: 'failed', generation: 3, failure: { code: 'bootstrap_failed' } });
    expect(world.compute.disks.volumes.size).toBe(1);
  });

  it('while it is in use: its volume is taken over, a bounded number of times, and then saved', async () => {
    const id = await upWith('shop', { a: '1' });
    await users.checkpoint(id);
    await world.settle();
    await users.write(id, 'b', 'never flushed');
    for (let times = 1; times <= 3; times += 1) {
      world.compute.lose(world.compute.boxOf(id)?.id ?? '');
      world.clock.advance(MINUTE_MS);
      await world.settle();
      expect(await world.session(id)).toMatchObject({ phase: 'ready', generation: times + 1, rescues: times });
    }
    await users.write(id, 'c', '3');
    await users.checkpoint(id);
    await world.settle();
    world.compute.lose(world.compute.boxOf(id)?.id ?? '');
    await world.settle({ until: (sessions) => sessions.length === 0 });
    expect(await world.session(id)).toMatchObject({ phase: 'failed', receipt: { clean: false } });
    await expectNothingLeft(world);
    await expectSaved(world, 'shop');
    expect(world.oracle.truth((await world.workspace('shop')).id)).toEqual({ a: '1', c: '3' });
  });

  it.each(['quiescing', 'ending'] as const)('while it is %s: what was flushed is saved, with no other box', async (phase) => {
    const id = await upWith('shop', { a: '1' });
    await users.checkpoint(id);
    await world.settle();
    await users.down(id);
    world.compute.faults.add({ op: phase === 'quiescing' ? 'quiesce' : 'end' });
    world.compute.faults.add({ op: 'snapshot' });
    for (let looks = 0; looks < 20 && (await world.session(id)).phase !== phase; looks += 1) {
      await world.look(id);
      world.clock.advance(300);
    }
    expect((await world.session(id)).phase).toBe(phase);
    world.compute.lose(world.compute.boxOf(id)?.id ?? '');
    await world.settle();
    expect((await world.session(id)).phase).toBe('stopped');
    expect(world.compute.boxes.size).toBe(1);
    await expectNothingLeft(world);
    await expectSaved(world, 'shop');
  });

  it('once it is quiet and before its snapshot: the snapshot is made of its volume, and no box is launched again', async () => {
    const id = await upWith('shop', { a: '1' });
    await users.down(id);
    world.compute.faults.add({ op: 'snapshot', kind: 'fatal' });
    const slow = world.newLauncher();
    slow.life.fault = (label) => (label === 'compute.snapshot' ? 'before' : null);
    await world.look(id, slow);
    expect(await world.session(id)).toMatchObject({ phase: 'quiescing', report: { files: 1 } });
    world.compute.lose(world.compute.boxOf(id)?.id ?? '');
    await world.settle();
    expect(await world.session(id)).toMatchObject({ phase: 'stopped', rescues: 0 });
    expect(world.compute.boxes.size).toBe(1);
    await expectSaved(world, 'shop');
  });
});

describe('a snapshot that cannot be made', () => {
  it('keeps the box, says so, and is tried again when asked', async () => {
    const id = await upWith('shop', { a: '1' });
    world.compute.faults.add({ op: 'snapshot', kind: 'disk_full' });
    await users.down(id);
    await world.settle();
    expect(await world.session(id)).toMatchObject({ phase: 'ready', desired: 'ready', failure: { code: 'disk_full' } });
    expect(world.compute.countOf('end')).toBe(0);
    await users.write(id, 'b', '2');
    await downAndSettle(id);
    expect(await world.session(id)).toMatchObject({ phase: 'stopped', failure: null });
    await expectNothingLeft(world);
    await expectSaved(world, 'shop');
  });

  it('after the box has gone is begun again a bounded number of times, then the volume is kept', async () => {
    world.compute.disks.plan = { looks: 1, outcome: 'error' };
    const id = await upWith('shop', { a: '1' });
    await downAndSettle(id);
    expect(await world.session(id)).toMatchObject({ phase: 'failed', failure: { code: 'snapshot_failed' } });
    expect(world.compute.countOf('snapshot')).toBeLessThanOrEqual(world.limits.snapshotAttempts + 1);
    world.clock.advance(world.limits.keepVolumeMs * 10);
    await world.reap();
    await world.reap();
    expect(world.compute.disks.volumes.size).toBe(1);
    world.compute.disks.plan = { looks: 1, outcome: 'completed' };
    const again = await upWith('shop', {});
    expect(world.compute.disks.content((await world.session(again)).box?.volumeId ?? '')).toEqual({ a: '1' });
    await downAndSettle(again);
    await expectNothingLeft(world);
    await expectSaved(world, 'shop');
  });

  it('as a checkpoint changes nothing of the session', async () => {
    const id = await upWith('shop', { a: '1' });
    world.compute.faults.add({ op: 'snapshot', kind: 'unreachable' });
    await users.checkpoint(id);
    await world.settle();
    expect(await world.session(id)).toMatchObject({ phase: 'ready', checkpoint: null, snapshot: null, op: null });
    expect((await world.workspace('shop')).head).toBeNull();
    await users.checkpoint(id);
    await world.settle();
    expect((await world.workspace('shop')).head?.id).toBe('snap_2');
  });

  it('in a moment is looked at twice a second, and not all the time', async () => {
    world.compute.disks.plan = { looks: 1000, outcome: 'completed' };
    const id = await upWith('shop', { a: '1' });
    await users.down(id);
    const writes = () => world.launcher.life.trace.filter((label) => label === 'store.saveSession').length;
    await world.settle({ until: (sessions) => sessions.some(({ phase, snapshot }) => phase === 'saving' && snapshot?.started === true) });
    const [looks, saves] = [world.compute.countOf('observeSnapshot'), writes()];
    for (let polls = 0; polls < 10; polls += 1) {
      world.clock.advance(world.limits.pollMs);
      await world.look(id);
      await world.look(id);
    }
    expect(world.compute.countOf('observeSnapshot') - looks).toBeLessThanOrEqual(11);
    expect(writes() - saves).toBeLessThanOrEqual(12);
    for (const snapshot of world.compute.disks.snapshots.values()) snapshot.looksLeft = 1;
    await world.settle();
    expect((await world.session(id)).phase).toBe('stopped');
  });
});

describe('a box that cannot be made quiet', () => {
  it('is ended after two tries, and its volume saved as a crash leaves it', async () => {
    const id = await upWith('shop', { a: '1' });
    await users.checkpoint(id);
    await world.settle();
    world.compute.faults.add({ op: 'quiesce', kind: 'unreachable', times: 2 });
    await downAndSettle(id);
    expect(await world.session(id)).toMatchObject({ phase: 'stopped', receipt: { clean: false } });
    await expectSaved(world, 'shop');
  });
});

describe('a launcher that is blind', () => {
  it('destroys nothing while the provider cannot tell, whatever was asked', async () => {
    const id = await upWith('shop', { a: '1' });
    await users.checkpoint(id);
    await world.settle();
    world.compute.blind = true;
    world.compute.faults.add({ op: 'observe', times: 3 });
    await world.pass(10 * MINUTE_MS);
    expect((await world.session(id)).phase).toBe('ready');
    await users.down(id);
    await world.pass(10 * MINUTE_MS);
    expect((await world.session(id)).phase).toBe('ending');
    expect(world.compute.countOf('end')).toBe(0);
    world.compute.blind = false;
    await world.settle();
    expect((await world.session(id)).phase).toBe('stopped');
    await expectSaved(world, 'shop');
  });

  it('destroys nothing while the store does not answer', async () => {
    const id = await upWith('shop', { a: '1' });
    const before = world.compute.calls.length;
    const { life } = world.launcher;
    life.beforeCall = (label) => (label.startsWith('store.') ? Promise.reject(new StoreUnavailableError('down')) : undefined);
    for (let looks = 0; looks < 20; looks += 1) {
      world.clock.advance(30 * MINUTE_MS);
      await world.look(id);
      await expect(world.launcher.deps.store.ping()).rejects.toThrow(StoreUnavailableError);
    }
    const destroying = world.compute.calls.slice(before).filter(({ op }) => op !== 'observe');
    expect(destroying).toEqual([]);
  });

  it('that was away hears a box before it calls it idle', async () => {
    const id = await upWith('shop', { a: '1' });
    world.clock.advance(3 * 60 * MINUTE_MS);
    await world.look(id);
    expect((await world.session(id)).phase).toBe('ready');
    await world.look(id);
    expect((await world.session(id)).phase).toBe('ready');
    world.clock.advance(world.limits.silentMs + 1);
    await world.look(id);
    expect((await world.session(id)).phase).not.toBe('ready');
  });

  it('that was away hears a box before it gives up waiting for its registration', async () => {
    const id = await users.up('shop');
    await world.look(id);
    world.clock.advance(60 * MINUTE_MS);
    await world.look(id);
    expect((await world.session(id)).phase).toBe('bootstrapping');
    await world.settle();
    expect((await world.session(id)).phase).toBe('ready');
  });

  it('whose provider hangs gives up the call, and goes on', async () => {
    await openFreshWorld({ limits: { lookMs: 20, quiesceMs: 20, snapshotMs: 40, launchMs: 20 } });
    for (const op of ['observe', 'quiesce', 'snapshot', 'end', 'launch', 'observeSnapshot']) world.compute.faults.add({ op, how: 'hang' });
    world.compute.disks.plan = { looks: 2, outcome: 'completed' };
    const id = await upWith('shop', { a: '1' });
    await downAndSettle(id);
    expect((await world.session(id)).phase).toBe('stopped');
    await expectSaved(world, 'shop');
  });
});

describe('a workspace whose disk is damaged', () => {
  it('is saved with its failure told, and its volume taken away is never called healthy', async () => {
    const id = await upWith('shop', { a: '1' });
    await downAndSettle(id);
    const workspace = await world.workspace('shop');
    const volumeId = workspace.volume?.id ?? '';
    world.oracle.lost.add(workspace.id);
    world.compute.disks.volumes.delete(volumeId);
    const again = await users.up('shop');
    await world.settle();
    expect(await world.session(again)).toMatchObject({ phase: 'failed', failure: { code: 'workspace_quarantined' } });
    expect((await world.workspace('shop')).head?.id).toBe('snap_1');
  });

  it('is not made the head by the session that found it out, which ends and says why', async () => {
    const first = await upWith('shop', { a: '1' });
    await downAndSettle(first);
    const id = await upWith('shop', { a: '2' });
    await world.store.saveWorkspace({ ...(await world.workspace('shop')), quarantined: 'bad blocks' });
    await downAndSettle(id);
    expect(await world.session(id)).toMatchObject({
      phase: 'failed',
      failure: { code: 'snapshot_failed', detail: expect.stringContaining('bad blocks') },
    });
    const { claim, head, volume } = await world.workspace('shop');
    expect({ claim, head: head?.id }).toEqual({ claim: null, head: 'snap_1' });
    expect(world.compute.disks.volumes.has(volume?.id ?? '')).toBe(true);
    expect(world.compute.running()).toHaveLength(0);
  });

  it('ends a session that is given up with the reason that it was given', async () => {
    const id = await upWith('shop', { a: '1' });
    const session = await world.session(id);
    const failure = { code: 'workspace_quarantined' as const, detail: 'bad blocks', hint: 'restore' };
    await world.store.saveSession({ ...session, failure, desired: 'stopped', endReason: 'failed', dueAt: world.clock.now() });
    await world.settle({ until: (sessions) => sessions.length === 0 });
    expect(await world.session(id)).toMatchObject({ phase: 'failed', failure, receipt: { snapshot: 'snap_1' } });
  });
});
