import * as http from 'node:http';
import type * as https from 'node:https';
import type { Readable } from 'node:stream';
import { DevctlError } from '../contract/errors.ts';
import { CLIENT_LIMITS } from './limits.ts';
import { errorOfAnswer, errorOfConnection } from './problems.ts';

export interface WireRequest {
  method: string;
  /** Path with its query. */
  path: string;
  headers: Record<string, string>;
  body?: string | Readable;
  signal?: AbortSignal | undefined;
  /** Until the head of the answer is there. */
  timeoutMs: number;
}
export interface WireResponse {
  status: number;
  headers: http.IncomingHttpHeaders;
  body: Readable;
}

/** Carries requests to a launcher. Rejects with DevctlError when there is no answer; an error answer is an answer. */
export interface HttpTransport {
  request(request: WireRequest): Promise<WireResponse>;
  /** Lets go of idle connections. */
  close(): void;
}

/** Where a launcher is. Asked again for each request, because an embedded launcher that was restarted has another port. */
export type BaseUrl = string | (() => string);

export const currentUrl = (baseUrl: BaseUrl): URL => new URL(typeof baseUrl === 'string' ? baseUrl : baseUrl());

/** The transport over node:http and node:https, which start faster than the global fetch. */
export function nodeTransport(baseUrl: BaseUrl, options: { socketPath?: string } = {}): HttpTransport {
  const agents = new Map<string, http.Agent>();
  let tls: typeof https | undefined;

  async function moduleFor(protocol: string): Promise<{ request: typeof http.request; agent: http.Agent }> {
    if (protocol === 'https:') tls ??= await import('node:https');
    const lib = protocol === 'https:' ? (tls as typeof https) : http;
    let agent = agents.get(protocol);
    if (!agent) {
      agent = new lib.Agent({ keepAlive: true, maxSockets: 16 });
      agents.set(protocol, agent);
    }
    return { request: lib.request, agent };
  }

  return {
    async request(wire) {
      const base = currentUrl(baseUrl);
      const { request, agent } = await moduleFor(base.protocol);
      const prefix = base.pathname.replace(/\/+$/, '');
      return new Promise<WireResponse>((resolve, reject) => {
        const outgoing = request({
          protocol: base.protocol,
          hostname: base.hostname.replace(/^\[|\]$/g, ''),
          port: base.port,
          ...(options.socketPath !== undefined && { socketPath: options.socketPath }),
          path: prefix + wire.path,
          method: wire.method,
          headers: wire.headers,
          agent,
          signal: wire.signal,
        });
        const timer = setTimeout(() => {
          outgoing.destroy(
            new DevctlError(
              'timeout',
              `${base.origin} did not answer ${wire.method} ${wire.path} in ${Math.round(wire.timeoutMs / 1000)} s`,
            ),
          );
        }, wire.timeoutMs);
        outgoing.on('response', (incoming) => {
          clearTimeout(timer);
          resolve({ status: incoming.statusCode ?? 0, headers: incoming.headers, body: incoming });
        });
        outgoing.on('error', (error) => {
          clearTimeout(timer);
          reject(wire.signal?.aborted ? wire.signal.reason : errorOfConnection(error, base.origin));
        });
        sendBody(outgoing, wire.body);
      });
    },
    close() {
      for (const agent of agents.values()) agent.destroy();
    },
  };
}

/** A stream that fails takes the request with it, so that half an upload never looks like a whole one. */
function sendBody(outgoing: http.ClientRequest, body: string | Readable | undefined): void {
  if (body === undefined || typeof body === 'string') {
    outgoing.end(body);
    return;
  }
  body.on('error', (error) => outgoing.destroy(error));
  outgoing.on('close', () => body.destroy());
  body.pipe(outgoing);
}

/** The whole text of an answer, within its bound. */
export async function readText(response: WireResponse): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of response.body as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > CLIENT_LIMITS.answerBytes)
      throw new DevctlError('too_large', `the answer is longer than ${CLIENT_LIMITS.answerBytes} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

/** Passes a good answer on and throws what the launcher says is wrong. */
export async function assertGood(response: WireResponse): Promise<WireResponse> {
  if (response.status >= 200 && response.status < 300) return response;
  const text = await readText(response).catch(() => '');
  const requestId = response.headers['x-request-id'];
  throw errorOfAnswer(response.status, text, typeof requestId === 'string' ? requestId : undefined);
}
