import { randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { SecretMask } from '../../../agent-bootstrap/secret-mask.ts';

const VALUE = `p"a/s+s\\w ö&${randomBytes(8).toString('hex')}'*`;

function maskOf(...values: string[]): SecretMask {
  const mask = new SecretMask();
  for (const value of values) mask.learn(Buffer.from(value));
  return mask;
}

describe('what the agent says of a secret', () => {
  const bytes = Buffer.from(VALUE);
  const forms: Record<string, string> = {
    plain: VALUE,
    JSON: JSON.stringify({ token: VALUE }),
    'JSON in JSON': JSON.stringify(JSON.stringify(VALUE)),
    'JSON of Python': `"${JSON.stringify(VALUE).slice(1, -1).replace('ö', '\\u00f6')}"`,
    percent: encodeURIComponent(VALUE),
    'percent, small letters': encodeURIComponent(VALUE).replace(/%../g, (code) => code.toLowerCase()),
    form: new URLSearchParams({ token: VALUE }).toString(),
    hex: bytes.toString('hex'),
    'hex, capitals': bytes.toString('hex').toUpperCase(),
    base64: bytes.toString('base64'),
    base64url: bytes.toString('base64url'),
    'base64 of basic authentication': Buffer.from(`user:${VALUE}`).toString('base64'),
    'base64 in the middle': Buffer.from(`ab${VALUE}cd`).toString('base64'),
    'base64 a byte further': Buffer.from(`abc${VALUE}d`).toString('base64'),
  };

  it.each(Object.keys(forms))('has nothing of it: %s', (form) => {
    const said = maskOf(VALUE).text(`before ${forms[form]} after`);
    expect(said).toMatch(/^before .*\[redacted\].* after$/);
    // Four bytes at each end may be left of what was encoded together with something else.
    const rest = [said, ...[...said.matchAll(/[A-Za-z0-9+/_-]{4,}/g)].map(([run]) => Buffer.from(run, 'base64').toString('latin1'))].join(
      '\n',
    );
    expect(rest).not.toContain(VALUE.slice(12, 20));
  });

  it('knows lines of it, fields of its JSON, and the longest first', () => {
    const key = '-----BEGIN KEY-----\nMIIEvQIBADANBg\n-----END KEY-----\n';
    const mask = maskOf(key, '{"username":"production","password":"hunter2-hunter2"}', 'hunter2-hunter2-more');
    expect(mask.text('line MIIEvQIBADANBg')).toBe('line [redacted]');
    expect(mask.text('pw hunter2-hunter2')).toBe('pw [redacted]');
    expect(mask.text('pw hunter2-hunter2-more')).toBe('pw [redacted]');
  });

  it('leaves short text and all else as it is', () => {
    expect(maskOf('abc', '').text('abc and more')).toBe('abc and more');
    expect(maskOf(VALUE).text('quiet: 0 stopped')).toBe('quiet: 0 stopped');
    const report = { state: 'ready', files: 3, canary: null, stopped: [`sleep ${VALUE}`] };
    expect(maskOf('ready', 'state').json(report)).toEqual(report);
    expect(maskOf(VALUE).json(report)).toEqual({ ...report, stopped: ['sleep [redacted]'] });
  });

  it('finds it in output that comes in pieces', () => {
    let out = '';
    const lines = maskOf('hunter2-hunter2').lines((text) => {
      out += text;
    });
    for (const piece of ['a hunt', 'er2-hun', 'ter2\nb ', 'hunter2-hunter2']) lines.take(Buffer.from(piece));
    expect(out).toBe('a [redacted]\n');
    lines.end();
    expect(out).toBe('a [redacted]\nb [redacted]');
  });

  it('forgets the oldest of many', () => {
    const mask = maskOf(...Array.from({ length: 101 }, (_, n) => `value-number-${n}!`));
    expect(mask.text('value-number-0! value-number-100!')).toBe('value-number-0! [redacted]');
  });
});
