import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Simulation } from '../support/simulation.ts';
import { type Database, openDatabase } from '../support/table.ts';

/** SIM_SEED=n runs one seed; SIM_SEEDS=n that many of them. */
const ONE = process.env['SIM_SEED'];
const SEEDS = Number(process.env['SIM_SEEDS'] ?? 24);
const STEPS = 40;

let database: Database;
beforeAll(async () => {
  database = await openDatabase();
});
afterAll(() => database.close());

describe('random users, faults, crashes and clocks', () => {
  it('lose nothing (W), leave nothing (L), never write twice (X), and come to rest (P)', { timeout: 1_200_000 }, async () => {
    const first = ONE === undefined ? 1 : Number(ONE);
    const broken: string[] = [];
    for (let seed = first; seed < first + (ONE === undefined ? SEEDS : 1); seed += 1) {
      const simulation = await Simulation.open(database, seed);
      try {
        await simulation.run(STEPS);
      } catch (error) {
        broken.push(`seed ${seed}: ${(error as Error).message.slice(0, 600)}\n  ${simulation.log.slice(-14).join('\n  ')}`);
      }
    }
    expect(broken.join('\n')).toBe('');
  });
});
