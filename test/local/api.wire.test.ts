import { once } from 'node:events';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { request as httpRequest } from 'node:http';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createWebSocketStream, WebSocket } from 'ws';
import { type Listener, listen } from '../../launcher/api/server.ts';
import type { Session } from '../../launcher/contract/api.ts';
import { isDevctlError } from '../../launcher/contract/errors.ts';
import { encodeFrame, encodeJsonFrame, FRAME, FrameReader } from '../../launcher/contract/exec-frames.ts';
import { ApiBench, codeOf, unreachable, until } from '../support/api-bench.ts';
import { type Database, openDatabase } from '../support/table.ts';

let database: Database;
let bench: ApiBench;
let server: Listener;
let token: string;
let session: Session;
beforeAll(async () => {
  database = await openDatabase();
  bench = await ApiBench.open(database, { limits: { jsonBodyBytes: 2000, bodyIdleMs: 300, headersMs: 500 } });
  bench.deps.config.allowedHosts.push('boxes.example', 'named.example:7000');
  server = await listen(bench.app, bench.deps);
  token = await bench.token('dev');
  session = await bench.up(token, 'shop');
});
afterAll(async () => {
  await server.close(0);
  await bench.close();
  await database.close();
});

/** Sends raw bytes and gives everything that comes back until the other side hangs up. */
async function raw(...parts: Array<string | Buffer>): Promise<string> {
  const socket = connect(server.port, '127.0.0.1');
  let answer = '';
  socket.on('data', (chunk) => {
    answer += chunk.toString('latin1');
  });
  socket.on('error', () => undefined);
  for (const part of parts) if (!socket.destroyed) socket.write(part);
  await once(socket, 'close');
  return answer;
}
const head = (line: string, ...headers: string[]) =>
  `${[line, `Host: 127.0.0.1:${server.port}`, `Authorization: Bearer ${token}`, 'Connection: close', ...headers].join('\r\n')}\r\n\r\n`;
const statusOf = (answer: string): number => Number(/^HTTP\/1\.1 (\d{3})/.exec(answer)?.[1]);

describe('the address', () => {
  const ask = (host: string, headers: Record<string, string> = {}) =>
    new Promise<number>((resolve, reject) => {
      httpRequest({ port: server.port, path: '/whoami', headers: { host, authorization: `Bearer ${token}`, ...headers } }, (answer) => {
        answer.resume();
        resolve(answer.statusCode ?? 0);
      })
        .on('error', reject)
        .end();
    });

  it('is of this launcher, exactly', async () => {
    const { port } = server;
    for (const host of [
      `127.0.0.1:${port}`,
      `localhost:${port}`,
      `LOCALHOST:${port}`,
      'boxes.example',
      `boxes.example:${port}`,
      'named.example:7000',
    ])
      expect(await ask(host), host).toBe(200);
    const evil = [
      'evil.example',
      `evil.example:${port}`,
      '127.0.0.1',
      `127.0.0.1:${port}.evil.example`,
      'localhost.evil.example',
      `127.0.0.1:${port}1`,
    ];
    for (const host of [...evil, 'named.example', 'boxes.example.', `2130706433:${port}`, `0.0.0.0:${port}`])
      expect([400, 403], host).toContain(await ask(host));
  });

  it('that a forwarding header names is not looked at', async () => {
    expect(await ask('evil.example', { 'x-forwarded-host': `localhost:${server.port}` })).toBe(403);
    expect(await ask(`localhost:${server.port}`, { 'x-forwarded-host': 'evil.example', forwarded: 'host=evil.example' })).toBe(200);
  });

  it('of the page that asks is of this launcher too', async () => {
    const host = `localhost:${server.port}`;
    expect(await ask(host, { origin: `http://${host}` })).toBe(200);
    for (const origin of ['https://evil.example', 'null', `http://${host}.evil.example`, `http://evil.example/${host}`, `ftp://${host}`])
      expect(await ask(host, { origin }), origin).toBe(403);
  });
});

describe('paths and methods', () => {
  it('have one form each', async () => {
    for (const path of [
      '//whoami',
      '/./whoami%2f',
      '/%77hoami',
      '/whoami/',
      '/whoami%00',
      '/who\\ami',
      '/WHOAMI',
      '/whoami;x=1',
      '/x/../../whoami%2e',
    ])
      expect([400, 404], path).toContain(statusOf(await raw(head(`GET ${path} HTTP/1.1`))));
    expect(statusOf(await raw(head('GET /whoami HTTP/1.1')))).toBe(200);
    expect(statusOf(await raw(head(`GET http://127.0.0.1:${server.port}/whoami HTTP/1.1`)))).toBe(200);
    expect([400, 403]).toContain(statusOf(await raw(head('GET http://evil.example/whoami HTTP/1.1'))));
  });

  it('that do not go together answer 405 with what does; no header changes a method', async () => {
    const answer = await bench.ask('PUT', '/sessions', { token });
    expect(answer.status).toBe(405);
    expect(answer.headers.get('allow')).toBe('POST, GET, OPTIONS');
    const override = await bench.ask('GET', `/sessions/${session.id}`, { token, headers: { 'x-http-method-override': 'DELETE' } });
    expect(override.body).toMatchObject({ phase: 'ready', desired: 'ready' });
    const options = await bench.ask('OPTIONS', '/sessions');
    expect([options.status, options.headers.get('allow'), options.headers.get('access-control-allow-origin')]).toEqual([
      204,
      'POST, GET, OPTIONS',
      null,
    ]);
    expect((await bench.ask('TRACE', '/sessions', { token }).catch(() => ({ status: 405 }))).status).toBe(405);
    expect(codeOf(await bench.ask('GET', '/no/such/path', { token }))).toBe('not_found');
  });

  it('HEAD is GET without its body, and opens no streams', async () => {
    const answer = await raw(head('HEAD /whoami HTTP/1.1'));
    expect(statusOf(answer)).toBe(200);
    expect(answer.endsWith('\r\n\r\n')).toBe(true);
    expect(statusOf(await raw(head(`HEAD /sessions/${session.id}/events HTTP/1.1`)))).toBe(405);
    expect(bench.access.running.size).toBe(0);
  });
});

describe('slow and large senders', () => {
  const json = 'Content-Type: application/json';

  it('of heads are cut off', async () => {
    const answer = await raw('GET /whoami HTTP/1.1\r\nHost: x\r\n');
    expect(answer).toMatch(/^HTTP\/1\.1 408|^$/);
  });

  it('of bodies get 408, chunked or not', async () => {
    expect(statusOf(await raw(head('POST /sessions HTTP/1.1', json, 'Content-Length: 50'), '{"works'))).toBe(408);
    expect(statusOf(await raw(head('POST /sessions HTTP/1.1', json, 'Transfer-Encoding: chunked'), '3\r\n{"w\r\n'))).toBe(408);
  });

  it('of more than is allowed get 413, chunked or not, before it is all there', async () => {
    expect(statusOf(await raw(head('POST /sessions HTTP/1.1', json, 'Content-Length: 999999999'), 'x'))).toBe(413);
    const chunk = `400\r\n${'x'.repeat(1024)}\r\n`;
    expect(statusOf(await raw(head('POST /sessions HTTP/1.1', json, 'Transfer-Encoding: chunked'), chunk, chunk, chunk))).toBe(413);
  });

  it('of two lengths are refused: nobody can smuggle a second request', async () => {
    const smuggled = 'GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n';
    for (const headers of [
      ['Content-Length: 5', 'Transfer-Encoding: chunked'],
      ['Content-Length: 5', 'Content-Length: 6'],
      ['Transfer-Encoding: chunked, identity'],
      ['Transfer-Encoding : chunked'],
    ]) {
      const answer = await raw(head('POST /sessions HTTP/1.1', json, ...headers), `0\r\n\r\n${smuggled}`);
      expect(statusOf(answer), headers.join()).toBe(400);
      expect(answer.match(/HTTP\/1\.1/g)).toHaveLength(1);
    }
    expect(statusOf(await raw(head('GET /whoami HTTP/1.1', `X-Long: ${'x'.repeat(20_000)}`)))).toBe(431);
  });
});

describe('attach', () => {
  const url = () => `ws://127.0.0.1:${server.port}/sessions/${session.id}/attach`;
  const headers = () => ({ authorization: `Bearer ${token}` });

  /** The status and code that an upgrade is refused with. */
  function refusal(address: string, given: Record<string, string>): Promise<[number, string]> {
    return new Promise((resolve, reject) => {
      const socket = new WebSocket(address, { headers: given });
      socket.on('error', () => undefined);
      socket.on('open', () => reject(new Error('it was opened')));
      socket.on('unexpected-response', (_request, response) => {
        let text = '';
        response.on('data', (chunk: Buffer) => {
          text += chunk.toString();
        });
        response.on('end', () => resolve([response.statusCode ?? 0, (JSON.parse(text || '{}') as { code: string }).code]));
      });
    });
  }

  it('carries frames both ways, also many at once', async () => {
    const stream = createWebSocketStream(new WebSocket(url(), { headers: headers() }));
    const reader = new FrameReader();
    let got = 0;
    const line = Buffer.alloc(50_000, 'y');
    stream.write(encodeJsonFrame(FRAME.start, { argv: ['echo-lines'] }));
    for (let index = 0; index < 200; index += 1) stream.write(encodeFrame(FRAME.stdin, line));
    for await (const chunk of stream as AsyncIterable<Buffer>) {
      for (const frame of reader.push(chunk)) got += frame.payload.length;
      if (got >= 200 * line.length) break;
    }
    expect(got).toBe(200 * line.length);
    await until(() => bench.access.running.size === 0, 'the command is ended with its connection');
  });

  it('ends when the box ends it, and when the client goes', async () => {
    const stream = createWebSocketStream(new WebSocket(url(), { headers: headers() }));
    stream.write(encodeJsonFrame(FRAME.start, { argv: ['both', '0'] }));
    stream.resume();
    await once(stream, 'end');
    const socket = new WebSocket(url(), { headers: headers() });
    await once(socket, 'open');
    await until(() => bench.access.running.size === 1, 'it runs');
    socket.terminate();
    await until(() => bench.access.running.size === 0, 'it is ended');
  });

  it('is refused like any other request', async () => {
    expect(await refusal(url(), {})).toEqual([401, 'unauthorized']);
    expect(await refusal(url(), { ...headers(), origin: 'https://evil.example' })).toEqual([403, 'host_not_allowed']);
    expect(await refusal(url(), { ...headers(), host: 'evil.example' })).toEqual([403, 'host_not_allowed']);
    expect(await refusal(url(), { authorization: `Bearer ${await bench.token('dev', ['read'])}` })).toEqual([403, 'forbidden']);
    expect(await refusal(url(), { authorization: `Bearer ${await bench.token('eve')}` })).toEqual([404, 'not_found']);
    expect(await refusal(url().replace('/attach', ''), headers())).toEqual([200, undefined]);
    bench.access.fail('exec', unreachable());
    expect(await refusal(url(), headers())).toEqual([502, 'box_unreachable']);
    const plain = await bench.ask('GET', `/sessions/${session.id}/attach`, { token });
    expect(plain.body).toMatchObject({ code: 'invalid_request', detail: 'ask for an upgrade to a WebSocket' });
  });

  it('counts what is typed as activity, without a write for each key', async () => {
    const socket = new WebSocket(url(), { headers: headers() });
    await once(socket, 'open');
    const key = { owner: 'dev', id: session.id };
    const before = await bench.store.getSession(key);
    bench.skewMs += 10 * 60_000;
    for (let index = 0; index < 50; index += 1) socket.send(encodeFrame(FRAME.stdin, Buffer.from('x')));
    const after = await until(async () => {
      const now = await bench.store.getSession(key);
      return (now?.lease.idleDeadlineMs ?? 0) > (before?.lease.idleDeadlineMs ?? 0) && (now ?? undefined);
    }, 'the lease is renewed');
    for (let index = 0; index < 50; index += 1) socket.send(encodeFrame(FRAME.stdin, Buffer.from('x')));
    await bench.ask('GET', `/sessions/${session.id}`, { token });
    expect((await bench.store.getSession(key))?.version).toBe(after.version);
    socket.terminate();
  });
});

describe('listening', () => {
  it('on an address that is in use says so', async () => {
    const error: unknown = await listen(bench.app, bench.deps, { port: server.port }).catch((reason: unknown) => reason);
    expect(isDevctlError(error, 'conflict') && error.detail).toBe(`127.0.0.1:${server.port} is in use`);
    const nowhere: unknown = await listen(bench.app, bench.deps, { host: '203.0.113.1' }).catch((reason: unknown) => reason);
    expect(isDevctlError(nowhere, 'invalid_request')).toBe(true);
  });

  it('on a unix socket is for its owner alone', async () => {
    const dir = mkdtempSync(join(tmpdir(), 'devctl-socket-'));
    const socketPath = join(dir, 's.sock');
    const own = await listen(bench.boxApp, bench.deps, { socketPath });
    expect(statSync(socketPath).mode & 0o777).toBe(0o600);
    const status = await new Promise((resolve) => {
      httpRequest({ socketPath, path: '/sessions' }, (answer) => resolve(answer.resume().statusCode)).end();
    });
    expect(status).toBe(404);
    await own.close();
    rmSync(dir, { recursive: true });
  });

  it('ends with its open streams', async () => {
    const own = await listen(bench.app, bench.deps);
    const answer = await fetch(`${own.url}/sessions/${session.id}/events`, { headers: headers() });
    const socket = new WebSocket(`${own.url.replace('http', 'ws')}/sessions/${session.id}/attach`, { headers: headers() });
    await once(socket, 'open');
    const closed = once(socket, 'close');
    const reader = answer.body?.getReader();
    await own.close(50);
    await closed;
    const rest = (async () => {
      while (!(await reader?.read())?.done);
    })();
    await rest.catch(() => undefined);
  });
  const headers = () => ({ authorization: `Bearer ${token}` });
});
