import { createServer, type Server } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Heartbeat } from '../../launcher/contract/box.ts';
import { type Bench, launchReady, openBench, shell, startExec } from './local-harness.ts';

type Kind = Heartbeat['evidence'][number]['kind'];
const TTY = { tty: { cols: 80, rows: 24, term: 'xterm' } };
/** Newer than a heartbeat and a half: it is going on. */
const FRESH_MS = 400;

let bench: Bench;
let box: Awaited<ReturnType<typeof launchReady>>['box'];

beforeAll(async () => {
  bench = await openBench();
  ({ box } = await launchReady(bench));
});
afterAll(() => bench?.close());

const fresh = (beat: Heartbeat, kind: Kind) => beat.evidence.find((item) => item.kind === kind && item.agoMs < FRESH_MS);
/** Waits for a heartbeat that reports this now. */
const seen = (kind: Kind) => bench.launcher.beat(box.boxId, (beat) => fresh(beat, kind) !== undefined);
/** Waits until nothing has been seen for so long that a window of the CPU measure lies in it. */
const quiet = (...kinds: Kind[]) =>
  bench.launcher.beat(box.boxId, (beat) =>
    kinds.every((kind) => (beat.evidence.find((item) => item.kind === kind)?.agoMs ?? Infinity) > 3_000),
  );

describe('a box is at work', () => {
  it('while a command of a client runs, and no longer', async () => {
    const command = await startExec(bench.provider, box, { argv: ['sleep', '1000'] });
    const beat = await seen('command');
    expect(fresh(beat, 'command')?.detail).toBe('sleep');
    command.stream.destroy();
    await quiet('command');
  });

  it('while a program is in the foreground of a terminal, but not while shells wait at their prompts', async () => {
    const terminal = await startExec(bench.provider, box, TTY);
    terminal.input('PS1="ready> "\n');
    await terminal.until(({ stdout }) => stdout.includes('ready> '));
    await quiet('foreground', 'cpu');
    // A shell within the shell still only waits.
    terminal.input('bash --norc\n');
    await terminal.until(({ stdout }) => /bash-\d/.test(stdout));
    await quiet('foreground', 'cpu');
    terminal.input('sleep 1000\n');
    expect(fresh(await seen('foreground'), 'foreground')?.detail).toBe('sleep');
    terminal.input('\x1a');
    await terminal.until(({ stdout }) => stdout.includes('Stopped'));
    await quiet('foreground');
    terminal.stream.destroy();
  });

  it('while something uses the CPU in the background, also by children that come and go', async () => {
    await shell(bench.provider, box, '(while :; do /bin/true; done) > /dev/null 2>&1 & echo $! > /tmp/busy');
    await seen('cpu');
    await shell(bench.provider, box, 'kill $(cat /tmp/busy)');
    await quiet('cpu', 'command');
  });

  it('while an AI agent silently waits for the answer of its model', async () => {
    const server: Server = createServer((socket) => socket.on('error', () => {}));
    const port = await new Promise<number>((resolve) =>
      server.listen(0, '127.0.0.1', () => resolve((server.address() as { port: number }).port)),
    );
    const start = (name: string) =>
      shell(
        bench.provider,
        box,
        `mkdir -p /tmp/${name}/bin && ln -sf $(which node) /tmp/${name}/bin/${name} && (setsid /tmp/${name}/bin/${name} -e "require('net').connect(${port}, '127.0.0.1')" > /dev/null 2>&1 & echo $! > /tmp/${name}/pid)`,
      );
    // Anything else with a connection open is not an agent.
    await start('watcher');
    await quiet('agent', 'cpu', 'command');
    await start('claude');
    expect(fresh(await seen('agent'), 'agent')?.detail).toContain('claude');
    await shell(bench.provider, box, 'kill $(cat /tmp/claude/pid /tmp/watcher/pid)');
    await quiet('agent');
    server.close();
  });

  it('not for sleeping daemons and a shell at its prompt', async () => {
    await shell(
      bench.provider,
      box,
      '(setsid sleep 5000 > /dev/null 2>&1 &); (setsid node -e "setInterval(() => {}, 200)" > /dev/null 2>&1 &)',
    );
    const terminal = await startExec(bench.provider, box, TTY);
    await terminal.until(({ stdout }) => stdout.length > 0);
    const beat = await quiet('command', 'foreground', 'cpu', 'agent', 'setup');
    expect(beat.evidence.every((item) => item.agoMs > 3_000)).toBe(true);
    terminal.stream.destroy();
  });
});
