import { expect } from 'vitest';
import { isFinal } from '../../launcher/contract/phases.ts';
import { keyOfRef } from './fake-disks.ts';
import { OWNER, type World } from './world.ts';

/**
 * What must be true when faults have stopped, nobody uses anything and every grace time is over: nothing is left at the
 * provider without a record (L), every session is over (P), and every workspace has what its owner wrote (W).
 */
export async function expectNothingLeft(world: World): Promise<void> {
  await world.settle({ until: (sessions) => sessions.length === 0 });
  world.clock.advance(world.limits.keepVolumeMs + world.limits.orphanGraceMs + 1000);
  // A pass whose list failed says so and removes nothing; the ones after it make up for that.
  let whole = 0;
  for (let pass = 0; pass < 6 && whole < 3; pass += 1) whole += (await world.reap()).complete ? 1 : 0;
  expect(whole).toBe(3);
  await world.oracle.check();
  const { items: workspaces } = await world.store.listWorkspaces(OWNER, { limit: 200, after: null });
  expect(workspaces.filter(({ claim, deleting }) => claim !== null || deleting)).toEqual([]);
  expect(world.compute.running().map(({ id }) => id)).toEqual([]);

  const volumes = workspaces.flatMap(({ volume }) => (volume === null ? [] : [volume.id]));
  expect([...world.compute.disks.volumes.keys()].sort()).toEqual(volumes.sort());

  const recorded: string[] = [];
  for (const workspace of workspaces) {
    const page = await world.store.listSnapshots(OWNER, workspace.id, { limit: 200, after: null });
    for (const snapshot of page.items) {
      expect(['completed', 'pending']).toContain(snapshot.state);
      if (snapshot.state === 'completed') recorded.push(keyOfRef(snapshot));
    }
  }
  expect([...world.compute.disks.snapshots.keys()].sort()).toEqual(recorded.sort());
  const usage = await world.store.getUsage(OWNER);
  expect(usage.sessions).toEqual([]);
  expect(usage.workspaces.sort()).toEqual(workspaces.map(({ id }) => id).sort());
}

/** Every workspace has in its newest durable state exactly what its owner last wrote. */
export async function expectSaved(world: World, name: string): Promise<void> {
  const workspace = await world.workspace(name);
  expect(workspace.head).not.toBeNull();
  if (workspace.head !== null) expect(world.contentOfHead(workspace.head)).toEqual(world.oracle.truth(workspace.id));
  const { items } = await world.store.listSessions(OWNER, { limit: 200, after: null });
  expect(items.filter(({ phase }) => !isFinal(phase))).toEqual([]);
}
