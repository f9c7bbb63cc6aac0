import { afterEach, beforeEach, expect, it } from 'vitest';
import { createWorker, type Worker } from '../../launcher/controllers/worker.ts';
import { eachInAFreshWorld, users, world } from '../support/fresh-world.ts';
import { OWNER } from '../support/world.ts';

let worker: Worker;
eachInAFreshWorld({ limits: { pollMs: 5 } });
beforeEach(() => {
  // Time passes by itself here.
  world.clock.now = Date.now;
  worker = createWorker(world.launcher.deps);
});
afterEach(() => worker.stop());

/** Waits for saves of the session until it is in the phase. Boxes report whenever something is saved. */
async function phase(id: string, wanted: string): Promise<void> {
  const { signals } = world.launcher.deps;
  for (;;) {
    let wake: () => void = () => {};
    const changed = new Promise<void>((resolve) => {
      wake = resolve;
    });
    const stopListening = signals.onChange({ owner: OWNER, id }, wake);
    await world.beat();
    const session = await world.session(id);
    if (session.phase === wanted) return stopListening();
    await changed;
    stopListening();
  }
}

it('takes up what is live when it starts, goes on by itself, and hears a poke', async () => {
  const id = await users.up('shop');
  await worker.start();
  await phase(id, 'ready');
  await users.write(id, 'a', '1');
  await users.down(id);
  world.launcher.deps.signals.poke({ owner: OWNER, id });
  await phase(id, 'stopped');
  expect(world.contentOfHead((await world.workspace('shop')).head as never)).toEqual({ a: '1' });
});

it('finds by the due index what nobody poked', async () => {
  await worker.start();
  const id = await users.up('shop');
  await phase(id, 'ready');
});

it('goes on with the others when one session cannot be brought on', async () => {
  const broken = await users.up('shop');
  const fine = await users.up('blog');
  const { getSession } = world.store;
  world.store.getSession = async (key) => {
    if (key.id === broken) throw new Error('damaged');
    return getSession(key);
  };
  await worker.start();
  await phase(fine, 'ready');
  expect(world.telemetry.lines.some(({ op, sessionId }) => op === 'reconcile' && sessionId === broken)).toBe(true);
});

it('makes one pass over what is due for a cron, and leaves no timer behind', async () => {
  await users.up('shop');
  expect(await worker.runDue()).toBe(1);
  expect(world.compute.running()).toHaveLength(1);
  const timers = process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length;
  await worker.stop();
  expect(process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length).toBe(timers);
});
