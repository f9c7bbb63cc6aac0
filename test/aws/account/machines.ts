import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { MachineConfig } from '../../../launcher/contract/agent-config.ts';
import { freePort } from '../free-port.ts';

const AGENT = new URL('../../../dist/agent.cjs', import.meta.url).pathname;
const POWER_OFF = new URL('power-off.mjs', import.meta.url).pathname;

/** Where an instance finds what is not the machine itself. */
export interface MachineUrls {
  metadata: string;
  /** Of AWS. */
  aws: string;
  /** Asks for its end, with POST. */
  powerOff: string;
}

export interface ShellResult {
  code: number;
  stdout: string;
  stderr: string;
}

/** What an account has behind its API. */
export interface Machines {
  /** A folder that is gone with them. */
  readonly dir: string;
  /** @param sizeGiB of a new volume, and of one from a snapshot, which may be smaller */
  createVolume(id: string, snapshotId: string | undefined, sizeGiB: number): void;
  /** What has come to the volume so far. */
  takeSnapshot(id: string, volumeId: string): void;
  /** Boots an instance that has its workspace. One that runs goes on. */
  boot(instanceId: string, volumeId: string, urls: MachineUrls): Promise<void>;
  /** Cuts its power. */
  off(instanceId: string): Promise<void>;
  /** Port of loopback that leads to where the agent of an instance listens on its own; null: it does not run. */
  port(instanceId: string): number | null;
  /** Runs a line as the agent of Systems Manager does. @throws Error when the instance does not run */
  shell(instanceId: string, line: string): Promise<ShellResult>;
  /** What every agent has said. */
  logs(): string;
  close(): Promise<void>;
}

interface Running {
  process: ChildProcess;
  port: number;
  config: string;
}

/**
 * Machines that are processes: a folder for each volume and snapshot, and for each instance a process of the real agent, which finds
 * itself by a metadata service and has its volume where a real one mounts it.
 */
export class ProcessMachines implements Machines {
  readonly dir = realpathSync(mkdtempSync(join(tmpdir(), 'acc-')));
  /** Memory of the instances. */
  readonly memory = mkdtempSync('/dev/shm/devctl-account-');
  readonly #running = new Map<string, Running>();

  readonly #agentEnv: Record<string, string>;

  /** @param agentEnv more of the environment of agents */
  constructor(agentEnv: Record<string, string> = {}) {
    this.#agentEnv = agentEnv;
    for (const folder of ['volumes', 'snapshots', 'instances', 'bin']) mkdirSync(join(this.dir, folder), { recursive: true });
    const command = join(this.dir, 'bin', 'devctl-agent');
    writeFileSync(command, `#!/bin/sh\nexec ${process.execPath} ${AGENT} "$@"\n`, { mode: 0o755 });
  }

  volume(id: string): string {
    return join(this.dir, 'volumes', id);
  }

  /** Folder of the agent in memory. */
  run(instanceId: string): string {
    return join(this.memory, instanceId);
  }

  log(instanceId: string): string {
    return join(this.dir, 'instances', instanceId, 'agent.log');
  }

  logs(): string {
    const said = readdirSync(join(this.dir, 'instances')).map((id) => `${id}\n${readFileSync(this.log(id), 'utf8')}`);
    return said.join('\n');
  }

  createVolume(id: string, snapshotId: string | undefined): void {
    if (existsSync(this.volume(id))) return;
    if (snapshotId === undefined) mkdirSync(this.volume(id));
    else
      cpSync(join(this.dir, 'snapshots', snapshotId), this.volume(id), {
        recursive: true,
        verbatimSymlinks: true,
        preserveTimestamps: true,
      });
  }

  takeSnapshot(id: string, volumeId: string): void {
    cpSync(this.volume(volumeId), join(this.dir, 'snapshots', id), { recursive: true, verbatimSymlinks: true, preserveTimestamps: true });
  }

  async boot(instanceId: string, volumeId: string, urls: MachineUrls): Promise<void> {
    if (this.#running.has(instanceId)) return;
    const dir = join(this.dir, 'instances', instanceId);
    mkdirSync(dir, { recursive: true });
    mkdirSync(this.run(instanceId), { recursive: true });
    const path = `${join(this.volume(volumeId), 'home', '.local', 'bin')}:${process.env['PATH']}`;
    const home = join(this.volume(volumeId), 'home');
    const port = await freePort();
    const config: MachineConfig = {
      machine: 'ec2',
      paths: { workspace: this.volume(volumeId), run: this.run(instanceId) },
      disk: 'mounted',
      user: null,
      agentPort: port,
      egressPort: 0,
      env: { PATH: path, HOME: home, USER: 'dev', SHELL: '/bin/bash', LANG: 'C.UTF-8', TERM: 'dumb' },
      limits: {
        archiveBytes: 2 ** 31,
        archiveFiles: 100_000,
        archiveRatio: 100,
        archiveRatioFloorBytes: 2 ** 26,
        stopGraceMs: 2000,
        orphanLimitMs: 600_000,
      },
      log: this.log(instanceId),
      powerOff: [process.execPath, POWER_OFF, urls.powerOff],
    };
    writeFileSync(join(dir, 'agent.json'), JSON.stringify(config));
    const log = openSync(config.log, 'a');
    const agent = spawn(process.execPath, [AGENT, join(dir, 'agent.json')], {
      env: {
        PATH: process.env['PATH'],
        AWS_EC2_METADATA_SERVICE_ENDPOINT: urls.metadata,
        AWS_ENDPOINT_URL_STS: urls.aws,
        AWS_ENDPOINT_URL_SECRETS_MANAGER: urls.aws,
        ...this.#agentEnv,
      },
      stdio: ['ignore', log, log],
    });
    this.#running.set(instanceId, { process: agent, port, config: join(dir, 'agent.json') });
  }

  async off(instanceId: string): Promise<void> {
    const machine = this.#running.get(instanceId);
    this.#running.delete(instanceId);
    if (machine === undefined || machine.process.exitCode !== null) return;
    const gone = once(machine.process, 'exit');
    machine.process.kill('SIGKILL');
    await gone;
    rmSync(this.run(instanceId), { recursive: true, force: true });
  }

  port(instanceId: string): number | null {
    return this.#running.get(instanceId)?.port ?? null;
  }

  async shell(instanceId: string, line: string): Promise<ShellResult> {
    const machine = this.#running.get(instanceId);
    if (machine === undefined) throw new Error(`${instanceId} does not run`);
    const env = { PATH: `${join(this.dir, 'bin')}:${process.env['PATH']}`, DEVCTL_AGENT_CONFIG: machine.config };
    const child = spawn('/bin/sh', ['-c', line], { env, stdio: ['ignore', 'pipe', 'pipe'] });
    const text = { stdout: '', stderr: '' };
    child.stdout.on('data', (chunk: Buffer) => {
      text.stdout += chunk;
    });
    child.stderr.on('data', (chunk: Buffer) => {
      text.stderr += chunk;
    });
    const [code] = (await once(child, 'close')) as [number | null];
    return { code: code ?? 1, ...text };
  }

  async close(): Promise<void> {
    await Promise.all([...this.#running.keys()].map((id) => this.off(id)));
    rmSync(this.memory, { recursive: true, force: true });
    rmSync(this.dir, { recursive: true, force: true, maxRetries: 5 });
  }
}
