import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Database, openDatabase } from '../support/table.ts';
import { Users } from '../support/users.ts';
import { Ec2Bench } from './ec2-bench.ts';
import { expectNothingLeft } from './ec2-checks.ts';
import { Ec2World } from './ec2-world.ts';

const STORM_MS = 90_000;
const NAMES = ['a', 'b', 'c', 'd', 'e', 'f'];

let database: Database;
beforeAll(async () => {
  database = await openDatabase();
});
afterAll(() => database.close());

/** Six sessions come up while so many calls are refused for their rate. @returns how many calls were made in that time */
async function storm(throttledPerCall: number): Promise<{ world: Ec2World; users: Users; calls: number }> {
  const world = await Ec2World.open(database);
  const users = new Users(world);
  // The image is new: it is to be seen everywhere by then.
  await world.clock.pass(30_000);
  const before = world.aws.cloud.ledger.calls.length;
  const endMs = world.clock.now() + STORM_MS;
  world.aws.cloud.faults.rates.throttledPerCall = throttledPerCall;
  for (const name of NAMES) await users.up(name);
  await world.settle({ until: () => world.clock.now() >= endMs, rounds: 5000 });
  world.aws.cloud.faults.clear();
  return { world, users, calls: world.aws.cloud.ledger.calls.length - before };
}

describe('a storm of refusals for the rate', { timeout: 120_000 }, () => {
  it('36: makes at most twice the calls of a calm day, and once it is over everything comes up and nothing is left', async () => {
    const calm = await storm(0);
    expect((await calm.world.live()).map(({ phase }) => phase)).toEqual(NAMES.map(() => 'ready'));
    for (const rate of [0.3, 0.6, 1]) {
      const { world, users, calls } = await storm(rate);
      expect(calls, `${rate} of all calls are refused`).toBeLessThanOrEqual(2 * calm.calls);
      await world.settle();
      // One that gave up says so, and is asked for again.
      const live = new Set((await world.live()).map(({ workspace }) => workspace));
      for (const name of NAMES) if (!live.has(name)) await users.up(name);
      await world.settle();
      const sessions = await world.live();
      expect(sessions.map(({ phase }) => phase)).toEqual(NAMES.map(() => 'ready'));
      for (const { id } of sessions) await users.down(id);
      await expectNothingLeft(world);
    }
  });

  it('36: what cleans up has its own share: it gets through while others wait for their turn, and AWS refuses nobody', async () => {
    const bench = await Ec2Bench.open();
    await bench.bring(bench.request());
    await bench.clock.pass(60_000);
    const { ledger } = bench.aws.cloud;
    const before = ledger.calls.length;
    // As many as the account may make, and more.
    const others = Array.from({ length: 150 }, (_, n) => bench.provider.list({ sessionId: `ses_${String(n).padStart(26, '0')}` }));
    const swept = bench.provider.list();
    await Promise.all(others);
    expect(await swept).toMatchObject({ complete: true, items: [{ kind: 'box' }, { kind: 'volume' }] });
    const calls = ledger.calls
      .slice(before)
      .map(({ input, endedAtMs }) => ({ isWork: JSON.stringify(input).includes('devctl:session'), endedAtMs }));
    const lastOf = (isWork: boolean) => Math.max(...calls.filter((call) => call.isWork === isWork).map(({ endedAtMs }) => endedAtMs ?? 0));
    const begunMs = ledger.calls[before]?.atMs ?? 0;
    expect(lastOf(true) - begunMs).toBeGreaterThan(3 * (lastOf(false) - begunMs));
    expect(ledger.calls.filter(({ outcome }) => outcome === 'RequestLimitExceeded')).toEqual([]);
  });
});
