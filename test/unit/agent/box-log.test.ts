import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { BoxLog, olderLog } from '../../../agent-bootstrap/box-log.ts';
import { sendLog } from '../../../agent-bootstrap/logs.ts';

const MAX_BYTES = 1_000;

let folder = '';
let path = '';
let log: BoxLog;
let server: Server;
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'devctl-log-'));
  path = join(folder, 'agent.log');
  log = new BoxLog(MAX_BYTES);
  log.writeTo(path);
  server = createServer((incoming, answer) => void sendLog(path, new URL(incoming.url ?? '', 'http://agent'), answer)).listen(
    0,
    '127.0.0.1',
  );
  await once(server, 'listening');
});
afterEach(() => {
  server.closeAllConnections();
  server.close();
  rmSync(folder, { recursive: true });
});

const ask = (query: string) => fetch(`http://127.0.0.1:${(server.address() as AddressInfo).port}/logs?${query}`);
const line = (n: number) => `line ${String(n).padStart(4, '0')}\n`;
const lines = (from: number, to: number) => Array.from({ length: to - from }, (_, n) => line(from + n)).join('');
const say = (from: number, to: number) => {
  for (let n = from; n < to; n += 1) log.write(line(n));
};

it('has a bound: two files, and the newest words in one of them', () => {
  say(0, 1_000);
  expect(statSync(path).size).toBeLessThan(MAX_BYTES);
  expect(statSync(olderLog(path)).size).toBeLessThan(MAX_BYTES + line(0).length);
  expect(readFileSync(olderLog(path), 'utf8') + readFileSync(path, 'utf8')).toBe(lines(900, 1_000));
});

it('counts what an agent before it has written, and goes on in the same file', () => {
  say(0, 50);
  const next = new BoxLog(MAX_BYTES);
  next.writeTo(path);
  for (let n = 50; n < 99; n += 1) next.write(line(n));
  expect(existsSync(olderLog(path))).toBe(false);
  next.write(line(99));
  next.write(line(100));
  expect([readFileSync(olderLog(path), 'utf8'), readFileSync(path, 'utf8')]).toEqual([lines(0, 100), line(100)]);
});

it('is shown with as many lines as were asked for, from both files where one has too few', async () => {
  say(0, 105);
  expect(await (await ask('tail=20')).text()).toBe(lines(85, 105));
  expect(await (await ask('tail=3')).text()).toBe(lines(102, 105));
  expect(await (await ask('tail=5000')).text()).toBe(lines(0, 105));
});

it('is read on by who follows it when it begins anew', async () => {
  say(0, 95);
  const answer = await ask('tail=2&follow=true');
  let got = '';
  const reading = (async () => {
    for await (const chunk of answer.body?.pipeThrough(new TextDecoderStream()) ?? []) got += chunk;
  })().catch(() => {});
  await vi.waitFor(() => expect(got).toBe(lines(93, 95)), { timeout: 5_000 });
  say(95, 105);
  await vi.waitFor(() => expect(got).toBe(lines(93, 105)), { timeout: 8_000 });
  server.closeAllConnections();
  await reading;
});

it('a file that cannot be written is no reason to end', () => {
  say(0, 99);
  rmSync(folder, { recursive: true });
  expect(() => say(99, 200)).not.toThrow();
  // As the test ends.
  folder = mkdtempSync(join(tmpdir(), 'devctl-log-'));
});
