import { describe, expect, it } from 'vitest';
import type { Phase } from '../../launcher/contract/phases.ts';
import { isUnsaved } from '../../launcher/core/workspace.ts';
import { expectNothingLeft, expectSaved } from '../support/checks.ts';
import { eachInAFreshWorld, upWith, users, world } from '../support/fresh-world.ts';

eachInAFreshWorld();

const NOTICE_MS = 120_000;

/** Looks, with no word of any box, until the session is in this phase. */
async function lookUntil(id: string, phase: Phase): Promise<void> {
  for (let looks = 0; looks < 20 && (await world.session(id)).phase !== phase; looks += 1) {
    await world.look(id);
    world.clock.advance(1000);
  }
  expect((await world.session(id)).phase).toBe(phase);
}

describe('a session whose work goes on in the next box', () => {
  it('that is stopped before that box is ready has the whole volume saved, not only what the first one left', async () => {
    const id = await upWith('shop', { a: '1' });
    world.compute.disks.plan = { looks: 5, outcome: 'completed' };
    await users.interrupt(id, NOTICE_MS);
    await lookUntil(id, 'bootstrapping');
    expect(await world.session(id)).toMatchObject({ generation: 2, snapshot: { started: true } });
    await users.down(id);
    await world.settle();
    const workspace = await world.workspace('shop');
    expect({ ...(await world.session(id)), unsaved: isUnsaved(workspace) }).toMatchObject({ phase: 'stopped', unsaved: false });
    await expectNothingLeft(world);
    await expectSaved(world, 'shop');
    expect((await world.workspace('shop')).volume).toBeNull();
  });

  it('is let go when its disk turns out to be damaged meanwhile', async () => {
    const id = await upWith('shop', { a: '1' });
    await users.interrupt(id, NOTICE_MS);
    world.compute.faults.add({ op: 'quiesce', kind: 'unreachable' });
    await lookUntil(id, 'rescuing');
    const workspace = await world.workspace('shop');
    await world.store.saveWorkspace({ ...workspace, quarantined: 'no file system' });
    await world.settle();
    expect(await world.session(id)).toMatchObject({ phase: 'failed', failure: { code: 'workspace_quarantined' } });
    expect(world.compute.running()).toEqual([]);
    expect((await world.workspace('shop')).volume).not.toBeNull();
  });

  it('and is lost at once again does not wait for the snapshot of the first loss', async () => {
    const id = await upWith('shop', { a: '1' });
    world.compute.disks.plan = { looks: 1e6, outcome: 'completed' };
    await users.interrupt(id, NOTICE_MS);
    await world.settle({ until: ([session]) => session?.phase === 'ready' && session.generation === 2 });
    world.compute.lose(world.compute.boxOf(id)?.id ?? '');
    await world.settle({ rounds: 20, until: ([session]) => session?.phase === 'ready' && session.generation === 3 });
    expect(await world.session(id)).toMatchObject({ snapshot: { started: true } });
    world.compute.disks.plan = { looks: 0, outcome: 'completed' };
  });
});

describe('a launch in steps', () => {
  it('is given up when its owner asks for the end', async () => {
    world.compute.stepwise = true;
    const id = await users.up('shop');
    const { compute } = world;
    const launch = compute.launch.bind(compute);
    compute.launch = async (request) => {
      await launch({ ...request, providerState: null });
      return { underway: true, providerState: {}, retryAfterMs: 500, notes: [] };
    };
    await world.look(id);
    await users.down(id);
    await world.settle({ rounds: 10 });
    expect(await world.session(id)).toMatchObject({ phase: 'stopped', failure: null, endReason: 'user' });
  });
});

describe('a launch that finds no machine beside its volume', () => {
  it('is taken up again with the box that it made elsewhere, of whose volume no snapshot is taken', async () => {
    const id = await upWith('shop', { a: '1' });
    world.compute.stranded = 1;
    world.compute.faults.add({ op: 'quiesce', kind: 'unreachable', times: 3 });
    await users.interrupt(id, NOTICE_MS);
    const { life } = world.launcher;
    let launches = 0;
    // The launcher dies when the workspace has the new volume, and the session does not have the box yet.
    life.fault = (label) => {
      if (label === 'compute.launch') launches += 1;
      return launches === 2 && label === 'store.saveSession' ? 'before' : null;
    };
    await world.settle();
    expect(life.dead).toBe(true);
    expect(world.compute.violations).toEqual([]);
    expect(await world.session(id)).toMatchObject({ phase: 'ready', generation: 2 });
    await users.write(id, 'b', '2');
    await users.down(id);
    await world.settle();
    await expectNothingLeft(world);
    await expectSaved(world, 'shop');
  });
});
