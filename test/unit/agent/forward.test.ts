import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import type { Server as HttpServer } from 'node:http';
import { type AddressInfo, connect, createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import { text } from 'node:stream/consumers';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { forwardPort } from '../../../agent-bootstrap/forward.ts';
import { SecretMask } from '../../../agent-bootstrap/secret-mask.ts';
import { serveAgent } from '../../../agent-bootstrap/server.ts';
import { AgentClient } from '../../../launcher/connect/agent.ts';

describe('a port of a box', () => {
  let dir: string;
  let agent: HttpServer;
  let client: AgentClient;
  const servers: Server[] = [];

  beforeEach(async () => {
    dir = mkdtempSync(join(tmpdir(), 'forward-'));
    agent = serveAgent(join(dir, 'agent.sock'), {
      handler: async () => undefined,
      exec: async () => {},
      forward: async (port, socket, head) => forwardPort(port, socket, head),
      mask: new SecretMask(),
      log: () => {},
    });
    await once(agent, 'listening');
    client = new AgentClient({ connect: async () => connect(join(dir, 'agent.sock')) }, 5000);
  });
  afterEach(() => {
    agent.close();
    for (const server of servers.splice(0)) server.close();
    rmSync(dir, { recursive: true });
  });

  /** Answers with what it was sent, once that has ended, and hangs up. */
  async function echo(address: string): Promise<number> {
    const server = createServer({ allowHalfOpen: true }, (socket) => {
      let heard = '';
      socket.setEncoding('utf8').on('data', (chunk: string) => {
        heard += chunk;
      });
      socket.on('end', () => socket.end(`echo ${heard}`));
    });
    servers.push(server);
    server.listen(0, address);
    await once(server, 'listening');
    return (server.address() as AddressInfo).port;
  }

  async function said(stream: Duplex, words: string): Promise<string> {
    stream.end(words);
    return text(stream);
  }

  it.each(['127.0.0.1', '::1'])('is reached where it listens on %s, by as many as want it', async (address) => {
    const port = await echo(address);
    const streams = await Promise.all([client.forward(port), client.forward(port)]);
    expect(await Promise.all(streams.map((stream, n) => said(stream, `${n} ${'x'.repeat(300_000)}`)))).toEqual(
      [0, 1].map((n) => `echo ${n} ${'x'.repeat(300_000)}`),
    );
  });

  it('that nobody listens on is told, and so is what is no port', async () => {
    const port = await echo('127.0.0.1');
    servers.pop()?.close();
    await expect(client.forward(port)).rejects.toMatchObject({ code: 'not_found', detail: expect.stringContaining(`port ${port}`) });
    for (const wrong of [0, 65_536, Number.NaN]) await expect(client.forward(wrong)).rejects.toMatchObject({ code: 'invalid_request' });
  });

  it('is shut again when whoever asked for it has gone', async () => {
    const server = createServer();
    servers.push(server);
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const arrived = once(server, 'connection');
    const stream = await client.forward((server.address() as AddressInfo).port);
    const [socket] = (await arrived) as [Duplex];
    stream.destroy();
    await once(socket.resume(), 'close');
  });
});
