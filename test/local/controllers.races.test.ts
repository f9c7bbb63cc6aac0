import { describe, expect, it } from 'vitest';
import { reap } from '../../launcher/controllers/reaper.ts';
import { touch } from '../../launcher/core/admission.ts';
import { changeSession } from '../../launcher/ledger/sessions.ts';
import { expectNothingLeft, expectSaved } from '../support/checks.ts';
import { holdAt } from '../support/faults.ts';
import { downAndSettle, eachInAFreshWorld, upWith, users, world } from '../support/fresh-world.ts';
import { OWNER } from '../support/world.ts';

eachInAFreshWorld();

const MINUTE_MS = 60_000;

describe('two controllers of one session', () => {
  it('make one box and one snapshot, whoever is first at each step', async () => {
    const id = await users.up('shop');
    const other = world.newLauncher();
    const both = () => Promise.all([world.look(id), world.look(id, other)]);
    for (let round = 0; round < 5; round += 1) {
      await both();
      await world.beat();
    }
    await users.write(id, 'a', '1');
    await users.down(id);
    for (let round = 0; round < 20; round += 1) {
      await both();
      world.clock.advance(1000);
    }
    expect((await world.session(id)).phase).toBe('stopped');
    expect(world.compute.boxes.size).toBe(1);
    expect([...world.compute.disks.snapshots.keys()]).toHaveLength(1);
    await expectNothingLeft(world);
    await expectSaved(world, 'shop');
  });

  it('one whose outcome comes late does not undo what the other has done', async () => {
    const id = await upWith('shop', { a: '1' });
    await users.checkpoint(id);
    const slow = world.newLauncher();
    const held = holdAt(slow.life, 'compute.snapshot');
    slow.life.fault = (label) => (label === 'compute.snapshot' ? 'lost' : null);
    const late = world.look(id, slow);
    await held.reached;
    await world.settle();
    held.go();
    await late;
    const { head } = await world.workspace('shop');
    expect(head?.id).toBe('snap_1');
    expect(await world.store.getSnapshot(OWNER, { workspaceId: head?.workspaceId ?? '', id: 'snap_1' })).toMatchObject({
      state: 'completed',
    });
    await world.reap();
    expect(world.contentOfHead(head as never)).toEqual({ a: '1' });
  });

  it('one that looked at a snapshot before it was to be seen does not call the head broken', async () => {
    const id = await upWith('shop', { a: '1' });
    world.compute.disks.plan = { looks: 2, outcome: 'completed' };
    await users.checkpoint(id);
    const slow = world.newLauncher();
    const held = holdAt(slow.life, 'store.updateSnapshot');
    await world.look(id);
    world.clock.advance(1000);
    const { take } = { take: world.compute.disks.look.bind(world.compute.disks) };
    world.compute.disks.look = () => ({ state: 'absent', bytes: null, newBytes: null, files: null });
    const late = world.look(id, slow);
    await held.reached;
    world.compute.disks.look = take;
    await world.settle();
    held.go();
    await late;
    const { head } = await world.workspace('shop');
    await world.reap();
    expect(world.contentOfHead(head as never)).toEqual({ a: '1' });
    expect(await world.store.getSnapshot(OWNER, head as never)).toMatchObject({ state: 'completed' });
  });
});

describe('a controller that slept', () => {
  it('launches from what the workspace has when it is claimed, not from what it had', async () => {
    const slept = await users.recordOnly('shop');
    const slow = world.newLauncher();
    const held = holdAt(slow.life, 'store.getWorkspace', 3);
    const late = world.look(slept, slow);
    await held.reached;
    const first = await users.up('shop');
    for (let round = 0; round < 5 && (await world.session(first)).phase !== 'ready'; round += 1) {
      await world.look(first);
      await world.beat();
    }
    await users.write(first, 'a', '1');
    await users.down(first);
    for (let round = 0; round < 10 && (await world.session(first)).phase !== 'stopped'; round += 1) {
      await world.look(first);
      world.clock.advance(1000);
    }
    held.go();
    await late;
    await world.settle();
    const session = await world.session(slept);
    expect(session.phase).toBe('ready');
    expect(world.compute.disks.content(session.box?.volumeId ?? '')).toEqual({ a: '1' });
  });

  it('does not take the workspace for a session that is over', async () => {
    const id = await users.up('shop');
    const slow = world.newLauncher();
    const held = holdAt(slow.life, 'store.getWorkspace', 3);
    const late = world.look(id, slow);
    await held.reached;
    await world.settle();
    await users.write(id, 'a', '1');
    await downAndSettle(id);
    held.go();
    await late;
    expect((await world.workspace('shop')).claim).toBeNull();
    expect(world.compute.running()).toEqual([]);
    await upWith('shop', { b: '2' });
  });

  it('ends the box that it launched for a session that is over, and forgets no volume for it', async () => {
    const id = await users.up('shop');
    const slow = world.newLauncher();
    const held = holdAt(slow.life, 'compute.launch');
    const late = world.look(id, slow);
    await held.reached;
    await world.settle();
    await users.write(id, 'a', '1');
    await downAndSettle(id);
    // The provider knows nothing any more of the first launch.
    world.compute.boxes.clear();
    held.go();
    await late;
    expect(world.compute.running()).toEqual([]);
    world.oracle.set((await world.workspace('shop')).id, { a: '1' });
    await expectNothingLeft(world);
    await expectSaved(world, 'shop');
  });
});

describe('users and the controller at the same moment', () => {
  it('activity at the very end of the lease keeps the session, when it is saved first', async () => {
    const id = await upWith('shop', { a: '1' });
    await world.pass(59 * MINUTE_MS, 5 * MINUTE_MS);
    world.clock.advance(MINUTE_MS + 1);
    await world.beat();
    const slow = world.newLauncher();
    const held = holdAt(slow.life, 'store.saveSession');
    const late = world.look(id, slow);
    await held.reached;
    const before = world.clock.nowMs;
    world.clock.nowMs -= 2;
    await changeSession({ ...world.launcher.deps, store: world.store }, { owner: OWNER, id }, (session) =>
      touch(session, { kind: 'connection', atMs: world.clock.now(), detail: 'typing' }, world.clock.now(), world.limits),
    );
    world.clock.nowMs = before;
    held.go();
    await late;
    expect((await world.session(id)).phase).toBe('ready');
  });

  it('down, then up at once, while the snapshot is pending: the volume is used', async () => {
    world.compute.disks.plan = { looks: 50, outcome: 'completed' };
    const first = await upWith('shop', { a: '1' });
    await users.down(first);
    await world.settle({ until: ([session]) => session?.phase === 'saving' && session.snapshot?.started === true });
    await world.look(first);
    expect(await world.workspace('shop')).toMatchObject({ claim: null, head: null });
    const second = await users.up('shop');
    await world.settle({ until: (sessions) => sessions.some(({ id, phase }) => id === second && phase === 'ready') });
    expect(world.compute.disks.content((await world.session(second)).box?.volumeId ?? '')).toEqual({ a: '1' });
    await users.write(second, 'b', '2');
    await downAndSettle(second);
    await expectNothingLeft(world);
    await expectSaved(world, 'shop');
  });

  it('a snapshot that fails after the next session has the volume is not begun again under its hands', async () => {
    world.compute.disks.plan = { looks: 4, outcome: 'error' };
    const first = await upWith('shop', { a: '1' });
    await users.down(first);
    await world.settle({ until: ([session]) => session?.phase === 'saving' && session.snapshot?.started === true });
    await world.look(first);
    const second = await users.up('shop');
    await world.settle({ until: (sessions) => sessions.some(({ id, phase }) => id === second && phase === 'ready') });
    await users.write(second, 'b', '2');
    world.compute.disks.plan = { looks: 0, outcome: 'completed' };
    await world.settle();
    expect(await world.session(first)).toMatchObject({ phase: 'failed', failure: { code: 'snapshot_failed' } });
    expect((await world.session(first)).failure?.detail).toContain(second);
    await downAndSettle(second);
    await expectNothingLeft(world);
    await expectSaved(world, 'shop');
  });

  it('a snapshot that fails when nobody has the volume is begun again, and is saved', async () => {
    world.compute.disks.plan = { looks: 3, outcome: 'error' };
    const id = await upWith('shop', { a: '1' });
    await users.down(id);
    await world.settle({ until: ([session]) => session?.phase === 'saving' && session.snapshot?.started === true });
    await world.look(id);
    world.compute.disks.plan = { looks: 1, outcome: 'completed' };
    await world.settle();
    expect(await world.session(id)).toMatchObject({ phase: 'stopped', receipt: { snapshot: 'snap_2' } });
    await expectNothingLeft(world);
    await expectSaved(world, 'shop');
  });
});

describe('the reaper and others at the same moment', () => {
  /** A saved workspace whose volume has been kept for its time. */
  async function expired(): Promise<void> {
    await downAndSettle(await upWith('shop', { a: '1' }));
    world.clock.advance(world.limits.keepVolumeMs + 1000);
  }

  it.each([
    { held: 'store.saveWorkspace', volumes: 1 },
    { held: 'compute.dropVolume', volumes: 1 },
  ])('an up between its decision and $held gets its files', async ({ held: label }) => {
    await expired();
    const slow = world.newLauncher();
    const held = holdAt(slow.life, label);
    const late = reap(slow.deps, { dryRun: false });
    await held.reached;
    const id = await users.up('shop');
    held.go();
    await late;
    await world.settle();
    const session = await world.session(id);
    expect(session.phase).toBe('ready');
    expect(world.compute.disks.content(session.box?.volumeId ?? '')).toEqual({ a: '1' });
  });

  it('an up that saw the volume before it was let go begins from the head', async () => {
    await expired();
    const id = await users.recordOnly('shop');
    const slow = world.newLauncher();
    const held = holdAt(slow.life, 'store.getWorkspace', 3);
    const late = world.look(id, slow);
    await held.reached;
    await world.reap();
    expect((await world.workspace('shop')).volume).toBeNull();
    held.go();
    await late;
    await world.settle();
    expect(world.compute.disks.content((await world.session(id)).box?.volumeId ?? '')).toEqual({ a: '1' });
  });

  /** Three snapshots, of which retention keeps one. */
  async function prunable(): Promise<string> {
    const id = await upWith('shop', { a: '1' });
    for (const text of ['2', '3']) {
      await users.checkpoint(id);
      await world.settle();
      await users.write(id, 'a', text);
    }
    await downAndSettle(id);
    const workspace = await world.workspace('shop');
    await world.store.saveWorkspace({ ...workspace, retention: { keepLast: 1, keepDaily: 0 } });
    return workspace.id;
  }

  it('a restore to what is about to be pruned either gets it or is refused, and no head dangles', async () => {
    const workspaceId = await prunable();
    const slow = world.newLauncher();
    const held = holdAt(slow.life, 'store.tombstoneSnapshot');
    const late = reap(slow.deps, { dryRun: false });
    await held.reached;
    await users.restore('shop', 'snap_1');
    await users.restore('shop', 'snap_2');
    held.go();
    await late;
    await world.reap();
    await world.oracle.check();
    expect((await world.workspace('shop')).head).toEqual({ workspaceId, id: 'snap_2' });
    expect(world.compute.disks.restore({ workspaceId, id: 'snap_2' })).toEqual({ a: '2' });
  });

  it('a restore whose pin was taken for a stale one keeps its head all the same', async () => {
    const workspaceId = await prunable();
    const slow = world.newLauncher();
    const held = holdAt(slow.life, 'store.tombstoneSnapshot');
    const late = reap(slow.deps, { dryRun: false });
    await held.reached;
    await users.restore('shop', 'snap_1');
    for (const id of ['snap_1', 'snap_2']) await world.store.unpinSnapshot(OWNER, { workspaceId, id }, workspaceId);
    held.go();
    await late;
    for (let pass = 0; pass < 3; pass += 1) await world.reap();
    await world.oracle.check();
    await downAndSettle(await upWith('shop', { c: '9' }));
    await expectNothingLeft(world);
  });

  it('a fork of what is about to be pruned either pins it or is refused', async () => {
    const workspaceId = await prunable();
    const slow = world.newLauncher();
    const held = holdAt(slow.life, 'store.tombstoneSnapshot', 2);
    const late = reap(slow.deps, { dryRun: false });
    await held.reached;
    const fork = users.id('ws');
    const pins = [];
    for (const id of ['snap_1', 'snap_2']) pins.push(await world.store.pinSnapshot(OWNER, { workspaceId, id }, fork));
    held.go();
    await late;
    const left = [...world.compute.disks.snapshots.keys()].filter((key) => !key.endsWith('snap_3'));
    expect(pins.filter(Boolean)).toHaveLength(left.length);
    expect(left).toHaveLength(1);
  });
});
