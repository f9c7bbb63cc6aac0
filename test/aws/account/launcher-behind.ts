import { pipeline } from 'node:stream/promises';
import type { StreamHandler } from '../../../launcher/serve/lambda/runtime.ts';
import { bodyIn, RUNTIME, type UrlEvent } from '../../support/function-url.ts';

/** What was said of a connection, and not of the request. */
const OF_CONNECTION = new Set(['host', 'connection', 'content-length', 'transfer-encoding', 'expect']);

/** A function that passes everything on to a launcher that knows tokens, and says of it that its boxes are reached directly. */
export function launcherBehind(url: () => string, token: () => string): StreamHandler {
  return async (given, stream) => {
    const event = given as UrlEvent;
    const { rawPath, rawQueryString, headers, requestContext } = event;
    const kept = Object.entries(headers).filter(([name]) => !OF_CONNECTION.has(name));
    const gone = new AbortController();
    stream.once('close', () => gone.abort());
    const reply = await fetch(`${url()}${rawPath}${rawQueryString && `?${rawQueryString}`}`, {
      method: requestContext.http.method,
      headers: { ...Object.fromEntries(kept), authorization: `Bearer ${token()}` },
      signal: gone.signal,
      ...(event.body !== undefined && { body: bodyIn(event) }),
    });
    const said = [...reply.headers].filter(([name]) => !OF_CONNECTION.has(name));
    RUNTIME.HttpResponseStream.from(stream, { statusCode: reply.status, headers: Object.fromEntries(said) });
    if (rawPath === '/whoami') stream.end(JSON.stringify({ ...((await reply.json()) as object), reach: 'direct' }));
    else if (reply.body === null) stream.end();
    else await pipeline(reply.body, stream);
  };
}
