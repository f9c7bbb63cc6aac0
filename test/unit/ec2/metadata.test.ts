import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Metadata } from '../../../agent-bootstrap/ec2/metadata.ts';
import { routesChanged } from '../../../agent-bootstrap/ec2/routes.ts';

/** More than a test may take: what waits for it fails. */
const LONG_MS = 60_000;

describe('the metadata service while the network of a machine comes up', () => {
  let server: Server;
  let asked: string[];
  /** Questions get lost. */
  let isLost = true;
  beforeEach(async () => {
    asked = [];
    isLost = true;
    server = createServer((incoming, answer) => {
      asked.push(`${incoming.method} ${incoming.url}`);
      if (!isLost) answer.end(incoming.method === 'PUT' ? 'token' : 'i-1');
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
  });
  afterEach(() => {
    server.closeAllConnections();
    server.close();
  });

  /** @param watches how often somebody has begun to watch the network */
  const service = () => {
    const waiting = new Set<() => void>();
    const change = () => {
      for (const resolve of waiting) resolve();
      waiting.clear();
    };
    const changed = vi.fn(
      (signal: AbortSignal) =>
        new Promise<void>((resolve) => {
          waiting.add(resolve);
          signal.addEventListener('abort', () => waiting.delete(resolve));
        }),
    );
    const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    return { metadata: new Metadata({ endpoint, changed }), change, changed, waiting };
  };

  it('gives up a question that was asked before it was there, and asks again at once', async () => {
    const { metadata, change, waiting } = service();
    const first = metadata.need('meta-data/instance-id');
    await vi.waitUntil(() => asked.length === 1);
    isLost = false;
    change();
    await expect(first).rejects.toThrow('the network has changed');
    const paused = metadata.pause(LONG_MS);
    change();
    await paused;
    expect(await metadata.need('meta-data/instance-id')).toBe('i-1');
    expect(waiting.size).toBe(0);
  });

  it('does not watch the network once it has answered', async () => {
    const { metadata, changed } = service();
    isLost = false;
    expect(await metadata.need('meta-data/instance-id')).toBe('i-1');
    expect(changed).toHaveBeenCalledTimes(1);
    await metadata.pause(1);
    expect(await metadata.need('meta-data/placement/region')).toBe('i-1');
    expect(changed).toHaveBeenCalledTimes(1);
  });
});

it('routes that change are seen, and nobody looks any more once the signal is given', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'devctl-routes-'));
  const table = join(folder, 'route');
  writeFileSync(table, 'Iface\tDestination\n');
  const seen = vi.fn();
  const given = new AbortController();
  void routesChanged(given.signal, table).then(seen);
  const open = routesChanged(new AbortController().signal, table);
  given.abort();
  writeFileSync(table, 'Iface\tDestination\nens5\t00000000\n');
  await open;
  expect(seen).not.toHaveBeenCalled();
  rmSync(folder, { recursive: true });
});
