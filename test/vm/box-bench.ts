import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { vi } from 'vitest';
import type { Session } from '../../launcher/contract/api.ts';
import { connectAws } from '../../launcher/providers/ec2/sdk-api.ts';
import { Account, REGION } from '../aws/account/account.ts';
import { Laptop } from '../aws/account/laptop.ts';
import type { Result } from '../local/cli-harness.ts';
import { OUTSIDE } from './instance.ts';
import { VirtualMachines } from './virtual-machines.ts';

export const FILE_COUNT = 200;
const UP_TIMEOUT = '6m';
const LOOK_MS = 500;
const DOCKER_MS = 240_000;
const VOLUME_GIB = 2;

/** A folder with what an image of the workload's Docker has. */
export const IMAGE_ROOT = `
mkdir -p "$HOME/root/bin" && cd "$HOME/root"
for program in bash cat sync sleep; do
  file=$(readlink -f "$(command -v "$program")")
  cp -L --parents "$file" $(ldd "$file" | grep -o '/[^ ]*') .
done
cp usr/bin/bash bin/
`;
/** For bash in a container: prints what a host outside says. */
export const ASK_OUTSIDE = `exec 3<>/dev/tcp/${OUTSIDE}/80; printf "GET / HTTP/1.0\\r\\n\\r\\n" >&3; cat <&3`;

/** A launcher on this machine, an account whose instances are machines, and somebody who uses both. */
export class BoxBench {
  readonly machines: VirtualMachines;
  readonly account: Account<VirtualMachines>;
  readonly laptop: Laptop;
  readonly #closeClient: () => void;
  readonly #path: string;

  private constructor(account: Account<VirtualMachines>, laptop: Laptop, closeClient: () => void) {
    this.machines = account.machines;
    this.account = account;
    this.laptop = laptop;
    this.#closeClient = closeClient;
    this.#path = `${account.pluginFolder()}:${process.env['PATH']}`;
  }

  /** @param settings of the launcher, beside the usual ones */
  static async open(moto: string, settings: object = {}): Promise<BoxBench> {
    const account = await Account.open(moto, new VirtualMachines());
    const credentials = { accessKeyId: 'test', secretAccessKey: 'test' };
    const { ec2, close } = connectAws({ region: REGION, endpoint: account.url, credentials });
    const bench = new BoxBench(account, new Laptop(account), close);
    await bench.laptop.settle(ec2, { volumeGiB: VOLUME_GIB, bootstrapTimeout: UP_TIMEOUT, ...settings });
    bench.machines.launcherPort = Number(new URL(bench.laptop.launcherUrl).port);
    await bench.serve();
    return bench;
  }

  serve(): Promise<void> {
    return this.laptop.serve(this.#path);
  }

  async close(): Promise<void> {
    await this.laptop.stop();
    await this.laptop.leave();
    this.#closeClient();
    await this.account.close();
  }

  project(name: string): Project {
    const folder = this.laptop.folder(name);
    mkdirSync(join(folder, 'src'));
    for (let n = 0; n < FILE_COUNT; n += 1) writeFileSync(join(folder, 'src', `file-${n}.txt`), `line ${n}\n`.repeat(n + 1));
    return new Project(this, folder);
  }
}

/** A workspace, from the folder that it was made of. */
export class Project {
  readonly #bench: BoxBench;
  readonly cwd: string;
  readonly #name: string[];

  /** @param name of the workspace, where it is not that of the folder */
  constructor(bench: BoxBench, cwd: string, name?: string) {
    this.#bench = bench;
    this.cwd = cwd;
    this.#name = name === undefined ? [] : [name];
  }

  fork(name: string): Project {
    return new Project(this.#bench, this.cwd, name);
  }

  run(verb: string, ...args: string[]): Promise<Result> {
    return this.#bench.laptop.run([verb, ...args, ...this.#name], { cwd: this.cwd });
  }

  must(verb: string, ...args: string[]): Promise<string> {
    return this.#bench.laptop.must([verb, ...args, ...this.#name], { cwd: this.cwd });
  }

  /** Prints what the boot took, by the steps that the machine and its agent tell. */
  async up(...wishes: string[]): Promise<void> {
    const { machines } = this.#bench;
    const beganAt = Date.now();
    await this.must('up', '--timeout', UP_TIMEOUT, ...wishes);
    const box = await this.box();
    const bootedAt = machines.startedAt.get(box) ?? beganAt;
    const analysed = await machines.shell(
      box,
      'systemd-analyze time | head -n 1; systemctl show --property=ActiveEnterTimestampMonotonic --value devctl-agent.service',
    );
    const [boot = '', agentUs = ''] = analysed.stdout.split('\n');
    console.log(
      `${box}: up took ${Date.now() - beganAt} ms, ${Date.now() - bootedAt} of them from power on; agent at ${Math.round(Number(agentUs) / 1000)} ms after the kernel; ${boot}`,
    );
  }

  async status(): Promise<Session> {
    return (await this.#bench.laptop.json<{ session: Session }>(['status', ...this.#name], { cwd: this.cwd })).session;
  }

  /** The id of the instance. */
  async box(): Promise<string> {
    return (await this.status()).box?.id ?? '';
  }

  exec(...command: string[]): Promise<string> {
    return this.#bench.laptop.must(['exec', ...this.#name, '--', ...command], { cwd: this.cwd });
  }

  sh(line: string): Promise<string> {
    return this.exec('sh', '-c', line);
  }

  async asRoot(line: string): Promise<string> {
    return (await this.#bench.machines.shell(await this.box(), line)).stdout.trim();
  }

  /** As when the hardware below its box fails. */
  async cutPower(): Promise<void> {
    await this.#bench.account.fail(await this.box());
  }

  /** Until systemd has brought the workload's Docker up. */
  async dockerUp(): Promise<void> {
    const isUp = async () => (await this.asRoot('systemctl is-active devctl-docker.service')) === 'active';
    await vi.waitUntil(isUp, { timeout: DOCKER_MS, interval: 4 * LOOK_MS });
  }

  /** An image of this machine's own programs, as there is no registry: bash, cat, sync, sleep, and what they need. */
  async makeImage(name: string): Promise<void> {
    await this.sh(`set -e; ${IMAGE_ROOT} tar -c . | docker import - ${name}`);
  }

  /** Until the box of this generation is ready, or one after it: a machine may end while it boots. */
  async ready(generation: number, timeoutMs: number): Promise<void> {
    const isReady = async () => {
      const now = await this.status();
      return now.generation >= generation && now.phase === 'ready';
    };
    await vi.waitUntil(isReady, { timeout: timeoutMs, interval: LOOK_MS });
  }
}

export const sumOf = (file: string): string => createHash('sha256').update(readFileSync(file)).digest('hex');
