import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import type { Session, Workspace } from '../../launcher/contract/api.ts';
import { Person } from './cli-harness.ts';

let person: Person;
let shop: string;

const git = (...args: string[]): string =>
  execFileSync('git', ['-C', shop, '-c', 'user.name=t', '-c', 'user.email=t@example.com', ...args], {
    encoding: 'utf8',
    env: person.env(),
  });

beforeAll(() => {
  person = new Person();
  shop = person.folder('code/shop');
  git('init', '-q', '-b', 'main');
  writeFileSync(join(shop, '.gitignore'), 'node_modules\n');
  writeFileSync(join(shop, 'a.txt'), 'one\n');
  mkdirSync(join(shop, 'node_modules'));
  writeFileSync(join(shop, 'node_modules/x'), 'ignored');
  mkdirSync(join(shop, '.devctl'));
  writeFileSync(join(shop, '.devctl/setup.sh'), 'echo ran > /workspace/src/ran\n');
  git('add', '.');
  git('commit', '-qm', 'one');
  writeFileSync(join(shop, 'new.txt'), 'untracked\n');
});
afterAll(() => person.leave());

const here = () => ({ cwd: shop });
const inBox = (command: string): Promise<string> => person.must(['exec', '--', 'sh', '-c', command], here());

describe('a working day', () => {
  it('begins with up: the folder is in, with its history and without what is ignored', async () => {
    const result = await person.run(['up'], here());
    expect(result).toMatchObject({ code: 0 });
    expect(result.stdout).toMatch(/^session ses_\w+ is ready · stops after 30 min idle \(12 h at most\)\n$/);
    expect(result.stderr).toBe(
      'note: .devctl/setup.sh was not run: allow it with devctl workspace allow-setup shop (with --forbid: never)\n',
    );
    expect(await inBox('ls -A; cat new.txt; git log --format=%s; git status --short')).toBe(
      '.devctl\n.git\n.gitignore\na.txt\nnew.txt\nuntracked\none\n?? new.txt\n',
    );
  });

  it('finds the session again from within the folder, and never overwrites', async () => {
    const [session] = await person.json<Session[]>(['ls'], here());
    await inBox('echo mine > a.txt');
    writeFileSync(join(shop, 'a.txt'), 'changed here\n');
    const again = await person.json<Session>(['up'], { cwd: join(shop, '.devctl/..') });
    expect(again.id).toBe(session?.id);
    expect(await person.must(['exec', 'shop', 'cat', 'a.txt'])).toBe('mine\n');
    expect(await person.must(['exec', again.id, 'cat', 'a.txt'])).toBe('mine\n');
  });

  it('runs commands with their input, output and codes', async () => {
    const failed = await person.run(['exec', '--', 'sh', '-c', 'echo out; echo err >&2; exit 7'], here());
    expect(failed).toEqual({ code: 7, stdout: 'out\n', stderr: 'err\n' });
    expect((await person.run(['exec', '--', 'no-such-program'], here())).code).toBe(127);
    expect((await person.run(['exec', '--', 'sh', '-c', 'kill -9 $$'], here())).code).toBe(137);
    const bytes = Buffer.alloc(1_500_000, 'abcdefg');
    expect((await person.run(['exec', '--', 'wc', '-c'], { ...here(), input: bytes })).stdout.trim()).toBe('1500000');
    expect((await person.run(['exec', '-e', 'A=x y', '-w', '/tmp', 'shop', 'sh', '-c', 'echo "$A"; pwd'])).stdout).toBe('x y\n/tmp\n');
  });

  it('copies both ways', async () => {
    writeFileSync(join(person.dir, 'data.txt'), 'data');
    await person.must(['cp', 'data.txt', 'shop:in/']);
    await person.must(['cp', 'data.txt', 'shop:in/other.txt']);
    expect(await inBox('cat in/data.txt in/other.txt')).toBe('datadata');
    await person.must(['cp', 'shop:in', 'out']);
    await person.must(['cp', 'shop:in/.', person.folder('flat')]);
    expect(readdirSync(join(person.dir, 'out')).sort()).toEqual(['data.txt', 'other.txt']);
    expect(readFileSync(join(person.dir, 'flat/data.txt'), 'utf8')).toBe('data');
    const missing = await person.run(['cp', 'shop:nowhere', 'x']);
    expect(missing.code).toBe(3);
    expect(missing.stderr).toMatch(/^error: \/workspace\/src\/nowhere: no such file or folder\n {2}devctl exec -- ls /);
    expect((await person.run(['cp', 'nowhere', 'shop:x'])).stderr).toContain('nowhere does not exist');
    await inBox('rm -r in');
  });

  it('finds a ready box with up, whatever failed before, and mentions it', async () => {
    const folder = person.folder('broken/.devctl');
    writeFileSync(join(folder, 'setup.sh'), 'echo it went wrong >&2; exit 4\n');
    const there = { cwd: join(folder, '..') };
    // The script runs when the files are in: the command may be over before it has failed.
    await person.run(['up', '--allow-setup'], there);
    await vi.waitUntil(async () => (await person.json<{ session: Session }>(['status'], there)).session.failure !== null, {
      timeout: 20_000,
    });
    const again = await person.run(['up'], there);
    expect(again).toMatchObject({ code: 0, stderr: expect.stringMatching(/note: something failed earlier: .*it went wrong/) });
    await person.must(['down'], there);
  });

  it('names what it could not copy, copies the rest, and says that it is not whole', async () => {
    await inBox(`mkdir odd && cd odd && echo a > a && mkfifo pipe && printf n > "$(printf 'caf\\351')"`);
    const partly = await person.run(['cp', 'shop:odd', 'odd']);
    expect(partly.code).toBe(1);
    expect(partly.stderr).toContain(String.raw`note: odd/caf\xe9 has a name that is not UTF-8: left out`);
    expect(partly.stderr).toContain('note: odd/pipe is a pipe: left out');
    expect(partly.stderr).toContain('error: 1 file or folder could not be copied whole');
    expect(readdirSync(join(person.dir, 'odd'))).toEqual(['a']);
    const streamed = await person.run(['cp', 'shop:odd', '-']);
    expect(streamed).toMatchObject({ code: 1, stderr: expect.stringContaining('odd/pipe is a pipe') });
    await inBox('rm odd/caf*');
    const whole = await person.run(['cp', 'shop:odd', 'again']);
    expect(whole).toMatchObject({ code: 0, stderr: expect.stringContaining('odd/pipe is a pipe') });
    await inBox('rm -r odd');
  });

  it('says what keeps the session, and what happened', async () => {
    expect(await person.must(['hold', 'build', '--for', '2h'], here())).toContain('hold build keeps shop until');
    expect(await person.must(['why'], here())).toMatch(/^ready since .*will stop at .*\n[\s\S]*hold {3}build until/);
    expect(await person.must(['hold', 'shop', '-o', 'plain'])).toMatch(/^build\t20/);
    expect((await person.run(['hold', 'shop', '--for', '2h'], here())).stderr).toContain('devctl hold shop build --for 2h');
    expect(await person.must(['hold', 'build', '--release'], here())).toBe('hold build of shop is released\n');
    expect(await person.must(['events'], here())).toContain('session.ready');
    expect(await person.must(['status'], here())).toMatch(/workspace +shop\n[\s\S]*session +ses_/);
    const unknown = await person.run(['status', 'ses_0000000000000000000000abcd']);
    expect(unknown).toMatchObject({ code: 3, stderr: expect.stringContaining('there is no session ses_0000000000000000000000abcd') });
    expect(await person.must(['logs', '--launcher', '--tail', '5'])).toContain('"op":');
    const [plain] = (await person.must(['ls', '-o', 'plain'])).split('\n');
    expect(plain?.split('\t').slice(0, 2)).toEqual(['shop', 'ready']);
  });

  it('goes on in another box when the machine is taken away', async () => {
    await inBox('echo not flushed > rescued.txt');
    const back = await person.json<Session>(['interrupt', '--in', '1m'], here());
    expect(back).toMatchObject({ phase: 'ready', generation: 2 });
    expect(await inBox('cat rescued.txt && rm rescued.txt')).toBe('not flushed\n');
    const events = await person.must(['events'], here());
    const order = ['box.interrupted', 'box.quiet', 'snapshot.started', 'generation 2', 'ready in generation 2'];
    expect(order.map((text) => events.indexOf(text))).toEqual([...order.map((text) => events.indexOf(text))].sort((a, b) => a - b));
    expect(events).toContain('snapshot.started');
  });

  it('makes snapshots and forks; the source stays as it is', async () => {
    expect(await person.must(['snapshot', '--note', 'before'], here())).toMatch(/^shop@snap_\d+ completed\n$/);
    expect(await person.must(['snapshots'], here())).toContain('before');
    expect(await person.must(['snapshots', '-o', 'plain'], here())).toMatch(/^snap_\d+\t20[\d-]+T[\d:.]+Z\tcheckpoint\tcompleted\t\d+\t/);
    const fork = await person.json<{ workspaces: Workspace[]; sessions: Session[] }>(['fork', 'shop', '--count', '2', '--up']);
    expect(fork.sessions.map((session) => session.phase)).toEqual(['ready', 'ready']);
    const [one, two] = fork.workspaces.map((workspace) => workspace.name) as [string, string];
    const third = await person.json<{ workspaces: Workspace[] }>(['fork', 'shop']);
    const three = third.workspaces[0]?.name as string;
    await person.must(['exec', one, '--', 'sh', '-c', 'echo one > a.txt']);
    expect(await person.must(['exec', two, 'cat', 'a.txt'])).toBe('mine\n');
    expect(await inBox('cat a.txt')).toBe('mine\n');
    const ended = await person.run(['down', one, 'nowhere', two, one, three, '--json']);
    expect(ended).toMatchObject({ code: 3, stderr: expect.stringContaining('there is no workspace \\"nowhere\\"') });
    expect(JSON.parse(ended.stdout)).toMatchObject([
      { workspace: one, phase: 'stopped' },
      { workspace: two, phase: 'stopped' },
    ]);
    expect(await person.must(['down', one, two])).toBe(
      `nothing to do: ${one} has no live session\nnothing to do: ${two} has no live session\n`,
    );
    const refused = await person.run(['workspace', 'delete', two]);
    expect(refused).toMatchObject({ code: 2, stderr: expect.stringContaining('--yes') });
    const deleted = await person.run(['workspace', 'rm', two, 'shop', three, '--yes', '--force']);
    expect(deleted).toMatchObject({
      code: 5,
      stdout: `workspace ${two} is deleted\nworkspace ${three} is deleted\n`,
      stderr: expect.stringContaining('error: workspace shop is leased by ses_'),
    });
    const left = await person.must(['workspace', 'ls', '-o', 'plain']);
    expect([one, two, three].map((name) => left.includes(`${name}\t`))).toEqual([true, false, false]);
  });

  it('ends with down and its receipt, and comes back as it was', async () => {
    await inBox('echo history > ../home/.mark');
    const { code, stdout } = await person.run(['down'], here());
    expect(code).toBe(0);
    expect(stdout).toMatch(
      /^receipt shop@snap_\d+ {2}everything on disk is in it\n {2}not pushed: 1 commit on main · 2 files changed \(it has no remote\)\n {2}this session: /,
    );
    expect(await person.must(['down'], here())).toBe('nothing to do: shop has no live session\n');
    expect((await person.run(['exec', '--', 'true'], here())).stderr).toContain('start one with devctl up');
    await person.must(['up', 'shop', '--idle', '10m']);
    expect(await inBox('cat a.txt ../home/.mark')).toBe('mine\nhistory\n');
    await person.must(['down', '--no-wait'], here());
    const again = await person.json<Session>(['up'], here());
    expect(again.phase).toBe('ready');
    expect(await inBox('cat a.txt')).toBe('mine\n');
  });

  it('restores an earlier snapshot', async () => {
    await inBox('echo later > a.txt');
    await person.must(['down'], here());
    const snapshots = await person.json<Array<{ id: string; note: string | null }>>(['snapshots', 'shop']);
    const before = snapshots.find((snapshot) => snapshot.note === 'before')?.id as string;
    expect(await person.run(['restore', before, '--force'], here())).toMatchObject({ code: 0, stderr: '' });
    await person.must(['up'], here());
    expect(await inBox('cat a.txt')).toBe('mine\n');
  });

  it('lets snapshots go one by one, and says how many are kept', async () => {
    const ids = async () => (await person.json<Array<{ id: string; isHead: boolean }>>(['snapshot', 'ls', 'shop'])).map(({ id }) => id);
    const [newest, ...older] = await ids();
    const head = (await person.json<Workspace>(['workspace', 'show', 'shop'])).head as string;
    const gone = older.filter((id) => id !== head).slice(0, 1) as [string];
    const result = await person.run(['snapshot', 'rm', 'shop', head, ...gone, 'snap_999', '--yes']);
    expect(result).toMatchObject({ code: 5, stdout: `shop@${gone[0]} is deleted\n` });
    expect(result.stderr).toContain(`error: ${head} is the head of workspace shop\n  restore another snapshot first`);
    expect(result.stderr).toContain('error: workspace shop has no snapshot snap_999\n');
    expect(await person.json(['snapshot', 'rm', newest as string, '--yes'], here())).toEqual([{ deleted: newest }]);
    expect(await person.run(['snapshot', 'delete', 'shop'])).toMatchObject({ code: 2, stderr: expect.stringContaining('which snapshot?') });
    expect(await person.must(['workspace', 'retention'], here())).toBe(
      'workspace shop keeps its newest 10 snapshots, and the newest of each of 7 days\n',
    );
    expect(await person.run(['workspace', 'retention', 'shop', '--keep-daily', '0'])).toMatchObject({ code: 2 });
    expect(await person.json(['workspace', 'retention', 'shop', '--keep-last', '20'])).toEqual({ keepLast: 20, keepDaily: 7 });
    expect(await person.json(['workspace', 'retention', 'shop', '--keep-daily', '0', '--yes'])).toEqual({ keepLast: 20, keepDaily: 0 });
  });
});

describe('what is asked of up', () => {
  it('is told apart: another folder of the same name gets its own workspace', async () => {
    const other = person.folder('other/shop');
    writeFileSync(join(other, 'b.txt'), 'b');
    const result = await person.run(['up', '--no-import', '--detach'], { cwd: other });
    expect(result).toMatchObject({ code: 0, stderr: expect.stringContaining("the name shop is taken: this folder's workspace is shop-2") });
    const session = await person.json<Session>(['up', '.'], { cwd: other });
    expect(session).toMatchObject({ workspace: 'shop-2', phase: 'ready' });
    expect(await person.must(['exec', '--', 'ls'], { cwd: other })).toBe('b.txt\n');
    await person.must(['down'], { cwd: other });
  });

  it('is taken up again after the command was killed', async () => {
    const big = person.folder('big');
    for (let n = 0; n < 200; n += 1) writeFileSync(join(big, `f${n}`), Buffer.alloc(100_000, n));
    const first = person.start(['up'], { cwd: big });
    await expect
      .poll(async () => (await person.json<Session[]>(['ls'])).some((session) => session.workspace === 'big'), { timeout: 20_000 })
      .toBe(true);
    first.kill('SIGKILL');
    const session = await person.json<Session>(['up'], { cwd: big });
    expect(session.workspace).toBe('big');
    expect((await person.must(['exec', '--', 'sh', '-c', 'ls | wc -l'], { cwd: big })).trim()).toBe('200');
    await person.must(['down', 'big']);
  });

  it.each([
    [['up', './nowhere'], 1, /the folder .*nowhere does not exist/],
    [['up', 'nothing-of-the-kind'], 3, /there is no workspace and no folder "nothing-of-the-kind"/],
    [['down', 'shpo'], 3, /there is no workspace "shpo"\n {2}did you mean shop\?/],
    [['snapshots', 'shpo'], 3, /there is no workspace "shpo"\n {2}did you mean shop\?/],
    [['restore', 'shop', 'snap_99'], 5, /is leased by .*\n {2}end it first with devctl down shop/],
    [['exec', 'cat', 'a.txt'], 3, /devctl exec -- cat a\.txt\n/],
  ])('is refused in one line: %j', async (args, code, words) => {
    const result = await person.run(args);
    expect(result.stderr).toMatch(words);
    expect(result).toMatchObject({ code, stdout: '' });
  });
});
