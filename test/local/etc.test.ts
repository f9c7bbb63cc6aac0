import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { BoxRef } from '../../launcher/ports/compute.ts';
import { buildVictim } from './build-victim.ts';
import { eachIsolation } from './isolations.ts';
import { AGENT_BUNDLE, type Bench, launchReady, launchRequest, openBench, shell, TEST_LIMITS } from './local-harness.ts';
import type { VictimTask } from './victim.ts';

const isRoot = process.getuid?.() === 0;
let folder: string;
let bench: Bench;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'devctl-etc-'));
});
afterEach(async () => {
  await bench?.close();
  rmSync(folder, { recursive: true, force: true });
});

eachIsolation('/etc in a box built by %s', (isolation) => {
  it('has files of its own, and everything else of the host', async () => {
    bench = await openBench({ isolation });
    const { box } = await launchReady(bench);
    const sh = (line: string) => shell(bench.provider, box, line);
    expect(await sh('id -un; id -gn; cat /etc/hostname; getent passwd | wc -l')).toBe('dev\ndev\nshop\n3');
    // Links within it that lead up lead to the same places as on the host.
    const links = 'find -H /etc/ -maxdepth 1 -type l ! -exec test -e {} \\; -print | sort';
    const broken = execFileSync('/bin/sh', ['-c', links], { encoding: 'utf8' }).trim();
    expect(await sh(links)).toBe(broken);
    expect(await sh('cat /etc/os-release; ls /etc/ssl/certs | head -n 3')).toBe(
      execFileSync('/bin/sh', ['-c', 'cat /etc/os-release; ls /etc/ssl/certs | head -n 3'], { encoding: 'utf8' }).trimEnd(),
    );
    for (const path of ['/etc/passwd', '/etc/new', '/.etc/hosts', '/etc/ssl/new'])
      await expect(sh(`echo x >> ${path}`), path).rejects.toThrow(/Read-only|Permission denied/);
  });

  it('serves a launcher that runs in the box, and the boxes of that one', async () => {
    bench = await openBench({ isolation });
    const { box, volumeId } = await launchReady(bench);
    const src = join(bench.stateDir, 'volumes', volumeId, 'tree/src');
    copyFileSync(await buildVictim(folder), join(src, 'victim.mjs'));
    copyFileSync(AGENT_BUNDLE, join(src, 'agent.cjs'));
    const task: VictimTask = {
      stateDir: '/tmp/state',
      agentBundlePath: '/workspace/src/agent.cjs',
      limits: TEST_LIMITS,
      freezeMs: 1,
      isolation,
      launch: launchRequest(),
    };
    writeFileSync(join(src, 'task.json'), JSON.stringify(task));
    const log = '/tmp/state/boxes/*/agent.log';
    const wait = `until grep -q . ${log} 2>/dev/null; do kill -0 $! || exit 1; sleep 0.05; done`;
    const line = `mkdir /tmp/state; node victim.mjs "$(cat task.json)" >&2 & ${wait}; cat ${log}; kill -9 $!`;
    // Its launcher has no answer for it, and it has come far enough to say so.
    expect(await shell(bench.provider, box, line)).toContain('no answer from the launcher');
  });

  it.runIf(isRoot)('keeps them when the host puts new files in the place of its own', async () => {
    // A launcher on a host with another /etc, so that this one is left alone.
    const etc = join(folder, 'etc');
    execFileSync('cp', ['-a', '/etc', etc]);
    const replace = (name: string, text: string) => {
      writeFileSync(join(etc, `${name}.new`), text);
      renameSync(join(etc, `${name}.new`), join(etc, name));
    };
    replace('devctl-note', 'before');
    bench = await openBench({ isolation });
    const request = launchRequest();
    bench.launcher.tokens.set(request.tags.sessionId, request.boxToken);
    const task: VictimTask = {
      stateDir: bench.stateDir,
      agentBundlePath: AGENT_BUNDLE,
      limits: TEST_LIMITS,
      freezeMs: 1,
      isolation,
      launch: request,
    };
    const there = [
      '--mount',
      '--propagation',
      'private',
      '--',
      '/bin/sh',
      '-c',
      'mount --bind "$1" /etc && shift && exec "$@"',
      'there',
      etc,
    ];
    const launcher = spawn('unshare', [...there, process.execPath, await buildVictim(folder), JSON.stringify(task)], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let said = '';
    for await (const chunk of launcher.stdout.setEncoding('utf8')) {
      said += chunk;
      if (said.includes('done')) break;
    }
    launcher.kill('SIGKILL');
    if (launcher.exitCode === null && launcher.signalCode === null) await once(launcher, 'exit');
    const provider = await bench.again();
    const { boxId } = await provider.launch(request);
    const box: BoxRef = { boxId, sessionId: request.tags.sessionId, generation: 1 };
    await bench.launcher.ready(box);
    const look = 'id -un; cat /etc/hostname /etc/devctl-note';
    expect(await shell(provider, box, look)).toBe('dev\nshop\nbefore');
    for (const name of ['passwd', 'group', 'hostname']) replace(name, 'of the host\n');
    replace('devctl-note', 'after');
    expect(await shell(provider, box, look)).toBe('dev\nshop\nafter');
    await provider.stop();
  });
});
