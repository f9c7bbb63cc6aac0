import { spawn } from 'node:child_process';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { namesOf } from '../../infra/names.ts';
import { eventOf, iamBlock } from '../support/function-url.ts';

const BUNDLE = fileURLToPath(new URL('../../dist/lambda/index.mjs', import.meta.url));

/** As the runtime of Lambda does it: one process, one handler, one event after the other; each answer is a line. */
const RUN = `
import { PassThrough } from 'node:stream';
globalThis.awslambda = {
  streamifyResponse: (handler) => handler,
  HttpResponseStream: { from: (stream, head) => Object.assign(stream, { head }) },
};
const { api, events } = await import(${JSON.stringify(BUNDLE)});
const context = { awsRequestId: 'one', getRemainingTimeInMillis: () => 60000 };
for (const { handler, event } of JSON.parse(process.argv[1])) {
  if (handler === 'events') {
    await events(event, context);
    continue;
  }
  const stream = new PassThrough();
  let body = '';
  stream.on('data', (chunk) => { body += chunk; });
  await api(event, stream, context);
  console.log(JSON.stringify({ answer: stream.head.statusCode, body: JSON.parse(body) }));
}
`;

let asked: Array<{ target: string | undefined; authorization: string | undefined; body: string }> = [];
let refusals = 0;
const server = createServer(async (request: IncomingMessage, response) => {
  let body = '';
  for await (const chunk of request) body += String(chunk);
  const { authorization } = request.headers;
  asked.push({ target: request.headers['x-amz-target'] as string | undefined, authorization, body });
  refusals -= 1;
  if (refusals >= 0) return response.writeHead(400, { 'x-amzn-errortype': 'AccessDeniedException' }).end('{"Message":"no"}');
  return response.end(JSON.stringify({ SecretString: 'a secret of forty characters, or some more' }));
});
beforeEach(async () => {
  asked = [];
  refusals = 0;
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
});
afterEach(() => {
  server.closeAllConnections();
  server.close();
});

interface Line {
  [name: string]: unknown;
  answer?: number;
  body?: Record<string, unknown>;
}

async function run(
  calls: Array<{ handler: 'api' | 'events'; event: unknown }>,
  settings: object = {},
): Promise<{ lines: Line[]; stderr: string }> {
  const given = {
    deployment: 'team-a',
    region: 'eu-central-1',
    table: 'devctl',
    subnets: [{ id: 'subnet-0123456789abcdef0', az: 'eu-central-1a' }],
    launchTemplates: { arm64: 'team-a-arm64' },
    imageParameters: { arm64: '/team-a/image/arm64' },
    masterSecret: 'arn:aws:secretsmanager:eu-central-1:123456789012:secret:team-a/launcher-AbCdEf',
    eventsFunction: 'team-a-events',
    boxRole: 'team-a-box',
    adminRole: 'team-a-admin',
    volumeGiB: 64,
    ttl: '72h',
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    ...settings,
  };
  const env = {
    PATH: process.env['PATH'],
    AWS_REGION: 'eu-central-1',
    AWS_ACCESS_KEY_ID: 'ASIAEXAMPLE',
    AWS_SECRET_ACCESS_KEY: 'never-sent',
    AWS_SESSION_TOKEN: 'session',
    DEVCTL_SETTINGS: JSON.stringify(given),
  };
  const child = spawn(process.execPath, ['--input-type=module', '-e', RUN, '--', JSON.stringify(calls)], { env });
  const said = { stdout: '', stderr: '' };
  child.stdout.on('data', (chunk) => {
    said.stdout += String(chunk);
  });
  child.stderr.on('data', (chunk) => {
    said.stderr += String(chunk);
  });
  await new Promise((resolve) => void child.once('close', resolve));
  return {
    lines: said.stdout
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line) as Line),
    stderr: said.stderr,
  };
}

const whoami = (iam: ReturnType<typeof iamBlock> | undefined) => ({
  handler: 'api' as const,
  event: eventOf({ method: 'GET', url: '/whoami', headers: { host: 'abc.lambda-url.eu-central-1.on.aws' } }, Buffer.alloc(0), iam),
});

it('the built functions answer, with the log as lines of JSON; their secret is asked for once, and is in none of them', async () => {
  const { lines, stderr } = await run([
    whoami(iamBlock('user/alice')),
    whoami(undefined),
    { handler: 'events', event: { source: 'aws.x' } },
  ]);
  expect(stderr).toBe('');
  const { metrics } = namesOf('team-a', { account: '123456789012', region: 'eu-central-1' });
  const answers = lines.filter(({ answer }) => answer !== undefined);
  expect(answers[0]).toMatchObject({ answer: 200, body: { reach: 'direct', scopes: ['read', 'write'] } });
  expect(answers[1]).toMatchObject({ answer: 401, body: { code: 'unauthorized' } });
  expect(lines).toContainEqual(expect.objectContaining({ op: 'api.whoami', outcome: 'ok', level: 'info' }));
  expect(lines).toContainEqual({
    _aws: {
      Timestamp: expect.any(Number),
      // Where the stack's alarms look for them.
      CloudWatchMetrics: [{ Namespace: metrics, Dimensions: [[]], Metrics: [{ Name: 'UnknownEvents', Unit: 'Count' }] }],
    },
    UnknownEvents: 1,
  });
  expect(asked).toHaveLength(1);
  expect(asked[0]).toMatchObject({ target: 'secretsmanager.GetSecretValue', body: expect.stringContaining('team-a/launcher-AbCdEf') });
  expect(asked[0]?.authorization).toContain('/eu-central-1/secretsmanager/aws4_request');
  expect(JSON.stringify(lines)).not.toMatch(/forty characters|never-sent/);
});

it('a secret that cannot be read is told, and asked for again by the next request', async () => {
  refusals = 1;
  const { lines } = await run([whoami(iamBlock('user/alice')), whoami(iamBlock('user/alice'))]);
  expect(lines.filter(({ answer }) => answer !== undefined)).toMatchObject([
    { answer: 503, body: { code: 'unavailable' } },
    { answer: 200 },
  ]);
  expect(lines).toContainEqual(expect.objectContaining({ op: 'lambda.open', outcome: 'error' }));
});

it('settings that are wrong end the function at its start, with the field', async () => {
  const { stderr } = await run([whoami(iamBlock('user/alice'))], { volumeGiB: 'many' });
  expect(stderr).toContain('DEVCTL_SETTINGS: volumeGiB');
  expect(asked).toEqual([]);
});
