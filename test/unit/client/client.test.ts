import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Readable } from 'node:stream';
import { afterEach, describe, expect, it } from 'vitest';
import { type Client, collect, createClient } from '../../../launcher/client/client.ts';
import { parseSse } from '../../../launcher/client/events.ts';
import { RemoteError } from '../../../launcher/client/problems.ts';
import { fillPath, isRepeatable, takesIdempotencyKey, WIRE } from '../../../launcher/client/wire.ts';
import { DevctlError } from '../../../launcher/contract/errors.ts';
import { OPERATIONS, type OperationId } from '../../../launcher/contract/routes.ts';

const ID = 'ses_01k2m3n4p5q6r7s8t9v0wxyz12';
interface Seen {
  method: string;
  url: string;
  headers: IncomingMessage['headers'];
  body: string;
}
type Answer = (request: Seen, response: ServerResponse, count: number) => void;

let server: Server | null = null;
let client: Client | null = null;

/** A real HTTP server that answers as it is told and keeps what it was asked. */
async function serve(answer: Answer): Promise<{ client: Client; seen: Seen[] }> {
  const seen: Seen[] = [];
  server = createServer((request, response) => {
    let body = '';
    request.setEncoding('utf8');
    request.on('data', (chunk: string) => {
      body += chunk;
    });
    request.on('end', () => {
      const entry = { method: request.method ?? '', url: request.url ?? '', headers: request.headers, body };
      seen.push(entry);
      answer(entry, response, seen.length);
    });
  });
  await new Promise<void>((resolve) => server?.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  client = createClient({ baseUrl: `http://127.0.0.1:${port}`, token: 'dvt_x' });
  return { client, seen };
}
afterEach(async () => {
  client?.close();
  server?.closeAllConnections();
  await new Promise((resolve) => (server ? server.close(resolve) : resolve(null)));
  server = null;
});

const json = (response: ServerResponse, value: unknown, status = 200): void => {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value));
};
const problem = (response: ServerResponse, error: DevctlError): void => {
  const body = error.toProblem('req_1');
  response.writeHead(body.status, { 'content-type': 'application/problem+json', 'x-request-id': 'req_1' }).end(JSON.stringify(body));
};

describe('the wire table', () => {
  it('says what the contract says', () => {
    for (const id of Object.keys(OPERATIONS) as OperationId[]) {
      const operation = OPERATIONS[id];
      expect(WIRE[id]).toEqual({ method: operation.method, path: operation.path });
      expect(takesIdempotencyKey(id)).toBe('idempotent' in operation);
    }
  });

  it('repeats nothing that creates without a key, and no upload', () => {
    const repeatable = (Object.keys(OPERATIONS) as OperationId[]).filter(isRepeatable);
    for (const id of ['createToken', 'exec', 'putFiles', 'importSource', 'reap', 'pruneSnapshots', 'heartbeat'] as const) {
      expect(repeatable).not.toContain(id);
    }
    for (const id of ['createSession', 'getSession', 'endSession', 'updateWorkspace'] as const) expect(repeatable).toContain(id);
  });

  it('encodes every part of a path', () => {
    expect(fillPath('getWorkspace', { name: 'a/../b?c' })).toBe('/workspaces/a%2F..%2Fb%3Fc');
    expect(fillPath('getFiles', { id: ID }, { path: 'a b&c', limit: undefined })).toBe(`/sessions/${ID}/files?path=a+b%26c`);
    for (const name of ['', '.', '..', undefined]) expect(() => fillPath('getWorkspace', { name })).toThrow(TypeError);
  });
});

describe('a call', () => {
  it('sends token, body and key, and gives the answer', async () => {
    const { client, seen } = await serve((_, response) => json(response, { id: ID }, 201));
    const session = await client.call('createSession', { body: { workspace: 'shop' }, query: { wait: 'ready' } });
    expect(session.id).toBe(ID);
    expect(seen[0]).toMatchObject({ method: 'POST', url: '/sessions?wait=ready', body: '{"workspace":"shop"}' });
    expect(seen[0]?.headers).toMatchObject({ authorization: 'Bearer dvt_x', 'content-type': 'application/json' });
    expect(seen[0]?.headers['idempotency-key']).toMatch(/^[0-9a-f-]{36}$/);
  });

  it('repeats a create with the same key while the launcher is away for a moment', async () => {
    const { client, seen } = await serve((_, response, count) => {
      if (count < 3) problem(response, new DevctlError('unavailable', 'starting'));
      else json(response, { id: ID }, 201);
    });
    await client.call('createSession', { body: { workspace: 'shop' } });
    expect(seen).toHaveLength(3);
    expect(new Set(seen.map((entry) => entry.headers['idempotency-key'])).size).toBe(1);
  });

  it.each(['no_capacity', 'timeout', 'not_found', 'internal'] as const)('does not repeat %s', async (code) => {
    const { client, seen } = await serve((_, response) => problem(response, new DevctlError(code, 'so it is')));
    const error = await client.call('getSession', { params: { id: ID } }).catch((failure: unknown) => failure);
    expect(error).toBeInstanceOf(RemoteError);
    expect(error).toMatchObject({ code, detail: 'so it is', requestId: 'req_1' });
    expect(seen).toHaveLength(1);
  });

  it('gives up after a bounded number of tries', async () => {
    const { client, seen } = await serve((_, response) => problem(response, new DevctlError('rate_limited', 'slow down')));
    await expect(client.call('listTokens', {})).rejects.toMatchObject({ code: 'rate_limited' });
    expect(seen).toHaveLength(4);
  });

  it('does not repeat what may have been done', async () => {
    const { client, seen } = await serve((_, response) => problem(response, new DevctlError('unavailable', 'no')));
    await expect(client.call('createToken', { body: { name: 'x' } })).rejects.toMatchObject({ code: 'unavailable' });
    expect(seen).toHaveLength(1);
  });

  it('makes sense of answers that are not ours', async () => {
    const { client } = await serve((request, response) => {
      if (request.url === '/info') response.writeHead(200).end('<html>');
      else response.writeHead(502).end('bad gateway');
    });
    await expect(client.call('info', {})).rejects.toMatchObject({
      code: 'internal',
      detail: expect.stringContaining('is this a devctl launcher'),
    });
    await expect(client.call('createToken', { body: { name: 'x' } })).rejects.toMatchObject({
      code: 'unavailable',
      detail: 'the answer, a 502, is not one of a devctl launcher',
    });
  });

  it('says that nobody listens, and what to do', async () => {
    const { client } = await serve(() => undefined);
    const gone = server as Server;
    await new Promise((resolve) => gone.close(resolve));
    server = null;
    await expect(client.call('createToken', { body: { name: 'x' } })).rejects.toMatchObject({
      code: 'unavailable',
      detail: expect.stringMatching(/^no launcher answers at http:\/\/127\.0\.0\.1:\d+$/),
      extra: { hint: expect.stringContaining('devctl serve') },
    });
  });

  it('ends when it is told to', async () => {
    const stop = new AbortController();
    const { client } = await serve(() => stop.abort());
    await expect(client.call('whoami', { signal: stop.signal })).rejects.toMatchObject({ name: 'AbortError' });
  });
});

describe('a list', () => {
  it('goes on from page to page', async () => {
    const { client, seen } = await serve((request, response) => {
      const cursor = new URL(request.url, 'http://x').searchParams.get('cursor');
      json(
        response,
        cursor === null ? { items: [{ name: 'a' }, { name: 'b' }], nextCursor: 'c1' } : { items: [{ name: 'c' }], nextCursor: null },
      );
    });
    const names = (await collect(client.list('listWorkspaces', { query: { limit: 2 } }))).map((workspace) => workspace.name);
    expect(names).toEqual(['a', 'b', 'c']);
    expect(seen.map((entry) => entry.url)).toEqual(['/workspaces?limit=2', '/workspaces?limit=2&cursor=c1']);
  });
});

describe('events', () => {
  const line = (n: number): string => {
    const id = `000000000${n}.00`;
    return `id: ${id}\nevent: session.ready\ndata: ${JSON.stringify({ id, atMs: n, type: 'session.ready', message: `event ${n}` })}\n\n`;
  };

  it('are cut out of a stream at any byte', async () => {
    const text = `: hello\r\n\r\nid: 1\ndata: {"a":\ndata: 1}\n\nevent: x\rdata:é\r\rdata: cut`;
    for (let at = 1; at < Buffer.byteLength(text); at += 1) {
      const bytes = Buffer.from(text);
      const messages = await collect(parseSse(Readable.from([bytes.subarray(0, at), bytes.subarray(at)])));
      expect(messages).toEqual([
        { id: '1', event: 'message', data: '{"a":\n1}' },
        { id: '1', event: 'x', data: 'é' },
      ]);
    }
  });

  it('are taken up again where they broke off, each once', async () => {
    const { client, seen } = await serve((request, response, count) => {
      if (request.url === `/sessions/${ID}`) return json(response, { phase: 'stopped' });
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      if (count === 1) response.write(`${line(1)}${line(2)}`, () => response.destroy());
      else response.end(`${line(2)}${line(3)}`);
    });
    const messages = (await collect(client.events(ID))).map((event) => event.message);
    expect(messages).toEqual(['event 1', 'event 2', 'event 3']);
    expect(seen.map((entry) => entry.headers['last-event-id'])).toEqual([undefined, '0000000002.00', undefined]);
  });

  it('go on when a launcher that stops ends the stream of a living session', async () => {
    let looks = 0;
    const { client } = await serve((request, response) => {
      if (request.url === `/sessions/${ID}`) {
        looks += 1;
        return json(response, { phase: looks === 1 ? 'ready' : 'stopped' });
      }
      response.writeHead(200).end(line(looks + 1));
    });
    expect(await collect(client.events(ID))).toHaveLength(2);
  });

  it('end at once without follow, and tell what is wrong', async () => {
    const { client, seen } = await serve((_, response, count) => {
      if (count === 1) response.writeHead(200).end(line(1));
      else problem(response, new DevctlError('not_found', 'no such session'));
    });
    expect(await collect(client.events(ID, { follow: false }))).toHaveLength(1);
    expect(seen[0]?.url).toBe(`/sessions/${ID}/events?follow=false`);
    await expect(collect(client.events(ID))).rejects.toMatchObject({ code: 'not_found' });
  });
});

describe('an upload', () => {
  it('is sent as a stream, and its refusal told', async () => {
    const { client, seen } = await serve((_, response, count) => {
      if (count === 1) json(response, { files: 1, bytes: 3 });
      else problem(response, new DevctlError('invalid_archive', 'no'));
    });
    expect(await client.putFiles(ID, 'dist', Readable.from([Buffer.from('tar')]))).toEqual({ files: 1, bytes: 3 });
    expect(seen[0]).toMatchObject({ method: 'PUT', url: `/sessions/${ID}/files?path=dist`, body: 'tar' });
    expect(seen[0]?.headers['content-type']).toBe('application/x-tar');
    await expect(client.importSource(ID, Readable.from([Buffer.from('x')]))).rejects.toMatchObject({ code: 'invalid_archive' });
  });

  it('that breaks off here never looks whole there', async () => {
    const { client, seen } = await serve((_, response) => json(response, { files: 0, bytes: 0 }));
    const broken = Readable.from(
      (async function* () {
        yield Buffer.from('half');
        throw new DevctlError('source_unavailable', 'a file changed');
      })(),
    );
    await expect(client.importSource(ID, broken)).rejects.toMatchObject({ code: 'source_unavailable' });
    expect(seen).toHaveLength(0);
  });
});
