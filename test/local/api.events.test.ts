import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { SessionEvent } from '../../launcher/contract/records.ts';
import { changeSession } from '../../launcher/ledger/sessions.ts';
import { ApiBench, until } from '../support/api-bench.ts';
import { type Database, openDatabase } from '../support/table.ts';

let database: Database;
let bench: ApiBench;
let token: string;
beforeAll(async () => {
  database = await openDatabase();
  bench = await ApiBench.open(database, { limits: { eventsPage: 3, sseKeepAliveMs: 50, streamsPerOwner: 3 } });
  token = await bench.token('dev');
});
afterAll(async () => {
  await bench.close();
  await database.close();
});

const parse = (text: string): SessionEvent[] =>
  [...text.matchAll(/^data: (.*)$/gm)].map(([, data]) => JSON.parse(data as string) as SessionEvent);

/** An open stream, read as it comes. */
async function open(id: string, lastEventId?: string) {
  const headers = { authorization: `Bearer ${token}`, ...(lastEventId !== undefined && { 'last-event-id': lastEventId }) };
  const response = await bench.app.request(`http://localhost/sessions/${id}/events`, { headers });
  if (response.body === null) throw new Error(await response.text());
  const reader = response.body.getReader();
  const decoder = new TextDecoder();
  let text = '';
  const done = (async () => {
    for (;;) {
      const { done: isOver, value } = await reader.read();
      if (isOver) return;
      text += decoder.decode(value, { stream: true });
    }
  })();
  return { text: () => text, events: () => parse(text), done, leave: () => reader.cancel() };
}

const emit = (id: string, type: string) =>
  changeSession(bench.deps, { owner: 'dev', id }, () => ({ patch: {}, events: [{ type: `test.${type}`, message: type }] }));

describe('events', () => {
  it('are streamed as they happen, each once and in order, and end with the session', async () => {
    const session = await bench.up(token, 'watched');
    const stream = await open(session.id);
    await bench.down(token, session.id);
    await stream.done;
    const events = stream.events();
    const types = events.map(({ type }) => type);
    expect(types[0]).toBe('session.requested');
    expect(types).toContain('session.ready');
    expect(types.at(-1)).toBe('session.stopped');
    const ids = events.map(({ id }) => id);
    expect(ids).toEqual([...new Set(ids)].sort());
    expect(stream.text()).toMatch(/^retry: 1000\n\nid: \d{10}\.\d{2}\nevent: session\.requested\ndata: \{/);
  });

  it('have no gap and no double when a stream is cut and taken up at any of them', async () => {
    const session = await bench.up(token, 'resumed');
    for (let index = 0; index < 8; index += 1) await emit(session.id, 'abcdefgh'[index] as string);
    await bench.down(token, session.id);
    const all = parse((await bench.ask('GET', `/sessions/${session.id}/events?follow=false`, { token })).text);
    expect(all.length).toBeGreaterThan(12);
    for (const [index, event] of all.entries()) {
      const rest = await bench.ask('GET', `/sessions/${session.id}/events`, { token, headers: { 'last-event-id': event.id } });
      expect(parse(rest.text).map(({ id }) => id)).toEqual(all.slice(index + 1).map(({ id }) => id));
    }
  });

  it('have no gap while they are written as fast as they are read', async () => {
    const session = await bench.up(token, 'racing');
    const stream = await open(session.id);
    for (let index = 0; index < 30; index += 1) await emit(session.id, 'x');
    await until(() => stream.events().filter(({ type }) => type === 'test.x').length === 30, 'all have come');
    const ids = stream.events().map(({ id }) => id);
    expect(ids).toEqual([...new Set(ids)].sort());
    await stream.leave();
    await bench.down(token, session.id);
  });

  it('with nothing to tell are kept alive by comments; no more streams than allowed are open', async () => {
    const session = await bench.up(token, 'silent');
    const streams = [await open(session.id), await open(session.id), await open(session.id)];
    await until(() => streams[0]?.text().includes(': keep-alive'), 'a comment comes');
    const refused = await bench.ask('GET', `/sessions/${session.id}/events`, { token });
    expect(refused.body).toMatchObject({ code: 'rate_limited', detail: 'you have 3 streams open, which is the most', retryAfterS: 1 });
    for (const stream of streams) await stream.leave();
    const again = await open(session.id);
    await again.leave();
    await bench.down(token, session.id);
  });

  it('cannot be resumed at what is no event', async () => {
    const session = await bench.up(token, 'picky');
    for (const id of ['1', 'x', '0000000001.0', '0000000001.00 ', '9'.repeat(500)]) {
      const answer = await bench.ask('GET', `/sessions/${session.id}/events?follow=false`, {
        token,
        headers: { 'last-event-id': id.trim() },
      });
      if (/^\d{10}\.\d{2}$/.test(id.trim())) expect(answer.status).toBe(200);
      else expect(answer.body).toMatchObject({ code: 'invalid_request', issues: [{ field: 'Last-Event-ID' }] });
    }
    await bench.down(token, session.id);
  });
});
