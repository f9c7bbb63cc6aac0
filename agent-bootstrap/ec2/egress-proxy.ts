import { lookup } from 'node:dns/promises';
import { createServer, type IncomingMessage, request, type Server, type ServerResponse } from 'node:http';
import { BlockList, connect, isIP } from 'node:net';
import type { Duplex } from 'node:stream';
import type { Log } from '../ports.ts';

/** Connections that are open at once. */
const OPEN_MAX = 512;
/** Beside those, which are told to wait. */
const SPARE = 64;
const HEADERS_MS = 5_000;
const CONNECT_MS = 15_000;
/** Names that are being looked up at once. */
const LOOKUPS_MAX = 8;
/** A refusal is told once in this time for each host, and so many of them are known. */
const TELL_MS = 60_000;
const TOLD_MAX = 200;
/** Of a host that is named without a port. */
const PORTS = new Set([80, 443]);

/** What a name must not lead to: this machine, its network, the metadata service. IPv4 addresses that are written as IPv6 are judged as IPv4. Source: IANA special-purpose address registries. */
const INWARD = new BlockList();
for (const [net, bits] of [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['224.0.0.0', 4],
  ['240.0.0.0', 4],
] as const)
  INWARD.addSubnet(net, bits, 'ipv4');
for (const [net, bits] of [
  ['::', 127],
  ['64:ff9b::', 32],
  ['100::', 64],
  ['2002::', 16],
  ['fc00::', 7],
  ['fe80::', 10],
  ['ff00::', 8],
] as const)
  INWARD.addSubnet(net, bits, 'ipv6');

interface EgressOptions {
  /** Hosts that may be reached now: `github.com`, `*.example.net`, `example.org:8443`. */
  allowed: () => readonly string[];
  log: Log;
  /** @default the resolver of the machine */
  resolve?: (host: string) => Promise<string>;
}

/** The one way out of a box that may reach some hosts only: a forward proxy on loopback that looks names up itself, once. */
export class EgressProxy {
  readonly #options: EgressOptions;
  readonly #server: Server;
  #open = 0;
  #lookups = 0;
  readonly #told = new Map<string, number>();

  constructor(options: EgressOptions) {
    this.#options = options;
    this.#server = createServer((incoming, answer) => void this.#forward(incoming, answer));
    this.#server.maxConnections = OPEN_MAX + SPARE;
    this.#server.headersTimeout = HEADERS_MS;
    this.#server.on('connect', (incoming: IncomingMessage, client: Duplex, head: Buffer) => void this.#tunnel(incoming, client, head));
  }

  listen(port: number): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(port, '127.0.0.1', resolve);
    });
  }

  close(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }

  async #tunnel(incoming: IncomingMessage, client: Duplex, head: Buffer): Promise<void> {
    client.on('error', () => client.destroy());
    const [host, port] = splitHost(incoming.url ?? '', 443);
    const address = await this.#addressOf(host, port);
    if (typeof address !== 'string') {
      client.end(`HTTP/1.1 ${address.status} ${address.why}\r\nconnection: close\r\n\r\n`);
      return;
    }
    const upstream = connect({ host: address, port, timeout: CONNECT_MS });
    this.#count(upstream);
    upstream.once('connect', () => {
      upstream.setTimeout(0);
      client.write('HTTP/1.1 200 Connection established\r\n\r\n');
      if (head.length > 0) upstream.write(head);
      upstream.pipe(client).pipe(upstream);
    });
    upstream.once('timeout', () => upstream.destroy());
    upstream.on('error', () => client.destroy());
    upstream.once('close', () => client.destroy());
    client.once('close', () => upstream.destroy());
  }

  /** Plain HTTP, which names its host in its first line. */
  async #forward(incoming: IncomingMessage, answer: ServerResponse): Promise<void> {
    const url = URL.canParse(incoming.url ?? '') ? new URL(incoming.url ?? '') : null;
    if (url?.protocol !== 'http:') return void answer.writeHead(400).end('this is a proxy: name a host\n');
    const port = Number(url.port || 80);
    const address = await this.#addressOf(url.hostname, port);
    if (typeof address !== 'string') return void answer.writeHead(address.status).end(`${address.why}\n`);
    const { 'proxy-connection': _, 'proxy-authorization': __, ...headers } = incoming.headers;
    const sent = { host: address, port, method: incoming.method, path: `${url.pathname}${url.search}`, timeout: CONNECT_MS };
    // The host that was judged, and no other that a header names.
    const upstream = request({ ...sent, headers: { ...headers, host: url.host } }, (reply) => {
      answer.writeHead(reply.statusCode ?? 502, reply.headers);
      reply.pipe(answer);
    });
    this.#count(upstream);
    upstream.on('error', () => answer.destroy());
    answer.once('close', () => upstream.destroy());
    incoming.pipe(upstream);
  }

  /** Where a host is that may be reached: looked up once, so that what was judged is what is connected to. */
  async #addressOf(host: string, port: number): Promise<string | { status: number; why: string }> {
    const { allowed, resolve = async (name) => (await lookup(name)).address } = this.#options;
    if (!isAllowed(allowed(), host, port)) {
      this.#tell(`egress: ${JSON.stringify(`${host}:${port}`.slice(0, 260))} is not in the list of this session`);
      return { status: 403, why: 'devctl: this host is not in the egress list of the session' };
    }
    if (this.#open >= OPEN_MAX || this.#lookups >= LOOKUPS_MAX) return { status: 503, why: 'devctl: too many connections are open' };
    this.#lookups += 1;
    const address = await resolve(host)
      .catch(() => null)
      .finally(() => {
        this.#lookups -= 1;
      });
    if (address === null) return { status: 502, why: 'devctl: there is no such host' };
    if (isInward(address)) {
      this.#tell(`egress: ${host} leads to ${address}, which is not outside`);
      return { status: 403, why: 'devctl: this host leads to an address that is not outside' };
    }
    return address;
  }

  /** Whoever is refused may try for ever: the log is not theirs to fill. */
  #tell(line: string): void {
    const nowMs = Date.now();
    if (nowMs - (this.#told.get(line) ?? 0) < TELL_MS) return;
    if (this.#told.size >= TOLD_MAX) {
      const [oldest, atMs] = this.#told.entries().next().value as [string, number];
      if (nowMs - atMs < TELL_MS) return;
      this.#told.delete(oldest);
    }
    this.#told.delete(line);
    this.#told.set(line, nowMs);
    this.#options.log(line);
  }

  #count(connection: { once(event: 'close', listener: () => void): unknown }): void {
    this.#open += 1;
    connection.once('close', () => {
      this.#open -= 1;
    });
  }
}

export const isInward = (address: string): boolean => INWARD.check(address, isIP(address) === 6 ? 'ipv6' : 'ipv4');

/** Names only: an address is no host of a list. Source of names: RFC 1123, section 2.1. */
export function isAllowed(list: readonly string[], asked: string, port: number): boolean {
  const host = asked.toLowerCase().replace(/\.$/, '');
  if (!/^[a-z0-9-]+(?:\.[a-z0-9-]+)+$/.test(host) || isIP(host) !== 0) return false;
  return list.some((entry) => {
    const [pattern, wanted] = splitHost(entry, 0);
    if (wanted === 0 ? !PORTS.has(port) : wanted !== port) return false;
    return pattern.startsWith('*.') ? host.endsWith(pattern.slice(1)) && host.length > pattern.length - 1 : host === pattern;
  });
}

function splitHost(text: string, otherwise: number): [string, number] {
  const [, host = text, port] = /^([^:]+)(?::(\d{1,5}))?$/.exec(text) ?? [];
  return [host, port === undefined ? otherwise : Number(port)];
}
