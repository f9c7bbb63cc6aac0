import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { mintToken } from '../../launcher/api/tokens.ts';
import { createdTokenSchema } from '../../launcher/contract/api.ts';
import { parseUserToken } from '../../launcher/contract/tokens.ts';
import { ApiBench, codeOf } from '../support/api-bench.ts';
import { type Database, openDatabase } from '../support/table.ts';

let database: Database;
let bench: ApiBench;
let token: string;
beforeAll(async () => {
  database = await openDatabase();
  bench = await ApiBench.open(database, { controllers: false });
  token = await bench.token('dev');
});
afterAll(() => database.close());

type Created = ReturnType<typeof createdTokenSchema.parse>;
const whoami = (by: string) => bench.ask('GET', '/whoami', { token: by });
async function create(body: object, by = token): Promise<Created> {
  const answer = await bench.ask('POST', '/tokens', { token: by, body: { name: 'ci', ...body } });
  expect(answer.status, answer.text).toBe(201);
  return createdTokenSchema.parse(answer.body);
}

describe('a token', () => {
  it('is shown once, works, is listed without its secret, and is gone at once when it is revoked', async () => {
    const made = await create({ scopes: ['read', 'read'] });
    expect((await whoami(made.token)).body).toEqual({ owner: 'dev', scopes: ['read'], tokenId: made.id, reach: 'relay' });
    const secret = parseUserToken(made.token)?.secret ?? '';
    const list = await bench.ask('GET', '/tokens', { token });
    expect(list.text).toContain(made.id);
    expect(list.text).not.toContain(secret);
    expect((await bench.ask('DELETE', `/tokens/${made.id}`, { token })).status).toBe(204);
    expect(codeOf(await whoami(made.token))).toBe('unauthorized');
    expect((await bench.ask('DELETE', `/tokens/${made.id}`, { token })).status).toBe(204);
    expect(codeOf(await bench.ask('DELETE', '/tokens/tok_00000000000000000000', { token }))).toBe('not_found');
  });

  it('is refused from its expiry on, also when it was just used', async () => {
    const made = await create({ expiresIn: '1m' });
    expect((await whoami(made.token)).status).toBe(200);
    bench.skewMs += 59_000;
    expect((await whoami(made.token)).status).toBe(200);
    bench.skewMs += 2000;
    expect(codeOf(await whoami(made.token))).toBe('unauthorized');
  });

  it('revoked by another process stops within the life of the cache', async () => {
    const made = await create({});
    expect((await whoami(made.token)).status).toBe(200);
    await bench.store.revokeToken('dev', made.id, bench.deps.clock.now());
    bench.skewMs += 5001;
    expect(codeOf(await whoami(made.token))).toBe('unauthorized');
  });

  it('that is revoked while it is being looked up is not remembered as good', async () => {
    const made = await create({});
    const { getToken } = bench.store;
    bench.store.getToken = async (owner, id) => {
      const record = await getToken(owner, id);
      if (id === made.id) {
        bench.store.getToken = getToken;
        await bench.ask('DELETE', `/tokens/${id}`, { token });
      }
      return record;
    };
    await whoami(made.token);
    expect(codeOf(await whoami(made.token))).toBe('unauthorized');
  });

  it('makes none that can do more than itself, and none for others without admin', async () => {
    const writer = await create({ scopes: ['read', 'write'] });
    const excess = await bench.ask('POST', '/tokens', { token: writer.token, body: { name: 'x', scopes: ['admin'] } });
    expect(excess.body).toMatchObject({ code: 'forbidden', detail: 'your own token does not have the scope admin' });
    const others = await bench.ask('POST', '/tokens', { token: writer.token, body: { name: 'x', owner: 'bob' } });
    expect(codeOf(others)).toBe('forbidden');
    const forBob = await create({ owner: 'arn:aws:iam::1:user/bob', scopes: ['read'] });
    expect((await whoami(forBob.token)).body).toMatchObject({ owner: 'arn:aws:iam::1:user/bob' });
    expect((await bench.ask('GET', '/tokens', { token })).text).not.toContain(forBob.id);
  });

  it('makes none that outlives it', async () => {
    const brief = await create({ scopes: ['read', 'write'], expiresIn: '1h' });
    const longer = await bench.ask('POST', '/tokens', { token: brief.token, body: { name: 'x', expiresIn: '2h' } });
    expect(longer.body).toMatchObject({ code: 'forbidden', detail: expect.stringContaining('your own token ends in') });
    expect((await create({ expiresIn: '10m' }, brief.token)).expiresAt).not.toBeNull();
    expect((await create({}, brief.token)).expiresAt).toBe(brief.expiresAt);
    expect((await create({})).expiresAt).toBeNull();
  });

  it('is one of a bounded number; those that are over do not count', async () => {
    const { limits } = bench.deps;
    bench.deps.limits = { ...limits, quotaTokens: 3 };
    const mine = await bench.token('collector');
    const [first] = [await create({}, mine), await create({}, mine)];
    expect(codeOf(await bench.ask('POST', '/tokens', { token: mine, body: { name: 'x' } }))).toBe('quota_exceeded');
    await bench.ask('DELETE', `/tokens/${first.id}`, { token: mine });
    await create({}, mine);
    bench.deps.limits = limits;
  });

  it('of another form, owner, id or secret is refused with the same answer', async () => {
    const { token: other } = await mintToken(bench.deps, { owner: 'eve', name: 'x', scopes: ['admin'], expiresAtMs: null });
    const [mine, eves] = [parseUserToken(token), parseUserToken(other)];
    if (!mine || !eves) throw new Error('they do not parse');
    const owner = (name: string) => Buffer.from(name).toString('base64url');
    const forged = [
      `dvt_${owner('dev')}.${eves.id}.${eves.secret}`,
      `dvt_${owner('eve')}.${mine.id}.${mine.secret}`,
      `dvt_${owner('dev')}.${mine.id}.${eves.secret}`,
      `dvt_${owner('dev')}.${mine.id}.${mine.secret}=`,
      `dvt_${owner('DEV')}.${mine.id}.${mine.secret}`,
      `dvt_${owner('dev')}=.${mine.id}.${mine.secret}`,
      `dvt_!.${mine.id}.${mine.secret}`,
      bench.boxToken({ owner: 'dev', id: 'ses_1' }, 1),
    ];
    const answers = await Promise.all(forged.map((text) => whoami(text)));
    const texts = new Set(answers.map(({ text }) => text.replace(/req_[0-9a-z]+/g, '')));
    expect(answers.map(codeOf)).toEqual(forged.map(() => 'unauthorized'));
    expect(texts.size).toBe(1);
  });

  it('is in neither the table nor the log', async () => {
    const made = await create({});
    await whoami(made.token);
    const secret = parseUserToken(made.token)?.secret ?? '';
    const { items } = await bench.store.listTokens('dev', { limit: 200, after: null });
    expect(JSON.stringify(items)).not.toContain(secret);
    expect(bench.lines.join('\n')).not.toContain(secret);
  });
});
