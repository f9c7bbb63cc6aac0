import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { MachineConfig } from '../launcher/contract/agent-config.ts';
import { timeOf } from './command.ts';
import type { Context } from './context.ts';
import { interleave, ratiosOf, type Section, type Subject } from './measure.ts';

const NODE = 'node -e 0';
const ASKS = 'agent of an instance, to its first request';
const REGISTERS = 'agent of an instance, to its registration';
const ANSWER_MS = 60_000;

/** What an instance says of itself, by its path under /latest/. */
const METADATA: Readonly<Record<string, string>> = {
  'api/token': 'token',
  'meta-data/instance-id': 'i-0123456789abcdef0',
  'meta-data/placement/region': 'us-east-1',
  'meta-data/tags/instance/devctl:owner': 'bench',
  'meta-data/tags/instance/devctl:session': 'ses_01kgzsr3yz9m2qf8e4t6w0v5ab',
  'meta-data/tags/instance/devctl:generation': '1',
  'meta-data/tags/instance/devctl:workspace': 'bench',
  'meta-data/iam/security-credentials/': 'box',
  'meta-data/iam/security-credentials/box': JSON.stringify({ AccessKeyId: 'id', SecretAccessKey: 'key', Token: 'token' }),
};
const STS = `<GetWebIdentityTokenResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetWebIdentityTokenResult><WebIdentityToken>a.b.c</WebIdentityToken></GetWebIdentityTokenResult></GetWebIdentityTokenResponse>`;

/** The agent of a box on EC2, from the start of its process: until it asks who it is, and until it listens and has registered. */
export async function agentSection({ root, quick }: Context): Promise<Section> {
  const machine = await FakeMachine.open(join(root, 'dist/agent.cjs'));
  try {
    const subjects: Subject[] = [
      { name: NODE, once: () => timeOf([process.execPath, '-e', '0']) },
      { name: ASKS, once: () => machine.timeUntil('PUT /latest/api/token') },
      { name: REGISTERS, once: () => machine.timeUntil('POST /boxes/register') },
    ];
    const rows = await interleave(subjects, quick ? 3 : 20);
    const ratios = ratiosOf(rows, [
      [ASKS, NODE],
      [REGISTERS, NODE],
    ]);
    const notes = [
      'Metadata service, STS and launcher answer at once, on loopback; the workspace is mounted already. What a machine adds is its network.',
    ];
    return { title: 'The agent of an instance', rows, ratios, notes, missing: [] };
  } finally {
    machine.close();
  }
}

/** What an agent finds around it on an instance. */
class FakeMachine {
  readonly #folder = mkdtempSync(join(tmpdir(), 'devctl-bench-agent-'));
  readonly #agent: string;
  readonly #server: Server;
  #url = '';
  #heard: (request: string) => void = () => {};

  private constructor(agent: string) {
    this.#agent = agent;
    this.#server = createServer((incoming, answer) => this.#answer(incoming, answer));
  }

  static async open(agent: string): Promise<FakeMachine> {
    const machine = new FakeMachine(agent);
    await once(machine.#server.listen(0, '127.0.0.1'), 'listening');
    machine.#url = `http://127.0.0.1:${(machine.#server.address() as AddressInfo).port}`;
    writeFileSync(machine.#config, JSON.stringify(machine.#machineConfig()));
    return machine;
  }

  /** Milliseconds from the start of an agent until this request comes. @throws Error when it does not */
  async timeUntil(wanted: string): Promise<number> {
    const startMs = performance.now();
    const agent = this.#start();
    try {
      return await new Promise((resolve, reject) => {
        const late = setTimeout(() => reject(new Error(`the agent did not say ${wanted}`)), ANSWER_MS);
        this.#heard = (request) => {
          if (request !== wanted) return;
          clearTimeout(late);
          resolve(performance.now() - startMs);
        };
      });
    } finally {
      const gone = once(agent, 'exit');
      agent.kill('SIGKILL');
      await gone;
    }
  }

  close(): void {
    this.#server.close();
    this.#server.closeAllConnections();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  get #config(): string {
    return join(this.#folder, 'agent.json');
  }

  #start(): ChildProcess {
    const env = { PATH: process.env['PATH'], AWS_EC2_METADATA_SERVICE_ENDPOINT: this.#url, AWS_ENDPOINT_URL_STS: this.#url };
    return spawn(process.execPath, [this.#agent, this.#config], { env, stdio: 'ignore' });
  }

  #answer({ method, url = '' }: IncomingMessage, answer: ServerResponse): void {
    this.#heard(`${method} ${url}`);
    const userData = JSON.stringify({ devctl: 1, deployment: 'bench', launcherUrl: this.#url });
    const path = decodeURIComponent(url.replace('/latest/', ''));
    const text = url === '/' ? STS : path === 'user-data' ? userData : METADATA[path];
    answer.statusCode = text === undefined ? 404 : 200;
    answer.end(text ?? '{}');
  }

  #machineConfig(): MachineConfig {
    return {
      machine: 'ec2',
      paths: { workspace: join(this.#folder, 'workspace'), run: join(this.#folder, 'run') },
      disk: 'mounted',
      user: null,
      agentPort: 0,
      egressPort: 0,
      env: { PATH: process.env['PATH'] ?? '', HOME: this.#folder },
      limits: { archiveBytes: 1, archiveFiles: 1, archiveRatio: 1, archiveRatioFloorBytes: 1, stopGraceMs: 1_000, orphanLimitMs: 600_000 },
      log: join(this.#folder, 'agent.log'),
      powerOff: ['true'],
    };
  }
}
