import { Users } from '../support/users.ts';
import { ZONES } from './catalog.ts';
import { expectNothingLeft } from './ec2-checks.ts';
import type { Ec2World } from './ec2-world.ts';

/** A session that is parked, goes on in its own machine, then in another one for want of it, and ends while it is parked. */
async function parkedLife(world: Ec2World, users: Users): Promise<void> {
  const id = await users.up('shop', { persistent: true, policy: 'on-demand', idleTtlMs: 60_000 });
  const parked = () => world.settle({ until: (sessions) => sessions.some((session) => session.id === id && session.phase === 'parked') });
  const goesOn = async () => {
    await users.wake(id);
    await world.settle();
    await world.expectContent(id);
  };
  await world.settle();
  await world.expectContent(id);
  await users.write(id, 'g', '7');
  await parked();
  await goesOn();
  await users.write(id, 'h', '8');
  await users.park(id);
  await parked();
  const { type } = world.aws.cloud.instances.get((await world.session(id)).box?.id ?? '') ?? {};
  if (type !== undefined) world.aws.cloud.pools.setAll({ type, market: 'on-demand' }, 0, ZONES);
  await goesOn();
  await users.write(id, 'i', '9');
  await users.park(id);
  await parked();
  await users.down(id);
}

/** One whole life of a workspace on EC2: what the crash sweep goes through. */
export async function wholeLife(world: Ec2World): Promise<void> {
  const users = new Users(world);
  const { hands, cloud } = world.aws;
  const over = (id: string) => world.settle({ until: (sessions) => !sessions.some((session) => session.id === id) });
  const boxOf = async (id: string) => (await world.session(id)).box?.id ?? '';
  const up = async (name: string) => {
    const id = await users.up(name);
    await world.settle();
    await world.expectContent(id);
    return id;
  };
  const first = await up('shop');
  await users.write(first, 'a', '1');
  await users.down(first);
  await over(first);
  // The volume is warm.
  const second = await up('shop');
  await users.write(second, 'b', '2');
  await users.checkpoint(second);
  await world.settle();
  await users.fork('shop', 'fork');
  const fork = await up('fork');
  await users.write(fork, 'c', '3');
  await users.down(fork);
  hands.interrupt(await boxOf(second));
  await world.settle({
    until: (sessions) => sessions.some(({ id, phase, generation }) => id === second && phase === 'ready' && generation > 1),
  });
  await world.settle();
  await world.expectContent(second);
  await users.write(second, 'd', '4');
  hands.breakInstance(await boxOf(second));
  await world.clock.pass(world.limits.silentMs);
  const before = (await world.session(second)).generation;
  await world.settle({
    until: (sessions) => sessions.some(({ id, phase, generation }) => id === second && phase === 'ready' && generation > before),
  });
  await world.expectContent(second);
  await users.write(second, 'e', '5');
  await users.down(second);
  await over(second);
  // No machine is left beside the volume.
  const zone = cloud.volumes.get((await world.workspace('shop')).volume?.id ?? '')?.az ?? '';
  cloud.pools.setAll({ az: zone }, 0, [zone]);
  const third = await up('shop');
  await users.write(third, 'f', '6');
  await users.down(third);
  await over(third);
  cloud.pools.setAll({}, 1000, ZONES);
  await parkedLife(world, users);
  await world.settle({ until: (sessions) => sessions.length === 0 });
  await users.delete('fork');
  await expectNothingLeft(world);
}

/** A pool is filled; sessions take its boxes in each way; its image changes and its size goes down: what its crash sweep goes through. */
export async function poolLife(world: Ec2World): Promise<void> {
  const users = new Users(world);
  const up = async (name: string) => {
    const id = await users.up(name);
    await world.settle();
    await world.expectContent(id);
    return id;
  };
  const down = async (id: string, text: string) => {
    await users.write(id, text, text);
    await users.down(id);
    await world.settle({ until: (sessions) => !sessions.some((session) => session.id === id) });
  };
  world.keepPool(1);
  await world.filled();
  await down(await up('shop'), 'a');
  await world.filled();
  // Its volume is warm, and another session wants the same box.
  const [second, other] = [await users.up('shop'), await users.up('api')];
  for (let step = 0; step < 6; step += 1) for (const id of [second, other]) await world.look(id);
  await world.settle();
  for (const id of [second, other]) await world.expectContent(id);
  await down(other, 'b');
  await down(second, 'c');
  await world.clock.pass(world.limits.keepVolumeMs + world.limits.orphanGraceMs);
  for (let pass = 0; pass < 3; pass += 1) {
    await world.reap();
    await world.clock.pass(60_000);
  }
  await world.newImage();
  await world.filled();
  // From a snapshot, and ended while it comes up.
  await down(await up('shop'), 'd');
  await world.filled();
  const last = await users.up('web');
  for (let step = 0; step < 5; step += 1) await world.look(last);
  await users.down(last);
  await world.settle({ until: (sessions) => sessions.length === 0 });
  world.keepPool(0);
  await expectNothingLeft(world);
  if ((await world.poolBoxes()).length > 0) throw new Error('L: a pool that nobody wants is still recorded');
}
