import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { errorsOf } from '../../launcher/api/openapi.ts';
import type { Issue } from '../../launcher/contract/errors.ts';
import { type Answer, ApiBench, type Ask, codeOf } from '../support/api-bench.ts';
import { examples, operationOf, pathOf, type UserOperation } from '../support/route-table.ts';
import { type Database, openDatabase } from '../support/table.ts';

let database: Database;
let bench: ApiBench;
let token: string;
/** Nothing with these ids is there: what gets as far as looking for it answers 404. */
const good = examples({ session: 'ses_0000000000000000000000abcd', workspace: 'nothing', token: 'tok_0000000000000000000000abcd' });
const ids = Object.keys(good) as UserOperation[];
const withBody = ids.filter((id) => operationOf(id).body !== undefined);
beforeAll(async () => {
  database = await openDatabase();
  bench = await ApiBench.open(database, { controllers: false, limits: { jsonBodyBytes: 5000, bodyIdleMs: 200, authFailureBurst: 10_000 } });
  token = await bench.token('dev');
});
afterAll(() => database.close());

const json = { 'content-type': 'application/json' };
const send = (id: UserOperation, ask: Ask = {}, path = pathOf(id, good[id])): Promise<Answer<Record<string, unknown>>> =>
  bench.ask(operationOf(id).method, path, { token, ...(good[id].body && ask.raw === undefined && { body: good[id].body }), ...ask });

/** Every error is a problem document that the operation's own list has, with a request id, and says nothing of the inside. */
function expectProblem(id: UserOperation, answer: Answer, code: string): void {
  expect(answer.body, `${id}: ${answer.text}`).toMatchObject({ code, status: answer.status });
  expect(answer.headers.get('content-type')).toBe('application/problem+json');
  expect((answer.body as { requestId: string }).requestId).toBe(answer.headers.get('x-request-id'));
  expect(errorsOf(operationOf(id)) as string[]).toContain(code);
  expect(answer.text).not.toMatch(/node_modules|\.ts:\d|at async/);
}

const bodies: Array<[string, string | Uint8Array, string]> = [
  ['no JSON', '{"workspace":', 'invalid_request'],
  ['not UTF-8', Uint8Array.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d]), 'invalid_request'],
  ['an array', '[]', 'invalid_request'],
  ['a string', '"x"', 'invalid_request'],
  ['null', 'null', 'invalid_request'],
  ['an unknown field', '{"owner":"root"}', 'invalid_request'],
  ['a prototype', '{"__proto__":{"admin":true}}', 'invalid_request'],
  ['a field twice', '{"name":"a","name":"b"}', 'invalid_request'],
  ['an escaped field twice', '{"name":"a","n\\u0061me":"b"}', 'invalid_request'],
  ['a deep value', `${'{"a":'.repeat(200)}1${'}'.repeat(200)}`, 'invalid_request'],
  ['more than allowed', `{"x":"${'y'.repeat(6000)}"}`, 'too_large'],
];

describe.each(withBody)('%s', (id) => {
  it.each(bodies)('refuses %s', async (_name, raw, code) => {
    expectProblem(id, await send(id, { raw, headers: json }), code);
  });

  it('refuses another content type, also with parameters', async () => {
    for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'application/json; charset=utf-16', 'multipart/form-data'])
      expectProblem(id, await send(id, { headers: { 'content-type': type } }), 'unsupported_media_type');
    expectProblem(id, await send(id, { raw: new TextEncoder().encode('{}') }), 'unsupported_media_type');
    const ok = await send(id, { headers: { 'content-type': 'Application/JSON; charset="UTF-8"' } });
    expect(codeOf(ok)).not.toBe('unsupported_media_type');
  });

  it('refuses a body that is too long with no length given, and one that does not come', async () => {
    const endless = new ReadableStream<Uint8Array>({ pull: (controller) => controller.enqueue(new Uint8Array(1000).fill(32)) });
    expectProblem(id, await send(id, { raw: endless, headers: json }), 'too_large');
    const stuck = new ReadableStream<Uint8Array>({ start: (controller) => controller.enqueue(new TextEncoder().encode('{')) });
    expectProblem(id, await send(id, { raw: stuck, headers: json }), 'request_timeout');
  });
});

describe.each(ids)('%s', (id) => {
  const operation = operationOf(id);

  it('refuses parameters that it does not know, or that are given twice', async () => {
    const path = pathOf(id, { ...good[id], query: {} });
    expectProblem(id, await send(id, {}, `${path}?surprise=1`), 'invalid_request');
    expectProblem(id, await send(id, {}, `${path}?__proto__=1`), 'invalid_request');
    expectProblem(id, await send(id, {}, `${path}?limit=1&limit=2`), 'invalid_request');
  });

  it('refuses ids and names of another form', async () => {
    for (const name of Object.keys(good[id].params ?? {})) {
      for (const value of ['..', 'x'.repeat(300), 'UPPER', 'a_b.c', 'ses_', 'snap_0', '-dash', 'ä']) {
        const answer = await send(id, {}, pathOf(id, { ...good[id], params: { ...good[id].params, [name]: value } }));
        expect(['invalid_request', 'not_found', 'method_not_allowed'], `${name}=${value}: ${answer.text}`).toContain(codeOf(answer));
      }
    }
  });

  if (operation.scope !== 'public') {
    it('needs a token', async () => {
      for (const wrong of ['', 'x', 'dvt_.x.y', `${token}x`, token.slice(0, -1), token.replace(/^dvt_/, 'dvb_'), 'a'.repeat(5000)]) {
        const answer = await send(id, { token: null, headers: { authorization: `Bearer ${wrong}` } });
        expectProblem(id, answer, 'unauthorized');
        expect(answer.headers.get('www-authenticate')).toBe('Bearer');
      }
      expectProblem(id, await send(id, { token: null, headers: { authorization: `Basic ${btoa('dev:x')}` } }), 'unauthorized');
      expectProblem(id, await send(id, { token: null }), 'unauthorized');
    });

    it('needs its scope', async () => {
      const others = (['read', 'write', 'admin'] as const).filter((scope) => scope !== operation.scope);
      const answer = await send(id, { token: await bench.token('dev', others) });
      expectProblem(id, answer, 'forbidden');
    });
  }

  if (operation.idempotent) {
    it('refuses a key that is none', async () => {
      for (const key of ['a b', 'x'.repeat(129), 'ü'])
        expect((await send(id, { key: encodeURI(key) === key ? key : 'a b' })).body).toMatchObject({
          issues: [{ field: 'Idempotency-Key' }],
        });
    });
  }
});

const wrong: Array<[UserOperation, Record<string, unknown>, Issue]> = [
  ['createSession', { workspace: 'Shop' }, { field: 'workspace', got: '"Shop"', message: expect.stringContaining('lower-case') }],
  ['createSession', { workspace: '-rf' }, { field: 'workspace', got: '"-rf"', message: expect.stringContaining('lower-case') }],
  ['createSession', {}, { field: 'workspace', message: 'is required' }],
  ['createSession', { workspace: 'a', size: 'huge' }, { field: 'size', got: '"huge"', message: 'use small or medium or large or xlarge' }],
  ['createSession', { workspace: 'a', idleTtl: '5' }, { field: 'idleTtl', got: '"5"', message: 'has no unit: write 5m or 5h (5s … 12h)' }],
  ['createSession', { workspace: 'a', idleTtl: '99h' }, { field: 'idleTtl', got: '"99h"', message: 'is out of range (5s … 12h)' }],
  ['createSession', { workspace: 'a', maxTtl: 7 }, { field: 'maxTtl', got: '7', message: 'must be of type string' }],
  ['createSession', { workspace: 'a', owner: 'root' }, { field: 'owner', message: 'is not known here' }],
  ['createSession', { workspace: 'a', generation: 7 }, { field: 'generation', message: 'is not known here' }],
  ['createSession', { workspace: 'a', network: 'yes' }, { field: 'network', got: '"yes"', message: 'must be of type boolean' }],
  [
    'createSession',
    { workspace: 'a', source: { kind: 'ftp' } },
    { field: 'source.kind', got: '"ftp"', message: 'use empty or upload or git' },
  ],
  [
    'createSession',
    { workspace: 'a', source: { kind: 'git', url: 'ext::sh' } },
    { field: 'source.url', got: '"ext::sh"', message: expect.any(String) },
  ],
  [
    'createSession',
    { workspace: 'a', source: { kind: 'git', url: 'https://me:hunter2@host/x' } },
    { field: 'source.url', got: '"https://***@host/x"', message: expect.stringContaining('must not carry') },
  ],
  [
    'createSession',
    { workspace: 'a', source: { kind: 'git', url: 'https://h/x', ref: '--upload-pack=x' } },
    { field: 'source.ref', got: '"--upload-pack=x"', message: expect.any(String) },
  ],
  ['createHold', { name: 'x', for: '1s' }, { field: 'for', got: '"1s"', message: 'is out of range (10s … 1d)' }],
  ['createSnapshot', { note: 'x'.repeat(201) }, { field: 'note', got: expect.any(String), message: 'must have at most 200' }],
  ['exec', { argv: [] }, { field: 'argv', got: '[]', message: 'must have at least 1' }],
  ['exec', { argv: ['x'], env: { 'A-B': 'x' } }, { field: 'env.A-B', got: expect.any(String), message: expect.any(String) }],
  ['exec', { argv: ['x'], cwd: 'a\0b' }, { field: 'cwd', got: expect.any(String), message: 'must not have a NUL' }],
  ['forkWorkspace', { count: 21 }, { field: 'count', got: '21', message: 'must be at most 20' }],
  ['forkWorkspace', { count: 1.5 }, { field: 'count', got: '1.5', message: 'must be a whole number' }],
  [
    'updateWorkspace',
    { retention: { keepLast: 0, keepDaily: 1 } },
    { field: 'retention.keepLast', got: '0', message: 'must be at least 1' },
  ],
  ['restoreWorkspace', { snapshot: '../x' }, { field: 'snapshot', got: '"../x"', message: expect.stringContaining('snap_43') }],
  ['createToken', { name: 'x', scopes: ['root'] }, { field: 'scopes.0', got: '"root"', message: 'use read or write or admin' }],
];

describe('a refused field', () => {
  it.each(wrong)('%s %j', async (id, body, issue) => {
    const answer = await send(id, { body });
    expectProblem(id, answer, 'invalid_request');
    expect(answer.body).toMatchObject({ issues: [issue] });
    expect(answer.text).not.toContain('hunter2');
  });

  it('that is a number without end is no number', async () => {
    const answer = await send('forkWorkspace', { raw: '{"count":1e999}', headers: json });
    expect(answer.body).toMatchObject({ code: 'invalid_request', issues: [{ field: 'count' }] });
  });

  it.each([
    ['listSessions', 'limit=0'],
    ['listSessions', 'limit=201'],
    ['listSessions', 'limit=x'],
    ['listSessions', 'all=yes'],
    ['listSessions', 'workspace=A'],
    ['getSession', 'timeout=0s'],
    ['getSession', 'wait=quiet'],
    ['endSession', 'timeout=5'],
    ['logs', 'tail=-1'],
    ['getFiles', 'path='],
    ['getFiles', 'path=%00'],
    ['deleteWorkspace', 'force=1'],
  ] as Array<[UserOperation, string]>)('%s?%s', async (id, query) => {
    expectProblem(id, await send(id, {}, `${pathOf(id, { ...good[id], query: {} })}?${query}`), 'invalid_request');
  });
});

describe('what was refused', () => {
  it('has changed nothing', async () => {
    expect(await bench.store.listOwners()).toEqual(['dev']);
    const usage = await bench.store.getUsage('dev');
    expect([usage.workspaces, usage.sessions.length]).toEqual([usage.workspaces, usage.workspaces.length]);
    expect((await bench.store.listLive({ limit: 100, after: null })).items.length).toBe(usage.sessions.length);
  });
});
