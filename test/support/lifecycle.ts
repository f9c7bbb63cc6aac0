import { expectNothingLeft, expectSaved } from './checks.ts';
import type { Users } from './users.ts';
import type { World } from './world.ts';

/** A session that is parked and goes on: in its own box, in another one, after its machine is gone; and ends while it is parked. */
async function parkedLife(world: World, users: Users): Promise<void> {
  const id = await users.up('shop', { persistent: true, idleTtlMs: 60_000 });
  await world.settle();
  await users.write(id, 'g', '7');
  world.clock.advance(70_000);
  await parked(world, id);
  await users.wake(id);
  await world.settle();
  await users.write(id, 'h', '8');
  await users.park(id);
  await parked(world, id);
  for (const box of world.compute.boxes.values()) if (box.state === 'parked') box.state = 'gone';
  await users.wake(id);
  await world.settle();
  await users.write(id, 'i', '9');
  await users.park(id);
  await parked(world, id);
  world.compute.stranded = 1;
  await users.wake(id);
  await world.settle();
  await users.write(id, 'j', '10');
  await users.park(id);
  await parked(world, id);
  await users.down(id);
  await world.settle();
}

const parked = (world: World, sessionId: string): Promise<void> =>
  world.settle({ until: (sessions) => sessions.some(({ id, phase }) => id === sessionId && phase === 'parked') });

/** One whole life of a workspace, with every kind of step: what the crash sweep goes through. */
export async function wholeLife(world: World, users: Users): Promise<void> {
  const first = await users.up('shop', { idleTtlMs: 60_000 });
  await world.settle();
  await users.write(first, 'a', '1');
  await users.checkpoint(first);
  await world.settle();
  await users.fork('shop', 'fork');
  await users.write(first, 'b', '2');
  await users.down(first);
  await world.settle();
  const fork = await users.up('fork', { idleTtlMs: 60_000 });
  await world.settle();
  await users.write(fork, 'c', '3');
  world.clock.advance(70_000);
  await world.settle({ until: (sessions) => sessions.length === 0 });
  await world.reap();
  world.clock.advance(world.limits.keepVolumeMs + 1000);
  await world.reap();
  const second = await users.up('shop');
  await world.settle();
  await users.write(second, 'd', '4');
  await users.interrupt(second, 120_000);
  await world.settle();
  await users.write(second, 'e', '5');
  world.compute.stranded = 1;
  await users.interrupt(second, 120_000);
  await world.settle();
  await users.write(second, 'f', '6');
  await users.down(second);
  await world.settle();
  await parkedLife(world, users);
  await expectNothingLeft(world);
  await expectSaved(world, 'shop');
  await expectSaved(world, 'fork');
}
