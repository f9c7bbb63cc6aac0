import { DevctlError, type Issue } from '../contract/errors.ts';
import { isFinal } from '../contract/phases.ts';
import { eventSchema, type SessionEvent } from '../contract/records.ts';
import type { SessionKey } from '../ports/store.ts';
import type { ApiDeps } from './deps.ts';
import type { Call } from './operation.ts';
import { keyOf, readSession } from './reads.ts';
import { ChangeWatch } from './wait.ts';

interface News {
  events: SessionEvent[];
  /** Nothing more will come, ever. */
  isOver: boolean;
  /** The page was full: there is more already. */
  isMore: boolean;
}

/**
 * Events after an id, each once and in order. The record is read before the items: a save that leaves events out has put them
 * into the items first, so that what is in neither cannot be older than the record that was read.
 */
async function readNews(deps: ApiDeps, key: SessionKey, afterId: string | null): Promise<News> {
  const session = await deps.store.getSession(key);
  const stored = await deps.store.listEvents(key, afterId, deps.limits.eventsPage);
  const isMore = stored.length >= deps.limits.eventsPage;
  const events = new Map(stored.map((event) => [event.id, event]));
  if (!isMore) {
    for (const event of session?.outbox ?? []) if (afterId === null || event.id > afterId) events.set(event.id, event);
  }
  const sorted = [...events.values()].sort((a, b) => (a.id < b.id ? -1 : 1));
  return { events: sorted, isOver: session === null || isFinal(session.phase), isMore };
}

/** The text of the stream, chunk by chunk: events as they come, and a comment when there are none for a while. */
async function* eventText(
  deps: ApiDeps,
  key: SessionKey,
  from: string | null,
  follow: boolean,
  signal: AbortSignal,
): AsyncGenerator<string> {
  const watch = new ChangeWatch(deps, key);
  let lastId = from;
  let sentAtMs = Date.now();
  try {
    yield 'retry: 1000\n\n';
    while (!signal.aborted) {
      const news = await readNews(deps, key, lastId);
      if (news.events.length > 0) {
        yield news.events.map((event) => `id: ${event.id}\nevent: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`).join('');
        lastId = news.events.at(-1)?.id ?? lastId;
        sentAtMs = Date.now();
      }
      if (news.isMore) continue;
      if (news.isOver || !follow) return;
      if (Date.now() - sentAtMs >= deps.limits.sseKeepAliveMs) {
        yield ': keep-alive\n\n';
        sentAtMs = Date.now();
      }
      await watch.next(Math.min(LOOK_MS, deps.limits.sseKeepAliveMs), signal);
    }
  } finally {
    watch.close();
  }
}

/** Changes that another process made are seen within this time. */
const LOOK_MS = 1000;

function lastEventId(call: Call<'events'>): string | null {
  const given = call.header('last-event-id');
  if (given === undefined || given === '') return null;
  if (eventSchema.shape.id.safeParse(given).success) return given;
  const issue: Issue = {
    field: 'Last-Event-ID',
    message: 'use the id of an event of this stream',
    got: JSON.stringify(given.slice(0, 80)),
  };
  throw new DevctlError('invalid_request', `Last-Event-ID ${issue.got} is not the id of an event`, { issues: [issue] });
}

export async function events(call: Call<'events'>): Promise<Response> {
  const { deps, params, query } = call;
  await readSession(call, params.id);
  const from = lastEventId(call);
  const gone = new AbortController();
  const signal = AbortSignal.any([call.signal, gone.signal]);
  const text = eventText(deps, keyOf(call, params.id), from, query.follow === 'true', signal);
  const encoder = new TextEncoder();
  const body = new ReadableStream<Uint8Array>({
    async pull(controller) {
      // After an error the client comes back with the last id that it has seen.
      const { done, value } = await text.next();
      if (done) controller.close();
      else controller.enqueue(encoder.encode(value));
    },
    async cancel() {
      gone.abort();
      await text.return(undefined);
    },
  });
  return new Response(body, { headers: { 'content-type': 'text/event-stream', 'x-accel-buffering': 'no' } });
}
