import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { FaultMode } from '../support/faults.ts';
import { type Database, openDatabase } from '../support/table.ts';
import { wholeLife } from './ec2-life.ts';
import { Ec2World } from './ec2-world.ts';

/** Every n-th point is the quick run; SWEEP=all tries them all, SWEEP=9 every ninth. SWEEP_FROM=n begins at the n-th call. */
const EVERY = process.env['SWEEP'] === 'all' ? 1 : Number(process.env['SWEEP'] ?? 61);
const FROM = Number(process.env['SWEEP_FROM'] ?? 1);

let database: Database;
beforeAll(async () => {
  database = await openDatabase();
});
afterAll(() => database.close());

describe('a whole life on EC2', () => {
  it('ends with everything saved and nothing left', { timeout: 120_000 }, async () => {
    const world = await Ec2World.open(database);
    await wholeLife(world);
    const { ledger } = world.aws.cloud;
    console.log(`a whole life: ${ledger.mutating.length} mutating and ${ledger.describing.length} describing calls`);
    expect(ledger.withText('box-token-canary')).toEqual([]);
  });

  it('a launcher dies before or after a call of EC2, or its answer is lost: W, L, X and P hold', { timeout: 7_200_000 }, async () => {
    const calm = await worldWithFault(-1, null);
    await wholeLife(calm.world);
    const { calls } = calm.seen;
    const modes = ['before', 'after', 'lost'] as const;
    const broken: string[] = [];
    let points = 0;
    for (const [offset, mode] of modes.entries())
      for (let index = FROM + Math.floor((offset * EVERY) / modes.length); index <= calls; index += EVERY) {
        points += 1;
        const { world, seen } = await worldWithFault(index, mode);
        try {
          await wholeLife(world);
        } catch (error) {
          broken.push(`${mode} ${index} ${seen.label}: ${(error as Error).message.slice(0, 600)}`);
        }
      }
    console.log(`crash sweep on EC2: ${points} of ${calls * modes.length} points of ${calls} calls`);
    expect(broken).toEqual([]);
  });
});

/** The world of a whole life in which the n-th call of EC2 goes wrong, and what was called there. */
async function worldWithFault(index: number, mode: FaultMode | null) {
  const world = await Ec2World.open(database);
  const seen = { label: null as string | null, calls: 0 };
  const arm = (life: Ec2World['launcher']['life']) => {
    life.fault = (label) => {
      if (!label.startsWith('ec2.')) return null;
      seen.calls += 1;
      if (seen.calls !== index) return null;
      seen.label = label;
      return mode;
    };
  };
  world.onNewLife = arm;
  arm(world.launcher.life);
  return { world, seen };
}
