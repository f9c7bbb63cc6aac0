import type { Readable } from 'node:stream';
import { DevctlError } from '../contract/errors.ts';
import type { SessionEvent } from '../contract/records.ts';
import { CLIENT_LIMITS } from './limits.ts';
import { errorOfConnection } from './problems.ts';
import { backoffMs, isPassing, pause } from './retry.ts';

/** One message of an event stream. */
export interface SseMessage {
  id: string | null;
  event: string;
  data: string;
}

/** Cuts the text of an event stream into messages, as the HTML standard says. Comments (keep-alives) are dropped. */
export async function* parseSse(body: Readable): AsyncGenerator<SseMessage> {
  const decoder = new TextDecoder();
  let rest = '';
  let id: string | null = null;
  let event = '';
  let data: string[] = [];
  for await (const chunk of body as AsyncIterable<Uint8Array>) {
    rest += decoder.decode(chunk, { stream: true });
    const lines = rest.split(/\r\n|\n|\r(?!$)/);
    rest = lines.pop() as string;
    if (rest.length > CLIENT_LIMITS.eventLineChars) throw new DevctlError('internal', 'a line of the event stream is too long');
    for (const line of lines) {
      if (line === '') {
        if (data.length > 0) yield { id, event: event || 'message', data: data.join('\n') };
        [event, data] = ['', []];
        continue;
      }
      const colon = line.indexOf(':');
      if (colon === 0) continue;
      const field = colon < 0 ? line : line.slice(0, colon);
      const value = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '');
      if (field === 'id') id = value;
      else if (field === 'event') event = value;
      else if (field === 'data') data.push(value);
    }
  }
}

interface EventSource {
  /** Opens the stream after the event with this id. */
  open(lastEventId: string | null): Promise<Readable>;
  /** True when nothing more will come: the session is over. Asked when a stream ends by itself. */
  isOver(): Promise<boolean>;
  follow: boolean;
  signal: AbortSignal | undefined;
}

/**
 * Events in order, each once, over as many connections as it takes. Gives up when `CLIENT_LIMITS.reconnects` connections
 * in a row brought nothing new.
 */
export async function* resumingEvents(source: EventSource, from: string | null): AsyncGenerator<SessionEvent> {
  let last = from;
  for (let fruitless = 0; ; fruitless += 1) {
    let failure: unknown;
    const openedMs = performance.now();
    try {
      for await (const message of parseSse(await source.open(last))) {
        if (message.id !== null && last !== null && message.id <= last) continue;
        const event = JSON.parse(message.data) as SessionEvent;
        last = message.id ?? event.id ?? last;
        fruitless = 0;
        yield event;
      }
      if (!source.follow || (await source.isOver())) return;
      // A launcher in Lambda ends every stream before its own time is over: nothing is wrong with one that was quiet until then.
      if (performance.now() - openedMs >= CLIENT_LIMITS.steadyStreamMs) fruitless = 0;
    } catch (error) {
      failure = error instanceof SyntaxError ? new DevctlError('internal', 'the event stream is not JSON', { cause: error }) : error;
      if (source.signal?.aborted) return;
      if (failure instanceof DevctlError ? !isPassing(failure) : false) throw failure;
    }
    if (fruitless >= CLIENT_LIMITS.reconnects) throw failure === undefined ? lost() : errorOfConnection(failure, 'the launcher');
    await pause(backoffMs(fruitless + 1), source.signal).catch(() => undefined);
    if (source.signal?.aborted) return;
  }
}

const lost = (): DevctlError => new DevctlError('unavailable', 'the event stream ends again and again');
