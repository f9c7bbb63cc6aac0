import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Costs, costsSchema } from '../../launcher/contract/costs.ts';
import { ApiBench, until } from '../support/api-bench.ts';
import { type Database, openDatabase } from '../support/table.ts';

const HOUR_MS = 3_600_000;

let database: Database;
let bench: ApiBench;
let token: string;
beforeAll(async () => {
  database = await openDatabase();
  bench = await ApiBench.open(database, { priced: true });
  token = await bench.token('dev');
});
afterAll(async () => {
  await bench.close();
  await database.close();
});

const costs = async (query = '', who = token): Promise<Costs> => {
  const answer = await bench.ask<Costs>('GET', `/costs${query}`, { token: who });
  expect(answer.status, answer.text).toBe(200);
  return costsSchema.strict().parse(answer.body);
};
const reap = () => bench.ask('POST', '/reap', { token, body: {} });

describe('what a month costs', () => {
  it('is nothing at first, and an owner sees only his own', async () => {
    expect(await costs('', await bench.token('eve'))).toMatchObject({
      free: false,
      usd: 0,
      owners: [{ owner: 'eve', workspaces: [], sessions: [] }],
    });
  });

  it('has live sessions, ended ones, and what their workspaces keep; adding twice is adding once', async () => {
    const session = await bench.up(token, 'shop');
    expect(session.cost).toMatchObject({ perHourUsd: 0.048, about: false });
    const fresh = await costs();
    expect(fresh.perHourUsd).toBe(0.048);
    expect(fresh.owners[0]?.sessions).toMatchObject([{ id: session.id, live: true, workspace: 'shop' }]);
    await reap();
    const down = await bench.down(token, session.id);
    expect(down.cost).toMatchObject({ perHourUsd: 0 });
    for (const charge of (await bench.store.listCharges('dev', { month: fresh.month }, { limit: 9, after: null })).items) {
      await bench.store.putCharge(charge);
    }
    await reap();
    const after = await costs();
    expect(after.owners[0]?.sessions).toMatchObject([{ id: session.id, live: false, usd: down.cost?.usd }]);
    expect(after.owners[0]?.workspaces).toMatchObject([{ name: 'shop', sessions: 1 }]);
    // The disk is kept warm: 73 GiB at 8 cents a month.
    expect(after.perHourUsd).toBeCloseTo(0.008, 5);
  });

  it('goes on with what is kept, and stops when the workspace is deleted', async () => {
    const before = await costs();
    bench.skewMs += HOUR_MS;
    const later = await costs();
    expect(later.usd - before.usd).toBeCloseTo(0.008, 4);
    expect(later.projectedUsd).toBeGreaterThan(later.usd);
    expect((await bench.ask('DELETE', '/workspaces/shop?force=true', { token })).status).toBe(204);
    for (let pass = 0; pass < 3; pass += 1) await reap();
    const gone = await costs();
    expect(gone.perHourUsd).toBe(0);
    bench.skewMs += 10 * HOUR_MS;
    const end = await costs();
    expect(end.month === gone.month ? end.usd : gone.usd).toBe(gone.usd);
  });

  it('of every owner is for admins, a month that is to come for nobody', async () => {
    const reader = await bench.token('dev', ['read']);
    expect((await bench.ask('GET', '/costs?owners=all', { token: reader })).body).toMatchObject({ code: 'forbidden' });
    expect((await costs('?owners=all')).owners.map(({ owner }) => owner).sort()).toEqual(['dev', 'eve']);
    for (const month of ['2099-01', '2026-13', 'x'])
      expect((await bench.ask('GET', `/costs?month=${month}`, { token })).body).toMatchObject({ code: 'invalid_request' });
    expect(await costs('?month=2026-01')).toMatchObject({ usd: 0, perHourUsd: 0 });
  });
});

describe('a budget that is spent', () => {
  it.each([
    ['ownerMicroUsd', 'you have spent'],
    ['deploymentMicroUsd', 'all owners together have spent'],
  ] as const)('%s: no new session is leased, and none that is live is ended', async (which, words) => {
    const poor = await ApiBench.open(database, { priced: true, budgets: { [which]: 500 } });
    const own = await poor.token('dev');
    const first = await poor.up(own, 'shop');
    // A minute is 800 micro-dollars.
    poor.skewMs += 60_000;
    const refused = await Promise.all(
      Array.from({ length: 5 }, (_, n) => poor.ask('POST', '/sessions', { token: own, body: { workspace: `more-${n}` } })),
    );
    for (const { status, body } of refused)
      expect([status, body]).toMatchObject([429, { code: 'budget_exceeded', detail: expect.stringContaining(words) }]);
    expect((await poor.store.getUsage('dev')).sessions).toEqual([first.id]);
    expect((await costsOf(poor, own)).owners[0]?.budget?.spent ?? (await costsOf(poor, own)).budget?.spent).toBeGreaterThan(1);
    await poor.close();
  });
});

describe('a budget of the month', () => {
  // 48 000 micro-dollars an hour is what a box costs once it is there; before, it counts as an hour on demand.
  it.each(['ownerMicroUsd', 'deploymentMicroUsd'] as const)('%s: of many who ask at once only those that fit are let in', async (which) => {
    const bound = await ApiBench.open(database, { priced: true, controllers: false, budgets: { [which]: 60_000 } });
    const own = await bound.token('dev');
    const ask = (n: number) => bound.ask('POST', '/sessions', { token: own, body: { workspace: `w-${n}`, size: 'small' } });
    const answers = await Promise.all(Array.from({ length: 9 }, (_, n) => ask(n)));
    const isIn = answers.filter(({ status }) => status === 201);
    // A small box is $0.025 an hour: three of them reach it.
    expect(isIn).toHaveLength(3);
    for (const { status, body } of answers.filter((answer) => !isIn.includes(answer)))
      expect([status, body]).toMatchObject([
        429,
        { code: 'budget_exceeded', detail: expect.stringContaining('the first hour of sessions') },
      ]);
    expect((await bound.store.getUsage('dev')).sessions).toHaveLength(3);
    await bound.close();
  });

  it('does not count who was refused for another reason', async () => {
    const bound = await ApiBench.open(database, { priced: true, controllers: false, budgets: { ownerMicroUsd: 60_000 } });
    const own = await bound.token('dev');
    const ask = () => bound.ask('POST', '/sessions', { token: own, body: { workspace: 'shop', size: 'small' } });
    expect((await ask()).status).toBe(201);
    for (let again = 0; again < 5; again += 1) expect((await ask()).body).toMatchObject({ code: 'workspace_in_use' });
    await bound.close();
  });

  it('is told of by its sessions at 80 % and at 100 %, once, with one snapshot; a launcher that starts anew tells nothing twice', async () => {
    const bound = await ApiBench.open(database, { priced: true, budgets: { ownerMicroUsd: 100_000 } });
    const own = await bound.token('dev');
    const session = await bound.up(own, 'shop', { idleTtl: '12h' });
    expect(session.budget).toBeNull();
    const pass = () => bound.ask('POST', '/reap', { token: own, body: {} });
    const told = async () => {
      const found = (await bound.store.getSession({ owner: 'dev', id: session.id }))?.outbox ?? [];
      const kept = await bound.store.listEvents({ owner: 'dev', id: session.id }, null, 100);
      return [...kept, ...found].map(({ type }) => type).filter((type) => type.startsWith('budget.'));
    };
    await pass();
    bound.skewMs += 1.8 * HOUR_MS;
    for (let again = 0; again < 3; again += 1) await pass();
    expect(await told()).toEqual(['budget.near']);
    expect((await bound.ask('GET', `/sessions/${session.id}`, { token: own })).body).toMatchObject({ phase: 'ready', budget: 'near' });
    bound.skewMs += 0.5 * HOUR_MS;
    await Promise.all([pass(), pass(), pass()]);
    const snapshots = async () =>
      (await bound.store.listSnapshots('dev', await workspaceIdOf(bound, 'shop'), { limit: 9, after: null })).items;
    const [saved] = await until(async () => {
      const found = await snapshots();
      return found[0]?.state === 'completed' ? found : undefined;
    }, 'the snapshot is made');
    await pass();
    expect(saved?.note).toMatch(/^the budget of 20\d\d-\d\d is spent$/);
    expect([await told(), await snapshots()]).toEqual([['budget.near', 'budget.spent'], [saved]]);
    expect((await bound.ask('GET', `/sessions/${session.id}`, { token: own })).body).toMatchObject({ phase: 'ready', budget: 'spent' });
    expect((await bound.ask('POST', '/sessions', { token: own, body: { workspace: 'more' } })).body).toMatchObject({
      code: 'budget_exceeded',
    });
    await bound.close();
  });

  it('refuses to start the box of a parked session, which stays parked', async () => {
    const bound = await ApiBench.open(database, { priced: true, budgets: { ownerMicroUsd: 40_000 } });
    const own = await bound.token('dev');
    const session = await bound.up(own, 'shop', { persistent: true, policy: 'on-demand' });
    bound.skewMs += HOUR_MS;
    await bound.ask('POST', `/sessions/${session.id}/park?wait=parked&timeout=20s`, { token: own });
    const woken = await bound.ask('POST', `/sessions/${session.id}/wake`, { token: own });
    expect(woken.body).toMatchObject({ code: 'budget_exceeded' });
    expect(await bound.store.getSession({ owner: 'dev', id: session.id })).toMatchObject({ phase: 'parked', desired: 'parked' });
    await bound.close();
  });
});

const workspaceIdOf = async (of: ApiBench, name: string): Promise<string> => (await of.store.getWorkspace('dev', name))?.id ?? '';

const costsOf = async (of: ApiBench, who: string): Promise<Costs> => (await of.ask<Costs>('GET', '/costs', { token: who })).body;

describe('boxes that cost nothing', () => {
  it('have no cost, and the month says that it is free', async () => {
    const free = await ApiBench.open(database);
    const own = await free.token('dev');
    const session = await free.up(own, 'free');
    expect(session.cost).toBeNull();
    await free.down(own, session.id);
    const { body } = await free.ask<Costs>('GET', '/costs', { token: own });
    expect(body).toMatchObject({ free: true, usd: 0, owners: [{ workspaces: [], sessions: [] }] });
    await free.close();
  });
});
