import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type BoxListener, openBoxListener } from '../../../launcher/providers/local/box-listener.ts';
import type { BoxPaths } from '../../../launcher/providers/local/layout.ts';

const dir = mkdtempSync(join(tmpdir(), 'devctl-listener-'));
const run = join(dir, 'run');
const heard: string[] = [];
let listener: BoxListener;

beforeAll(async () => {
  mkdirSync(run);
  const box = { boxId: 'box-1', sessionId: 'ses_1', generation: 2 };
  listener = await openBoxListener({ dir, run } as BoxPaths, box, async (asked) => {
    heard.push(await asked.text());
    return Response.json({});
  });
});
afterAll(() => {
  listener.close();
  rmSync(dir, { recursive: true });
});

const post = (body: string): Promise<number | undefined> =>
  new Promise((resolve, reject) => {
    const socketPath = join(run, 'launcher.sock');
    const asked = request({ socketPath, path: '/boxes/heartbeat', method: 'POST', agent: false }, (answer) => {
      answer.resume();
      resolve(answer.statusCode);
    });
    asked.on('error', reject);
    asked.end(body);
  });

it('passes on what a box says of itself, and nothing else', async () => {
  const own = JSON.stringify({ sessionId: 'ses_1', generation: 2 });
  expect(await post(own)).toBe(200);
  expect(await post(JSON.stringify({ sessionId: 'ses_2', generation: 2 }))).toBe(403);
  expect(await post(JSON.stringify({ sessionId: 'ses_1', generation: 3 }))).toBe(403);
  for (const body of ['null', 'not JSON', '']) expect(await post(body)).toBe(403);
  expect(heard).toEqual([own]);
});
