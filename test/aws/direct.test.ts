import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { afterAll, beforeAll, beforeEach, describe, expect, inject, it, vi } from 'vitest';
import { PLUGIN } from '../../launcher/connect/tunnels.ts';
import type { Session } from '../../launcher/contract/api.ts';
import { connectAws } from '../../launcher/providers/ec2/sdk-api.ts';
import { Person } from '../local/cli-harness.ts';
import { type FunctionUrl, iamBlock, startFunctionUrl } from '../support/function-url.ts';
import { Account, REGION } from './account/account.ts';
import { CREDENTIALS, Laptop } from './account/laptop.ts';
import { launcherBehind } from './account/launcher-behind.ts';
import { ProcessMachines } from './account/machines.ts';

/** Processes that a process has started. */
const children = (pid: number): number[] =>
  readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').filter(Boolean).map(Number);

/** What has ended may wait for whoever collects it. */
function isRunning(pid: number): boolean {
  try {
    return !/\) Z /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false;
  }
}

describe('a launcher that speaks HTTP only, behind signatures, and somebody with credentials', { timeout: 180_000 }, () => {
  let account: Account;
  let launcher: Laptop;
  let front: FunctionUrl;
  let dev: Person;
  let folder = '';
  let closeClient = () => {};
  const withoutPlugin = (process.env['PATH'] ?? '')
    .split(':')
    .filter((each) => !existsSync(join(each, PLUGIN)))
    .join(':');
  let env: Record<string, string> = {};

  beforeAll(async () => {
    account = await Account.open(inject('motoUrl'), new ProcessMachines());
    launcher = new Laptop(account);
    const client = connectAws({ region: REGION, endpoint: account.url, credentials: { accessKeyId: 'test', secretAccessKey: 'test' } });
    closeClient = client.close;
    await launcher.settle(client.ec2);
    await launcher.serve(withoutPlugin);
    const running = () => JSON.parse(readFileSync(join(launcher.state, 'launcher.json'), 'utf8')) as { url: string };
    const handler = launcherBehind(
      () => running().url,
      () => readFileSync(join(launcher.state, 'token'), 'utf8').trim(),
    );
    front = await startFunctionUrl({ region: REGION, keys: { test: { secretAccessKey: 'test', iam: iamBlock('user/test') } }, handler });
    dev = new Person();
    env = {
      ...CREDENTIALS,
      PATH: `${account.pluginFolder()}:${withoutPlugin}`,
      AWS_ENDPOINT_URL_SSM: account.url,
      AWS_ENDPOINT_URL_STS: account.url,
      AWS_EC2_METADATA_DISABLED: 'true',
      AWS_CONFIG_FILE: '/dev/null',
      AWS_SHARED_CREDENTIALS_FILE: '/dev/null',
    };
    folder = dev.folder('project');
    mkdirSync(join(folder, 'src'));
    for (let n = 0; n < 20; n += 1) writeFileSync(join(folder, 'src', `file-${n}.txt`), `line ${n}\n`);
    writeFileSync(join(folder, 'large.bin'), Buffer.alloc(8_000_000, 'x'));
    await must('context', 'add', 'lambda', front.url, '--aws', '--region', REGION);
    await must('context', 'use', 'lambda');
  });

  afterAll(async () => {
    await dev.leave();
    await front.close();
    await launcher.stop();
    await launcher.leave();
    closeClient();
    await account.close();
  });

  beforeEach(({ onTestFailed }) => onTestFailed(() => console.log(account.machines.logs(), launcher.logs(), front.requests.slice(-20))));

  const must = (...args: string[]) => dev.must(args, { cwd: folder || dev.dir, env });
  const run = (args: string[], more: { env?: Record<string, string>; input?: string } = {}) =>
    dev.run(args, { cwd: folder, ...more, env: { ...env, ...more.env } });
  const opened = () => account.calls.filter((call) => call === 'StartSession').length;
  const ended = () => account.calls.filter((call) => call === 'TerminateSession').length;

  it('a folder that is larger than a function takes goes straight to the box, and commands run in it', async () => {
    await must('up');
    expect(await must('exec', '--', 'sh', '-c', 'cat src/file-7.txt; wc -c < large.bin')).toBe('line 7\n8000000\n');
    expect(await run(['exec', '--env', 'A=b', '--', 'sh', '-c', 'wc -c; echo $A >&2; exit 7'], { input: 'x'.repeat(200_000) })).toEqual({
      code: 7,
      stdout: '200000\n',
      stderr: 'b\n',
    });
    expect(front.requests.filter((line) => /\/(?:attach|files|import|exec)/.test(line))).toEqual([]);
  });

  it('copies go both ways, and the log is read', async () => {
    await must('cp', ':src/file-3.txt', 'copied.txt');
    expect(readFileSync(join(folder, 'copied.txt'), 'utf8')).toBe('line 3\n');
    await must('cp', 'copied.txt', ':src');
    expect(await must('exec', '--', 'cat', 'src/copied.txt')).toBe('line 3\n');
    expect(await must('logs')).toContain('[devctl]');
  });

  it('a shell is a terminal', async () => {
    const terminal = dev.terminal(['shell'], { cwd: folder, env });
    terminal.type('tty && echo it-is-$((40 + 2)); exit\r');
    await terminal.shows(/it-is-42/);
    expect(await terminal.ends()).toBe(0);
  });

  it('a port of the box is a port of this machine, as long as it is asked for', async () => {
    const script = `require('http').createServer((q, a) => a.end('page ' + q.url)).listen(0, '127.0.0.1', function () { console.log(this.address().port) })`;
    const server = dev.start(['exec', '--', 'node', '-e', script], { cwd: folder, env });
    const [line] = (await once(server.stdout as Readable, 'data')) as [Buffer];
    const port = Number.parseInt(line.toString(), 10);
    const forward = dev.start(['forward', `${port}:0`], { cwd: folder, env });
    const [told] = (await once(forward.stdout as Readable, 'data')) as [Buffer];
    const local = /localhost:(\d+) leads to port \d+ of project/.exec(told.toString())?.[1];
    const pages = await Promise.all(['/a', '/b', '/c'].map(async (path) => (await fetch(`http://127.0.0.1:${local}${path}`)).text()));
    expect(pages).toEqual(['page /a', 'page /b', 'page /c']);
    server.kill('SIGTERM');
    await once(server, 'close');
    let said = '';
    forward.stderr?.on('data', (chunk: Buffer) => {
      said += chunk;
    });
    await expect(fetch(`http://127.0.0.1:${local}/`)).rejects.toThrow();
    await vi.waitUntil(() => said.includes(`nothing listens on port ${port} of the box`));
    forward.kill('SIGINT');
    expect((await once(forward, 'close'))[0]).toBe(130);
  });

  it('Ctrl-C for a command is for the command alone, and a program that is killed leaves no tunnel', async () => {
    const terminal = dev.script(
      '"$DEVCTL" exec -- sh -c "trap \'echo caught; exit 5\' INT; echo ready; while :; do sleep 0.1; done"; echo code $?',
      folder,
      env,
    );
    await terminal.shows(/ready/);
    terminal.type('\x03');
    await terminal.shows(/caught[\s\S]*code 5/);
    const killed = dev.start(['logs', '--follow'], { cwd: folder, env });
    await once(killed.stdout as Readable, 'data');
    const plugins = children(killed.pid ?? 0);
    expect(plugins).toHaveLength(1);
    killed.kill('SIGTERM');
    await once(killed, 'close');
    await vi.waitUntil(() => !plugins.some(isRunning));
  });

  it('no tunnel outlives its command', () => {
    expect(opened()).toBeGreaterThan(4);
    // Of one that was killed, the plugin ends the session itself.
    expect(ended()).toBe(opened() - 1);
  });

  it('without the plugin a command runs through the launcher, and the rest says what to install on this machine', async () => {
    const without = { env: { PATH: withoutPlugin } };
    const before = opened();
    const plain = await run(['exec', '--', 'sh', '-c', 'cat src/file-3.txt; echo no >&2; exit 3'], without);
    expect(plain).toMatchObject({ code: 3, stdout: 'line 3\n' });
    expect(plain.stderr).toMatch(/session-manager-plugin is not installed here.*gets no input/);
    expect(plain.stderr).toMatch(/no\n$/);
    const withInput = await run(['exec', '--', 'cat'], { ...without, input: 'x' });
    expect(withInput.code).not.toBe(0);
    expect(withInput.stderr).toContain('a command gets no input this way');
    const copied = await run(['cp', ':src/file-3.txt', 'other.txt'], without);
    expect(copied.code).toBe(1);
    expect(copied.stderr).toMatch(/is not installed here[\s\S]*install it on this machine: https:/);
    const terminal = dev.terminal(['shell'], { cwd: folder, env: { ...env, ...without.env } });
    await terminal.shows(/there is no terminal this way/);
    expect(opened()).toBe(before);
  });

  it('what AWS refuses is told with the next step', async () => {
    const { AWS_ACCESS_KEY_ID: _, AWS_SECRET_ACCESS_KEY: _secret, ...nobody } = env;
    const anonymous = await dev.run(['ls'], { cwd: folder, env: nobody });
    expect(anonymous).toMatchObject({ code: 4, stdout: '' });
    expect(anonymous.stderr).toMatch(/there are no AWS credentials\n {2}log in \(aws sso login\)/);
    front.denied.add('test');
    const denied = await run(['ls']);
    front.denied.clear();
    expect(denied.code).toBe(4);
    expect(denied.stderr).toMatch(/AWS does not let you use this launcher[\s\S]*devctl doctor says who you are/);
    await must('context', 'add', 'elsewhere', front.url, '--aws', '--region', 'eu-west-1');
    const elsewhere = await run(['ls', '--on', 'elsewhere']);
    expect(elsewhere.code).toBe(2);
    expect(elsewhere.stderr).toContain('this launcher is not in eu-west-1');
  });

  it('doctor says who one is, and what is missing here', async () => {
    const good = await run(['doctor']);
    expect(good.stdout).toMatch(/✓ AWS credentials +as the environment says/);
    expect(good.stdout).toMatch(/✓ AWS identity +arn:aws:\S+/);
    expect(good.stdout).toMatch(/✓ AWS clock +agrees/);
    expect(good.stdout).toMatch(/✓ session-manager-plugin +version 1\.2\.707/);
    expect(good.stdout).toMatch(/✓ access +owner \S+ · may read, write, admin · boxes are reached directly/);
    expect(good.stdout).toMatch(/✓ launcher +ec2/);
    expect((await run(['doctor'], { env: { PATH: withoutPlugin } })).stdout).toMatch(
      /! session-manager-plugin.*\n +fix: install it on this machine/,
    );
    front.denied.add('test');
    const denied = await run(['doctor']);
    front.denied.clear();
    expect(denied.code).toBe(1);
    expect(denied.stdout).toMatch(/✓ AWS identity[\s\S]*✗ access +AWS does not let you use this launcher/);
    const { AWS_ACCESS_KEY_ID: _, AWS_SECRET_ACCESS_KEY: _secret, ...nobody } = env;
    const anonymous = await dev.run(['doctor'], { cwd: folder, env: nobody });
    expect(anonymous.code).toBe(1);
    expect(anonymous.stdout).toMatch(/✗ AWS credentials +there are no AWS credentials\n +fix: log in/);
  });

  it('a box that is going down is not reached any more', async () => {
    const { session } = await dev.json<{ session: Session }>(['status'], { cwd: folder, env });
    expect(await must('down')).toContain('everything on disk is in it');
    const late = await run(['exec', session.id, '--', 'true']);
    expect(late.stderr).toContain(`session ${session.id} is being stopped or is over`);
    expect(late.code).toBe(5);
  });
});
