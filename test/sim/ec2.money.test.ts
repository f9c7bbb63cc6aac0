import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { SessionRecord } from '../../launcher/contract/records.ts';
import { monthOf, monthRange } from '../../launcher/core/cost.ts';
import { statement } from '../../launcher/core/statement.ts';
import { admitToBudgets, meterBudget } from '../../launcher/ledger/budgets.ts';
import { readOwnerMonth } from '../../launcher/ledger/costs.ts';
import { type Database, openDatabase } from '../support/table.ts';
import { Users } from '../support/users.ts';
import { OWNER } from '../support/world.ts';
import { Ec2World } from './ec2-world.ts';

let database: Database;
beforeAll(async () => {
  database = await openDatabase();
});
afterAll(() => database.close());

describe('what is left over on EC2', () => {
  it('is named with what it costs a month, and whose it is', async () => {
    const world = await Ec2World.open(database);
    const users = new Users(world);
    await users.up('shop');
    await world.settle();
    await world.loseTable(database);
    const { items } = await world.reap();
    const month = (kind: string) => items.find((item) => item.kind === kind)?.thing;
    expect(month('volume')).toMatchObject({ owner: OWNER, workspace: 'shop', usdPerMonth: 0.8 });
    expect(month('box')?.usdPerMonth).toBeGreaterThan(730 * 0.005);
    expect(new Set(items.map(({ action }) => action))).toEqual(new Set(['unknown']));
  });
});

describe('what a month on EC2 costs', () => {
  it('is what the account is billed, to a few percent: boxes, addresses and disks', async () => {
    const world = await Ec2World.open(database);
    const users = new Users(world);
    const first = await users.up('shop', { idleTtlMs: 12 * 60_000 });
    await world.settle();
    await users.write(first, 'a', '1');
    await world.reap();
    // Nobody works in it: after 12 min it is saved and let go.
    await world.settle({ until: (sessions) => sessions.length === 0 });
    await world.reap();
    const second = await users.up('shop');
    await world.settle();
    await users.down(second);
    await world.settle({ until: (sessions) => sessions.length === 0 });
    await world.reap();

    const { store, compute, clock, ...deps } = world.launcher.deps;
    const nowMs = clock.now();
    const month = monthOf(nowMs);
    const own = await readOwnerMonth({ ...deps, store: world.store, clock }, OWNER, month);
    const budgets = { ownerMicroUsd: null, deploymentMicroUsd: null };
    const { owners, perHourUsd } = statement([own], { month, nowMs, prices: compute.storagePrices, budgets });
    const [shop] = owners[0]?.workspaces ?? [];
    const billed = world.aws.cloud.meter.spentUsd;
    const { boxesUsd = 0, disksUsd = 0, boxHours = 0, sessions } = shop ?? {};
    // The boot disk of a box is in its price, 12 GiB; the simulation's has 8, among the volumes.
    const bootDisks = (gib: number) => boxHours * ((gib * 0.08) / 730);
    expect(sessions).toBe(2);
    expect((boxesUsd - bootDisks(12)) / (billed.instance + billed.publicIp)).toBeCloseTo(1, 1);
    expect(disksUsd / (billed.volume - bootDisks(8))).toBeCloseTo(1, 1);
    // What is left costs on: a warm disk of 10 GiB, and its snapshots.
    expect(perHourUsd).toBeGreaterThan((10 * 0.08) / 730 - 1e-6);
  });
});

describe('a month with a budget on EC2', () => {
  const toldOf = (session: SessionRecord) => session.outbox.filter(({ type }) => type.startsWith('budget.')).map(({ type }) => type);

  it('passes 80 %, then 100 % with one snapshot, ends nobody, and the next month begins with nothing spent', async () => {
    const world = await Ec2World.open(database);
    // Not across the end of the month by chance.
    const month = monthOf(world.clock.now());
    const hour = 3_600_000;
    await world.clock.pass(Math.max(0, monthRange(month).untilMs - world.clock.now() - 20 * hour));
    world.budgets = { ownerMicroUsd: 150_000, deploymentMicroUsd: 100_000_000 };
    world.launcher = world.newLauncher();
    const users = new Users(world);
    const id = await users.up('shop', { idleTtlMs: 12 * hour, maxTtlMs: 24 * hour });
    await world.settle();
    await users.write(id, 'a', '1');
    const share = async () => {
      const row = await meterBudget(world.launcher.deps, money(), { owner: OWNER, month }, () =>
        Promise.all([readOwnerMonth(world.launcher.deps, OWNER, month)]),
      );
      return (row?.spentMicroUsd ?? 0) / 150_000;
    };
    const money = () => ({ budgets: world.budgets, storagePrices: world.launcher.deps.compute.storagePrices });
    const passUntil = async (wanted: number) => {
      for (let step = 0; step < 200 && (await share()) < wanted; step += 1) {
        await world.clock.pass(240_000);
        await world.beat();
        await world.reap();
      }
    };
    await passUntil(0.8);
    await world.reap();
    expect(toldOf(await world.session(id))).toEqual(['budget.near']);
    // Nothing of it is in a launcher's memory.
    world.launcher = world.newLauncher();
    await world.reap();
    expect((await world.session(id)).budget).toEqual({ month, level: 'near', told: ['owner.near'] });
    await passUntil(1);
    await world.reap();
    await world.settle();
    world.launcher = world.newLauncher();
    await world.reap();
    await world.settle();
    const spent = await world.session(id);
    expect(spent).toMatchObject({
      phase: 'ready',
      generation: 1,
      budget: { level: 'spent', told: ['owner.near', 'owner.spent', 'owner.saved'] },
    });
    const { head, id: workspaceId } = await world.workspace('shop');
    const { items } = await world.store.listSnapshots(OWNER, workspaceId, { limit: 9, after: null });
    expect(items).toMatchObject([{ id: head?.id, state: 'completed', note: `the budget of ${month} is spent` }]);
    expect(head && world.contentOfHead(head)).toEqual({ a: '1' });
    const refusal = admitToBudgets(world.launcher.deps, money(), OWNER, { entry: 'ses_other=1', microUsd: 1 });
    await expect(refusal).rejects.toThrow(/you have spent \$0\.1\d of the budget of \$0\.15/);

    // The next month.
    while (monthOf(world.clock.now()) === month) {
      await world.clock.pass(600_000);
      await world.beat();
    }
    await world.reap();
    const anew = await world.session(id);
    expect(anew.phase).toBe('ready');
    await expect(admitToBudgets(world.launcher.deps, money(), OWNER, { entry: 'ses_other=1', microUsd: 1 })).resolves.toHaveLength(2);
    world.check();
  });
});
