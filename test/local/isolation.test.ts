import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { connect, createServer as createSocketServer } from 'node:net';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { ClassicLevel } from 'classic-level';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import type { BoxRef } from '../../launcher/ports/compute.ts';
import { chooseIsolation } from '../../launcher/providers/local/isolation.ts';
import { eachIsolation, ISOLATIONS, isInstalled } from './isolations.ts';
import { type Bench, eventually, launchReady, makeStateDir, openBench, runIn, shell } from './local-harness.ts';

const CANARY = `canary-${process.pid}-${Date.now()}`;
const isRoot = process.getuid?.() === 0;

eachIsolation('a box built by %s', (isolation) => {
  let bench: Bench;
  let box: BoxRef;
  let homeCanary: string;
  let shown: string;
  const sh = (line: string) => shell(bench.provider, box, line);

  beforeAll(async () => {
    homeCanary = join(homedir(), `.${CANARY}-${isolation}`);
    writeFileSync(homeCanary, CANARY);
    shown = mkdtempSync(join(tmpdir(), 'devctl-shown-'));
    chmodSync(shown, 0o755);
    writeFileSync(join(shown, 'file'), 'shown');
    bench = await openBench({ isolation, extraReadOnlyPaths: [shown] });
    writeFileSync(join(bench.stateDir, 'token'), CANARY);
    ({ box } = await launchReady(bench));
  });
  afterAll(async () => {
    rmSync(homeCanary, { force: true });
    rmSync(shown, { recursive: true, force: true });
    await bench?.close();
  });

  it('sees nothing of homes, sockets, temporary files and state of the host', async () => {
    const hidden = [
      homedir(),
      '/root',
      bench.stateDir,
      `${bench.stateDir}/token`,
      '/var/run/docker.sock',
      '/run/systemd',
      '/run/dbus',
      '/sys',
      '/mnt',
    ];
    // Node itself may lie in a home.
    const leadsOn = (path: string) => [shown, process.execPath].some((each) => each.startsWith(`${path}/`));
    for (const path of hidden) {
      // Where a folder of such a name leads to something that is shown, it holds nothing else.
      const listed = await sh(`ls -A ${path} 2>/dev/null || true`);
      expect(listed, path).not.toContain(CANARY);
      if (!leadsOn(path)) expect(listed, path).toBe('');
    }
    expect(await sh('ls -A /run /tmp /var/tmp')).not.toContain(CANARY);
    const found = await sh(`find / -xdev -name '*${CANARY}*' -not -path '/proc/*' 2>/dev/null || true`);
    expect(found).toBe('');
    // The way to what is shown on purpose is all that may lead through a home.
    if (!leadsOn('/home')) expect(await sh('ls -A /home 2>/dev/null || true')).toBe('');
  });

  it('cannot reach a socket of the host that stands where Docker has its own', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'devctl-docker-'));
    const path = join(folder, 'docker.sock');
    const server = createSocketServer((socket) => socket.end(CANARY));
    await new Promise<void>((resolve) => server.listen(path, resolve));
    const look = await runIn(bench.provider, box, [
      'node',
      '-e',
      `require('net').connect(${JSON.stringify(path)}).on('error', (e) => { console.log(e.code); }).on('data', (d) => console.log(String(d)))`,
    ]);
    expect(look.stdout.trim()).toBe('ENOENT');
    await new Promise<void>((resolve) => connect(path, resolve).resume().unref());
    server.close();
    rmSync(folder, { recursive: true, force: true });
  });

  it('has the programs of the host, read-only, and what the owner shows', async () => {
    for (const path of ['/usr/bin/evil', '/etc/evil', '/opt/devctl/evil', '/evil', `${shown}/evil`]) {
      expect((await runIn(bench.provider, box, ['touch', path])).exit?.code, path).not.toBe(0);
    }
    expect(await sh('node --version && git --version && ls /etc/ssl >/dev/null')).toMatch(/^v\d+/);
    expect(await sh(`cat ${shown}/file`)).toBe('shown');
    expect((await runIn(bench.provider, box, ['sh', '-c', 'echo 1 > /proc/sys/kernel/hostname'])).exit?.code).not.toBe(0);
    expect((await runIn(bench.provider, box, ['mount', '-t', 'tmpfs', 'x', '/tmp'])).exit?.code).not.toBe(0);
  });

  it('is an ordinary user without any privilege', async () => {
    const [uid, name, home] = (await sh('id -u; whoami; echo $HOME')).split('\n');
    expect(uid).toBe(isRoot ? '70000' : '1000');
    expect([name, home]).toEqual(['dev', '/workspace/home']);
    const status = await sh('cat /proc/self/status');
    for (const set of ['CapInh', 'CapPrm', 'CapEff', 'CapAmb']) expect(status).toMatch(new RegExp(`${set}:\\s+0000000000000000`));
    if (isRoot) expect(status).toMatch(/CapBnd:\s+0000000000000000/);
    expect(status).toMatch(/NoNewPrivs:\s+1/);
    expect(await sh('id -G')).toMatch(isRoot ? /^70000$/ : /^1000/);
  });

  it('sees its own processes only, under its own name', async () => {
    const comms = (await sh('cat /proc/[0-9]*/comm')).split('\n');
    expect(comms.length).toBeLessThan(10);
    expect(comms.join(' ')).not.toMatch(/vitest|systemd/);
    expect(await sh('cat /proc/sys/kernel/hostname')).toBe('shop');
    expect((await runIn(bench.provider, box, ['ipcs', '-m'])).stdout).not.toMatch(/0x[1-9a-f]/);
  });

  it('gets a clean environment, and no secret of its own', async () => {
    process.env['DEVCTL_TEST_LEAK'] = CANARY;
    const leaks = await launchReady(bench);
    const found = await shell(bench.provider, leaks.box, `cat /proc/[0-9]*/environ /proc/[0-9]*/cmdline | tr '\\0' '\\n'`);
    expect(found).not.toContain(CANARY);
    expect(found).not.toContain(leaks.request.boxToken);
    expect(found).not.toMatch(/DEVCTL_(?!BOX|WORKSPACE)/);
    // Nor is it anywhere on the disk of the launcher.
    const boxDir = join(bench.stateDir, 'boxes', leaks.boxId);
    for (const file of ['meta.json', 'agent.log', 'files/box.json'])
      expect(readFileSync(join(boxDir, file), 'utf8')).not.toContain(leaks.request.boxToken);
    delete process.env['DEVCTL_TEST_LEAK'];
    await bench.provider.end(leaks.box);
  });

  it('has private temporary folders and devices, that work', async () => {
    expect(await sh('touch /tmp/a /var/tmp/b /dev/shm/c && ls -A /tmp /var/tmp /dev/shm | tr "\\n" " "')).toMatch(/c .*a .*b/s);
    expect(await sh('echo x > /dev/null; head -c 4 /dev/urandom | wc -c; ls /dev | wc -l')).toMatch(/^4\n\d{1,2}$/);
    expect(existsSync('/var/tmp/b')).toBe(false);
  });

  it('shares the network, with names resolved', async () => {
    const server = createServer((_request, answer) => answer.end(CANARY));
    const port = await new Promise<number>((resolve) =>
      server.listen(0, '127.0.0.1', () => resolve((server.address() as { port: number }).port)),
    );
    expect(await sh(`node -e "fetch('http://localhost:${port}').then((r) => r.text()).then(console.log)"`)).toBe(CANARY);
    server.close();
    expect(await sh('cat /etc/resolv.conf | wc -c')).not.toBe('0');
  });

  it('has no network at all when it was asked for without, but a loopback', async () => {
    const { box: alone } = await launchReady(bench, { network: false });
    const server = createServer((_request, answer) => answer.end(CANARY));
    const port = await new Promise<number>((resolve) =>
      server.listen(0, '127.0.0.1', () => resolve((server.address() as { port: number }).port)),
    );
    const script = `const http = require('http');
      const own = http.createServer((q, a) => a.end('own')).listen(0, '127.0.0.1', async () => {
        const get = (port) => fetch('http://127.0.0.1:' + port).then((r) => r.text(), (e) => e.cause.code);
        console.log(await get(own.address().port), await get(${port}));
        process.exit();
      });`;
    expect((await runIn(bench.provider, alone, ['node', '-e', script])).stdout.trim()).toBe('own ECONNREFUSED');
    expect(await shell(bench.provider, alone, 'tail -n +3 /proc/net/dev | grep -vc lo: || true')).toBe('0');
    server.close();
    await bench.provider.end(alone);
  });

  it('cannot lead the launcher to another socket', async () => {
    const { box: hostile } = await launchReady(bench);
    const folder = mkdtempSync(join(tmpdir(), 'devctl-victim-'));
    let reached = false;
    const server = createSocketServer((socket) => {
      reached = true;
      socket.destroy();
    });
    await new Promise<void>((resolve) => server.listen(join(folder, 'victim.sock'), resolve));
    await shell(bench.provider, hostile, `cd /run/devctl/agent && rm -f agent.sock && ln -s ${folder}/victim.sock agent.sock`);
    await expect(bench.provider.exec(hostile)).rejects.toMatchObject({ kind: 'unreachable' });
    await expect(bench.provider.quiesce(hostile, 'x')).rejects.toMatchObject({ kind: 'unreachable' });
    expect(reached).toBe(false);
    server.close();
    rmSync(folder, { recursive: true, force: true });
    await bench.provider.end(hostile);
  });

  it('can neither fill the disk of the host through the folders of its sockets, nor take the launcher away from itself', async () => {
    const { box: greedy, boxId } = await launchReady(bench);
    for (const line of ['touch /run/devctl/file', 'rm -f /run/devctl/launcher.sock', 'mv /run/devctl/agent /run/devctl/other'])
      expect((await runIn(bench.provider, greedy, ['sh', '-c', line])).exit?.code, line).not.toBe(0);
    await shell(bench.provider, greedy, 'head -c 20000000 /dev/zero > /run/devctl/agent/big && rm /run/devctl/agent/agent.sock');
    const run = join(bench.stateDir, 'boxes', boxId, 'run');
    expect(readdirSync(run, { recursive: true }).sort()).toEqual(['agent', 'launcher.sock']);
    // What it took away was its own: it is heard, only no longer reached.
    await expect(bench.provider.exec(greedy)).rejects.toMatchObject({ kind: 'unreachable' });
    await bench.launcher.beat(boxId, () => true);
    await bench.provider.end(greedy);
  });

  it('ends with everything in it, and leaves only its log', async () => {
    const { box: gone, boxId } = await launchReady(bench);
    await shell(
      bench.provider,
      gone,
      '(setsid sleep 4242 > /dev/null 2>&1 &) ; (trap "" TERM HUP INT; setsid sleep 4243 > /dev/null 2>&1 &)',
    );
    const dir = join(bench.stateDir, 'boxes', boxId);
    const { cgroups } = JSON.parse(readFileSync(join(dir, 'meta.json'), 'utf8')) as { cgroups: string[] };
    await bench.provider.end(gone);
    const { execFileSync } = await import('node:child_process');
    const sleepers = execFileSync('ps', ['axo', 'args']).toString();
    expect(sleepers).not.toMatch(/sleep 424[23]/);
    expect(existsSync(join(dir, 'run'))).toBe(false);
    // The kernel lets them go when the last process has left, which may be a moment later.
    await eventually(() => cgroups.every((folder) => !existsSync(folder)));
    const text = (await (await bench.provider.logs(gone, { tailLines: 10, follow: true })).toArray()).join('');
    expect(typeof text).toBe('string');
  });
});

describe('limits', () => {
  // Both fill a box to the brim, which takes its time on a busy machine.
  const HEAVY_MS = 90_000;

  it('of memory are in force where doctor says so', { timeout: HEAVY_MS }, async () => {
    const bench = await openBench();
    const { box } = await launchReady(bench);
    const limits = (await bench.provider.doctorChecks()).find((check) => check.name === 'limits');
    if (limits?.detail.startsWith('cgroup')) {
      const hog = await runIn(bench.provider, box, ['node', '-e', 'const all = []; for (;;) all.push(Buffer.alloc(64e6, 1))']);
      expect(hog.exit?.code).toBe(137);
    }
    expect(await shell(bench.provider, box, 'echo works')).toBe('works');
    await bench.close();
  });

  it('of processes are in force, and leave the agent room', { timeout: HEAVY_MS }, async () => {
    const bench = await openBench();
    const { box } = await launchReady(bench);
    const bomb = await runIn(bench.provider, box, ['sh', '-c', 'i=0; while [ $i -lt 6000 ]; do sleep 600 & i=$((i+1)); done; echo all']);
    expect(bomb.stdout).toBe('');
    expect(bomb.stderr).toMatch(/fork/);
    // A box that is full to the brim can still be made quiet, and is as good as before then.
    const report = await bench.provider.quiesce(box, 'after the bomb');
    expect(report.stoppedProcesses.length + report.killedProcesses.length).toBeGreaterThan(100);
    await bench.provider.poke(box);
    await bench.launcher.beat(box.boxId, (beat) => beat.state === 'ready');
    expect(await shell(bench.provider, box, 'echo works')).toBe('works');
    await bench.close();
  });
});

describe('files that the launcher has open', () => {
  it('are not open in a box, whoever opened them', async () => {
    // LevelDB opens its files so that programs which are started inherit them.
    const folder = mkdtempSync(join(tmpdir(), 'devctl-table-'));
    const table = new ClassicLevel(folder);
    await table.open();
    const bench = await openBench();
    try {
      const { box } = await launchReady(bench);
      const open = await shell(bench.provider, box, 'ls -l /proc/self/fd /proc/2/fd 2>/dev/null; true');
      expect(open).toContain('/dev/null');
      expect(open).not.toContain(folder);
      expect(open.split('\n').filter((line) => line.includes(bench.stateDir) && !line.includes('agent.log'))).toEqual([]);
    } finally {
      await bench.close();
      await table.close();
      rmSync(folder, { recursive: true, force: true });
    }
  });
});

describe('a state folder with a very long path', () => {
  it('works as any other', async () => {
    const top = makeStateDir();
    const stateDir = join(top, 'd'.repeat(100), 'e'.repeat(100));
    mkdirSync(stateDir, { recursive: true });
    const bench = await openBench({ stateDir });
    const { box } = await launchReady(bench);
    expect(await shell(bench.provider, box, 'pwd')).toBe('/workspace/src');
    await bench.close();
    rmSync(top, { recursive: true, force: true });
  });
});

describe('a PATH without the programs of the administrator', () => {
  it('keeps no engine from being found', async () => {
    vi.stubEnv('PATH', '/usr/bin:/bin');
    try {
      for (const name of ISOLATIONS.filter(isInstalled)) expect(await chooseIsolation(name, isRoot)).toMatchObject({ name });
    } finally {
      vi.unstubAllEnvs();
    }
  });
});

describe('where nothing can isolate', () => {
  it('plain processes are never taken by themselves, and say so when they are asked for', async () => {
    const bench = await openBench({ isolation: 'none' });
    const { box, description } = await launchReady(bench);
    expect(description).toMatch(/none/);
    expect(await shell(bench.provider, box, 'pwd; echo $HOME')).toContain(bench.stateDir);
    const [isolation] = await bench.provider.doctorChecks();
    expect(isolation).toMatchObject({ name: 'isolation', level: 'warn' });
    await bench.provider.quiesce(box, 'plain');
    await bench.close();
  });
});
