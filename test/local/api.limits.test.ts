import { Readable } from 'node:stream';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { type Listener, listen } from '../../launcher/api/server.ts';
import { mintToken } from '../../launcher/api/tokens.ts';
import type { Session } from '../../launcher/contract/api.ts';
import { parseUserToken } from '../../launcher/contract/tokens.ts';
import { ApiBench, codeOf, until } from '../support/api-bench.ts';
import { type Database, openDatabase } from '../support/table.ts';

let database: Database;
let bench: ApiBench;
let owners = 0;
let token: string;
beforeAll(async () => {
  database = await openDatabase();
});
afterAll(() => database.close());

const newOwner = (): Promise<string> => {
  owners += 1;
  return bench.token(`owner${owners}`);
};
const whoami = (by: string, remote = '203.0.113.1') => bench.ask('GET', '/whoami', { token: by, remote });

describe('requests of an owner', () => {
  const keyOf = (session: Session) => ({ owner: session.owner, id: session.id });

  it('past their rate are refused for a while; other owners and boxes are not held up', async () => {
    bench = await ApiBench.open(database, { limits: { requestsPerSecond: 0.01, requestBurst: 6 } });
    token = await newOwner();
    const session = await bench.up(token, 'busy');
    const answers = await Promise.all(Array.from({ length: 10 }, () => whoami(token)));
    const refused = answers.filter(({ status }) => status !== 200);
    expect(refused.length).toBeGreaterThanOrEqual(4);
    expect(refused[0]?.body).toMatchObject({ code: 'rate_limited', status: 429, detail: 'you send more than 0.01 requests a second' });
    expect(Number(refused[0]?.headers.get('retry-after'))).toBeGreaterThan(1);
    expect((await whoami(await newOwner())).status).toBe(200);
    for (let beat = 0; beat < 20; beat += 1) expect((await bench.beat(keyOf(session), 1, {})).status).toBe(200);
    bench.skewMs += 600_000;
    expect((await whoami(token)).status).toBe(200);
    await bench.close();
  });

  it('count together, whichever of their tokens they show', async () => {
    bench = await ApiBench.open(database, { controllers: false, limits: { requestsPerSecond: 0.001, requestBurst: 3 } });
    const mine = [await bench.token('many'), await bench.token('many')];
    const codes = [];
    for (let index = 0; index < 4; index += 1) codes.push(codeOf(await whoami(mine[index % 2] as string)));
    expect(codes).toEqual(['status 200', 'status 200', 'status 200', 'rate_limited']);
  });
});

describe('requests under way', () => {
  it('are so many for each owner, long waits among them', async () => {
    bench = await ApiBench.open(database, { controllers: false, limits: { requestsAtOncePerOwner: 2 } });
    token = await newOwner();
    const { id } = (await bench.ask<Session>('POST', '/sessions', { token, body: { workspace: 'slow' } })).body;
    const gone = new AbortController();
    const wait = () => bench.ask('GET', `/sessions/${id}?wait=ready&timeout=1h`, { token, signal: gone.signal });
    const waits = [wait(), wait()];
    await until(async () => codeOf(await whoami(token)) === 'rate_limited', 'both are waiting');
    expect((await whoami(token)).body).toMatchObject({ detail: 'you have 2 requests under way, which is the most' });
    expect((await whoami(await newOwner())).status).toBe(200);
    gone.abort();
    await Promise.allSettled(waits);
    await until(async () => (await whoami(token)).status === 200, 'there is room again');
  });
});

describe('requests without a valid token', () => {
  let reads: number;
  beforeEach(async () => {
    bench = await ApiBench.open(database, { controllers: false, limits: { authFailuresPerSecond: 0.1, authFailureBurst: 5 } });
    token = await newOwner();
    reads = 0;
    const { getToken } = bench.store;
    bench.store.getToken = async (...id) => {
      reads += 1;
      return getToken(...id);
    };
  });
  /** A token of the right form with another secret. */
  const forged = (index: number): string => {
    const parts = parseUserToken(token);
    if (parts === null) throw new Error('it does not parse');
    return token.replace(parts.secret, Buffer.alloc(32, index + 1).toString('base64url'));
  };

  it('are looked up a few times, then no more until some time has passed', async () => {
    const codes = [];
    for (let index = 0; index < 8; index += 1) codes.push(codeOf(await whoami(forged(index))));
    expect(codes).toEqual([...Array(5).fill('unauthorized'), ...Array(3).fill('rate_limited')]);
    expect(reads).toBe(5);
    const refused = await whoami(forged(99));
    expect(refused.headers.get('retry-after')).toBe('10');
    expect(refused.body).toMatchObject({ retryAfterS: 10, detail: 'too many requests without a valid token came from there' });
    expect(codeOf(await bench.ask('GET', '/whoami', { remote: '203.0.113.1' }))).toBe('rate_limited');
    expect(codeOf(await whoami(forged(99), '203.0.113.2'))).toBe('unauthorized');
    bench.skewMs += 10_000;
    expect(codeOf(await whoami(forged(99)))).toBe('unauthorized');
    expect(codeOf(await whoami(forged(99)))).toBe('rate_limited');
  });

  it('hold up nobody at the same address whose token is known to be good', async () => {
    expect((await whoami(token)).status).toBe(200);
    for (let index = 0; index < 8; index += 1) await whoami(forged(index));
    expect((await whoami(token)).status).toBe(200);
    bench.skewMs += 6000;
    expect((await whoami(token)).status, 'its record is read again').toBe(200);
    expect((await whoami(await newOwner())).status, 'one that was never shown has to wait').toBe(429);
    expect((await bench.ask('GET', '/healthz', { remote: '203.0.113.1' })).status).toBe(200);
  });

  it('are counted for the token as well, wherever it is shown', async () => {
    const codes = [];
    for (let index = 0; index < 7; index += 1) codes.push(codeOf(await whoami(forged(1), `203.0.113.${index}`)));
    expect(codes).toEqual([...Array(5).fill('unauthorized'), 'rate_limited', 'rate_limited']);
  });

  it('do not come from a token that was revoked by another process and is still shown all the time', async () => {
    expect((await whoami(token)).status).toBe(200);
    await bench.store.revokeToken(`owner${owners}`, parseUserToken(token)?.id ?? '', bench.deps.clock.now());
    bench.skewMs += 6000;
    for (let index = 0; index < 20; index += 1) expect(codeOf(await whoami(token))).toBe('unauthorized');
    expect(reads).toBe(2);
  });
});

describe('answers that stay open', () => {
  let server: Listener;
  let session: Session;
  beforeAll(async () => {
    bench = await ApiBench.open(database, { limits: { streamsPerOwner: 3, streams: 5 } });
    token = await newOwner();
    server = await listen(bench.app, bench.deps);
    session = await bench.up(token, 'shown');
  });
  afterAll(async () => {
    await server.close(0);
    await bench.close();
  });
  const follow = async (by = token, id = session.id) => {
    const response = await fetch(`${server.url}/sessions/${id}/events`, { headers: { authorization: `Bearer ${by}` } });
    if (response.status !== 200) return { status: response.status, leave: async () => undefined };
    return { status: 200, leave: () => response.body?.cancel() };
  };
  const terminal = async () => {
    const client = new WebSocket(`${server.url.replace('http', 'ws')}/sessions/${session.id}/attach`, {
      headers: { authorization: `Bearer ${token}` },
    });
    const status = await new Promise<number>((resolve) => {
      client.once('open', () => resolve(101));
      client.once('unexpected-response', (_, answer) => resolve(answer.statusCode ?? 0));
      client.once('error', () => undefined);
    });
    return { status, leave: () => client.close() };
  };

  it('are so many for each owner, of whatever kind, and make room when they are over', async () => {
    const open = [await follow(), await terminal(), await follow()];
    expect(open.map(({ status }) => status)).toEqual([200, 101, 200]);
    expect((await follow()).status).toBe(429);
    expect((await terminal()).status).toBe(429);
    const logs = await bench.ask('GET', `/sessions/${session.id}/logs`, { token });
    expect(logs.body).toMatchObject({ code: 'rate_limited', hint: 'close one of them: events, logs, a copy or a terminal' });
    expect((await bench.ask('GET', `/sessions/${session.id}`, { token })).status).toBe(200);
    for (const { leave } of open) await leave();
    const again = await until(async () => {
      const stream = await follow();
      return stream.status === 200 && stream;
    }, 'there is room again');
    await again.leave();
  });

  it('are so many for all owners together', async () => {
    const other = await newOwner();
    const theirs = await bench.up(other, 'theirs');
    const open = [];
    await until(async () => {
      const streams = [await follow(), await follow(), await follow()];
      if (streams.every(({ status }) => status === 200)) return open.push(...streams);
      for (const { leave } of streams) await leave();
      return false;
    }, 'three are open');
    open.push(await follow(other, theirs.id), await follow(other, theirs.id));
    expect(open.map(({ status }) => status)).toEqual([200, 200, 200, 200, 200]);
    expect((await follow(other, theirs.id)).status).toBe(429);
    for (const { leave } of open) await leave();
  });

  it('that fail, or are read to their end, leave nothing behind', async () => {
    const path = (what: string) => `/sessions/${session.id}/${what}`;
    await until(async () => (await bench.ask('GET', path('logs'), { token })).status === 200, 'the streams before are over');
    bench.access.files.set('a', Buffer.from('tar'));
    for (let time = 0; time < 5; time += 1) {
      expect(codeOf(await bench.ask('GET', path('files?path=none'), { token }))).toBe('not_found');
      expect((await bench.ask('GET', path('files?path=a'), { token })).text).toBe('tar');
      expect((await bench.ask('GET', path('events?follow=false'), { token })).status).toBe(200);
      expect(codeOf(await bench.ask('GET', path('attach'), { token }))).toBe('invalid_request');
    }
  });

  it('that break off are cut off, and say nothing of the inside', async () => {
    bench.access.getFiles = async () =>
      Readable.from(
        (async function* () {
          yield Buffer.from('part');
          throw new Error('a secret of the inside');
        })(),
      );
    const ask = async (): Promise<string> => {
      let got = '';
      const response = await fetch(`${server.url}/sessions/${session.id}/files?path=a`, { headers: { authorization: `Bearer ${token}` } });
      const decoder = new TextDecoder();
      for await (const chunk of response.body as AsyncIterable<Uint8Array>) got += decoder.decode(chunk);
      return `whole: ${got}`;
    };
    await expect(ask()).rejects.toThrow(/terminated|fetch failed/);
    expect(bench.lines.some((line) => line.includes('api.stream') && line.includes('a secret of the inside'))).toBe(true);
  });

  it('end with the token that they were opened with', async () => {
    const owner = await newOwner();
    const name = `owner${owners}`;
    const watched = await bench.up(owner, 'watched');
    const { token: brief, record } = await mintToken(bench.deps, { owner: name, name: 'x', scopes: ['read', 'write'], expiresAtMs: null });
    /** An open stream, and how it ends. */
    const read = async (by: string): Promise<{ end: Promise<string> }> => {
      const response = await fetch(`${server.url}/sessions/${watched.id}/events`, { headers: { authorization: `Bearer ${by}` } });
      expect(response.status).toBe(200);
      return { end: response.text().catch((error: Error) => error.message) };
    };
    const frames = new WebSocket(`${server.url.replace('http', 'ws')}/sessions/${watched.id}/attach`, {
      headers: { authorization: `Bearer ${brief}` },
    });
    const hungUp = new Promise((resolve) => frames.once('close', resolve));
    frames.once('error', () => undefined);
    await new Promise((resolve) => frames.once('open', resolve));
    const stream = await read(brief);
    expect((await bench.ask('DELETE', `/tokens/${record.id}`, { token: owner })).status).toBe(204);
    await hungUp;
    expect(await stream.end).toBe('terminated');
    const expiresAtMs = bench.deps.clock.now() + 3000;
    const ending = await mintToken(bench.deps, { owner: name, name: 'y', scopes: ['read'], expiresAtMs });
    expect(await (await read(ending.token)).end).toBe('terminated');
    expect((await bench.ask('GET', `/sessions/${watched.id}`, { token: owner })).status).toBe(200);
  });
});
