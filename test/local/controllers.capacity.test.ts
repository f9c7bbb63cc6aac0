import { describe, expect, it } from 'vitest';
import { ASSUMED } from '../../launcher/contract/prices-standing.ts';
import { reap } from '../../launcher/controllers/reaper.ts';
import { createWorker } from '../../launcher/controllers/worker.ts';
import { database, downAndSettle, eachInAFreshWorld, upWith, world } from '../support/fresh-world.ts';

eachInAFreshWorld();

/** Units of capacity that the table is asked for while something runs; a read that finds nothing costs half of one. */
async function unitsOf(run: () => Promise<unknown>): Promise<{ reads: number; writes: number }> {
  const units = { reads: 0, writes: 0 };
  const { client } = database;
  const send = client.send.bind(client);
  const counted = async (command: { constructor: { name: string }; input: object }) => {
    Object.assign(command.input, { ReturnConsumedCapacity: 'TOTAL' });
    const answer = (await send(command as never)) as { ConsumedCapacity?: unknown };
    const consumed = [answer.ConsumedCapacity].flat() as Array<{ CapacityUnits?: number } | undefined>;
    const isRead = /^(?:Get|Query|BatchGet|TransactGet|Describe)/.test(command.constructor.name);
    units[isRead ? 'reads' : 'writes'] += consumed.reduce((sum, one) => sum + Math.max(0.5, one?.CapacityUnits ?? 0), 0);
    return answer;
  };
  Object.assign(client, { send: counted });
  try {
    await run();
  } finally {
    Object.assign(client, { send });
  }
  return units;
}

/** Within what a plan counts, and not by far: one that counted too much would be no use either. */
function expectCounted(used: number, counted: number): void {
  expect(used).toBeLessThanOrEqual(counted);
  expect(used).toBeGreaterThan(counted / 4);
}

describe('the capacity of the table that a plan counts', () => {
  it('is enough for a pass over an account with a workspace and no session', async () => {
    await downAndSettle(await upWith('shop', { a: 'b' }));
    world.clock.advance(24 * 3_600_000);
    const worker = createWorker(world.launcher.deps);
    const pass = async () => {
      await worker.runDue();
      await reap(world.launcher.deps, { dryRun: false });
    };
    await pass();
    const { reads, writes } = await unitsOf(pass);
    expectCounted(reads, ASSUMED.run.reads);
    expect(writes).toBeLessThanOrEqual(ASSUMED.run.writes);
  });

  it('is enough for the heartbeats of a box, with what the launcher looks at meanwhile', async () => {
    const id = await upWith('shop', { a: 'b' });
    const minutes = 10;
    const beats = minutes * 6;
    const { reads, writes } = await unitsOf(async () => {
      for (let beat = 0; beat < beats; beat += 1) {
        world.clock.advance(10_000);
        await world.beat();
        if (beat % 6 === 0) await world.look(id);
      }
    });
    expectCounted(reads / beats, ASSUMED.heartbeat.reads);
    expectCounted(writes / beats, ASSUMED.heartbeat.writes);
  });
});
