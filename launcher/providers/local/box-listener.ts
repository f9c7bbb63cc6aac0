import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { join } from 'node:path';
import type { BoxRef } from '../../ports/compute.ts';
import type { BoxPaths } from './layout.ts';
import { listenForBox } from './sockets.ts';

/** Serves `POST /boxes/*`. A WHATWG handler: the launcher's own API can be put here. What a box says of another one never gets to it. */
export type BoxHandler = (request: Request, box: BoxRef) => Promise<Response>;

const BODY_MAX_BYTES = 64 * 1024;
const REQUEST_TIMEOUT_MS = 10_000;

export interface BoxListener {
  close(): void;
}

/** Listens for the agent of one box on the socket that only this box sees. */
export async function openBoxListener(paths: BoxPaths, box: BoxRef, handler: BoxHandler): Promise<BoxListener> {
  const server = createServer({ requestTimeout: REQUEST_TIMEOUT_MS, maxHeaderSize: 8 * 1024 }, (incoming, answer) => {
    void answerBox(incoming, answer, box, handler);
  });
  // A box may open as many connections as it likes: not more than these are held.
  server.maxConnections = 16;
  await listenForBox(server, paths.dir, join(paths.run, 'launcher.sock'));
  return {
    close() {
      server.close();
      server.closeAllConnections();
    },
  };
}

async function answerBox(incoming: IncomingMessage, answer: ServerResponse, box: BoxRef, handler: BoxHandler): Promise<void> {
  try {
    const body = await readBody(incoming);
    const path = incoming.url ?? '/';
    if (body === null || incoming.method !== 'POST' || !/^\/boxes\/[a-z]+$/.test(path)) {
      answer.writeHead(body === null ? 413 : 404, { connection: 'close' }).end();
      return;
    }
    if (!isOf(box, body)) {
      answer.writeHead(403, { connection: 'close' }).end();
      return;
    }
    const headers = new Headers();
    for (const name of ['authorization', 'content-type'] as const) if (incoming.headers[name]) headers.set(name, incoming.headers[name]);
    const response = await handler(new Request(`http://localhost${path}`, { method: 'POST', headers, body }), box);
    const bytes = Buffer.from(await response.arrayBuffer());
    answer.writeHead(response.status, {
      'content-type': response.headers.get('content-type') ?? 'application/json',
      'content-length': bytes.length,
    });
    answer.end(bytes);
  } catch {
    // Either the box has left, or the handler failed and has logged it: the agent repeats.
    if (!answer.headersSent) answer.writeHead(500);
    answer.end();
  }
}

/** Whether a box speaks for itself: over its own socket even the token of another box is of no use. */
function isOf(box: BoxRef, body: string): boolean {
  try {
    const { sessionId, generation } = JSON.parse(body) as { sessionId?: unknown; generation?: unknown };
    return sessionId === box.sessionId && generation === box.generation;
  } catch {
    return false;
  }
}

/** Null when it is longer than allowed. */
async function readBody(incoming: IncomingMessage): Promise<string | null> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of incoming as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > BODY_MAX_BYTES) return null;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}
