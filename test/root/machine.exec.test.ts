import { chmodSync, mkdirSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runIn, shell, startExec } from '../local/local-harness.ts';
import { MachineBox } from './machine-box.ts';

const TTY = { tty: { cols: 80, rows: 24, term: 'xterm' } };

let machine: MachineBox;
beforeAll(async () => {
  machine = new MachineBox();
  await machine.start();
});
afterAll(() => machine?.close());

const say = (line: string) => shell(machine.access, machine.box, line);
const run = (argv: string[], more = {}) => runIn(machine.access, machine.box, argv, more);

describe('a command in a box of a machine', () => {
  it('is the workload’s user in every way, with nothing of the agent', async () => {
    const { uid, gid } = machine.user;
    expect(await say('grep -E "^(Uid|Gid|Groups|CapPrm|CapEff|CapInh|CapAmb)" /proc/self/status | tr -s "\\t " " " | sed "s/ $//"')).toBe(
      [
        `Uid: ${uid} ${uid} ${uid} ${uid}`,
        `Gid: ${gid} ${gid} ${gid} ${gid}`,
        `Groups: ${gid}`,
        ...['CapInh', 'CapPrm', 'CapEff', 'CapAmb'].map((name) => `${name}: 0000000000000000`),
      ]
        .sort((a, b) => order(a) - order(b))
        .join('\n'),
    );
    expect((await say('ls /proc/self/fd')).split('\n')).toEqual(['0', '1', '2', '3']);
    const env = await say('env');
    expect(env).toContain(`HOME=${join(machine.workspace, 'home')}`);
    expect(env).not.toContain('AGENT_SECRET');
    expect(await say('cat /proc/self/oom_score_adj; ps -o ni= -p $$ | tr -d " "; umask')).toBe('0\n0\n0022');
    if (machine.cgroup !== null) expect(await say('cat /proc/self/cgroup')).toMatch(/^0::.*\/commands$/m);
  });

  it('has its environment and its words exactly, on a terminal, too', async () => {
    const words = ['printf', '%s|', '--', '-n', 'a b', '$(id)', 'x=y', ''];
    expect((await run(words)).stdout).toBe('--|-n|a b|$(id)|x=y||');
    const env = { MULTI: 'a\nb=c\n', EMPTY: '' };
    expect((await run(['node', '-e', 'console.log(JSON.stringify([process.env.MULTI, process.env.EMPTY]))'], { env })).stdout).toBe(
      '["a\\nb=c\\n",""]\n',
    );
    const terminal = await startExec(machine.access, machine.box, { ...TTY, env });
    terminal.input('echo "is-$(id -u)-$TERM-$PWD"; tty; exit 3\n');
    const { stdout, exit } = await terminal.done;
    expect(stdout).toContain(`is-${machine.user.uid}-xterm-${join(machine.workspace, 'src')}`);
    expect(stdout).toMatch(/\/dev\/pts\/\d+/);
    expect(exit?.code).toBe(3);
  });

  it('that is not there, or is no program, or would be run in a folder that is not the user’s, says so', async () => {
    machine.file('src/plain', 'x');
    expect(await run(['no-such-command'])).toMatchObject({ stderr: 'devctl: no-such-command: command not found\n', exit: { code: 127 } });
    expect(await run(['./plain'])).toMatchObject({ stderr: 'devctl: ./plain: cannot be executed\n', exit: { code: 126 } });
    expect(await run(['true'], { cwd: 'no/such/folder' })).toMatchObject({ problem: { code: 'not_found' } });
    mkdirSync(join(machine.dir, 'secret', 'inner'), { recursive: true, mode: 0o755 });
    await say(`ln -s ${machine.dir}/secret ${machine.workspace}/src/led`);
    expect((await run(['pwd'], { cwd: 'led/inner' })).exit?.code).toBe(0);
    // The agent could enter it, and whoever is in it could read on from there.
    chmodSync(join(machine.dir, 'secret'), 0o700);
    expect(await run(['ls'], { cwd: 'led/inner' })).toMatchObject({ stdout: '', exit: { code: 126 } });
  });

  it('is asked for by people whose environment could make a program of root do something', async () => {
    const told = machine.file('home/told', '', 0o666);
    machine.file('home/Told.pm', `package Told; open(my $f, ">>", "${told}"); print $f "perl by $>\\n"; 1;`);
    machine.file('home/told.sh', `echo "shell by $(id -u)" >> ${told}`);
    const env = {
      PERL5OPT: '-MTold',
      PERL5LIB: join(machine.workspace, 'home'),
      BASH_ENV: join(machine.workspace, 'home/told.sh'),
      ENV: join(machine.workspace, 'home/told.sh'),
      LD_DEBUG: 'files',
      LD_DEBUG_OUTPUT: join(machine.workspace, 'home/loaded'),
    };
    await run(['perl', '-e', '1'], { env });
    await run(['sh', '-c', 'bash -c true < /dev/null'], { env });
    expect((await say(`cat ${told}`)).split('\n')).toEqual([`perl by ${machine.user.uid}`, `shell by ${machine.user.uid}`]);
    const loaded = readdirSync(join(machine.workspace, 'home')).filter((name) => name.startsWith('loaded'));
    expect(loaded.length).toBeGreaterThan(0);
    for (const name of loaded) expect(statSync(join(machine.workspace, 'home', name)).uid).toBe(machine.user.uid);
  });

  it('leaves nothing of its environment anywhere, and reaches nothing of the agent', async () => {
    const secret = 'very-secret-words';
    expect(
      (await run(['sh', '-c', 'tr "\\0" "\\n" < /proc/self/cmdline; ps -eo args'], { env: { A_SECRET: secret } })).stdout,
    ).not.toContain(secret);
    expect(readdirSync(join(machine.dir, 'run/agent/launch'))).toEqual([]);
    expect(machine.log).not.toContain(secret);
    const reach = [
      `ls ${machine.dir}/run/agent`,
      `cat /proc/${machine.agentPid}/environ`,
      `kill -0 ${machine.agentPid}`,
      `touch ${machine.workspace}/x`,
    ];
    for (const line of reach) expect((await run(['sh', '-c', line])).exit?.code, line).not.toBe(0);
  });

  it('ends with its group when its client leaves', async () => {
    const command = await startExec(machine.access, machine.box, { argv: ['sh', '-c', 'echo up; sleep 4321 & wait'] });
    await command.until(({ stdout }) => stdout.includes('up'));
    command.stream.destroy();
    await machine.beat(() => !machine.processes().some((line) => line.includes('sleep 4321')));
  });
});

/** In the order of /proc/<pid>/status. */
const order = (line: string): number =>
  ['Uid', 'Gid', 'Groups', 'CapInh', 'CapPrm', 'CapEff', 'CapAmb'].indexOf(line.split(':')[0] as string);
