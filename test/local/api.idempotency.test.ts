import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Session, Workspace } from '../../launcher/contract/api.ts';
import { type StorePort, StoreUnavailableError } from '../../launcher/ports/store.ts';
import { ApiBench, codeOf } from '../support/api-bench.ts';
import { type Database, openDatabase } from '../support/table.ts';

let database: Database;
let bench: ApiBench;
let token: string;
beforeAll(async () => {
  database = await openDatabase();
  bench = await ApiBench.open(database, { controllers: false, quotas: { liveSessions: 5, workspaces: 8 } });
});
afterAll(() => database.close());

/** Each owner has quotas of their own. */
let owners = 0;
async function newOwner(): Promise<string> {
  owners += 1;
  token = await bench.token(`owner${owners}`);
  return `owner${owners}`;
}
const create = (workspace: string, key?: string, body: object = {}) =>
  bench.ask<Session>('POST', '/sessions', { token, body: { workspace, ...body }, ...(key !== undefined && { key }) });

describe('the same key', () => {
  it('gives the same session, however often and however close together', async () => {
    const owner = await newOwner();
    const answers = await Promise.all(Array.from({ length: 20 }, () => create('shop', 'k')));
    expect(answers.map(({ status, text }) => (status === 201 ? 201 : text))).toEqual(answers.map(() => 201));
    expect(new Set(answers.map(({ body }) => body.id)).size).toBe(1);
    const usage = await bench.store.getUsage(owner);
    expect([usage.sessions.length, usage.workspaces.length]).toEqual([1, 1]);
    expect((await bench.store.listSessions(owner, { limit: 10, after: null })).items).toHaveLength(1);
  });

  it('with another body or path is refused; defaults that are spelt out are the same body', async () => {
    await newOwner();
    const first = await create('shop', 'k');
    expect((await create('shop', 'k', { size: 'medium', network: true })).body.id).toBe(first.body.id);
    expect(codeOf(await create('shop', 'k', { size: 'large' }))).toBe('idempotency_mismatch');
    const other = await bench.ask('POST', `/sessions/${first.body.id}/holds`, { token, key: 'k', body: { name: 'x', for: '1h' } });
    expect(codeOf(other)).toBe('idempotency_mismatch');
    expect((await bench.ask('POST', '/sessions?wait=none', { token, key: 'k', body: { workspace: 'shop' } })).status).toBe(201);
  });

  it('is free again after the keep time', async () => {
    await newOwner();
    const first = await create('shop', 'k');
    bench.skewMs += bench.deps.limits.idempotencyKeepMs + 1;
    expect(codeOf(await create('other', 'k'))).toBe('status 201');
    bench.skewMs = 0;
    expect(first.status).toBe(201);
  });

  it('after a refusal tries again: nothing was made', async () => {
    await newOwner();
    const holder = await create('shop');
    expect(codeOf(await create('shop', 'k'))).toBe('workspace_in_use');
    const session = await bench.store.getSession({ owner: holder.body.owner, id: holder.body.id });
    if (session === null) throw new Error('it is gone');
    await bench.store.deleteSession(session);
    const workspace = await bench.store.getWorkspace(session.owner, 'shop');
    await bench.store.saveWorkspace({ ...(workspace as NonNullable<typeof workspace>), claim: null });
    expect((await create('shop', 'k')).status).toBe(201);
  });
});

const writes: Array<keyof StorePort> = [
  'claimIdempotency',
  'reserveSession',
  'reserveWorkspace',
  'createWorkspace',
  'createSession',
  'saveWorkspace',
];

describe('a launcher that dies', () => {
  it.each(writes.flatMap((op) => [[op, 'before'] as const, [op, 'after'] as const]))(
    'at %s (%s it is done) leaves what a repeat with the key finishes',
    async (op, when) => {
      const owner = await newOwner();
      const real = bench.store[op] as (...args: unknown[]) => Promise<unknown>;
      const all = { ...bench.store };
      const dead = async () => {
        throw new StoreUnavailableError('no answer');
      };
      Object.assign(bench.store, {
        [op]: async (...args: unknown[]) => {
          if (when === 'after') await real(...args);
          for (const name of Object.keys(all)) Object.assign(bench.store, { [name]: dead });
          return dead();
        },
      });
      expect(codeOf(await create('shop', 'k'))).toBe('unavailable');
      Object.assign(bench.store, all);
      const answer = await create('shop', 'k');
      expect(answer.status, answer.text).toBe(201);
      const usage = await bench.store.getUsage(owner);
      expect([usage.sessions, usage.workspaces.length]).toEqual([[answer.body.id], 1]);
      expect((await bench.store.getWorkspace(owner, 'shop'))?.claim).toEqual({ sessionId: answer.body.id, generation: 1 });
      expect((await bench.store.listSessions(owner, { limit: 10, after: null })).items.map(({ id }) => id)).toEqual([answer.body.id]);
    },
  );

  it('in the middle of a fork leaves what a repeat with the key finishes, with no doubles', async () => {
    for (const op of ['reserveWorkspace', 'pinSnapshot', 'createWorkspace'] as const) {
      for (const nth of [1, 2, 3]) {
        const owner = await newOwner();
        await savedWorkspace(owner);
        const all = { ...bench.store };
        let calls = 0;
        const dead = async () => {
          throw new StoreUnavailableError('no answer');
        };
        Object.assign(bench.store, {
          [op]: async (...args: unknown[]) => {
            calls += 1;
            const result = await (all[op] as (...given: unknown[]) => Promise<unknown>)(...args);
            if (calls < nth) return result;
            for (const name of Object.keys(all)) Object.assign(bench.store, { [name]: dead });
            return dead();
          },
        });
        const fork = () => bench.ask<{ workspaces: Workspace[] }>('POST', '/workspaces/base/fork', { token, key: 'f', body: { count: 3 } });
        expect(codeOf(await fork()), `${op} ${nth}`).toBe('unavailable');
        Object.assign(bench.store, all);
        const answer = await fork();
        expect(answer.body.workspaces.map(({ name }) => name).sort(), answer.text).toEqual(['base-f1', 'base-f2', 'base-f3']);
        const page = await bench.store.listWorkspaces(owner, { limit: 50, after: null });
        expect(page.items.map(({ name }) => name)).toEqual(['base', 'base-f1', 'base-f2', 'base-f3']);
        expect((await bench.store.getUsage(owner)).workspaces).toHaveLength(4);
      }
    }
  });
});

/** A workspace `base` with a completed snapshot and no session. */
async function savedWorkspace(owner: string): Promise<void> {
  const { body } = await create('base');
  const session = await bench.store.getSession({ owner, id: body.id });
  const workspace = await bench.store.getWorkspace(owner, 'base');
  if (session === null || workspace === null) throw new Error('they are not there');
  await bench.store.deleteSession(session);
  await bench.store.releaseSession(owner, session.id);
  const ref = { workspaceId: workspace.id, id: 'snap_1' };
  await bench.store.createSnapshot({
    owner,
    workspace: 'base',
    workspaceId: workspace.id,
    id: 'snap_1',
    seq: 1,
    parent: null,
    state: 'completed',
    reason: 'down',
    note: null,
    operationId: 'op',
    sessionId: null,
    volumeId: 'vol_1',
    volumeEpoch: 1,
    clean: true,
    createdAt: 1,
    completedAt: 2,
    bytes: 1,
    newBytes: 1,
    files: 1,
    pins: [],
  });
  await bench.store.saveWorkspace({ ...workspace, claim: null, head: ref, headSeq: 1, snapshotSeq: 1, content: 'present' });
}

describe('quotas', () => {
  it('hold under a hundred creates at once, and nothing of the refused ones is left', async () => {
    const owner = await newOwner();
    const answers = await Promise.all(Array.from({ length: 100 }, (_, index) => create(`w${index}`)));
    expect(answers.filter(({ status }) => status === 201)).toHaveLength(5);
    for (const answer of answers.filter(({ status }) => status !== 201))
      expect(['quota_exceeded', 'unavailable']).toContain(codeOf(answer));
    const usage = await bench.store.getUsage(owner);
    expect([usage.sessions.length, usage.workspaces.length]).toEqual([5, 5]);
    expect((await bench.store.listSessions(owner, { limit: 100, after: null })).items).toHaveLength(5);
    expect((await bench.store.listWorkspaces(owner, { limit: 100, after: null })).items).toHaveLength(5);
  });

  it('of workspaces and of bytes are told apart', async () => {
    const owner = await newOwner();
    for (let index = 0; index < 8; index += 1) await bench.store.reserveWorkspace(owner, `ws_${index}`, bench.deps.quotas);
    const answer = await create('one-more');
    expect(answer.body).toMatchObject({ code: 'quota_exceeded', detail: 'you have 8 workspaces, which is the most' });
    expect((await bench.store.getUsage(owner)).sessions).toEqual([]);
    const other = await newOwner();
    await bench.store.addSnapshotBytes(other, { workspaceId: 'ws_00000000000000000000', id: 'snap_1' }, 2e12);
    expect((await create('big')).body).toMatchObject({ code: 'quota_exceeded', detail: expect.stringContaining('your snapshots have') });
  });
});
