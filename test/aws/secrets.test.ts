import { createHash, randomBytes } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { ScanCommand } from '@aws-sdk/client-dynamodb';
import { afterAll, beforeAll, beforeEach, describe, expect, inject, it, vi } from 'vitest';
import type { Session } from '../../launcher/contract/api.ts';
import type { Ec2Api } from '../../launcher/providers/ec2/api.ts';
import { connectAws } from '../../launcher/providers/ec2/sdk-api.ts';
import { createDynamoClient } from '../../launcher/stores/dynamo/client.ts';
import { Account, REGION } from './account/account.ts';
import { Laptop } from './account/laptop.ts';
import { ProcessMachines } from './account/machines.ts';
import { filesIn, foundIn, processFiles } from './account/sweep.ts';
import { Vault } from './account/vault.ts';

const OTHER_REGION = 'eu-west-1';
const DEPLOYMENT = 'secrets';
const OWNER = { accessKeyId: 'test', secretAccessKey: 'test' };
const sha256 = (text: string | Buffer) => createHash('sha256').update(text).digest('hex');

/** One that has to be escaped everywhere, and one that is a single word. */
const CANARY = `c"a/n+a\\r y&${randomBytes(16).toString('hex')}'%é`;
const WORD = `w${randomBytes(16).toString('hex')}`;
const BINARY = Buffer.from([0, 255, 1, 254, ...randomBytes(12)]);

describe('secrets of a session, by reference', { timeout: 120_000 }, () => {
  let account: Account;
  let laptop: Laptop;
  let ec2: Ec2Api;
  let closeClient = () => {};
  let folder = '';
  let arns: Record<'canary' | 'json' | 'binary' | 'denied', string>;
  const told: [string, string][] = [];

  beforeAll(async () => {
    account = await Account.open(inject('motoUrl'), new ProcessMachines());
    const vault = new Vault(inject('motoUrl'));
    const name = (what: string) => `${what}-${randomBytes(4).toString('hex')}`;
    arns = {
      canary: await vault.create(name('canary'), CANARY, REGION),
      json: await vault.create(name('json'), JSON.stringify({ token: 'old', port: 5432, nested: {} }), OTHER_REGION),
      binary: await vault.create(name('binary'), BINARY, REGION),
      denied: await vault.create(name('denied'), 'never-to-be-read', REGION),
    };
    await vault.put(arns.json, JSON.stringify({ token: WORD, port: 5432, nested: {} }), OTHER_REGION);
    account.denied.add(arns.denied);
    laptop = new Laptop(account, DEPLOYMENT);
    ({ ec2, close: closeClient } = connectAws({ region: REGION, endpoint: account.url, credentials: OWNER }));
    await laptop.settle(ec2);
    folder = laptop.folder('project');
    writeFileSync(join(folder, 'README'), 'a project\n');
    await laptop.serve(`${account.pluginFolder()}:${process.env['PATH']}`);
    const secrets = {
      CANARY: arns.canary,
      TOKEN: `${arns.json}:token::`,
      OLD: `${arns.json}:token:AWSPREVIOUS:`,
      PORT: `${arns.json}:port::`,
      BINARY: arns.binary,
      DENIED: arns.denied,
      NO_KEY: `${arns.json}:password::`,
      NO_TEXT: `${arns.json}:nested::`,
      NO_JSON: `${arns.canary}:token::`,
      MISSING: `arn:aws:secretsmanager:${REGION}:123456789012:secret:nothing-a1B2c3`,
    };
    await must('up', ...Object.entries(secrets).flatMap(([as, arn]) => ['--secret', `${as}=${arn}`]));
  });

  afterAll(async () => {
    await laptop.stop();
    await laptop.leave();
    closeClient();
    await account.close();
  });

  beforeEach(({ onTestFailed }) => onTestFailed(() => console.log(account.machines.logs(), laptop.logs())));

  const run = async (...args: string[]) => {
    const result = await laptop.run(args, { cwd: folder });
    told.push([`devctl ${args[0]}`, result.stderr + result.stdout]);
    return result;
  };
  const must = async (...args: string[]) => {
    const { code, stdout, stderr } = await run(...args);
    if (code !== 0) throw new Error(`devctl ${args.join(' ')} ended with ${code}\n${stdout}${stderr}`);
    return stdout;
  };
  const session = async () => (await laptop.json<{ session: Session }>(['status'], { cwd: folder })).session;
  const secretsFolder = async () => join(account.machines.run((await session()).box?.id ?? ''), 'secrets');

  it('are in the record and in status as references', async () => {
    expect((await session()).secrets).toContainEqual({ name: 'TOKEN', valueFrom: `${arns.json}:token::` });
    expect(await must('status')).toContain(`CANARY from ${arns.canary}`);
    expect(account.secretReads).toEqual([]);
  });

  it('a command has those that it names, and no other has them', async () => {
    const names = ['--secret', 'CANARY', '--secret', 'TOKEN', '--secret', 'OLD', '--secret', 'PORT'];
    const script = 'for name in CANARY TOKEN OLD PORT; do printf %s "$(printenv $name)" | sha256sum; done; printenv BINARY DENIED';
    const { stdout, code } = await run('exec', ...names, '--', 'sh', '-c', script);
    expect(stdout.split(/\s+-?\s*/).filter(Boolean)).toEqual([CANARY, WORD, 'old', '5432'].map(sha256));
    expect(code).toBe(1);
    expect((await run('exec', '--', 'printenv', 'CANARY')).stdout).toBe('');
    const box = (await session()).box?.id;
    expect(account.secretReads).toContainEqual({ secretId: arns.json, accessKeyId: `ROLE${box}`, region: OTHER_REGION });
  });

  it('are files in memory where a command wants that: of its user alone, whole, and of any bytes', async () => {
    const script = 'sha256sum < "$CANARY_FILE"; sha256sum < "$BINARY_FILE"; stat -c %a "$CANARY_FILE"; printenv CANARY';
    const { stdout } = await run('exec', '--secret-file', 'CANARY', '--secret-file', 'BINARY', '--', 'sh', '-c', script);
    expect(stdout.split(/[\s-]+/).filter(Boolean)).toEqual([sha256(CANARY), sha256(BINARY), '600']);
    const dir = await secretsFolder();
    expect([readdirSync(dir).sort(), statSync(dir).mode & 0o777]).toEqual([['BINARY', 'CANARY'], 0o700]);
  });

  it.each([
    ['BINARY', /BINARY is binary/, /--secret-file BINARY/],
    ['DENIED', /AccessDeniedException: User: .* is not authorized/, /secretsmanager:GetSecretValue/],
    ['MISSING', /secret:nothing-a1B2c3\): ResourceNotFoundException/, /check the ARN/],
    ['NO_KEY', /has no JSON key "password"/, /json-key:version-stage:version-id/],
    ['NO_TEXT', /something else than text at JSON key "nested"/, /json-key/],
    ['NO_JSON', /is no JSON object/, /json-key/],
  ])('%s: what is wrong is named, with nothing of a value, and the box works on', async (name, what, hint) => {
    const { code, stdout, stderr } = await run('exec', '--secret', 'CANARY', '--secret', name, '--', 'echo', 'ran');
    expect([code, stdout]).toEqual([1, '']);
    expect(stderr).toMatch(what);
    expect(stderr).toMatch(hint);
    expect(await must('exec', '--', 'echo', 'works')).toBe('works\n');
  });

  it('that it does not have are refused, and so is a value in the place of a name or reference', async () => {
    const foreign = laptop.folder('other');
    await laptop.must(['up'], { cwd: foreign });
    const none = await laptop.run(['exec', '--secret', 'CANARY', '--', 'true'], { cwd: foreign });
    expect(none).toMatchObject({ code: 3 });
    expect(none.stderr).toContain('this session has no secret CANARY: it has none');
    await laptop.must(['down'], { cwd: foreign });
    const wrong = [
      await run('exec', '--secret', `A=${CANARY}`, '--', 'true'),
      await run('up', '--name', 'third', '--secret', `A=${CANARY}`),
      await run('up', '--name', 'third', '--secret', CANARY),
    ];
    expect(wrong.map(({ code }) => code)).toEqual([2, 2, 2]);
  });

  it('are nowhere else: not while they are used, and not after the box is saved', async () => {
    const started = join(laptop.dir, 'started');
    const script = `touch ${started}; while [ -e ${started} ]; do sleep 0.1; done`;
    const running = run('exec', '--secret', 'CANARY', '--secret', 'TOKEN', '--secret-file', 'CANARY', '--', 'sh', '-c', script);
    await vi.waitUntil(() => existsSync(started), { timeout: 20_000 });
    for (const value of [CANARY, WORD]) expect(foundIn(value, processFiles('cmdline'))).toEqual([]);
    const holders = foundIn(CANARY, processFiles('environ')).map((found) =>
      readFileSync(`/proc/${found.split(' ')[0]}/comm`, 'utf8').trim(),
    );
    expect(new Set(holders)).toEqual(new Set(['sh', 'sleep']));
    await must('snapshot', 'create');

    rmSync(started);
    await running;

    // What a program makes of it by itself: its own name, which the receipt would tell.
    await must('exec', '--secret', 'TOKEN', '--', 'bash', '-c', '(exec -a "$TOKEN" sleep 300 > /dev/null 2>&1 < /dev/null &)');
    const dir = await secretsFolder();
    const id = (await session()).id;
    const receipt = await must('down', '--output', 'json');
    expect(receipt).toContain('[redacted]');
    expect(existsSync(dir) ? readdirSync(dir) : []).toEqual([]);
    told.push(['events', await must('events', id, '--output', 'json')], ['status', await must('status', '--output', 'json')]);
    const bundle = join(laptop.dir, 'bundle.tar.gz');
    await must('support-bundle', bundle);
    const client = createDynamoClient({ region: REGION, endpoint: account.url, credentials: OWNER });
    const rows = JSON.stringify((await client.send(new ScanCommand({ TableName: `devctl-${DEPLOYMENT}` }))).Items);
    client.destroy();

    const everything = (): (readonly [string, string | Buffer])[] => [
      ...told,
      ['bundle', gunzipSync(readFileSync(bundle))],
      ['table', rows],
      ...account.seen.map((request) => ['request to the account', request] as const),
      ...filesIn(account.machines.dir),
      ...filesIn(account.machines.memory),
      ...filesIn(laptop.dir),
    ];
    // The search finds what is there.
    expect(foundIn(arns.canary, [['table', rows]])).not.toEqual([]);
    expect(foundIn('a project', everything()).length).toBeGreaterThan(1);
    for (const value of [CANARY, WORD]) expect(foundIn(value, everything())).toEqual([]);
  });
});
