import { randomUUID } from 'node:crypto';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, beforeEach, describe, expect, inject, it, vi } from 'vitest';
import { PLUGIN } from '../../launcher/connect/tunnels.ts';
import type { Session } from '../../launcher/contract/api.ts';
import { Person } from '../local/cli-harness.ts';
import { ACCOUNT_ID, type FunctionUrl, iamBlock, type Key, signedFetch, startFunctionUrl, TEST_KEYS } from '../support/function-url.ts';
import { Account, REGION } from './account/account.ts';
import { Functions } from './account/functions.ts';
import { ProcessMachines } from './account/machines.ts';
import { makeStack } from './account/stack.ts';
import { freePort } from './free-port.ts';

const DEPLOYMENT = 'team-a';
const RESOLVE_HERE = fileURLToPath(new URL('account/resolve-here.mjs', import.meta.url));
const MINUTE_MS = 60_000;

/** A user, or the role of an instance, as its metadata service gives it. */
function keyOf(accessKeyId: string): Key | undefined {
  const instanceId = /^ROLE(i-[0-9a-f]+)$/.exec(accessKeyId)?.[1];
  if (instanceId === undefined) return TEST_KEYS[accessKeyId];
  return {
    secretAccessKey: `secret-of-${instanceId}`,
    sessionToken: `session-of-${instanceId}`,
    iam: iamBlock(`assumed-role/${DEPLOYMENT}-box/${instanceId}`),
  };
}

/** As EventBridge gives it to a function. Source: EventBridge User Guide, "Event structure". */
const eventOf = (source: string, type: string, detail: object) => ({
  version: '0',
  id: randomUUID(),
  'detail-type': type,
  source,
  account: ACCOUNT_ID,
  time: new Date().toISOString().replace(/\.\d+Z$/, 'Z'),
  region: REGION,
  resources: [],
  detail,
});

describe('the built functions in an account, its boxes, and people with credentials', { timeout: 180_000 }, () => {
  let account: Account;
  let functions: Functions;
  let front: FunctionUrl;
  let cron: NodeJS.Timeout;
  let alice: Person;
  let bob: Person;
  let folder = '';
  const withoutPlugin = (process.env['PATH'] ?? '')
    .split(':')
    .filter((each) => !existsSync(join(each, PLUGIN)))
    .join(':');

  beforeAll(async () => {
    account = await Account.open(inject('motoUrl'), new ProcessMachines({ NODE_OPTIONS: `--import ${RESOLVE_HERE}` }));
    account.tablesUrl = inject('dynamodbLocalUrl');
    const port = await freePort();
    front = await startFunctionUrl({
      handler: (...given) => functions.api(...given),
      region: REGION,
      keys: keyOf,
      port,
    });
    const { settings, timeoutsMs } = await makeStack({
      deployment: DEPLOYMENT,
      accountUrl: account.url,
      motoUrl: inject('motoUrl'),
      functionUrl: `http://abc123.lambda-url.${REGION}.on.aws:${port}/`,
    });
    const env = {
      PATH: withoutPlugin,
      AWS_REGION: REGION,
      AWS_ACCESS_KEY_ID: 'test',
      AWS_SECRET_ACCESS_KEY: 'test',
      DEVCTL_SETTINGS: JSON.stringify(settings),
    };
    functions = new Functions(env, timeoutsMs);
    account.onInvoke = (name, payload) => {
      if (name === settings.eventsFunction) void functions.events(payload);
    };
    // The first minute after a deploy: the table, which is new, is compared with what there is.
    await minute();
    cron = setInterval(() => void minute(), MINUTE_MS);
    alice = new Person();
    bob = new Person();
    folder = alice.folder('shop');
    mkdirSync(join(folder, 'src'));
    for (let n = 0; n < 20; n += 1) writeFileSync(join(folder, 'src', `file-${n}.txt`), `line ${n}\n`);
    for (const person of [alice, bob]) {
      await person.must(['context', 'add', 'lambda', front.url, '--aws', '--region', REGION], { env: envOf(person) });
      await person.must(['context', 'use', 'lambda'], { env: envOf(person) });
    }
  });

  afterAll(async () => {
    clearInterval(cron);
    await alice?.leave();
    await bob?.leave();
    await front?.close();
    await functions?.close();
    await account?.close();
  });

  beforeEach(({ onTestFailed }) => onTestFailed(() => console.log(account.machines.logs(), functions.logs(), functions.failures)));

  const envOf = (person: Person): Record<string, string> => {
    const id = person === alice ? 'AKIAALICE' : 'ASIABOB';
    const { secretAccessKey = '', sessionToken } = TEST_KEYS[id] ?? {};
    return {
      AWS_ACCESS_KEY_ID: id,
      AWS_SECRET_ACCESS_KEY: secretAccessKey,
      ...(sessionToken && { AWS_SESSION_TOKEN: sessionToken }),
      AWS_REGION: REGION,
      AWS_ENDPOINT_URL_SSM: account.url,
      AWS_ENDPOINT_URL_STS: account.url,
      AWS_EC2_METADATA_DISABLED: 'true',
      AWS_CONFIG_FILE: '/dev/null',
      AWS_SHARED_CREDENTIALS_FILE: '/dev/null',
      PATH: `${account.pluginFolder()}:${withoutPlugin}`,
    };
  };
  const minute = () => functions.events(eventOf('aws.events', 'Scheduled Event', {}));
  const must = (...args: string[]) => alice.must(args, { cwd: folder, env: envOf(alice) });
  const status = async () => (await alice.json<{ session: Session }>(['status'], { cwd: folder, env: envOf(alice) })).session;
  const asBob = (...args: string[]) => bob.run(args, { env: envOf(bob) });
  const ask = (id: string, method: string, path: string, body?: object) =>
    signedFetch(
      front.url,
      id,
      { method, path, region: REGION, ...(body && { body, headers: { 'idempotency-key': randomUUID() } }) },
      keyOf(id),
    );

  it('a folder goes up into a box of its owner, launched by the template of the stack, and commands run in it', async () => {
    await must('up', folder);
    expect(await must('exec', '--', 'cat', 'src/file-7.txt')).toBe('line 7\n');
    await must('exec', '--', 'sh', '-c', 'echo kept > src/kept.txt');
    const session = await status();
    expect(session).toMatchObject({ phase: 'ready', owner: TEST_KEYS['AKIAALICE']?.iam.userId });
    expect(await must('events')).toContain('session.ready');
    const fleet = account.seen.find((text) => text.includes('Action=CreateFleet')) ?? '';
    expect(fleet).toMatch(new RegExp(`LaunchTemplateName=${DEPLOYMENT}-x86_64&.*ImageId=ami-`));
    expect(fleet).toContain(`Key=devctl%3Aowner&`);
    expect(fleet).toContain(`Value=${session.owner}&`);
    // Whoever signs needs no token.
    expect(account.seen.filter((text) => text.includes('GetWebIdentityToken'))).toEqual([]);
  });

  it('through the API alone a command runs by way of Systems Manager', async () => {
    const before = account.calls.filter((call) => call === 'SendCommand').length;
    const answer = await ask('AKIAALICE', 'POST', `/sessions/${(await status()).id}/exec`, { argv: ['cat', 'src/file-3.txt'] });
    expect(await answer.json()).toMatchObject({ code: 0, stdout: 'line 3\n' });
    expect(account.calls.filter((call) => call === 'SendCommand').length).toBeGreaterThan(before);
  });

  it('somebody else sees nothing of it', async () => {
    const { id } = await status();
    expect(JSON.parse((await asBob('ls', '--json')).stdout)).toEqual([]);
    const other = await asBob('status', id);
    expect(other.code).toBe(3);
    expect(other.stderr).toContain(id);
    expect((await ask('ASIABOB', 'POST', `/sessions/${id}/connect`, {})).status).toBe(404);
    expect((await ask('ASIABOB', 'GET', `/sessions/${id}`)).status).toBe(404);
    expect((await ask('AKIAALICE', 'POST', `/sessions/${id}/connect`, {})).status).toBe(200);
  });

  it('a box with its role reports, and may do nothing that people do', async () => {
    const boxId = (await status()).box?.id ?? '';
    for (const path of ['/sessions', '/workspaces', '/whoami']) {
      const answer = await ask(`ROLE${boxId}`, 'GET', path);
      expect([path, answer.status, ((await answer.json()) as { code: string }).code]).toEqual([path, 403, 'forbidden']);
    }
  });

  it('down keeps everything in a snapshot, and the next box has it', async () => {
    const { id, box } = await status();
    expect(await must('down')).toContain('everything on disk is in it');
    const after = (await (await ask('AKIAALICE', 'GET', `/sessions/${id}`)).json()) as Session;
    expect(after).toMatchObject({ phase: 'stopped' });
    expect(account.calls).toContain('CreateSnapshot');
    await must('up');
    expect(await must('exec', '--', 'cat', 'src/kept.txt', 'src/file-7.txt')).toBe('kept\nline 7\n');
    expect((await status()).box?.id).not.toBe(box?.id);
  });

  it('a box that EC2 takes away is saved, and the work goes on in another one', async () => {
    const { id, box } = await status();
    await must('exec', '--', 'sh', '-c', 'echo last > src/last.txt');
    const detail = { 'instance-id': box?.id, 'instance-action': 'terminate' };
    await functions.events(eventOf('aws.ec2', 'EC2 Spot Instance Interruption Warning', detail));
    const isElsewhere = ({ phase, box: now }: Session) => phase === 'ready' && now?.id !== box?.id;
    await vi.waitUntil(async () => isElsewhere(await status()), { timeout: 60_000, interval: 500 });
    expect((await status()).id).toBe(id);
    expect(await must('exec', '--', 'cat', 'src/last.txt')).toBe('last\n');
    await must('down');
  });

  it('what was lost on its way to the function of events is found in the next minute', async () => {
    const { onInvoke } = account;
    const lost: unknown[] = [];
    account.onInvoke = (_, payload) => void lost.push(payload);
    const { id } = (await (await ask('AKIAALICE', 'POST', '/sessions', { workspace: 'later' })).json()) as Session;
    account.onInvoke = onInvoke;
    expect(lost).toEqual([{ devctl: 'look', owner: TEST_KEYS['AKIAALICE']?.iam.userId, id }]);
    await minute();
    const phase = async () => ((await (await ask('AKIAALICE', 'GET', `/sessions/${id}`)).json()) as Session).phase;
    await vi.waitUntil(async () => (await phase()) === 'ready', { timeout: 60_000, interval: 500 });
    await must('down', id);
  });

  it('nothing that was run for an event has failed', () => {
    expect(functions.failures).toEqual([]);
  });
});
