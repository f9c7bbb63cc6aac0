import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, statSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { eventually, runIn, shell, startExec } from '../local/local-harness.ts';
import { MachineBox } from './machine-box.ts';

const TTY = { tty: { cols: 80, rows: 24, term: 'xterm' } };
const FRESH_MS = 400;
const GIT = 'git -c user.name=x -c user.email=x@example.com';

let machine: MachineBox;
beforeEach(async ({ onTestFailed }) => {
  machine = new MachineBox();
  onTestFailed(() => console.log(machine.log));
  await machine.start();
});
afterEach(() => machine?.close());

const say = (line: string) => shell(machine.access, machine.box, line);
const at = (...parts: string[]) => join(machine.workspace, ...parts);
const runs = (words: string) => machine.processes().some((line) => line === words);

describe('an agent that is killed', () => {
  it('leaves the workload, which the next one takes up: what runs is work, and is ended and named', async () => {
    const command = await startExec(machine.access, machine.box, { argv: ['sleep', '7654'] });
    await eventually(() => runs('sleep 7654'));
    await machine.kill();
    command.stream.destroy();
    expect(runs('sleep 7654')).toBe(true);
    await machine.start();
    const beat = await machine.beat(({ evidence }) => evidence.some(({ kind, agoMs }) => kind === 'command' && agoMs < FRESH_MS));
    expect(beat.evidence.find(({ kind }) => kind === 'command')?.detail).toBe('sleep');
    machine.order({ state: 'hold' });
    const report = await machine.agent.quiesce('after', 30_000);
    expect(report).toMatchObject({ stoppedProcesses: ['sleep'], killedProcesses: [] });
    expect(machine.processes()).toEqual([]);
    expect(report.steps?.map(({ name }) => name)).toEqual(['commands', 'containers', 'docker', 'rest', 'look', 'flush']);
  });

  it('while the box was frozen: it goes on, and nobody is told that it held', async () => {
    await say('(setsid sh -c "while :; do date +%s%N > $HOME/now; sleep 0.05; done" > /dev/null 2>&1 &)');
    await eventually(() => existsSync(at('home/now')));
    // One that came in by another door, and is in no cgroup of the box.
    const { uid, gid } = machine.user;
    const outside = `setsid setpriv --reuid=${uid} --regid=${gid} --clear-groups sh -c 'while :; do date +%s%N > ${at('home/other')}; sleep 0.05; done' > /dev/null 2>&1 &`;
    execFileSync('sh', ['-c', outside]);
    await eventually(() => existsSync(at('home/other')));
    await machine.agent.freeze('copy', 600_000);
    const stood = () => ['now', 'other'].map((name) => statSync(at('home', name)).mtimeMs);
    const before = stood();
    await machine.kill();
    expect(stood()).toEqual(before);
    await machine.start();
    await eventually(() => stood().every((mtimeMs, index) => mtimeMs > (before[index] as number)));
    expect(await machine.agent.thaw('copy')).toBe(false);
    await machine.agent.freeze('again', 600_000);
    expect(await machine.agent.thaw('again')).toBe(true);
  });

  it('while the setup script ran: it is ended, and run once more', async () => {
    machine.file('src/.devctl/setup.sh', 'echo begun >> $HOME/begun; [ -e $HOME/may-end ] || exec sleep 8765');
    machine.order({ runSetup: true });
    await machine.agent.poke();
    await eventually(() => runs('sleep 8765'));
    await machine.kill();
    machine.file('home/may-end', '');
    await machine.start();
    await eventually(() => existsSync(at('.devctl-box/setup-done')));
    expect(readFileSync(at('home/begun'), 'utf8')).toBe('begun\nbegun\n');
    expect(runs('sleep 8765')).toBe(false);
    expect(statSync(at('home/begun')).uid).toBe(machine.user.uid);
  });
});

describe('a box of a machine is made quiet', () => {
  it('whatever its workload does: what never stops forking, what is deaf, what came by another door', async () => {
    const { uid, gid } = machine.user;
    // Each has gone, and left another one, before it can be met.
    for (let chain = 0; chain < 3; chain += 1) await say('(setsid sh -c "f() { sleep 0.02; f & }; f" > /dev/null 2>&1 &)');
    await startExec(machine.access, machine.box, { argv: ['node', '-e', 'process.on("SIGTERM", () => {}); setInterval(() => {}, 1000)'] });
    execFileSync('sh', ['-c', `setsid setpriv --reuid=${uid} --regid=${gid} --clear-groups sleep 9876 > /dev/null 2>&1 &`]);
    const terminal = await startExec(machine.access, machine.box, TTY);
    terminal.input('echo there-$((6*7))\n');
    await terminal.until(({ stdout }) => stdout.includes('there-42'));
    await eventually(() => runs('sleep 9876'));
    machine.order({ state: 'hold' });
    const report = await machine.agent.quiesce('all', 60_000);
    expect(machine.processes()).toEqual([]);
    expect(report.killedProcesses).toContain('node');
    expect(report.stoppedProcesses).toContain('bash');
    expect(report.stoppedProcesses).toContain('sleep');
  });

  it('and what is left of its Docker is killed, after the commands, and named', async () => {
    const { uid, gid } = machine.user;
    const cgroup = machine.cgroup ?? expect.fail('this machine has no cgroup of version 2');
    const unit = join(cgroup, 'devctl-docker.service');
    const daemon = `mkdir ${unit} && echo 0 > ${unit}/cgroup.procs && exec setsid -f setpriv --reuid=${uid} --regid=${gid} --clear-groups tail -f /dev/null > /dev/null 2>&1`;
    execFileSync('sh', ['-c', daemon]);
    await startExec(machine.access, machine.box, { argv: ['sleep', '6543'] });
    await eventually(() => runs('tail -f /dev/null') && runs('sleep 6543'));
    machine.order({ state: 'hold' });
    expect(await machine.agent.quiesce('docker', 60_000)).toMatchObject({ stoppedProcesses: ['sleep'], killedProcesses: ['tail'] });
    expect(machine.processes()).toEqual([]);
  });

  it('and has let nothing of a hostile workspace run as root, nor waited for it', async () => {
    const canary = at('home/canary');
    machine.file('home/canary', '', 0o666);
    const evil = machine.file('home/evil', `#!/bin/sh\necho "$1 $(id -u)" >> ${canary}\ncat\n`, 0o755);
    machine.file('src/.mcp.json', JSON.stringify({ mcpServers: { evil: { command: evil, args: ['mcp'] } } }));
    const hooks = { SessionStart: [{ hooks: [{ type: 'command', command: `${evil} claude` }] }] };
    machine.file('src/.claude/settings.json', JSON.stringify({ hooks }));
    await say(`set -e; ${GIT} init -q evil && cd evil && echo x > x && ${GIT} add x && ${GIT} commit -qm one
      git config core.fsmonitor '${evil} fsmonitor'; git config core.pager '${evil} pager'; git config core.hooksPath ${at('home')}
      git config filter.f.clean '${evil} filter'; git config core.sshCommand '${evil} ssh'; git config diff.external '${evil} diff'
      echo '* filter=f' > .gitattributes; echo y > x; cp ${evil} .git/hooks/post-checkout; mkdir -- ../--upload-pack=x; git init -q ../-c`);
    await say('mkfifo $HOME/pipe; ln -s /dev/zero $HOME/zero');
    // What the agent itself would read: a pipe, and a link to a device, where a script should be.
    for (const trick of ['mkfifo .devctl/setup.sh', 'ln -s /dev/zero .devctl/setup.sh', 'ln -s ../.. .devctl/setup.sh']) {
      await say(`rm -rf .devctl && mkdir .devctl && ${trick}`);
      machine.order({ runSetup: true });
      await machine.agent.poke();
      await machine.beat((beat) => beat.state === 'ready');
      expect(existsSync(at('.devctl-box/setup-done'))).toBe(false);
    }
    machine.order({ state: 'hold' });
    const report = await machine.agent.quiesce('evil', 60_000);
    expect(report.repositories.find(({ path }) => path === 'src/evil')).toMatchObject({ dirtyFiles: 2 });
    const lines = readFileSync(canary, 'utf8').split('\n').filter(Boolean);
    for (const line of lines) expect(line).toMatch(new RegExp(` ${machine.user.uid}$`));
    expect(lines.join()).not.toMatch(/fsmonitor|pager|claude|mcp/);
  });

  it('and its own folder is the agent’s alone, whatever was in its place', async () => {
    for (const line of [
      'ls $W/.devctl-box',
      'touch $W/.devctl-box/x',
      'mv $W/src $W/other',
      'ln -s /etc $W/etc',
      'rm -rf $W/.devctl-box/journal',
    ])
      expect((await runIn(machine.access, machine.box, ['sh', '-c', line], { env: { W: machine.workspace } })).exit?.code, line).not.toBe(
        0,
      );
    await machine.kill();
    execFileSync('mv', [at('src'), at('src-before')]);
    symlinkSync('/etc', at('src'));
    await expect(Promise.race([machine.start(), untilSaid(/could not start: .*/)])).resolves.toMatch(/ENOTDIR|ELOOP/);
    expect(readdirSync(at('src')).length).toBeGreaterThan(0);
    expect(statSync('/etc').uid).toBe(0);
  });
});

async function untilSaid(words: RegExp): Promise<string> {
  await eventually(() => words.test(machine.log));
  return words.exec(machine.log)?.[0] as string;
}
