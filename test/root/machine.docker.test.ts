import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, chownSync, copyFileSync, existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Heartbeat } from '../../launcher/contract/box.ts';
import { findTool } from '../../launcher/providers/local/isolation.ts';
import { eventually, shell, startExec } from '../local/local-harness.ts';
import { MachineBox } from './machine-box.ts';

const FRESH_MS = 400;
/** Debian's own, which knows BuildKit without more. */
const CLIENT = '/usr/bin/docker';
const missing =
  findTool('dockerd') === null || !existsSync(CLIENT) ? 'Docker is not installed: its suite is skipped (apt install docker.io)' : null;
if (missing !== null) console.warn(missing);

/** A Docker engine of its own, with one image, which has a shell's few programs. */
class Engine {
  readonly dir = mkdtempSync(join(tmpdir(), 'devctl-docker-'));
  readonly host = `unix://${join(this.dir, 'docker.sock')}`;
  log = '';
  #process: ChildProcess | null = null;

  async start(owner: number): Promise<void> {
    chmodSync(this.dir, 0o755);
    const off = ['--iptables=false', '--ip6tables=false', '--bridge=none'];
    const places = [
      '--data-root',
      join(this.dir, 'data'),
      '--exec-root',
      join(this.dir, 'exec'),
      '--pidfile',
      join(this.dir, 'pid'),
      '-H',
      this.host,
    ];
    this.#process = spawn('dockerd', [...off, ...places], { stdio: ['ignore', 'ignore', 'pipe'] });
    this.#process.stderr?.on('data', (chunk: Buffer) => {
      this.log += chunk;
    });
    await eventually(() => existsSync(join(this.dir, 'docker.sock')) && this.#answers());
    chownSync(join(this.dir, 'docker.sock'), owner, owner);
    this.#importImage();
  }

  docker(...args: string[]): string {
    return execFileSync(CLIENT, args, {
      encoding: 'utf8',
      env: { PATH: process.env['PATH'], DOCKER_HOST: this.host },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
  }

  async stop(): Promise<void> {
    if (this.#process !== null && this.#process.exitCode === null) {
      const gone = once(this.#process, 'exit');
      this.#process.kill('SIGTERM');
      await gone;
    }
    rmSync(this.dir, { recursive: true, force: true });
  }

  #answers(): boolean {
    try {
      this.docker('version');
      return true;
    } catch {
      // Not yet.
      return false;
    }
  }

  #importImage(): void {
    const root = join(this.dir, 'image');
    const programs = ['/bin/sh', '/bin/sleep'];
    const libraries = execFileSync('ldd', programs, { encoding: 'utf8' }).matchAll(/(\/\S+) \(0x/g);
    for (const path of [...programs, ...[...libraries].map(([, found]) => found as string)]) {
      mkdirSync(join(root, dirname(path)), { recursive: true });
      copyFileSync(path, join(root, path));
    }
    execFileSync('tar', ['-C', root, '-cf', join(this.dir, 'image.tar'), '.']);
    this.docker('import', join(this.dir, 'image.tar'), 'base:latest');
  }
}

describe.skipIf(missing !== null)('Docker in a box of a machine', { timeout: 120_000 }, () => {
  const engine = new Engine();
  let machine: MachineBox;
  beforeAll(async () => {
    machine = new MachineBox({ DOCKER_HOST: engine.host });
    await engine.start(machine.user.uid);
    await machine.start();
  }, 120_000);
  afterAll(async () => {
    await machine?.close();
    await engine.stop();
  }, 120_000);

  const seen = async (kind: 'containers' | 'build') => {
    const of = (beat: Heartbeat) => beat.evidence.find((item) => item.kind === kind && item.agoMs < FRESH_MS);
    return of(await machine.beat((beat) => of(beat) !== undefined))?.detail;
  };
  const run = (name: string, ...more: string[]) =>
    shell(machine.access, machine.box, `${CLIENT} run -d --network=none --name ${name} ${more.join(' ')}`);

  it('is the workload’s: a project that is up is told of, and what builds is work', async () => {
    await run('shop-db-1', '--label com.docker.compose.project=shop', 'base sleep 1000');
    expect(await seen('containers')).toBe('shop (1 container)');
    machine.file('src/Dockerfile', 'FROM base\nRUN sleep 1000\n');
    const build = await startExec(machine.access, machine.box, {
      argv: [CLIENT, 'build', '--network=host', '.'],
      env: { DOCKER_BUILDKIT: '1' },
    });
    expect(await seen('build')).toBe('docker build');
    build.stream.destroy();
  });

  it('is made quiet by its containers, which are named', async () => {
    await run('deaf', `base sh -c "trap '' TERM; while :; do sleep 1; done"`);
    await run('polite', 'base sh -c "trap \'exit 0\' TERM; while :; do sleep 0.1; done"');
    machine.order({ state: 'hold' });
    const report = await machine.agent.quiesce('docker', 60_000);
    expect(report.stoppedProcesses).toContain('container polite');
    // What does nothing about its signal as the first process of a container does not hear it.
    expect(report.killedProcesses.filter((name) => name.startsWith('container')).sort()).toEqual(['container deaf', 'container shop-db-1']);
    expect(engine.docker('ps', '-q')).toBe('');
    expect(report.steps?.map(({ name }) => name)).toContain('containers');
  });
});
