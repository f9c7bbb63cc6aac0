import { PassThrough } from 'node:stream';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Session } from '../../launcher/contract/api.ts';
import type { Problem } from '../../launcher/contract/errors.ts';
import { apiHandler } from '../../launcher/serve/lambda/function-url.ts';
import { ApiBench, servedBy, until } from '../support/api-bench.ts';
import {
  ACCOUNT_ID,
  contextFor,
  eventOf,
  iamBlock,
  type Key,
  ROLES,
  RUNTIME,
  signedFetch,
  startFunctionUrl,
  TEST_KEYS,
} from '../support/function-url.ts';
import { type Database, openDatabase } from '../support/table.ts';

let database: Database;
let bench: ApiBench;
let url: string;
let close: () => Promise<void>;
const keys: Record<string, Key> = { ...TEST_KEYS };

beforeAll(async () => {
  database = await openDatabase();
  bench = await ApiBench.open(database, { signed: ROLES });
  ({ url, close } = await startFunctionUrl({ handler: apiHandler(RUNTIME, servedBy(bench)), keys }));
});
afterAll(async () => {
  await close();
  await bench.close();
  await database.close();
});

interface Said {
  status: number;
  headers: Headers;
  body: Record<string, unknown> & Partial<Problem>;
}

async function ask(
  id: string,
  path: string,
  more: { method?: string; body?: unknown; headers?: Record<string, string> } = {},
): Promise<Said> {
  const answer = await signedFetch(url, id, { path, ...more }, keys[id]);
  const text = await answer.text();
  return { status: answer.status, headers: answer.headers, body: text === '' ? {} : JSON.parse(text) };
}

/** Somebody whom AWS tells of in this way. */
function principal(iam: unknown): string {
  const id = `AKIA${Object.keys(keys).length}`;
  keys[id] = { secretAccessKey: `secret of ${id}`, iam: iam as Key['iam'] };
  return id;
}

const up = async (id: string, workspace: string): Promise<Session> =>
  (await ask(id, '/sessions?wait=ready&timeout=20s', { method: 'POST', body: { workspace } })).body as unknown as Session;

describe('who calls', () => {
  it('is the user id that AWS tells, with every scope but admin, and is told that boxes are reached without the launcher', async () => {
    const { userId, userArn } = iamBlock('user/alice');
    expect((await ask('AKIAALICE', '/whoami')).body).toEqual({
      owner: userId,
      scopes: ['read', 'write'],
      tokenId: null,
      arn: userArn,
      reach: 'direct',
    });
    const bob = await ask('ASIABOB', '/whoami');
    expect(bob.body['owner']).toMatch(/^AROA[0-9A-F]{16}:bob@example\.com$/);
    expect((await ask('ASIAADMIN', '/whoami')).body['scopes']).toEqual(['read', 'write', 'admin']);
  });

  it('has a user of any path, and root, as people', async () => {
    for (const name of ['user/team/a/carol', 'root']) expect((await ask(principal(iamBlock(name)), '/whoami')).status, name).toBe(200);
  });

  const boxName = 'i-0123456789abcdef0';
  it.each([
    ['a role that begins alike', iamBlock(`assumed-role/devctl-box-2/${boxName}`), 'whoami'],
    ['a user named like the role of boxes', iamBlock('user/devctl-box'), 'whoami'],
    ['a user under a path that looks like a session', iamBlock(`user/assumed-role/devctl-box/${boxName}`), 'whoami'],
    ['a role named like it but for its case', iamBlock(`assumed-role/Devctl-Box/${boxName}`), 'whoami'],
  ])('%s is a person, and no box', async (_what, iam) => {
    const id = principal(iam);
    expect(await ask(id, '/whoami')).toMatchObject({ status: 200, body: { scopes: ['read', 'write'] } });
    const beat = { sessionId: 'ses_01k2m3n4p5q6r7s8t9v0wxyz12', generation: 1 };
    const answer = await ask(id, '/boxes/disk', { method: 'POST', body: beat, headers: { 'devctl-owner': 'dev' } });
    expect(answer).toMatchObject({ status: 403, body: { code: 'forbidden', detail: expect.stringContaining('only boxes') } });
  });

  it.each([
    ['a user named like the admin role', iamBlock('user/devctl-admin')],
    ['a role that begins like it', iamBlock('assumed-role/devctl-administrator/x1')],
  ])('%s has no scope admin', async (_what, iam) => {
    const id = principal(iam);
    expect(await ask(id, '/reap', { method: 'POST', body: {} })).toMatchObject({ status: 403, body: { code: 'forbidden' } });
  });

  it.each(['botocore-session-1790000000', 'aws-sdk-js-1790000000000', 'aws-go-sdk-1790000000000000000', '1790000000000000000'])(
    'a session that nobody has named, %s, is told to have a name that stays',
    async (name) => {
      const id = principal(iamBlock(`assumed-role/developers/${name}`));
      const answer = await ask(id, '/whoami');
      expect(answer).toMatchObject({ status: 403, body: { code: 'forbidden', hint: expect.stringContaining('role_session_name') } });
    },
  );

  const other = iamBlock('user/mallory', '999999999999');
  it.each([
    ['of another account', other],
    ['of another account by its ARN alone', { ...other, accountId: ACCOUNT_ID }],
    ['of another account by its number alone', { ...iamBlock('user/alice'), accountId: '999999999999' }],
    ['a session of a role under a path', iamBlock(`assumed-role/devctl-box/devctl-admin/${boxName}`)],
    ['a session that its user id does not name', { ...iamBlock('assumed-role/devctl-admin/carol'), userId: 'AROA1234:dave' }],
    ['a session without a name', iamBlock('assumed-role/devctl-admin/')],
    ['a service', iamBlock('service/x')],
    ['an ARN within an ARN', { ...iamBlock('user/alice'), userArn: `x arn:aws:iam::${ACCOUNT_ID}:user/alice` }],
    ['an ARN with a second line', { ...iamBlock('user/alice'), userArn: `arn:aws:iam::${ACCOUNT_ID}:user/alice\nx` }],
    ['an empty user id', { ...iamBlock('user/alice'), userId: '' }],
  ])('nobody is let in who is %s', async (_what, iam) => {
    expect(await ask(principal(iam), '/whoami')).toMatchObject({ status: 403, body: { code: 'forbidden' } });
  });

  it.each([
    ['nothing', undefined],
    ['null', null],
    ['a block without an ARN', { userId: 'AIDAX', accountId: ACCOUNT_ID }],
  ])('is unknown where AWS tells %s, whatever token is shown, and nothing is for everybody', async (_what, iam) => {
    const id = principal(iam);
    const token = `Bearer ${await bench.token('dev')}`;
    for (const path of ['/whoami', '/healthz', '/openapi.json']) {
      const answer = await ask(id, path, { headers: { 'x-devctl-token': token } });
      expect(answer).toMatchObject({ status: 401, body: { code: 'unauthorized' } });
      expect(answer.headers.get('www-authenticate')).toBe('AWS4-HMAC-SHA256 service="lambda"');
    }
  });

  it('owners see nothing of each other', async () => {
    const session = await up('AKIAALICE', 'alices');
    expect((await ask('ASIABOB', `/sessions/${session.id}`)).status).toBe(404);
    expect((await ask('AKIAALICE', `/sessions/${session.id}`)).status).toBe(200);
  });
});

describe('a box', () => {
  const name = 'i-0feedfacecafebeef';
  let box: string;
  beforeAll(() => {
    box = principal(iamBlock(`assumed-role/devctl-box/${name}`));
  });

  it('may do nothing but tell of itself', async () => {
    for (const [method, path] of [
      ['GET', '/whoami'],
      ['GET', '/sessions'],
      ['POST', '/sessions'],
      ['GET', '/healthz'],
      ['POST', '/reap'],
      ['GET', '/openapi.json'],
    ] as const) {
      const answer = await ask(box, path, { method, ...(method === 'POST' && { body: { workspace: 'x' } }) });
      expect(answer, path).toMatchObject({ status: 403, body: { code: 'forbidden' } });
    }
  });

  it('is the instance that its session is named after, and of no other session than its own', async () => {
    const session = await up('AKIAALICE', 'boxed');
    const { userId: owner } = iamBlock('user/alice');
    const say = (id: string, headers: Record<string, string> = { 'devctl-owner': owner }) =>
      ask(id, '/boxes/disk', { method: 'POST', body: { sessionId: session.id, generation: session.generation }, headers });
    expect(await say(box)).toMatchObject({ status: 401, body: { code: 'unauthorized' } });
    expect(await say(box, {})).toMatchObject({ status: 401 });
    const record = await bench.store.getSession({ owner, id: session.id });
    if (!record?.box) throw new Error('it has no box');
    await bench.store.saveSession({ ...record, box: { ...record.box, id: name } });
    expect(await say(box)).toMatchObject({ status: 200, body: { volumeId: record.box.volumeId } });
    expect(await say(box, { 'devctl-owner': 'somebody' })).toMatchObject({ status: 401 });
  });

  it('is no session of its role that is named otherwise', async () => {
    for (const session of ['carol', 'i-0feedfacecafebeef-x', 'I-0FEEDFACECAFEBEEF']) {
      const id = principal(iamBlock(`assumed-role/devctl-box/${session}`));
      for (const path of ['/boxes/heartbeat', '/whoami']) {
        const answer = await ask(id, path, { method: path === '/whoami' ? 'GET' : 'POST', headers: { 'devctl-owner': 'dev' } });
        expect(answer, `${session} ${path}`).toMatchObject({ status: 403 });
      }
    }
  });
});

describe('the function', () => {
  it('says what it cannot do, and how it is done', async () => {
    const session = await up('AKIAALICE', 'direct');
    for (const [method, path, hint] of [
      ['GET', `/sessions/${session.id}/attach`, 'Session Manager'],
      ['GET', `/sessions/${session.id}/files?path=a`, 'Session Manager'],
      ['GET', `/sessions/${session.id}/logs`, 'Session Manager'],
      ['POST', '/tokens', 'policy'],
      ['GET', '/tokens', 'policy'],
    ] as const) {
      const body = method === 'POST' ? { name: 'x', scopes: ['read'] } : undefined;
      const answer = await ask('AKIAALICE', path, { method, body });
      expect(answer, path).toMatchObject({ status: 422, body: { code: 'unsupported', hint: expect.stringContaining(hint) } });
    }
  });

  it('runs a command and ends a session', async () => {
    const session = await up('AKIAALICE', 'whole');
    const ran = await ask('AKIAALICE', `/sessions/${session.id}/exec`, { method: 'POST', body: { argv: ['both', '3'] } });
    expect(ran.body).toMatchObject({ code: 3, stdout: 'out' });
    const ended = await ask('AKIAALICE', `/sessions/${session.id}?wait=stopped&timeout=20s`, { method: 'DELETE' });
    expect(ended).toMatchObject({ status: 202, body: { phase: 'stopped' } });
  });

  it('answers only under its own name', async () => {
    const handler = apiHandler(RUNTIME, servedBy(bench));
    const event = eventOf(
      { method: 'GET', url: '/whoami', headers: { host: 'evil.example.com' } },
      Buffer.alloc(0),
      iamBlock('user/alice'),
    );
    (event['requestContext'] as Record<string, unknown>)['domainName'] = 'abc.lambda-url.eu-central-1.on.aws';
    const stream = Object.assign(new PassThrough(), { onHead: (head: { statusCode: number }) => heads.push(head.statusCode) });
    const heads: number[] = [];
    stream.resume();
    await handler(event, stream, contextFor(60_000));
    expect(heads).toEqual([403]);
  });

  it.each([{}, null, [], 'x', { version: '1.0' }, { devctl: 'look', owner: 'dev', id: 'ses_1' }])('does nothing with %j', async (event) => {
    const heads: number[] = [];
    const stream = Object.assign(new PassThrough(), { onHead: (head: { statusCode: number }) => heads.push(head.statusCode) });
    stream.resume();
    await apiHandler(RUNTIME, servedBy(bench))(event, stream, contextFor(60_000));
    expect(heads).toEqual([400]);
  });
});

describe('a follower', () => {
  const follow = (id: string, base: string, headers: Record<string, string> = {}, signal?: AbortSignal) =>
    signedFetch(base, 'AKIAALICE', { path: `/sessions/${id}/events?follow=true`, headers, ...(signal && { signal }) });

  it('gets events as they come, and leaves when it likes', async () => {
    const session = await up('AKIAALICE', 'followed');
    const control = new AbortController();
    const answer = await follow(session.id, url, {}, control.signal);
    const reader = (answer.body as ReadableStream<Uint8Array>).getReader();
    let text = '';
    const read = async (wanted: string) => {
      while (!text.includes(wanted)) text += new TextDecoder().decode((await reader.read()).value);
    };
    await read('session.ready');
    await ask('AKIAALICE', `/sessions/${session.id}`, { method: 'DELETE' });
    await read('session.stopped');
    control.abort();
    await reader.cancel().catch(() => undefined);
  });

  it('that outlives the function ends whole, and goes on with the id that it has seen last', async () => {
    const session = await up('AKIAALICE', 'outlived');
    const short = await startFunctionUrl({ handler: apiHandler(RUNTIME, servedBy(bench)), timeoutMs: 5300 });
    try {
      const text = await (await follow(session.id, short.url)).text();
      const ids = [...text.matchAll(/^id: (.+)$/gm)].map(([, id]) => id ?? '');
      expect(ids.length).toBeGreaterThan(2);
      expect(text.endsWith('\n\n')).toBe(true);
      const rest = await (await follow(session.id, short.url, { 'last-event-id': ids[1] ?? '' })).text();
      expect([...rest.matchAll(/^id: (.+)$/gm)].map(([, id]) => id)).toEqual(ids.slice(2));
    } finally {
      await short.close();
    }
  });

  it('who waits longer than the function has time is told so in time', async () => {
    bench.muteBoxes = true;
    const short = await startFunctionUrl({ handler: apiHandler(RUNTIME, servedBy(bench)), timeoutMs: 5300 });
    try {
      const asked = { path: '/sessions?wait=ready&timeout=10m', method: 'POST', body: { workspace: 'waiting' } };
      const answer = await signedFetch(short.url, 'AKIAALICE', asked);
      expect(await answer.json()).toMatchObject({ code: 'timeout' });
    } finally {
      bench.muteBoxes = false;
      await short.close();
    }
  });

  it('is not waited for once it has gone', async () => {
    const session = await up('AKIAALICE', 'gone');
    const control = new AbortController();
    let over = false;
    const inner = apiHandler(RUNTIME, servedBy(bench));
    const watched = await startFunctionUrl({
      handler: async (...call) => {
        await inner(...call);
        over = true;
      },
    });
    await follow(session.id, watched.url, {}, control.signal);
    control.abort();
    await until(() => over, 'its request is over');
    await watched.close();
  });
});

describe('the test server', () => {
  it('lets only those in whose signature is right', async () => {
    const bad = async (id: string, key: Partial<Key>, more: { region?: string } = {}) =>
      (await signedFetch(url, id, { path: '/whoami', ...more }, { ...(TEST_KEYS['AKIAALICE'] as Key), ...key })).status;
    expect(await bad('AKIAALICE', {})).toBe(200);
    expect(await bad('AKIAALICE', { secretAccessKey: 'other' })).toBe(403);
    expect(await bad('AKIANOBODY', {})).toBe(403);
    expect(await bad('AKIAALICE', {}, { region: 'us-east-1' })).toBe(403);
    expect(await bad('AKIAALICE', { sessionToken: 'one too many' })).toBe(403);
    expect((await fetch(`${url}/whoami`)).status).toBe(403);
  });
});
