import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { FaultMode } from '../support/faults.ts';
import { wholeLife } from '../support/lifecycle.ts';
import { type Database, openDatabase } from '../support/table.ts';
import { Users } from '../support/users.ts';
import { World } from '../support/world.ts';

/** Every n-th point of each kind, begun at another place for each, is the quick run; SWEEP=all tries them all. */
const EVERY = process.env['SWEEP'] === 'all' ? 1 : 61;
/** SWEEP_FROM=n begins the sweep at the n-th call. */
const FROM = Number(process.env['SWEEP_FROM'] ?? 1);

let database: Database;
beforeAll(async () => {
  database = await openDatabase();
});
afterAll(() => database.close());

/** The world of a whole life in which the n-th call goes wrong, and what was called there. */
async function worldWithFault(
  index: number,
  mode: FaultMode | null,
): Promise<{ world: World; seen: { label: string | null; calls: number } }> {
  const world = await World.open(database);
  world.compute.disks.plan = { looks: 2, outcome: 'completed' };
  world.compute.stepwise = true;
  const seen = { label: null as string | null, calls: 0 };
  const arm = (life: World['launcher']['life']) => {
    life.fault = (name) => {
      seen.calls += 1;
      if (seen.calls !== index) return null;
      seen.label = name;
      return mode;
    };
  };
  world.onNewLife = arm;
  arm(world.launcher.life);
  return { world, seen };
}

describe('one call of a whole life goes wrong', () => {
  it('dies before it, dies after it, or loses its answer: W, L, X and P hold', { timeout: 7_200_000 }, async () => {
    const calm = await worldWithFault(-1, null);
    await wholeLife(calm.world, new Users(calm.world));
    const { calls } = calm.seen;
    const broken: string[] = [];
    let points = 0;
    const modes = ['before', 'after', 'lost'] as const;
    for (const [offset, mode] of modes.entries()) {
      for (let index = FROM + Math.floor((offset * EVERY) / modes.length); index <= calls; index += EVERY) {
        points += 1;
        const { world, seen } = await worldWithFault(index, mode);
        try {
          await wholeLife(world, new Users(world));
        } catch (error) {
          broken.push(`${mode} ${index} ${seen.label}: ${(error as Error).message.slice(0, 400)}`);
        }
      }
    }
    console.log(`crash sweep: ${points} of ${calls * modes.length} points of ${calls} calls`);
    expect(broken).toEqual([]);
  });
});
