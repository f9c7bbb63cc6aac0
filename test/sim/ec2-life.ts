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
