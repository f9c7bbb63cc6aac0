import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { makeBoxToken, makeUserToken } from '../../../launcher/contract/tokens.ts';
import { formatLine } from '../../../launcher/telemetry/index.ts';
import { redact, redactText } from '../../../launcher/telemetry/redact.ts';

const bytes = Uint8Array.from({ length: 32 }, (_, index) => (index * 37 + 11) % 256);
const secrets: Record<string, string> = {
  'a token of ours': makeUserToken('dev', `tok_${'0'.repeat(26)}`, bytes),
  'a box token': makeBoxToken('dev', bytes),
  'an AWS key id': 'AKIAIOSFODNN7EXAMPLE',
  'a session key id': 'ASIAIOSFODNN7EXAMPLE',
  'a GitHub token': `ghp_${'a1B2'.repeat(9)}`,
  'a model key': `sk-ant-${'x1'.repeat(20)}`,
  'a chat token': 'xoxb-123456789012-abcdefABCDEF',
  'a JSON web token': `eyJhbGciOiJIUzI1NiJ9.${'eyJzdWIiOiIxIn0'}.${'s'.repeat(20)}`,
};

const whereSecretsHide: Array<[string, (secret: string) => unknown]> = [
  ['as it is', (secret) => secret],
  ['in a sentence', (secret) => `could not use ${secret}, sorry`],
  ['in a header', (secret) => ({ headers: { authorization: `Bearer ${secret}` } })],
  ['in a list of a list', (secret) => [[{ deep: [secret] }]]],
  ['as the name of a field', (secret) => ({ [secret]: 1 })],
  ['in an error', (secret) => new Error(`bad ${secret}`)],
  ['percent-encoded', (secret) => `https://h/?q=${encodeURIComponent(`{"t":"${secret}"}`)}`],
  ['all percent-encoded', (secret) => [...Buffer.from(secret)].map((byte) => `%${byte.toString(16).padStart(2, '0')}`).join('')],
  ['in base64', (secret) => Buffer.from(`user:${secret}`).toString('base64')],
  ['in base64url in JSON', (secret) => JSON.stringify({ blob: Buffer.from(JSON.stringify({ secret })).toString('base64url') })],
  ['in a long text', (secret) => `${secret} ${'x'.repeat(5000)}`],
];

describe.each(Object.entries(secrets))('%s', (_name, secret) => {
  it.each(whereSecretsHide)('is not logged %s', (_where, hide) => {
    const value = hide(secret);
    const line = formatLine('info', { op: 'test', value, nested: { value } }, 0);
    const core = secret.slice(-20);
    expect(line).not.toContain(core);
    expect(Buffer.from(line.replace(/[^A-Za-z0-9+/_-]/g, ''), 'base64').toString('latin1')).not.toContain(core);
    expect(line).toContain('[redacted]');
  });
});

describe('what is a secret by its place', () => {
  it.each([
    { password: 'hunter2' },
    { client_secret: 'hunter2' },
    { awsSecretAccessKey: 'hunter2' },
    { 'set-cookie': 'hunter2' },
    { Authorization: 'hunter2' },
    { apiKey: { nested: 'hunter2' } },
    { env: { DB_PASSWORD: 'hunter2' } },
    { url: 'https://me:hunter2@host/path' },
    { text: 'aws_secret_access_key = hunter2' },
    { text: 'password: "hunter2"' },
    { text: 'curl -H "Authorization: Basic hunter2hunter2"' },
    { text: `-----BEGIN RSA PRIVATE KEY-----\nhunter2\n-----END RSA PRIVATE KEY-----` },
  ])('%j', (value) => {
    expect(JSON.stringify(redact(value))).not.toContain('hunter2');
  });

  it('does not take everything for one', () => {
    const plain = {
      tokenId: 'tok_1',
      op: 'api.createToken',
      detail: 'workspace shop is ready',
      sessionId: `ses_${'0'.repeat(26)}`,
      path: '/a/b%20c',
    };
    expect(redact(plain)).toEqual(plain);
    expect(redact({ secret: null, hasPassword: true, count: 3 })).toEqual({ secret: null, hasPassword: true, count: 3 });
    expect(redactText('%zz and 100 % sure')).toBe('%zz and 100 % sure');
  });
});

describe('a line of the log', () => {
  it('is one line of JSON, whatever is in it', () => {
    fc.assert(
      fc.property(
        fc.anything({ withBigInt: true, withDate: true, withTypedArray: true, withNullPrototype: true }),
        fc.string(),
        (value, text) => {
          const line = formatLine('warn', { op: 'test', value, text }, 0);
          for (const char of ['\n', '\r', '\u001b']) expect(line).not.toContain(char);
          expect(JSON.parse(line)).toMatchObject({ level: 'warn' });
        },
      ),
    );
    const line = formatLine('info', { op: 'test', text: 'a\r\nb\u001b[31m{"level":"error"}' }, 0);
    expect(line).toBe(
      '{"time":"1970-01-01T00:00:00.000Z","level":"info","op":"test","text":"a\\r\\nb\\u001b[31m{\\"level\\":\\"error\\"}"}',
    );
  });

  it('is bounded in depth, length and number', () => {
    const loop: Record<string, unknown> = {};
    loop['again'] = loop;
    const line = formatLine(
      'info',
      {
        op: 'test',
        loop,
        many: Array(1000).fill('x'),
        long: 'y'.repeat(1e6),
        wide: Object.fromEntries(Array.from({ length: 1000 }, (_, i) => [`k${i}`, i])),
      },
      0,
    );
    expect(line.length).toBeLessThan(10_000);
    expect(line).toContain('[too deep]');
    expect(line).toContain('… 950 more');
    expect(line).toContain('(1000000 characters)');
    expect(redact([Symbol('x'), () => 1, 5n, new Date(Number.NaN), new Date(0), new Uint8Array(3), undefined])).toEqual([
      '[symbol]',
      '[function]',
      '5',
      null,
      '1970-01-01T00:00:00.000Z',
      '[3 bytes]',
      undefined,
    ]);
  });

  it('that cannot be made says so instead of failing', () => {
    const trap = {
      get bad(): string {
        throw new TypeError('no');
      },
    };
    expect(JSON.parse(formatLine('error', { op: 'test', trap }, 0))).toMatchObject({
      level: 'error',
      op: 'log.unreadable',
      detail: 'TypeError',
    });
  });

  it('takes linear time over hostile text', () => {
    for (const text of [
      'dvt_'.repeat(5000),
      'eyJ'.repeat(9000),
      'Bearer '.repeat(3000),
      '%41'.repeat(9000),
      '://'.repeat(9000),
      '-----BEGIN '.repeat(3000),
      'password'.repeat(3000),
      `${'a'.repeat(30_000)}=`,
      `${'aws_secret_access_key'.repeat(1000)}:`,
    ])
      redactText(text);
  });
});
