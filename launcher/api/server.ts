import { chmod, rm } from 'node:fs/promises';
import { createServer as createHttpServer, type IncomingMessage, type Server, STATUS_CODES } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type Duplex, pipeline, Readable } from 'node:stream';
import { getRequestListener } from '@hono/node-server';
import type { Hono } from 'hono';
import { createWebSocketStream, type WebSocket, WebSocketServer } from 'ws';
import { DevctlError } from '../contract/errors.ts';
import { FRAME_PAYLOAD_MAX_BYTES } from '../contract/exec-frames.ts';
import { reasonOf } from '../contract/system-errors.ts';
import type { Limits } from '../core/limits.ts';
import type { Bindings } from './app.ts';
import type { ApiDeps } from './deps.ts';
import type { UpgradeSlot } from './operation.ts';

type App = Hono<{ Bindings: Bindings }>;

export interface ListenOptions {
  /** @default 127.0.0.1: other machines only when told so */
  host?: string;
  /** @default 0: any free one */
  port?: number;
  /** A unix socket, mode 0600, instead of host and port. What is at its path is removed. */
  socketPath?: string;
}

export interface Listener {
  /** `http://127.0.0.1:4280`, or `unix:` and the path. */
  url: string;
  port: number;
  /** Takes nothing new and cuts what is open after `graceMs`. */
  close(graceMs?: number): Promise<void>;
}

const KEEP_ALIVE_MS = 30_000;
const PING_MS = 30_000;
const CLOSE_GRACE_MS = 2000;
const HEADER_BYTES_MAX = 16 * 1024;

/**
 * Serves an app over HTTP, and `attach` over WebSockets. The names of the address that it listens on, and the allowed names
 * with its port, are allowed from then on.
 * @throws DevctlError conflict when the address is in use, invalid_request when it cannot be listened on
 */
export async function listen(app: App, deps: Pick<ApiDeps, 'config' | 'limits'>, options: ListenOptions = {}): Promise<Listener> {
  const served = createServer(app, deps.limits);
  const { server } = served;
  const { host = '127.0.0.1', port = 0, socketPath } = options;
  if (socketPath !== undefined) await rm(socketPath, { force: true });
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) => reject(notListening(error, socketPath ?? `${host}:${port}`)));
    if (socketPath !== undefined) server.listen(socketPath, resolve);
    else server.listen(port, host, resolve);
  });
  if (socketPath !== undefined) {
    await chmod(socketPath, 0o600);
    return { url: `unix:${socketPath}`, port: 0, close: (graceMs) => close(served, graceMs) };
  }
  const address = server.address() as AddressInfo;
  const name = address.family === 'IPv6' ? `[${address.address}]` : address.address;
  allowHosts(deps.config.allowedHosts, name, address.port);
  return { url: `http://${name}:${address.port}`, port: address.port, close: (graceMs) => close(served, graceMs) };
}

/** A browser leaves out the port only where it is the default one. */
function allowHosts(allowed: string[], name: string, port: number): void {
  const suffix = port === 80 ? '' : `:${port}`;
  const own = [name, 'localhost', '127.0.0.1', '[::1]'].map((host) => `${host}${suffix}`);
  const named = allowed.flatMap((host) => (/:\d+$/.test(host) ? [host] : [host, `${host}:${port}`]));
  const all = new Set([...own, ...named].map((host) => host.toLowerCase()));
  allowed.splice(0, allowed.length, ...all);
}

function notListening(error: NodeJS.ErrnoException, where: string): DevctlError {
  if (error.code === 'EADDRINUSE')
    return new DevctlError('conflict', `${where} is in use`, { hint: 'choose another port, or end what listens there', cause: error });
  return new DevctlError('invalid_request', `cannot listen on ${where}: ${reasonOf(error)}`, {
    hint: 'choose another address',
    cause: error,
  });
}

/** Listens no more; requests under way get `graceMs`, then every connection is cut. */
async function close({ server, upgrades }: Served, graceMs = CLOSE_GRACE_MS): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  server.closeIdleConnections();
  for (const { client } of upgrades.values()) client?.close(1001, 'the launcher is going away');
  const timer = setTimeout(() => {
    server.closeAllConnections();
    for (const socket of upgrades.keys()) socket.destroy();
  }, graceMs);
  await closed;
  clearTimeout(timer);
}

interface Served {
  server: Server;
  /** Sockets that have left HTTP behind, which the server no longer knows of. */
  upgrades: Map<Duplex, { client: WebSocket | null }>;
}

function createServer(app: App, limits: Limits): Served {
  const server = createHttpServer(
    {
      maxHeaderSize: HEADER_BYTES_MAX,
      headersTimeout: limits.headersMs,
      requestTimeout: limits.requestMs,
      keepAliveTimeout: KEEP_ALIVE_MS,
      connectionsCheckingInterval: Math.min(5000, limits.headersMs),
    },
    getRequestListener((request, { incoming, outgoing }) => app.fetch(request, bindingsOf(incoming, outgoing)), {
      overrideGlobalObjects: false,
    }),
  );
  const upgrades: Served['upgrades'] = new Map();
  const sockets = new WebSocketServer({ noServer: true, maxPayload: 4 * FRAME_PAYLOAD_MAX_BYTES, perMessageDeflate: false });
  server.on('upgrade', (request, socket, head) => {
    const state: { client: WebSocket | null } = { client: null };
    upgrades.set(socket, state);
    socket.once('close', () => upgrades.delete(socket));
    void upgrade(app, sockets, { request, socket, head }, (client) => {
      state.client = client;
    });
  });
  return { server, upgrades };
}

const bindingsOf = (incoming: { socket: { remoteAddress?: string | undefined } }, outgoing: { destroy(): unknown }): Bindings => ({
  remote: incoming.socket.remoteAddress,
  hangUp: () => void outgoing.destroy(),
});

/** An upgrade is asked of the app like any request: same address, token, scope and error answers. Only then is it made. */
async function upgrade(
  app: App,
  sockets: WebSocketServer,
  { request, socket, head }: { request: IncomingMessage; socket: Duplex; head: Buffer },
  onClient: (client: WebSocket) => void,
): Promise<void> {
  socket.on('error', () => socket.destroy());
  const slot: UpgradeSlot = { stream: null, onInput: () => undefined };
  const gone = new AbortController();
  socket.once('close', () => gone.abort());
  let response: Response;
  try {
    response = await app.fetch(toRequest(request, gone.signal), { upgrade: slot, remote: request.socket.remoteAddress });
  } catch {
    response = new Response(null, { status: 400 });
  }
  const { stream } = slot;
  if (stream === null) return answerPlainly(socket, response);
  stream.once('error', () => socket.destroy());
  if (socket.destroyed) return void stream.destroy();
  sockets.handleUpgrade(request, socket, head, (client) => {
    onClient(client);
    join(client, stream, slot.onInput);
  });
}

/** Bytes of the messages to the box and back, each side waiting for the other. Whoever leaves first takes the other along. */
function join(client: WebSocket, stream: Duplex, onInput: () => void): void {
  const frames = createWebSocketStream(client);
  frames.on('data', onInput);
  const stopPing = keepAlive(client);
  client.once('close', () => stream.destroy());
  pipeline(frames, stream, frames, () => {
    stopPing();
    stream.destroy();
    client.close();
  });
}

function toRequest(incoming: IncomingMessage, signal: AbortSignal): Request {
  const headers = new Headers();
  for (let i = 0; i + 1 < incoming.rawHeaders.length; i += 2)
    headers.append(incoming.rawHeaders[i] ?? '', incoming.rawHeaders[i + 1] ?? '');
  const isAbsolute = /^https?:\/\//i.test(incoming.url ?? '');
  const url = isAbsolute ? (incoming.url ?? '') : `http://${incoming.headers.host ?? 'localhost'}${incoming.url ?? '/'}`;
  return new Request(url, { method: incoming.method ?? 'GET', headers, signal });
}

/** No upgrade: the answer that the request would have got without asking for one. */
async function answerPlainly(socket: Duplex, response: Response): Promise<void> {
  const lines = [`HTTP/1.1 ${response.status} ${STATUS_CODES[response.status] ?? ''}`, 'connection: close'];
  for (const [name, value] of response.headers) lines.push(`${name}: ${value.replace(/[\r\n]/g, ' ')}`);
  socket.write(`${lines.join('\r\n')}\r\n\r\n`, 'latin1');
  if (response.body === null) return void socket.end();
  pipeline(Readable.fromWeb(response.body as import('node:stream/web').ReadableStream), socket, () => socket.destroy());
}

/** Finds out about clients that went away without a word. */
function keepAlive(client: WebSocket): () => void {
  let isAlive = true;
  client.on('pong', () => {
    isAlive = true;
  });
  const timer = setInterval(() => {
    if (!isAlive) return client.terminate();
    isAlive = false;
    client.ping();
  }, PING_MS);
  return () => clearInterval(timer);
}
