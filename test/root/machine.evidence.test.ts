import { spawn as spawnProcess } from 'node:child_process';
import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { spawn } from '@lydell/node-pty';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Heartbeat } from '../../launcher/contract/box.ts';
import { shell, startExec } from '../local/local-harness.ts';
import { MachineBox } from './machine-box.ts';

type Kind = Heartbeat['evidence'][number]['kind'];
const TTY = { tty: { cols: 80, rows: 24, term: 'xterm' } };
/** Newer than a heartbeat and a half: it is going on. */
const FRESH_MS = 400;
const QUIET_MS = 3_000;

let machine: MachineBox;
beforeAll(async () => {
  machine = new MachineBox();
  await machine.start();
});
afterAll(() => machine?.close());

const say = (line: string) => shell(machine.access, machine.box, line);
const of = (beat: Heartbeat, kind: Kind) => beat.evidence.find((item) => item.kind === kind);
const seen = async (kind: Kind) => of(await machine.beat((beat) => (of(beat, kind)?.agoMs ?? Infinity) < FRESH_MS), kind)?.detail;
const quiet = (...kinds: Kind[]) => machine.beat((beat) => kinds.every((kind) => (of(beat, kind)?.agoMs ?? Infinity) > QUIET_MS));

const asUser = (argv: string[]) => ['setpriv', `--reuid=${machine.user.uid}`, `--regid=${machine.user.gid}`, '--clear-groups', ...argv];

describe('a machine is at work', { timeout: 120_000 }, () => {
  it('while a command runs, or a program is in the foreground of a terminal', async () => {
    const command = await startExec(machine.access, machine.box, { argv: ['sleep', '1000'] });
    expect(await seen('command')).toBe('sleep');
    command.stream.destroy();
    const terminal = await startExec(machine.access, machine.box, TTY);
    terminal.input('sleep 1000\n');
    expect(await seen('foreground')).toBe('sleep');
    terminal.input('\x03');
    await quiet('command', 'foreground');
    // What is typed there, the launcher sees itself. Other terminals of this machine may be in use.
    terminal.input('tty\n');
    await terminal.until(({ stdout }) => /\/dev\/pts\/\d+/.test(stdout));
    const own = /pts\/\d+/.exec(terminal.outcome.stdout)?.[0] as string;
    const beats = machine.launcher.beats.get(machine.box.boxId) ?? [];
    expect(beats.filter((beat) => of(beat, 'terminal')?.detail.startsWith(`${own},`))).toEqual([]);
    terminal.stream.destroy();
  });

  it('while somebody types at a terminal that devctl did not open, by whatever door he came', async () => {
    const env = { PATH: process.env['PATH'] };
    // As Session Manager does it: a worker of root's, and a shell below it.
    const worker = ['-c', 'exec -a ssm-session-worker bash -c "sh; true"'];
    const other = spawn('/bin/bash', worker, { name: 'xterm', cwd: '/', env });
    const path = (other as unknown as { _pty: string })._pty.slice('/dev/'.length);
    // The kernel's note of it has a grain of eight seconds.
    const typing = setInterval(() => other.write('true\r'), 500);
    const told = (beat: Heartbeat) =>
      (of(beat, 'terminal')?.agoMs ?? Infinity) < FRESH_MS && of(beat, 'terminal')?.detail.startsWith(`${path}, by `);
    await machine.beat((beat) => told(beat) === true);
    await machine.beat((beat) => !told(beat));
    await machine.beat((beat) => told(beat) === true);
    clearInterval(typing);
    other.kill();
  });

  it('while somebody from outside is connected to a port of the workload, and not for what it says to itself', async () => {
    const script = `require('net').createServer((s) => s.on('error', () => {})).listen(0, '127.0.0.1', function () { console.log(this.address().port) })`;
    const server = await startExec(machine.access, machine.box, { argv: ['node', '-e', script] });
    await server.until(({ stdout }) => /\d+\n/.test(stdout));
    const port = Number.parseInt(server.outcome.stdout, 10);
    const client = await startExec(machine.access, machine.box, {
      argv: ['node', '-e', `require('net').connect(${port}, '127.0.0.1', () => console.log('in'))`],
    });
    await client.until(({ stdout }) => stdout.includes('in'));
    await quiet('cpu');
    expect(of(await machine.beat(() => true), 'forward')).toBeUndefined();
    const visitor: Socket = connect(port, '127.0.0.1');
    expect(await seen('forward')).toBe(`port ${port}`);
    visitor.destroy();
    await quiet('forward');
    for (const { stream } of [server, client]) stream.destroy();
  });

  it('while it uses the CPU, by children that come and go, too, in its cgroup or by another door', async () => {
    const busy = 'while :; do /bin/true; done';
    await say(`(setsid sh -c "${busy}" > /dev/null 2>&1 & echo $! > $HOME/busy)`);
    expect(await seen('cpu')).toMatch(/^\d+ % of a core/);
    await say('kill $(cat $HOME/busy)');
    await quiet('cpu');
    const [file, ...args] = asUser(['sh', '-c', busy]) as [string, ...string[]];
    const outside = spawnProcess(file, args, { stdio: 'ignore' });
    await seen('cpu');
    outside.kill('SIGKILL');
    await quiet('cpu');
  });

  it('while an AI agent silently waits for its model, and while an image is built', async () => {
    const model: Server = createServer((socket) => socket.on('error', () => {}));
    model.listen(0, '127.0.0.1');
    await once(model, 'listening');
    const { port } = model.address() as { port: number };
    const start = (name: string, script: string, ...words: string[]) =>
      startExec(machine.access, machine.box, {
        argv: [
          'sh',
          '-c',
          `mkdir -p $HOME/${name} && ln -sf $(which node) $HOME/${name}/${name} && exec setsid -f $HOME/${name}/${name} "$@"`,
          'sh',
          '-e',
          script,
          ...words,
        ],
      });
    await start('claude', `require('net').connect(${port}, '127.0.0.1')`);
    expect(await seen('agent')).toContain('claude');
    await start('docker', 'setInterval(() => {}, 1000)', 'build', '.');
    expect(await seen('build')).toBe('docker build');
    await say('pkill claude; pkill docker; true');
    await quiet('agent', 'build');
    model.close();
  });
});
