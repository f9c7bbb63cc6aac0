import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { CredentialsEndpoint } from '../../../agent-bootstrap/ec2/credentials-endpoint.ts';
import { SecretMask } from '../../../agent-bootstrap/secret-mask.ts';

const CREDENTIALS = { accessKeyId: 'AK', secretAccessKey: 'secret-key', sessionToken: 'session-token', expiration: '2030-01-01T00:00:00Z' };

describe('the credentials endpoint of a box', () => {
  let dir: string;
  let asked: number;
  let fails: boolean;
  let open: CredentialsEndpoint[];
  let mask: SecretMask;

  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'devctl-endpoint-'));
    asked = 0;
    fails = false;
    open = [];
    mask = new SecretMask();
  });
  afterEach(() => {
    for (const endpoint of open) endpoint.close();
    rmSync(dir, { recursive: true });
  });

  function endpoint(): CredentialsEndpoint {
    const metadata = {
      credentials: async () => {
        asked += 1;
        if (fails) throw new Error('it does not answer');
        return CREDENTIALS;
      },
    };
    const made = new CredentialsEndpoint({ metadata, region: 'eu-central-1', notePath: join(dir, 'note'), mask, log: () => {} });
    open.push(made);
    return made;
  }
  const get = (vars: Record<string, string>) =>
    fetch(vars['AWS_CONTAINER_CREDENTIALS_FULL_URI'] ?? '', {
      headers: { authorization: vars['AWS_CONTAINER_AUTHORIZATION_TOKEN'] ?? '', connection: 'close' },
    });

  it('is opened once, however many commands begin, and asks the metadata service once for all of them', async () => {
    const one = endpoint();
    const [vars, ...others] = await Promise.all([one.open(), one.open(), one.open()]);
    expect(others).toEqual([vars, vars]);
    const answers = await Promise.all([get(vars), get(vars)]);
    for (const answer of answers)
      expect(await answer.json()).toEqual({
        AccessKeyId: 'AK',
        SecretAccessKey: 'secret-key',
        Token: 'session-token',
        Expiration: '2030-01-01T00:00:00Z',
      });
    expect(asked).toBe(1);
    expect(mask.text(`secret-key session-token ${vars['AWS_CONTAINER_AUTHORIZATION_TOKEN']}`)).toBe('[redacted] [redacted] [redacted]');
    expect(statSync(join(dir, 'note')).mode & 0o777).toBe(0o600);
  });

  it('is the same one for the next agent, so that what runs goes on', async () => {
    const first = endpoint();
    const before = await first.open();
    first.close();
    await expect(get(before)).rejects.toThrow();
    expect(await endpoint().open()).toEqual(before);
    expect((await get(before)).status).toBe(200);
  });

  it('is at another port where somebody else has taken its own', async () => {
    const first = endpoint();
    const before = await first.open();
    first.close();
    const thief = createServer();
    await new Promise<void>((resolve) =>
      thief.listen(Number(new URL(before['AWS_CONTAINER_CREDENTIALS_FULL_URI'] ?? '').port), '127.0.0.1', resolve),
    );
    const after = await endpoint().open();
    expect(after['AWS_CONTAINER_CREDENTIALS_FULL_URI']).not.toBe(before['AWS_CONTAINER_CREDENTIALS_FULL_URI']);
    expect((await get(after)).status).toBe(200);
    await new Promise((resolve) => thief.close(resolve));
  });

  it('says that it has none now, and has them again when the metadata service answers', async () => {
    fails = true;
    const vars = await endpoint().open();
    const refused = await get(vars);
    expect([refused.status, await refused.json()]).toEqual([503, { code: 'Unavailable', message: expect.any(String) }]);
    fails = false;
    expect((await get(vars)).status).toBe(200);
  });
});
