import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Session } from '../../launcher/contract/api.ts';
import { DEVCTL, Person } from './cli-harness.ts';

let person: Person;
beforeEach(() => {
  person = new Person();
});
afterEach(() => person.leave());

const running = (): { url: string; pid: number; version: string } => JSON.parse(readFileSync(join(person.state, 'launcher.json'), 'utf8'));
const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8') !== '';
  } catch {
    return false;
  }
};

describe('with no launcher', () => {
  it('looking, stopping and ending start none', async () => {
    for (const args of [['ls'], ['down', '--all', '--yes'], ['serve', '--stop'], ['down'], ['workspace', 'ls'], ['reap', '--dry-run']]) {
      expect(await person.run(args), args.join(' ')).toMatchObject({ code: 0 });
    }
    expect((await person.run(['serve', '--status'])).code).toBe(3);
    expect(existsSync(join(person.state, 'launcher.json'))).toBe(false);
  });
});

describe('the embedded launcher', () => {
  it('is started once by two commands at the same time', async () => {
    const [a, b] = [person.folder('a'), person.folder('b')];
    const results = await Promise.all([person.run(['up', '--no-import'], { cwd: a }), person.run(['up', '--no-import'], { cwd: b })]);
    expect(results.map((result) => result.code)).toEqual([0, 0]);
    expect((await person.json<Session[]>(['ls'])).map((session) => session.phase)).toEqual(['ready', 'ready']);
  });

  it('comes back after kill -9 with the boxes it had', async () => {
    const folder = person.folder('kept');
    writeFileSync(join(folder, 'a.txt'), 'a');
    const before = await person.json<Session>(['up'], { cwd: folder });
    const { pid } = running();
    process.kill(pid, 'SIGKILL');
    await expect.poll(() => isAlive(pid)).toBe(false);
    expect(await person.must(['exec', '--', 'cat', 'a.txt'], { cwd: folder })).toBe('a');
    const [after] = await person.json<Session[]>(['ls']);
    expect(after).toMatchObject({ id: before.id, phase: 'ready', generation: 1 });
    expect(running().pid).not.toBe(pid);
  });

  it('is started again by a command that waits, when it is killed under it', async () => {
    const folder = person.folder('waits');
    mkdirSync(join(folder, '.devctl'));
    writeFileSync(join(folder, '.devctl/setup.sh'), 'until [ -e go ]; do sleep 0.05; done\n');
    await person.must(['up', '--allow-setup', '--no-wait'], { cwd: folder });
    const { pid } = running();
    const waiting = person.start(['events', 'waits', '-f']);
    const ended = once(waiting, 'close');
    await once(waiting.stdout as NodeJS.ReadableStream, 'data');
    const up = person.run(['up'], { cwd: folder });
    process.kill(pid, 'SIGKILL');
    await expect.poll(() => isAlive(pid)).toBe(false);
    await expect.poll(() => existsSync(join(person.state, 'launcher.json')) && running().pid !== pid, { timeout: 20_000 }).toBe(true);
    const volumes = join(person.state, 'local/volumes');
    for (const name of readdirSync(volumes)) writeFileSync(join(volumes, name, 'tree/src/go'), '');
    expect(await up).toMatchObject({ code: 0 });
    await person.must(['down', 'waits']);
    expect(await ended).toEqual([0, null]);
  });

  it('is started again when it is killed under files that wait for their box, and they go in', async () => {
    const folder = person.folder('sent');
    writeFileSync(join(folder, 'a.txt'), 'a');
    await person.must(['token', 'ls']);
    const boxes = join(person.state, 'local/boxes');
    const up = person.run(['up'], { cwd: folder });
    await expect.poll(() => existsSync(boxes) && readdirSync(boxes).length, { timeout: 20_000, interval: 5 }).toBe(1);
    process.kill(running().pid, 'SIGKILL');
    expect(await up).toMatchObject({ code: 0 });
    expect(await person.must(['exec', '--', 'cat', 'a.txt'], { cwd: folder })).toBe('a');
    await person.must(['down', 'sent']);
  });

  it('is replaced when it is of another version, and says so', async () => {
    await person.must(['token', 'ls']);
    const old = running();
    writeFileSync(join(person.state, 'launcher.json'), JSON.stringify({ ...old, version: '0.0.1' }), { mode: 0o600 });
    const result = await person.run(['ls']);
    expect(result).toMatchObject({ code: 0, stderr: expect.stringContaining('a launcher of version 0.0.1 is running') });
    expect(running().pid).not.toBe(old.pid);
    expect(isAlive(old.pid)).toBe(false);
  });

  it('is not believed when its pid is a stranger', async () => {
    await person.must(['token', 'ls']);
    const old = running();
    await person.must(['serve', '--stop']);
    writeFileSync(join(person.state, 'launcher.json'), JSON.stringify({ ...old, pid: process.pid }), { mode: 0o600 });
    expect((await person.run(['serve', '--status'])).code).toBe(3);
    await person.must(['serve', '--stop']);
    await person.must(['token', 'ls']);
    expect(running().pid).not.toBe(process.pid);
  });

  it('says why it could not start', async () => {
    mkdirSync(person.state, { recursive: true });
    writeFileSync(join(person.state, 'table'), 'not a folder');
    writeFileSync(join(person.state, 'token'), 'x', { mode: 0o600 });
    const result = await person.run(['ls']);
    expect(result.code).not.toBe(0);
    expect(result.stderr).toMatch(/^error: .+\n {2}.+/);
  });
});

describe('serve', () => {
  it('runs in the foreground until it is told to end, and refuses a port in use', async () => {
    const taken = createServer();
    const port = await new Promise<number>((resolve) =>
      taken.listen(0, '127.0.0.1', () => resolve((taken.address() as { port: number }).port)),
    );
    const refused = await person.run(['serve', '--port', String(port)]);
    taken.close();
    expect(refused.stderr).toContain(String(port));
    expect(refused.code).not.toBe(0);

    const child = person.start(['serve']);
    const first = await new Promise<string>((resolve) => child.stdout?.once('data', (chunk: Buffer) => resolve(chunk.toString())));
    expect(first).toMatch(/^devctl launcher at http:\/\/127\.0\.0\.1:\d+ · state in /);
    const { url } = running();
    const token = readFileSync(join(person.state, 'token'), 'utf8').trim();
    expect(await person.must(['token', 'ls', '-o', 'plain'], { env: { DEVCTL_URL: url, DEVCTL_TOKEN: token } })).toContain('local');
    expect(await person.must(['token', 'ls', '-o', 'plain'], { env: { DEVCTL_URL: url } })).toContain('local');
    const wrong = await person.run(['token', 'ls'], { env: { DEVCTL_URL: url, DEVCTL_TOKEN: 'dvt_wrong' } });
    expect(wrong).toMatchObject({ code: 4, stderr: expect.stringContaining('DEVCTL_TOKEN') });
    expect((await person.run(['serve'])).stderr).toContain('a launcher is running');
    const over = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGINT');
    expect(await over).toBe(0);
    expect((await person.run(['ls'], { env: { DEVCTL_URL: url } })).stderr).toContain(`no launcher answers at ${url}`);
  });
});

describe('who fails to show a token', () => {
  it('does not hold up the person who started the launcher', async () => {
    const child = person.start(['serve']);
    const over = once(child, 'exit');
    await once(child.stdout as NodeJS.ReadableStream, 'data');
    const { url } = running();
    let status = 0;
    for (let tries = 0; status !== 429 && tries < 1000; tries += 1)
      ({ status } = await fetch(`${url}/sessions`, { headers: { authorization: 'Bearer x' } }));
    expect(status).toBe(429);
    // A command that was refused would wait and repeat: it says so in the launcher's log.
    expect(await person.must(['token', 'ls', '-o', 'plain'])).toContain('local');
    const refused = readFileSync(join(person.state, 'log/launcher.jsonl'), 'utf8')
      .split('\n')
      .filter((line) => line.includes('listTokens'));
    expect(refused.map((line) => (JSON.parse(line) as { status: number }).status)).toEqual([200]);
    child.kill('SIGINT');
    await over;
  });
});

describe('the program', () => {
  it('runs through a link, as npx does', async () => {
    const link = join(person.folder('bin'), 'devctl');
    symlinkSync(DEVCTL, link);
    expect(await person.must(['--version'], { program: link })).toMatch(/^\d+\.\d+\.\d+\n$/);
    expect(await person.must(['token', 'ls', '-o', 'plain'], { program: link })).toContain('local');
  });

  it('says when its launcher is missing beside it', async () => {
    const alone = join(person.folder('alone'), 'devctl.cjs');
    writeFileSync(alone, readFileSync(DEVCTL));
    const result = await person.run(['token', 'ls'], { program: alone });
    expect(result.stderr).toContain(`${join(dirname(alone), 'launcher.cjs')} is missing`);
  });

  it('writes a support bundle without secrets', async () => {
    const token = (await person.must(['token', 'create', '-o', 'plain'])).split('\t')[0] as string;
    const file = join(person.dir, 'bundle.tar.gz');
    expect(await person.must(['support-bundle', file])).toBe(`${file}\n`);
    const { execFileSync } = await import('node:child_process');
    const text = execFileSync('tar', ['xzOf', file], { encoding: 'utf8' });
    expect(text).toContain('"op":');
    const own = readFileSync(join(person.state, 'token'), 'utf8').trim();
    for (const secret of [token, own]) expect(text).not.toContain(secret.slice(-20));
    expect(await person.run(['support-bundle', file])).toMatchObject({ code: 2, stderr: expect.stringContaining('is there already') });
    const nowhere = await person.run(['support-bundle', join(person.dir, 'nowhere/b.tar.gz')]);
    expect(nowhere).toMatchObject({ code: 2, stderr: expect.stringContaining('cannot be written: no such file or folder') });
  });

  it('knows of no session with an unknown id', async () => {
    const result = await person.run(['status', 'ses_0000000000000000000000abcd']);
    expect(result).toMatchObject({ code: 3, stderr: expect.stringContaining('there is no session ses_0000000000000000000000abcd') });
  });

  it('says when the folder that it is run in is gone', async () => {
    const gone = person.folder('gone');
    const script = `cd "${gone}" && rmdir "${gone}" && exec "${process.execPath}" "$DEVCTL" up`;
    const terminal = person.script(script, person.dir);
    await terminal.shows('the folder that you are in does not exist any more');
    expect(await terminal.ends()).toBe(2);
  });

  it('says when the state folder cannot be made', async () => {
    const file = join(person.dir, 'a-file');
    writeFileSync(file, '');
    for (const home of [file, join(file, 'below'), ...(process.platform === 'linux' ? ['/proc/devctl'] : [])]) {
      const result = await person.run(['token', 'ls'], { env: { DEVCTL_HOME: home } });
      expect(result).toMatchObject({ code: 2, stderr: expect.stringMatching(/state folder .* cannot be (made|used)/) });
    }
  });
});
