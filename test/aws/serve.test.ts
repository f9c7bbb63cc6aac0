import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DescribeTableCommand, DescribeTimeToLiveCommand } from '@aws-sdk/client-dynamodb';
import { generateKeyPair } from 'jose';
import { afterAll, beforeAll, beforeEach, describe, expect, inject, it, vi } from 'vitest';
import { PLUGIN } from '../../launcher/connect/tunnels.ts';
import type { Session } from '../../launcher/contract/api.ts';
import type { Ec2Api } from '../../launcher/providers/ec2/api.ts';
import { connectAws } from '../../launcher/providers/ec2/sdk-api.ts';
import { createDynamoClient } from '../../launcher/stores/dynamo/client.ts';
import { Account, REGION } from './account/account.ts';
import { CREDENTIALS, Laptop } from './account/laptop.ts';
import { ProcessMachines } from './account/machines.ts';

const FILE_COUNT = 20;

describe('a launcher on a laptop, with boxes in an account', { timeout: 180_000 }, () => {
  let account: Account;
  let laptop: Laptop;
  let ec2: Ec2Api;
  let closeClient = () => {};
  let folder = '';
  const folders = (process.env['PATH'] ?? '').split(':');
  const withoutPlugin = folders.filter((folder) => !existsSync(join(folder, PLUGIN))).join(':');
  let withPlugin = '';

  beforeAll(async () => {
    account = await Account.open(inject('motoUrl'), new ProcessMachines());
    laptop = new Laptop(account);
    const client = connectAws({ region: REGION, endpoint: account.url, credentials: { accessKeyId: 'test', secretAccessKey: 'test' } });
    ec2 = client.ec2;
    closeClient = client.close;
    await laptop.settle(ec2);
    withPlugin = `${account.pluginFolder()}:${withoutPlugin}`;
    folder = laptop.folder('project');
    mkdirSync(join(folder, 'src'));
    for (let n = 0; n < FILE_COUNT; n += 1) writeFileSync(join(folder, 'src', `file-${n}.txt`), `line ${n}\n`);
    await laptop.serve(withPlugin);
  });

  afterAll(async () => {
    await laptop.stop();
    await laptop.leave();
    closeClient();
    await account.close();
  });

  // What was said where nobody looks otherwise.
  beforeEach(({ onTestFailed }) => onTestFailed(() => console.log(account.machines.logs(), laptop.logs())));

  const status = async () => (await laptop.json<{ session: Session }>(['status'], { cwd: folder })).session;
  const must = (...args: string[]) => laptop.must(args, { cwd: folder });

  it('up, exec, down and up again: the files are there, changed as they were left', async () => {
    await must('up');
    expect(await must('exec', '--', 'cat', 'src/file-7.txt')).toBe('line 7\n');
    await must('exec', '--', 'sh', '-c', 'echo changed > src/file-7.txt; echo kept > "$HOME/note"');
    expect(await must('down')).toContain('everything on disk is in it');
    await must('up');
    expect(await must('exec', '--', 'sh', '-c', 'cat src/file-7.txt "$HOME/note"')).toBe('changed\nkept\n');
  });

  it('a box is reached by terminal, copy and log', async () => {
    const piped = await laptop.run(['exec', '--', 'sh', '-c', 'wc -c; exit 7'], { cwd: folder, input: 'x'.repeat(200_000) });
    expect(piped).toMatchObject({ code: 7, stdout: '200000\n' });
    await must('cp', ':src/file-3.txt', 'copied.txt');
    expect(readFileSync(join(folder, 'copied.txt'), 'utf8')).toBe('line 3\n');
    expect(await must('logs')).toContain('[devctl]');
    const terminal = laptop.terminal(['shell'], { cwd: folder });
    terminal.type('tty && echo it-is-$((40 + 2)); exit\r');
    await terminal.shows(/it-is-42/);
    await terminal.ends();
    expect((await laptop.run(['doctor'], { cwd: folder })).stdout).toMatch(/session-manager-plugin.*version 1\.2\.707/);
  });

  it('a launcher that dies is taken up by the next one, and so are its boxes', async () => {
    await must('exec', '--', 'sh', '-c', 'echo before > crash.txt');
    await laptop.crash();
    await laptop.serve(withPlugin);
    expect(await must('exec', '--', 'cat', 'crash.txt')).toBe('before\n');
  });

  it('without the plugin a command still runs, and the rest says what to install', async () => {
    await laptop.stop();
    await laptop.serve(withoutPlugin);
    expect(await laptop.run(['exec', '--', 'sh', '-c', 'cat crash.txt; echo no >&2; exit 3'], { cwd: folder })).toMatchObject({
      code: 3,
      stdout: 'before\n',
      stderr: 'no\n',
    });
    const copied = await laptop.run(['cp', ':crash.txt', 'other.txt'], { cwd: folder });
    expect(copied.code).toBe(1);
    expect(copied.stderr).toContain('session-manager-plugin is not installed where the launcher runs');
    const terminal = laptop.terminal(['shell'], { cwd: folder });
    await terminal.shows(/there is no terminal this way/);
    expect((await laptop.run(['doctor'], { cwd: folder })).stdout).toMatch(/session-manager-plugin.*it is not installed/);
    expect(await must('down')).toContain('everything on disk is in it');
    await laptop.stop();
    await laptop.serve(withPlugin);
  });

  it('when EC2 takes a box away, the next one goes on with its files', async () => {
    await must('up');
    const { id, box } = await status();
    await must('exec', '--', 'sh', '-c', 'echo rescued > rescue.txt');
    account.notices.set(box?.id ?? '', new Date(Date.now() + 120_000));
    await vi.waitUntil(async () => (await status()).generation === 2 && (await status()).phase === 'ready', {
      timeout: 45_000,
      interval: 500,
    });
    expect((await status()).id).toBe(id);
    expect(await must('exec', '--', 'cat', 'rescue.txt')).toBe('rescued\n');
  });

  it('only the machine of a session speaks for it, and it is reached with the key of its launcher only', async () => {
    const { id, owner, box, generation } = await status();
    const body = { sessionId: id, generation, agentVersion: 'test', bootId: 'test' };
    const register = async (token: string, as = owner) => {
      const headers = { authorization: `Bearer ${token}`, 'devctl-owner': as, 'content-type': 'application/json' };
      const answer = await fetch(`${laptop.launcherUrl}/boxes/register`, { method: 'POST', headers, body: JSON.stringify(body) });
      return answer.status;
    };
    const good = await account.token(box?.id ?? '', laptop.launcherUrl);
    expect(await register(good)).toBe(200);
    const forged = (await generateKeyPair('ES384')).privateKey;
    const wrong = [
      register(await account.token('i-0123456789abcdef0', laptop.launcherUrl)),
      register(await account.token(box?.id ?? '', 'https://another.example.com')),
      register(await account.token(box?.id ?? '', laptop.launcherUrl, { expires: '-10m' })),
      register(await account.token(box?.id ?? '', laptop.launcherUrl, { issuer: 'https://another.example.com' })),
      register(await account.token(box?.id ?? '', laptop.launcherUrl, { keys: forged })),
      register(good, 'somebody-else'),
      register('nonsense'),
    ];
    expect(await Promise.all(wrong)).toEqual(wrong.map(() => 401));
    const agent = `http://127.0.0.1:${account.machines.port(box?.id ?? '')}`;
    for (const authorization of [undefined, 'Bearer nonsense', `Bearer ${good}`])
      expect((await fetch(`${agent}/files?path=.`, { headers: { ...(authorization && { authorization }) } })).status).toBe(401);
    const other = await fetch(`${laptop.launcherUrl}/sessions`);
    expect(other.status).toBe(404);
  });

  it('its records are in a table that one wrong call cannot delete', async () => {
    await must('down');
    const client = createDynamoClient({
      region: REGION,
      endpoint: account.url,
      credentials: { accessKeyId: 'test', secretAccessKey: 'test' },
    });
    const TableName = 'devctl-laptop';
    const { Table } = await client.send(new DescribeTableCommand({ TableName }));
    expect(Table?.DeletionProtectionEnabled).toBe(true);
    const { TimeToLiveDescription } = await client.send(new DescribeTimeToLiveCommand({ TableName }));
    expect(TimeToLiveDescription?.TimeToLiveStatus).toBe('ENABLED');
    client.destroy();
  });

  it('what it was told is looked at before anything is made', async () => {
    const refused = async (patch: object) => {
      await laptop.stop();
      await laptop.settle(ec2, patch);
      return laptop.run(['serve', '--provider', 'ec2', '--config', laptop.config], { env: CREDENTIALS });
    };
    const noSubnet = await refused({ subnets: ['subnet-0123456789abcdef0'] });
    expect(noSubnet).toMatchObject({ code: 2 });
    expect(noSubnet.stderr).toContain('there is no subnet-0123456789abcdef0 in us-east-1');
    const noImage = await refused({ images: { x86_64: '/devctl/no-such-image' } });
    expect(noImage.stderr).toContain('/devctl/no-such-image');
    expect(noImage.stderr).toContain('bake an image');
    const nobody = await laptop.run(['serve', '--provider', 'ec2', '--config', laptop.config], {
      env: { AWS_EC2_METADATA_DISABLED: 'true', AWS_SHARED_CREDENTIALS_FILE: '/dev/null', AWS_CONFIG_FILE: '/dev/null' },
    });
    expect(nobody.stderr).toContain('there are no AWS credentials that hold');
    expect(nobody.code).toBe(4);
  });
});
