import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Ec2Api } from '../../../launcher/providers/ec2/api.ts';
import { Person } from '../../local/cli-harness.ts';
import { freePort } from '../free-port.ts';
import { type Account, REGION } from './account.ts';

export const CREDENTIALS = { AWS_ACCESS_KEY_ID: 'test', AWS_SECRET_ACCESS_KEY: 'test', AWS_REGION: REGION };

/** Somebody who runs a launcher on a laptop, with boxes in an account. */
export class Laptop extends Person {
  readonly account: Pick<Account, 'issuer' | 'url'>;
  readonly config: string;
  readonly deployment: string;
  launcherUrl = '';
  #launcher: ChildProcess | null = null;

  constructor(account: Pick<Account, 'issuer' | 'url'>, deployment = 'laptop') {
    super();
    this.deployment = deployment;
    this.account = account;
    this.config = join(this.dir, 'ec2.json');
  }

  async settle(ec2: Ec2Api, patch: object = {}): Promise<void> {
    const { Images = [] } = await ec2.describeImages({ Filters: [{ Name: 'architecture', Values: ['x86_64'] }] });
    const { Subnets = [] } = await ec2.describeSubnets({ Filters: [{ Name: 'default-for-az', Values: ['true'] }] });
    const port = await freePort();
    this.launcherUrl = `http://127.0.0.1:${port}`;
    const settings = {
      region: REGION,
      deployment: this.deployment,
      table: `devctl-${this.deployment}`,
      images: { x86_64: Images.find(({ RootDeviceType, Platform }) => RootDeviceType === 'ebs' && !Platform)?.ImageId },
      subnets: Subnets.map(({ SubnetId }) => SubnetId),
      securityGroups: ['sg-0123456789abcdef0'],
      instanceProfileArn: 'arn:aws:iam::123456789012:instance-profile/devctl-box',
      launcherUrl: this.launcherUrl,
      boxListen: `127.0.0.1:${port}`,
      identityIssuer: this.account.issuer,
      volumeGiB: 8,
      endpoint: this.account.url,
      ...patch,
    };
    writeFileSync(this.config, JSON.stringify(settings));
  }

  async serve(path = process.env['PATH'] ?? ''): Promise<void> {
    const args = [new URL('../../../dist/devctl.cjs', import.meta.url).pathname, 'serve', '--provider', 'ec2', '--config', this.config];
    const child = spawn(process.execPath, args, { env: { ...this.env(), ...CREDENTIALS, PATH: path }, stdio: ['ignore', 'pipe', 'pipe'] });
    this.#launcher = child;
    let said = '';
    child.stderr.on('data', (chunk: Buffer) => {
      said += chunk;
    });
    const lines = createInterface({ input: child.stdout });
    await Promise.race([once(lines, 'line'), once(child, 'close').then(() => Promise.reject(new Error(`the launcher ended: ${said}`)))]);
  }

  logs(): string {
    const dir = join(this.state, 'log');
    return readdirSync(dir)
      .map((name) => readFileSync(join(dir, name), 'utf8').split('\n').slice(-40).join('\n'))
      .join('\n');
  }

  /** As a machine that loses its power. */
  async crash(): Promise<void> {
    const { pid } = JSON.parse(readFileSync(join(this.state, 'launcher.json'), 'utf8')) as { pid: number };
    process.kill(pid, 'SIGKILL');
    await this.stopped();
  }

  async stop(): Promise<void> {
    this.#launcher?.kill('SIGINT');
    await this.stopped();
  }

  private async stopped(): Promise<void> {
    const child = this.#launcher;
    this.#launcher = null;
    if (child !== null && child.exitCode === null && child.signalCode === null) await once(child, 'close');
  }
}
