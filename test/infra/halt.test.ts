import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { destroy } from '../../infra/commands/destroy.ts';
import { readWords } from '../../infra/commands/words.ts';

const RULES = ['minute', 'instance-state', 'spot-interruption', 'rebalance', 'snapshot', 'volume'].map((rule) => `devctl-${rule}`);
const said: string[] = [];
const calls: string[] = [];
/** Machines of each listing in turn, each with its tags. */
let listings: Record<string, string[]>[];
let concurrency: Record<string, number | undefined>;
let home: string;
let server: Server;

beforeEach(async () => {
  said.length = 0;
  calls.length = 0;
  concurrency = {};
  home = mkdtempSync(join(tmpdir(), 'devctl-halt-'));
  writeFileSync(
    join(home, 'target.json'),
    JSON.stringify({
      deployment: 'devctl',
      region: 'eu-central-1',
      alertEmails: ['team@example.com'],
      reservedConcurrency: { api: 20, events: 5 },
    }),
  );
  server = createServer(async (incoming, answer) => {
    const chunks: Buffer[] = [];
    for await (const chunk of incoming) chunks.push(chunk as Buffer);
    const { status, text } = answerTo(
      `${incoming.method} ${incoming.url}`,
      incoming.headers['x-amz-target'],
      Buffer.concat(chunks).toString(),
    );
    answer.writeHead(status).end(text);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  vi.stubEnv('AWS_ACCESS_KEY_ID', 'test');
  vi.stubEnv('AWS_SECRET_ACCESS_KEY', 'test');
});
afterEach(() => {
  vi.unstubAllEnvs();
  server.closeAllConnections();
  server.close();
  rmSync(home, { recursive: true, force: true });
});

function answerTo(line: string, target: string | string[] | undefined, body: string): { status: number; text: string } {
  if (target !== undefined) {
    calls.push(`${String(target).replace('AWSEvents.', '')} ${JSON.parse(body).Name}`);
    return { status: 200, text: '{}' };
  }
  const named = /functions\/([^/]+)\/concurrency/.exec(line)?.[1];
  if (named !== undefined) {
    if (line.startsWith('GET')) return { status: 200, text: JSON.stringify({ ReservedConcurrentExecutions: concurrency[named] }) };
    calls.push(`concurrency ${named} ${line.startsWith('PUT') ? JSON.parse(body).ReservedConcurrentExecutions : 'none'}`);
    return { status: 200, text: '{}' };
  }
  const action = new URLSearchParams(body).get('Action');
  if (action === 'GetCallerIdentity')
    return { status: 200, text: '<Account>123456789012</Account><Arn>arn:aws:iam::123456789012:user/a</Arn>' };
  if (action === 'DescribeInstances') {
    calls.push('list');
    return { status: 200, text: instances(listings.shift() ?? {}) };
  }
  if (action === 'ListEntitiesForPolicy') return { status: 404, text: '<Error><Code>NoSuchEntity</Code></Error>' };
  calls.push(String(action));
  return { status: 400, text: '<Response><Errors><Error><Code>Refused</Code><Message>refused</Message></Error></Errors></Response>' };
}

function instances(list: Record<string, string[]>): string {
  const items = Object.entries(list).map(
    ([id, tags]) =>
      `<item><instanceId>${id}</instanceId><tagSet>${tags.map((key) => `<item><key>${key}</key><value>x</value></item>`).join('')}</tagSet></item>`,
  );
  const set = items.length === 0 ? '' : `<item><instancesSet>${items.join('')}</instancesSet></item>`;
  return `<DescribeInstancesResponse><reservationSet>${set}</reservationSet></DescribeInstancesResponse>`;
}

function run(...words: string[]): Promise<void> {
  const env = { AWS_ENDPOINT_URL: `http://127.0.0.1:${(server.address() as AddressInfo).port}` };
  const surroundings = { say: (text: string) => void said.push(text), print: () => {}, root: home, env, isTerminal: false };
  return destroy(readWords(['destroy', '--config', join(home, 'target.json'), '--yes', ...words]), surroundings);
}

const stopped = [...RULES.map((rule) => `DisableRule ${rule}`), 'concurrency devctl-events 0', 'concurrency devctl-api 0'];
const started = (api: number | 'none', events: number | 'none') => [
  `concurrency devctl-api ${api}`,
  `concurrency devctl-events ${events}`,
  ...RULES.map((rule) => `EnableRule ${rule}`).reverse(),
];

it('the launcher is stopped before machines are listed for their end; one that came meanwhile is refused, and the launcher put back', async () => {
  listings = [{}, { 'i-0123456789abcdef0': ['devctl:deployment', 'devctl:session'] }];
  concurrency = { 'devctl-api': 7 };
  await expect(run()).rejects.toThrow('1 machine is there: i-0123456789abcdef0');
  expect(calls).toEqual(['list', ...stopped, 'list', ...started(7, 'none')]);
  expect(said.at(-1)).toBe('putting the launcher back: it works again');
});

it('what a run that was cut off has left at 0 is put back as the file says', async () => {
  listings = [{}, { 'i-0123456789abcdef0': ['devctl:session'] }];
  concurrency = { 'devctl-api': 0, 'devctl-events': 0 };
  await expect(run()).rejects.toThrow('1 machine is there');
  expect(calls.slice(-8)).toEqual(started(20, 5));
});

it('reserve boxes of the pool are ended without being asked for, and those that a session has taken are not', async () => {
  const reserve = { 'i-0000000000000000a': ['devctl:deployment', 'devctl:pool'] };
  listings = [reserve, reserve];
  // As far as the call that ends them.
  await expect(run()).rejects.toThrow(/refused/i);
  expect(calls.slice(0, 11)).toEqual(['list', ...stopped, 'list', 'TerminateInstances']);
  expect(said).toContain('ending i-0000000000000000a');
  calls.length = 0;
  listings = [{ ...reserve, 'i-0000000000000000b': ['devctl:pool', 'devctl:session'] }];
  await expect(run()).rejects.toThrow('1 machine is there: i-0000000000000000b');
  expect(calls).toEqual(['list']);
});
