import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statfsSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingHttpHeaders, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Metadata } from '../../../agent-bootstrap/ec2/metadata.ts';
import { SecretsManager } from '../../../agent-bootstrap/ec2/secrets-manager.ts';
import { SecretFiles } from '../../../agent-bootstrap/secret-files.ts';
import { parseSecretReference, type SecretReference } from '../../../launcher/contract/secrets.ts';

const REFERENCE = parseSecretReference('arn:aws:secretsmanager:eu-central-1:123456789012:secret:npm-a1B2c3') as SecretReference;

interface Reply {
  status: number;
  body: object;
  date?: Date;
}

describe('what Secrets Manager answers a box', () => {
  let server: Server;
  let replies: Reply[];
  let asked: IncomingHttpHeaders[];

  beforeEach(async () => {
    asked = [];
    server = createServer((incoming, answer) => {
      asked.push(incoming.headers);
      // The last one is the answer to all that still comes.
      const { status, body, date } = (replies.length > 1 ? replies.shift() : replies[0]) as Reply;
      answer.writeHead(status, { date: (date ?? new Date()).toUTCString() }).end(JSON.stringify(body));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    vi.stubEnv('AWS_ENDPOINT_URL_SECRETS_MANAGER', `http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  });
  afterEach(async () => {
    vi.unstubAllEnvs();
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });

  const metadata = new Metadata();
  vi.spyOn(metadata, 'credentials').mockResolvedValue({ accessKeyId: 'AK', secretAccessKey: 'sk', sessionToken: 'st', expiration: '' });
  const read = () => new SecretsManager(metadata).read('TOKEN', REFERENCE);

  it('is taken after what passes by itself', async () => {
    replies = [
      { status: 500, body: { __type: 'InternalServiceError' } },
      { status: 400, body: { __type: 'ThrottlingException' } },
      { status: 200, body: { SecretString: 'value' } },
    ];
    expect(String(await read())).toBe('value');
  });

  it('is given up after three tries, and named', async () => {
    replies = [{ status: 503, body: {} }];
    await expect(read()).rejects.toMatchObject({
      code: 'secret_unavailable',
      detail: expect.stringMatching(/TOKEN .*HTTP 503 \(3 tries\)/),
    });
    expect(asked).toHaveLength(3);
  });

  it('is not asked for again when it is a refusal, whose error is named with what to do', async () => {
    replies = [{ status: 400, body: { __type: 'com.amazonaws.secretsmanager#DecryptionFailure', Message: 'no key' } }];
    await expect(read()).rejects.toMatchObject({
      detail: expect.stringContaining('DecryptionFailure: no key'),
      extra: { hint: expect.stringContaining('kms:Decrypt') },
    });
    expect(asked).toHaveLength(1);
  });

  it('without a value, and no answer at all, are errors', async () => {
    replies = [{ status: 200, body: {} }];
    await expect(read()).rejects.toMatchObject({ detail: expect.stringContaining('no value') });
    vi.stubEnv('AWS_ENDPOINT_URL_SECRETS_MANAGER', 'http://127.0.0.1:1');
    await expect(read()).rejects.toMatchObject({ detail: expect.stringMatching(/NoAnswer: .*\(3 tries\)/) });
  });

  it('is asked for with its time where the clock of the box is wrong', async () => {
    const date = new Date(Date.now() + 3_600_000);
    replies = [
      { status: 400, body: { __type: 'InvalidSignatureException' }, date },
      { status: 200, body: { SecretString: 'value' }, date },
    ];
    expect(String(await read())).toBe('value');
    const hours = asked.map((headers) => String(headers['x-amz-date']).slice(0, 11));
    expect(new Set(hours).size).toBe(2);
    replies = [{ status: 200, body: { SecretString: 'value' } }];
  });
});

const TMPFS = 0x01021994;
const isMemory = (path: string) => existsSync(path) && statfsSync(path).type === TMPFS;

describe('files of secrets', () => {
  const folders: string[] = [];
  const within = (path: string) => {
    const folder = mkdtempSync(join(path, 'devctl-secret-files-'));
    folders.push(folder);
    return folder;
  };
  afterEach(() => {
    for (const folder of folders.splice(0)) rmSync(folder, { recursive: true });
  });

  it.skipIf(isMemory(tmpdir()))('are refused where they would be on a disk (needs a folder for temporary files that is on one)', () => {
    const folder = join(within(tmpdir()), 'secrets');
    expect(() => new SecretFiles({ folder, user: null }).put('TOKEN', Buffer.from('value'))).toThrow(/is not in memory/);
    expect(readdirSync(folder)).toEqual([]);
  });

  it.skipIf(!isMemory('/dev/shm'))('take the place of whatever is there, and follow no link (needs /dev/shm)', () => {
    const root = within('/dev/shm');
    const folder = join(root, 'secrets');
    const files = new SecretFiles({ folder, user: null });
    files.put('OTHER', Buffer.from('x'));
    writeFileSync(join(root, 'victim'), 'as it was');
    symlinkSync(join(root, 'victim'), join(folder, 'TOKEN'));
    mkdirSync(join(folder, 'own'));
    expect(readFileSync(files.put('TOKEN', Buffer.from('value')), 'utf8')).toBe('value');
    symlinkSync(root, join(folder, 'link'));
    files.removeFiles();
    expect([readdirSync(folder), readFileSync(join(root, 'victim'), 'utf8')]).toEqual([['own'], 'as it was']);
    files.removeAll();
    expect([readdirSync(folder), readdirSync(root).sort()]).toEqual([[], ['secrets', 'victim']]);
    symlinkSync(root, join(root, 'elsewhere'));
    expect(() => new SecretFiles({ folder: join(root, 'elsewhere'), user: null }).put('TOKEN', Buffer.from('value'))).toThrow();
  });
});
