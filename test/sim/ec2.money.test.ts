import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { monthOf } from '../../launcher/core/cost.ts';
import { statement } from '../../launcher/core/statement.ts';
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
