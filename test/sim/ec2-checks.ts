import { expect } from 'vitest';
import { OWNER } from '../support/world.ts';
import type { Ec2World } from './ec2-world.ts';

/**
 * What must be true when faults have stopped, every session is ended and every grace time is over: nothing is left in the account
 * without a record (L), every session is over (P), each head has what its owner wrote (W).
 */
export async function expectNothingLeft(world: Ec2World): Promise<void> {
  await world.settle({ until: (sessions) => sessions.length === 0 });
  await world.clock.pass(world.limits.keepVolumeMs + world.limits.orphanGraceMs + 60_000);
  let whole = 0;
  for (let pass = 0; pass < 8 && whole < 3; pass += 1) {
    whole += (await world.reap()).complete ? 1 : 0;
    await world.clock.pass(120_000);
  }
  expect(whole).toBe(3);
  world.check();
  const { items: workspaces } = await world.store.listWorkspaces(OWNER, { limit: 200, after: null });
  expect(workspaces.filter(({ claim, deleting }) => claim !== null || deleting)).toEqual([]);
  const recorded = new Set<string>();
  for (const workspace of workspaces) {
    if (workspace.volume !== null) recorded.add(workspace.volume.id);
    const { items } = await world.store.listSnapshots(OWNER, workspace.id, { limit: 200, after: null });
    for (const { workspaceId, id } of items) recorded.add(`${workspaceId}/${id}`);
    if (workspace.head !== null && workspace.volume === null)
      expect(world.contentOfHead(workspace.head)).toEqual(world.truth(workspace.id));
  }
  const left = world.invariants.leftovers(({ id, tags }) => recorded.has(id) || recorded.has(tags['devctl:snapshot'] ?? ''));
  expect(left).toEqual([]);
  const names = world.aws.cloud.snapshots.all().flatMap(({ tags }) => tags['devctl:snapshot'] ?? []);
  expect(names.length).toBe(new Set(names).size);
}
