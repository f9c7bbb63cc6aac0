import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { FaultMode } from '../support/faults.ts';
import { wholeLife } from '../support/lifecycle.ts';
import { type Database, openDatabase } from '../support/table.ts';
import { Users } from '../support/users.ts';
import { World } from '../support/world.ts';

/** Every n-th point of each kind, begun at another place for each, is the quick run; SWEEP=all tries them all. */
const EVERY = process.env['SWEEP'] === 'all' ? 1 : 61;

let database: Database;
beforeAll(async () => {
  database = await openDatabase();
});
afterAll(() => database.close());

/** A whole life in which the n-th call goes wrong. @returns what was called there, or null when there was no such call */
async function lifeWithFault(index: number, mode: FaultMode | null): Promise<{ label: string | null; calls: number; world: World }> {
  const world = await World.open(database);
  world.compute.disks.plan = { looks: 2, outcome: 'completed' };
  let calls = 0;
  let label: string | null = null;
  const arm = (life: World['launcher']['life']) => {
    life.fault = (name) => {
      calls += 1;
      if (calls !== index) return null;
      label = name;
      return mode;
    };
  };
  world.onNewLife = arm;
  arm(world.launcher.life);
  await wholeLife(world, new Users(world));
  return { label, calls, world };
}

describe('one call of a whole life goes wrong', () => {
  it('dies before it, dies after it, or loses its answer: W, L, X and P hold', { timeout: 7_200_000 }, async () => {
    const { calls } = await lifeWithFault(-1, null);
    const broken: string[] = [];
    let points = 0;
    const modes = ['before', 'after', 'lost'] as const;
    for (const [offset, mode] of modes.entries()) {
      for (let index = 1 + Math.floor((offset * EVERY) / modes.length); index <= calls; index += EVERY) {
        points += 1;
        let label: string | null = null;
        try {
          ({ label } = await lifeWithFault(index, mode));
        } catch (error) {
          broken.push(`${mode} ${index} ${label}: ${(error as Error).message.slice(0, 400)}`);
        }
      }
    }
    console.log(`crash sweep: ${points} of ${calls * modes.length} points of ${calls} calls`);
    expect(broken).toEqual([]);
  });
});
