import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createClient } from '../../../launcher/client/client.ts';
import { nodeTransport } from '../../../launcher/client/http.ts';
import { signedTransport } from '../../../launcher/client/signed.ts';
import { openAwsUser } from '../../../launcher/connect/aws/user.ts';
import type { StreamHandler } from '../../../launcher/serve/lambda/runtime.ts';
import { bodyIn, type FunctionUrl, iamBlock, type Key, RUNTIME, startFunctionUrl, type UrlEvent } from '../../support/function-url.ts';

const REGION = 'eu-central-1';
const KEYS: Record<'AKIDLONG' | 'ASIASHORT', Key> = {
  AKIDLONG: { secretAccessKey: 'secret-one', iam: iamBlock('user/long') },
  ASIASHORT: { secretAccessKey: 'secret/two+', sessionToken: 'session//token==', iam: iamBlock('assumed-role/dev/short') },
};

interface Seen {
  method: string;
  url: string;
  body: string;
  lastEventId: string | undefined;
}

function seenIn(event: UrlEvent): Seen {
  const { rawPath, rawQueryString, headers, requestContext } = event;
  return {
    method: requestContext.http.method,
    url: rawQueryString === '' ? rawPath : `${rawPath}?${rawQueryString}`,
    body: bodyIn(event).toString(),
    lastEventId: headers['last-event-id'],
  };
}

describe('requests that are signed', () => {
  let front: FunctionUrl;
  let seen: Seen[];
  let reply: (seen: Seen) => string | string[];

  beforeEach(async () => {
    vi.stubEnv('AWS_EC2_METADATA_DISABLED', 'true');
    vi.stubEnv('AWS_CONFIG_FILE', '/dev/null');
    vi.stubEnv('AWS_SHARED_CREDENTIALS_FILE', '/dev/null');
    vi.stubEnv('AWS_PROFILE', undefined);
    credentials('AKIDLONG');
    seen = [];
    reply = () => '{}';
    const handler: StreamHandler = async (event, stream) => {
      const request = seenIn(event as UrlEvent);
      seen.push(request);
      const said = reply(request);
      const headers = { 'content-type': Array.isArray(said) ? 'text/event-stream' : 'application/json' };
      RUNTIME.HttpResponseStream.from(stream, { statusCode: 200, headers });
      for (const part of [said].flat()) stream.write(part);
      stream.end();
    };
    front = await startFunctionUrl({ region: REGION, keys: KEYS, handler });
  });
  afterEach(async () => {
    await front.close();
    vi.unstubAllEnvs();
  });

  function credentials(id: keyof typeof KEYS, secret = KEYS[id].secretAccessKey): void {
    vi.stubEnv('AWS_ACCESS_KEY_ID', id);
    vi.stubEnv('AWS_SECRET_ACCESS_KEY', secret);
    vi.stubEnv('AWS_SESSION_TOKEN', KEYS[id].sessionToken);
  }

  function open(region = REGION, profile?: string) {
    const user = openAwsUser({ region, profile, env: process.env });
    const transport = signedTransport(nodeTransport(front.url), front.url, () => user);
    return { client: createClient({ baseUrl: front.url, transport }), transport };
  }
  const whoami = (region?: string, profile?: string) => open(region, profile).client.call('whoami', {});

  it.each(['AKIDLONG', 'ASIASHORT'] as const)('are let in with the credentials of %s, whatever is in them', async (id) => {
    credentials(id);
    const { client } = open();
    await client.call('whoami', {});
    await client.call('listSessions', { query: { workspace: 'a-b', limit: 3 } });
    await client.call('createSession', { body: { workspace: 'shöp', source: { kind: 'git', url: 'https://x/ä' } } });
    expect(seen.map(({ method, url }) => `${method} ${url}`)).toEqual([
      'GET /whoami',
      'GET /sessions?workspace=a-b&limit=3',
      'POST /sessions',
    ]);
    expect(JSON.parse(seen[2]?.body ?? '')).toMatchObject({ workspace: 'shöp' });
  });

  it('have a query that is written as it was signed', async () => {
    const { transport } = open();
    await transport.request({ method: 'GET', path: "/x?path=a+b%2F(c)*'~!&empty=", headers: {}, timeoutMs: 5000 });
    expect(seen[0]?.url).toBe('/x?path=a%20b%2F%28c%29%2A%27~%21&empty=');
  });

  it('carry a stream as a whole, and no more than a function takes', async () => {
    const { transport } = open();
    const put = (body: Readable) =>
      transport.request({ method: 'PUT', path: '/files', headers: { 'transfer-encoding': 'chunked' }, body, timeoutMs: 5000 });
    await put(Readable.from([Buffer.from('one '), Buffer.from('two')]));
    expect(seen[0]?.body).toBe('one two');
    await expect(put(Readable.from([Buffer.alloc(5e6), Buffer.alloc(5e6)]))).rejects.toMatchObject({ code: 'too_large' });
    expect(seen).toHaveLength(1);
  });

  it('of an event stream are taken up where it broke off', async () => {
    reply = ({ url, lastEventId }) => {
      if (url.includes('/events') !== true) return JSON.stringify({ phase: seen.length > 3 ? 'stopped' : 'ready' });
      return [`id: ${lastEventId === undefined ? 'one' : 'two'}\nevent: e\ndata: {"message":"m"}\n\n`];
    };
    const events: unknown[] = [];
    for await (const event of open().client.events('ses_0123456789abcdef')) events.push(event);
    expect(events.length).toBeGreaterThanOrEqual(2);
    expect(seen.filter(({ url }) => url.includes('/events')).map(({ lastEventId }) => lastEventId)).toEqual([undefined, 'one']);
  });

  it('of a quiet event stream go on for as long as a function lets each of them last', async () => {
    let at = 0;
    // Between the opening of a stream and its end.
    const now = vi.spyOn(performance, 'now').mockImplementation(() => {
      at += 20_000;
      return at;
    });
    let streams = 0;
    reply = ({ url }) => {
      if (url.includes('/events') !== true) return JSON.stringify({ phase: streams > 12 ? 'stopped' : 'ready' });
      streams += 1;
      return ['id: one\nevent: e\ndata: {"message":"m"}\n\n'];
    };
    const events: unknown[] = [];
    for await (const event of open().client.events('ses_0123456789abcdef')) events.push(event);
    now.mockRestore();
    expect([streams, events.length]).toEqual([13, 1]);
  });

  it('go again with the clock of AWS when ours is off, once', async () => {
    front.skewMs = 3_600_000;
    const { client } = open();
    await client.call('whoami', {});
    await client.call('whoami', {});
    expect(front.requests.map((line) => line.split(' ').slice(2).join(' '))).toEqual(['InvalidSignatureException', 'let in', 'let in']);
  });

  describe('that are refused say what to do', () => {
    const refusal = async (call: Promise<unknown>) => {
      const error = await call.then(
        () => null,
        (thrown: unknown) => thrown as { code: string; detail: string; extra: { hint?: string } },
      );
      return `${error?.code}: ${error?.detail} · ${error?.extra.hint}`;
    };

    it('no credentials, or none of that profile', async () => {
      vi.stubEnv('AWS_ACCESS_KEY_ID', undefined);
      expect(await refusal(whoami())).toMatch(/^unauthorized: there are no AWS credentials · log in \(aws sso login\), or set AWS_PROFILE/);
      expect(await refusal(whoami(REGION, 'dev'))).toMatch(/no credentials for the AWS profile dev · see aws configure list-profiles/);
      expect(front.requests).toEqual([]);
    });

    it('a login of single sign-on that has run out: how to log in again with that profile', async () => {
      const home = mkdtempSync(join(tmpdir(), 'signed-'));
      mkdirSync(join(home, '.aws', 'sso', 'cache'), { recursive: true });
      const session = '[sso-session work]\nsso_region = eu-central-1\nsso_start_url = https://x.awsapps.com/start\n';
      const profile = '[profile dev]\nsso_session = work\nsso_account_id = 123456789012\nsso_role_name = Dev\n';
      writeFileSync(join(home, '.aws', 'config'), session + profile);
      const token = { accessToken: 'a', expiresAt: '2026-01-01T00:00:00Z', region: REGION, startUrl: 'https://x.awsapps.com/start' };
      const cached = `${createHash('sha1').update('work').digest('hex')}.json`;
      vi.stubEnv('HOME', home);
      vi.stubEnv('AWS_CONFIG_FILE', join(home, '.aws', 'config'));
      const wanted = 'unauthorized: the AWS login of the profile dev has run out · run aws sso login --profile dev, and try again';
      expect(await refusal(whoami(REGION, 'dev')), 'never logged in').toBe(wanted);
      writeFileSync(join(home, '.aws', 'sso', 'cache', cached), JSON.stringify(token));
      expect(await refusal(whoami(REGION, 'dev')), 'logged in long ago').toBe(wanted);
      rmSync(home, { recursive: true });
    });

    it('a session that has run out, by its profile', async () => {
      front.expired.add('AKIDLONG');
      expect(await refusal(whoami())).toMatch(/^unauthorized: the AWS credentials have run out · run aws sso login, or renew/);
    });

    it('no permission: in the words of AWS, and that devctl doctor says who one is', async () => {
      front.denied.add('AKIDLONG');
      expect(await refusal(whoami())).toMatch(
        /^forbidden: AWS does not let you use this launcher\. AWS says: Forbidden.*devctl doctor says who/,
      );
    });

    it('another region, a wrong secret', async () => {
      expect(await refusal(whoami('us-east-1'))).toMatch(/^invalid_request: this launcher is not in us-east-1.*--region/);
      credentials('AKIDLONG', 'not the secret');
      expect(await refusal(whoami())).toMatch(/^unauthorized: AWS does not accept the signature/);
    });

    it('a clock that AWS does not tell its own to', async () => {
      const user = { sign: async () => ({ headers: {}, path: '/whoami' }), heard: () => false, region: REGION, profile: undefined };
      const said = JSON.stringify({ message: 'Signature expired: 20260101T000000Z is now earlier than 20260101T010000Z' });
      const inner = { request: async () => ({ status: 403, headers: {}, body: Readable.from([Buffer.from(said)]) }), close() {} };
      const transport = signedTransport(inner, front.url, async () => user);
      const call = transport.request({ method: 'GET', path: '/whoami', headers: {}, timeoutMs: 1000 });
      expect(await refusal(call)).toMatch(/^unavailable: the clock of this machine is too far off.*timedatectl/);
    });

    it('something between that is not AWS is told as what it is', async () => {
      const inner = { request: async () => ({ status: 502, headers: {}, body: Readable.from([Buffer.from('<html>')]) }), close() {} };
      const user = openAwsUser({ region: REGION, env: process.env });
      const client = createClient({ baseUrl: front.url, transport: signedTransport(inner, front.url, () => user) });
      expect(await refusal(client.call('reap', { body: {} }))).toMatch(/^unavailable: the answer, a 502, is not one of a devctl launcher/);
    });

    it('and what the launcher itself says stays as it is', async () => {
      const problem = { type: 'about:blank', code: 'not_found', title: 't', status: 404, retryable: false, detail: 'no such session' };
      const inner = {
        request: async () => ({
          status: 404,
          headers: { 'content-type': 'application/problem+json' },
          body: Readable.from([Buffer.from(JSON.stringify(problem))]),
        }),
        close() {},
      };
      const transport = signedTransport(inner, front.url, () => openAwsUser({ region: REGION, env: process.env }));
      const answer = await transport.request({ method: 'GET', path: '/sessions/x', headers: {}, timeoutMs: 1000 });
      expect(JSON.parse(await text(answer.body))).toEqual(problem);
    });
  });
});
