import { createHash, randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { FRAME } from '../../launcher/contract/exec-frames.ts';
import type { BoxRef } from '../../launcher/ports/compute.ts';
import { type Bench, eventually, launchReady, openBench, runIn, shell, startExec } from './local-harness.ts';

let bench: Bench;
let box: BoxRef;
const run = (argv: string[], more = {}) => runIn(bench.provider, box, argv, more);
const start = (argv: string[], more = {}) => startExec(bench.provider, box, { argv, ...more });
const TTY = { tty: { cols: 80, rows: 24, term: 'xterm-256color' } };
const gone = (pattern: string) => eventually(async () => (await run(['pgrep', '-f', pattern])).exit?.code === 1);

beforeAll(async () => {
  bench = await openBench();
  ({ box } = await launchReady(bench));
});
afterAll(() => bench?.close());

describe('a command', () => {
  it.each([
    [['true'], 0],
    [['sh', '-c', 'exit 3'], 3],
    [['sh', '-c', 'kill -TERM $$'], 143],
    [['no-such-command'], 127],
    [['./no-such-file'], 127],
    [['/etc/group'], 126],
    [['/etc'], 126],
  ])('%j ends with %i', async (argv, code) => {
    expect((await run(argv)).exit?.code).toBe(code);
  });

  it('says which signal ended it, and why it cannot be run', async () => {
    expect((await run(['sh', '-c', 'kill -KILL $$'])).exit).toEqual({ code: 137, signal: 'SIGKILL' });
    expect((await run(['no-such-command'])).stderr).toBe('devctl: no-such-command: command not found\n');
    expect((await run(['/etc'])).stderr).toBe('devctl: /etc: cannot be executed\n');
  });

  it('gets its arguments as they are: no shell looks at them', async () => {
    const words = ['$HOME', '`id`', '; ls', '-rf', 'a b', '*', '"\'', '', '\n', '--', 'ünï☃'];
    const { stdout } = await run(['node', '-e', 'console.log(JSON.stringify(process.argv.slice(1)))', '--', ...words]);
    expect(JSON.parse(stdout)).toEqual(words);
  });

  it('keeps output and errors apart, and has its folder and environment', async () => {
    const both = await run(['sh', '-c', 'echo out; echo err >&2; pwd; echo $EXTRA$HOME'], {
      cwd: '/workspace/home',
      env: { EXTRA: 'more ' },
    });
    expect(both).toMatchObject({ stdout: 'out\n/workspace/home\nmore /workspace/home\n', stderr: 'err\n' });
    const nowhere = await run(['pwd'], { cwd: 'nowhere' });
    expect(nowhere.problem).toMatchObject({ code: 'not_found', detail: expect.stringContaining('nowhere') });
    await shell(bench.provider, box, 'mkdir -p sub && printf "#!/bin/sh\\necho local" > sub/tool && chmod +x sub/tool');
    expect((await run(['./tool'], { cwd: 'sub' })).stdout).toBe('local\n');
  });

  it('takes and gives megabytes without a change', async () => {
    const bytes = randomBytes(4 * 1024 * 1024);
    const command = await start(['sh', '-c', 'tee /dev/stderr | sha256sum; sleep 0.01']);
    for (let offset = 0; offset < bytes.length; offset += 300_000) command.input(bytes.subarray(offset, offset + 300_000));
    command.endInput();
    const { stdout, exit } = await command.done;
    expect(stdout).toContain(createHash('sha256').update(bytes).digest('hex'));
    expect(exit?.code).toBe(0);
    const out = await run(['head', '-c', '20000000', '/dev/zero']);
    expect(out.stdout.length).toBe(20_000_000);
  });

  it('waits for a client that reads slowly, instead of filling the memory', async () => {
    const command = await start(['sh', '-c', 'head -c 50000000 /dev/zero; echo done > /tmp/slow']);
    command.stream.pause();
    // The writer stands still: it can only when nobody takes its output any more.
    let before = '';
    await eventually(async () => {
      const now = (await run(['bash', '-c', 'grep wchar /proc/$(pgrep -x head)/io'])).stdout;
      const still = now !== '' && now === before;
      before = now;
      return still;
    });
    expect((await run(['test', '-e', '/tmp/slow'])).exit?.code).toBe(1);
    command.stream.resume();
    expect((await command.done).stdout.length).toBe(50_000_000);
  });

  it('may leave its input unread, and a server behind', async () => {
    const command = await start(['true']);
    for (let index = 0; index < 40; index += 1) command.input(Buffer.alloc(64 * 1024));
    expect((await command.done).exit?.code).toBe(0);
    const daemon = await run(['sh', '-c', 'sleep 4711 & echo started']);
    expect(daemon).toMatchObject({ stdout: 'started\n', exit: { code: 0 } });
    await run(['pkill', '-f', 'sleep 4711']);
  });

  it('is signalled with its whole group', async () => {
    const command = await start(['bash', '-c', 'trap "echo caught; exit 9" INT; echo up; sleep 4712 & wait']);
    await command.until(({ stdout }) => stdout.includes('up'));
    command.send(FRAME.signal, { signal: 'SIGINT' });
    expect(await command.done).toMatchObject({ stdout: 'up\ncaught\n', exit: { code: 9 } });
    await run(['pkill', '-f', 'sleep 4712']);
  });

  it('ends when its client goes away, by force if need be', async () => {
    const command = await start(['bash', '-c', 'trap "" TERM; echo up; while :; do sleep 4713; done']);
    await command.until(({ stdout }) => stdout.includes('up'));
    command.stream.destroy();
    await gone('sleep 4713');
    // Also one that does not read what it is sent.
    const deaf = await start(['sleep', '4714']);
    for (let index = 0; index < 60; index += 1) deaf.input(Buffer.alloc(64 * 1024));
    await eventually(async () => (await run(['pgrep', '-f', 'sleep 4714'])).exit?.code === 0);
    deaf.stream.destroy();
    await gone('sleep 4714');
  });

  it('is refused with a reason when what was asked makes no sense', async () => {
    const wrong = await startExec(bench.provider, box, { argv: ['true'], surprise: 1 } as never);
    expect((await wrong.done).problem).toMatchObject({ code: 'invalid_request', detail: expect.stringContaining('surprise') });
    const stream = await bench.provider.exec(box);
    stream.write(Buffer.from([99, 0, 0, 0, 0]));
    const frames = (await stream.toArray()).map(String).join('');
    expect(frames).toContain('unknown frame type');
  });
});

describe('a terminal', () => {
  it('is a real one: size, type, colours, Ctrl-C, exit code', async () => {
    const terminal = await start([], TTY);
    terminal.input('PS1="prompt> "; tput colors; stty size; tty\n');
    await terminal.until(({ stdout }) => /\/dev\/pts\/\d/.test(stdout));
    expect(terminal.outcome.stdout).toMatch(/256\r\n24 80\r\n/);
    terminal.send(FRAME.resize, { cols: 132, rows: 50 });
    terminal.input('stty size\n');
    await terminal.until(({ stdout }) => stdout.includes('50 132'));
    terminal.input('sleep 4715; echo code=$?\n');
    await eventually(async () => (await run(['pgrep', '-f', 'sleep 4715'])).exit?.code === 0);
    terminal.input('\x03');
    await terminal.until(({ stdout }) => stdout.includes('code=130') || stdout.includes('^C'));
    terminal.input('exit 7\n');
    expect((await terminal.done).exit?.code).toBe(7);
  });

  it('runs a command, and says when there is none', async () => {
    expect(await (await start(['sh', '-c', 'test -t 0 && test -t 1 && exit 5'], TTY)).done).toMatchObject({ exit: { code: 5 } });
    expect(await (await start(['no-such-command'], TTY)).done).toMatchObject({
      exit: { code: 127 },
      stdout: expect.stringContaining('not found'),
    });
    expect(await (await start(['sh', '-c', 'kill -KILL $$'], TTY)).done).toMatchObject({ exit: { code: 137 } });
  });

  it('carries a megabyte of output in order', async () => {
    const { stdout } = await (await start(['sh', '-c', 'seq 1 150000'], TTY)).done;
    const lines = stdout.trimEnd().split('\r\n');
    expect(lines.length).toBe(150_000);
    expect(lines.at(-1)).toBe('150000');
  });

  it('hangs up with its client, whatever the shell is at: it ends, and keeps its history', async () => {
    const shells = async () => (await run(['pgrep', '-fc', '^/bin/bash -l'])).stdout.trim();
    for (let attempt = 0; attempt < 20; attempt += 1) {
      const terminal = await start([], TTY);
      terminal.input(`echo mark${attempt}x$((1+1))\n`);
      await terminal.until(({ stdout }) => stdout.includes(`mark${attempt}x2`));
      terminal.stream.destroy();
      await eventually(async () => (await run(['grep', '-c', `mark${attempt}x`, '/workspace/home/.bash_history'])).exit?.code === 0);
    }
    await eventually(async () => (await shells()) === '0');
  });

  it('shows a notice once, whoever sends it how often', async () => {
    const terminal = await start([], TTY);
    await terminal.until(({ stdout }) => stdout.length > 0);
    bench.launcher.orders.set(box.sessionId, { notice: { id: 'n1', text: 'stops in 5 minutes' } });
    await terminal.until(({ notices }) => notices.length === 1);
    await bench.launcher.beat(box.boxId, () => true);
    bench.launcher.orders.set(box.sessionId, { notice: { id: 'n2', text: 'stops in 1 minute' } });
    await terminal.until(({ notices }) => notices.length === 2);
    bench.launcher.orders.delete(box.sessionId);
    expect(terminal.outcome.notices).toEqual(['stops in 5 minutes', 'stops in 1 minute']);
    terminal.input('exit\n');
    await terminal.done;
  });
});
