import { createServer as createTcpServer } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { Session } from '../../launcher/contract/api.ts';
import { DevctlError } from '../../launcher/contract/errors.ts';
import { ComputeError } from '../../launcher/ports/compute.ts';
import { ApiBench, codeOf, unreachable, until } from '../support/api-bench.ts';
import { examples, operationOf, pathOf, type UserOperation } from '../support/route-table.ts';
import { type Database, openDatabase } from '../support/table.ts';

let database: Database;
let bench: ApiBench;
let token: string;
let session: Session;
beforeAll(async () => {
  database = await openDatabase();
  bench = await ApiBench.open(database, { limits: { uploadBytes: 1000, bodyIdleMs: 200 } });
  token = await bench.token('dev');
  session = await bench.up(token, 'shop');
});
afterAll(async () => {
  await bench.close();
  await database.close();
});

const exec = (body: object) => bench.ask('POST', `/sessions/${session.id}/exec`, { token, body });
const tar = { 'content-type': 'application/x-tar' };
const put = (path: string, raw: string | ReadableStream<Uint8Array>, headers: Record<string, string> = tar) =>
  bench.ask('PUT', `/sessions/${session.id}${path}`, { token, raw, headers });

describe('exec', () => {
  it('gives the output of both streams and the exit code', async () => {
    expect((await exec({ argv: ['both', '3'] })).body).toEqual({
      code: 3,
      stdout: 'out',
      stderr: 'err',
      truncated: false,
      timedOut: false,
    });
    expect((await exec({ argv: ['cat'], stdin: 'x'.repeat(200_000) })).body).toMatchObject({ code: 0, stdout: 'x'.repeat(200_000) });
  });

  it('cuts what is too long, ends what takes too long, and leaves nothing running', async () => {
    const flood = await exec({ argv: ['flood', '3000000'] });
    expect(flood.body).toMatchObject({ code: 0, truncated: true });
    expect((flood.body as { stdout: string }).stdout).toHaveLength(bench.deps.limits.execOutputBytes);
    expect((await exec({ argv: ['sleep'], timeout: '1s' })).body).toMatchObject({ code: 137, signal: 'SIGKILL', timedOut: true });
    await until(() => bench.access.running.size === 0, 'no command is left');
  });

  it('says what the box says, and box_unreachable for anything that is no answer', async () => {
    expect(codeOf(await exec({ argv: ['refuse'] }))).toBe('not_found');
    for (const argv of [['hang-up'], ['garbage'], ['bad-error']]) expect(codeOf(await exec({ argv })), argv[0]).toBe('box_unreachable');
    bench.access.fail('exec', unreachable());
    expect(codeOf(await exec({ argv: ['cat'] }))).toBe('box_unreachable');
    bench.access.fail('exec', new ComputeError('fatal', 'a secret of the inside'));
    const broken = await exec({ argv: ['cat'] });
    expect(codeOf(broken)).toBe('internal');
    expect(broken.text).not.toContain('secret of the inside');
    bench.access.fail('exec', new TypeError('undefined is not a function'));
    const bug = await exec({ argv: ['cat'] });
    expect(bug.text).not.toMatch(/undefined is not|at .*\.ts/);
    expect(
      bench.lines.some(
        (line) => line.includes('undefined is not a function') && line.includes(String((bug.body as { requestId: string }).requestId)),
      ),
    ).toBe(true);
  });
});

describe('files', () => {
  it('go in and come out', async () => {
    expect((await put('/files?path=dist', 'tar bytes')).body).toEqual({ files: 1, bytes: 9 });
    const out = await bench.ask('GET', `/sessions/${session.id}/files?path=dist`, { token });
    expect(out.headers.get('content-type')).toBe('application/x-tar');
    expect(out.text).toBe('tar bytes');
    expect(codeOf(await bench.ask('GET', `/sessions/${session.id}/files?path=none`, { token }))).toBe('not_found');
  });

  it('that are too large or too slow are cut off, declared or not', async () => {
    expect(codeOf(await put('/files?path=a', 'x'.repeat(1001)))).toBe('too_large');
    const chunked = new ReadableStream<Uint8Array>({
      pull: (controller) => controller.enqueue(new Uint8Array(300)),
    });
    expect(codeOf(await put('/files?path=a', chunked))).toBe('too_large');
    const stuck = new ReadableStream<Uint8Array>({ start: (controller) => controller.enqueue(new Uint8Array(10)) });
    expect(codeOf(await put('/files?path=a', stuck))).toBe('request_timeout');
    expect(bench.access.files.has('a')).toBe(false);
  });

  it('need the right type, and refuse what the box refuses', async () => {
    expect(codeOf(await put('/files?path=a', 'x', { 'content-type': 'application/zip' }))).toBe('unsupported_media_type');
    bench.access.fail('putFiles', new DevctlError('invalid_archive', 'entry ../x leaves its folder'));
    expect(codeOf(await put('/files?path=a', 'x'))).toBe('invalid_archive');
  });

  it('fill an empty workspace once', async () => {
    expect((await put('/import', 'first')).body).toEqual({ files: 1, bytes: 5 });
    expect((await bench.ask('GET', `/sessions/${session.id}`, { token })).body).toMatchObject({ content: 'present' });
    expect(codeOf(await put('/import', 'second'))).toBe('workspace_not_empty');
    expect(bench.access.imported.get(session.id)?.toString()).toBe('first');
  });
});

describe('files for a box that is still on its way', () => {
  const send = (id: string, query: string) => bench.ask('PUT', `/sessions/${id}/import${query}`, { token, raw: 'early', headers: tar });
  const begin = async (workspace: string) =>
    (await bench.ask<Session>('POST', '/sessions', { token, body: { workspace, source: { kind: 'upload' } } })).body.id;
  afterEach(() => {
    bench.muteBoxes = false;
    bench.compute.faults.clear();
  });

  it('wait for it when told to, and are refused when not', async () => {
    bench.muteBoxes = true;
    const id = await begin('early');
    expect(codeOf(await send(id, ''))).toBe('wrong_phase');
    expect(codeOf(await send(id, '?wait=ready&timeout=1s'))).toBe('timeout');
    const sent = send(id, '?wait=ready');
    bench.muteBoxes = false;
    await bench.boot({ owner: 'dev', id }, 1);
    expect((await sent).body).toEqual({ files: 1, bytes: 5 });
    expect(bench.access.imported.get(id)?.toString()).toBe('early');
    await bench.down(token, id);
  });

  it('are refused when their token is revoked meanwhile', async () => {
    bench.muteBoxes = true;
    const id = await begin('revoked');
    const other = await bench.ask<{ id: string; token: string }>('POST', '/tokens', { token, body: { name: 'other', scopes: ['write'] } });
    const sent = bench.ask('PUT', `/sessions/${id}/import?wait=ready`, { token: other.body.token, raw: 'late', headers: tar });
    expect((await bench.ask('DELETE', `/tokens/${other.body.id}`, { token })).status).toBe(204);
    bench.muteBoxes = false;
    await bench.boot({ owner: 'dev', id }, 1);
    expect(codeOf(await sent)).toBe('unauthorized');
    expect(bench.access.imported.has(id)).toBe(false);
    await bench.down(token, id);
  });

  it('hear why it does not come', async () => {
    bench.compute.faults.add({ op: 'launch', kind: 'capacity', times: 3 });
    const failed = await send(await begin('never'), '?wait=ready');
    expect(failed.body).toMatchObject({ code: 'no_capacity', detail: 'launch: capacity (as told)' });
  });
});

describe('logs', () => {
  it('are there while the box lives and after', async () => {
    const read = (id: string) => bench.ask('GET', `/sessions/${id}/logs?tail=5`, { token });
    const other = await bench.up(token, 'logged');
    expect((await read(other.id)).text).toContain('last 5');
    await bench.down(token, other.id);
    expect((await read(other.id)).text).toContain('last 5');
  });

  it('of a session with no box yet are empty, and it takes no commands', async () => {
    const idle = await ApiBench.open(database, { controllers: false });
    const mine = await idle.token('dev');
    const { id } = (await idle.ask<Session>('POST', '/sessions', { token: mine, body: { workspace: 'waiting' } })).body;
    expect(await idle.ask('GET', `/sessions/${id}/logs`, { token: mine })).toMatchObject({ status: 200, text: '' });
    const ran = await idle.ask('POST', `/sessions/${id}/exec`, { token: mine, body: { argv: ['cat'] } });
    expect(ran.body).toMatchObject({ code: 'wrong_phase', detail: `session ${id} is requested, not ready`, sessionId: id });
  });

  it('of the launcher need the scope admin', async () => {
    const reader = await bench.token('dev', ['read', 'write']);
    expect(codeOf(await bench.ask('GET', '/launcher/logs', { token: reader }))).toBe('forbidden');
    expect((await bench.ask('GET', '/launcher/logs', { token })).text).toContain('"op":"api.createSession"');
  });
});

describe('a token that may only read', () => {
  it('reaches into no box, and keeps none alive', async () => {
    const reader = await bench.token('dev', ['read']);
    const good = examples({ session: session.id, workspace: 'shop', token: 'tok_0000000000000000000000abcd' });
    const key = { owner: session.owner, id: session.id };
    const before = await bench.store.getSession(key);
    bench.access.calls.length = 0;
    for (const id of Object.keys(good) as UserOperation[]) {
      const { method, scope } = operationOf(id);
      if (id === 'attach' || scope === 'public') continue;
      const body = good[id].body;
      const answer = await bench.ask(method, pathOf(id, good[id]), { token: reader, ...(body && { body }) });
      expect(codeOf(answer) === 'forbidden', `${id} ${answer.text}`).toBe(scope !== 'read');
    }
    expect(bench.access.calls.map(({ op }) => op)).toEqual(['logs']);
    expect((await bench.store.getSession(key))?.lease).toEqual(before?.lease);
  });
});

describe('the launcher', () => {
  it('says how it is', async () => {
    expect((await bench.ask('GET', '/healthz')).body).toEqual({ status: 'ok', checks: {} });
    expect((await bench.ask('GET', '/readyz')).body).toEqual({ status: 'ok', checks: { store: 'ok' } });
    expect((await bench.ask('GET', '/info', { token })).body).toMatchObject({
      provider: 'fake',
      isolation: 'none',
      checks: [{ name: 'bench' }],
    });
    expect((await bench.ask('POST', '/reap', { token, body: { dryRun: true } })).body).toMatchObject({ dryRun: true, complete: true });
    expect((await bench.ask('GET', '/openapi.json')).body).toMatchObject({ openapi: '3.1.0' });
    const docs = await bench.ask('GET', '/docs');
    expect(docs.headers.get('content-security-policy')).toMatch(/^default-src 'none'; style-src 'sha256-/);
    expect(docs.text).toContain('id="createSession"');
    const metrics = await bench.ask('GET', '/metrics', { token });
    expect(metrics.text).toMatch(/^devctl_http_requests_total\{operation="createSession",status="201"\} \d+$/m);
    expect(metrics.text).toMatch(/^devctl_phase_seconds_bucket\{phase="bootstrapping",le="\+Inf"\} \d+$/m);
  });

  it('that cannot reach its store says 503 and nothing of the inside', async () => {
    const broken = await ApiBench.open(database, { controllers: false });
    const dead = await brokenStore();
    Object.assign(broken.store, dead);
    const ready = await broken.ask('GET', '/readyz');
    expect(ready.status).toBe(503);
    const got = await broken.ask('GET', '/sessions', { token });
    expect(got.body).toMatchObject({ code: 'unavailable', detail: 'the store does not answer', retryable: true });
  });
});

/** The real adapter on an address where nobody listens. */
async function brokenStore() {
  const { createDynamoStore } = await import('../../launcher/stores/dynamo/store.ts');
  const { DynamoDBClient } = await import('@aws-sdk/client-dynamodb');
  const port = await new Promise<number>((resolve) => {
    const server = createTcpServer().listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0));
    });
  });
  const client = new DynamoDBClient({
    endpoint: `http://127.0.0.1:${port}`,
    region: 'local',
    maxAttempts: 1,
    credentials: { accessKeyId: 'x', secretAccessKey: 'x' },
  });
  return createDynamoStore({ client, tableName: 'none', clock: { now: () => Date.now() }, random: { bytes: (n) => new Uint8Array(n) } });
}
