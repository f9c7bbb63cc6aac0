import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Database, openDatabase } from '../support/table.ts';
import { wholeLife } from './ec2-life.ts';
import { Ec2World } from './ec2-world.ts';
import { sweep } from './sweep.ts';

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
    const { points, of, calls, broken } = await sweep(database, wholeLife, { every: EVERY, from: FROM });
    console.log(`crash sweep on EC2: ${points} of ${of} points of ${calls} calls`);
    expect(broken).toEqual([]);
  });
});
