import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chownSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { BoxConfig, BoxUser } from '../../launcher/contract/agent-config.ts';
import type { Heartbeat, Orders } from '../../launcher/contract/box.ts';
import type { AccessPort } from '../../launcher/ports/access.ts';
import type { BoxRef } from '../../launcher/ports/compute.ts';
import { accessBy, BoxAgent } from '../../launcher/providers/agent/agent.ts';
import { AGENT_BUNDLE, eventually, FakeLauncher, newId, PACKAGE_ROOT, TEST_LIMITS } from '../local/local-harness.ts';

const UID_FIRST = 60_000;
const UIDS = 5_000;
const TOKEN = 'token-of-the-box';
/** In place of the mount of a real machine. */
const FOLDERS = { workspace: 'workspace', run: 'run', program: 'opt' } as const;

/** Where this machine has its cgroups of version 2: the one tree, or beside those of version 1. */
function cgroupRoot(): string | null {
  const mounts = readFileSync('/proc/self/mounts', 'utf8')
    .split('\n')
    .map((line) => line.split(' '));
  return mounts.find(([, , kind]) => kind === 'cgroup2')?.[1] ?? null;
}

/**
 * A box as a real machine has it: the agent is root, the workload is a user that nobody else is, in a cgroup of its own. The launcher
 * is one of a table.
 */
export class MachineBox {
  readonly dir = mkdtempSync(join(tmpdir(), 'devctl-machine-'));
  readonly launcher = new FakeLauncher();
  readonly user: BoxUser;
  readonly box: BoxRef = { boxId: `box-${process.pid}`, sessionId: newId('ses'), generation: 1 };
  readonly agent: BoxAgent;
  readonly access: AccessPort;
  readonly workspace = join(this.dir, FOLDERS.workspace);
  readonly cgroup: string | null;
  log = '';
  #agent: ChildProcess | null = null;
  #server: Server | null = null;
  readonly #env: Record<string, string>;

  constructor(env: Record<string, string> = {}) {
    const uid = UID_FIRST + (process.pid % UIDS);
    this.user = { name: 'devctl-test', uid, gid: uid };
    this.#env = env;
    const root = cgroupRoot();
    this.cgroup = root && join(root, `devctl-test-${process.pid}`);
    execFileSync('chmod', ['755', this.dir]);
    for (const folder of Object.values(FOLDERS)) mkdirSync(join(this.dir, folder), { mode: 0o755 });
    mkdirSync(join(this.dir, 'run', 'agent'), { mode: 0o700 });
    copyFileSync(AGENT_BUNDLE, join(this.dir, 'opt', 'agent.cjs'));
    symlinkSync(join(PACKAGE_ROOT, 'node_modules'), join(this.dir, 'opt', 'node_modules'));
    this.launcher.tokens.set(this.box.sessionId, TOKEN);
    const socketPath = join(this.dir, 'run', 'agent', 'agent.sock');
    const open = async () => {
      const socket = connect(socketPath);
      await once(socket, 'connect');
      return socket;
    };
    this.agent = new BoxAgent({ connect: open }, { answerTimeoutMs: 10_000 });
    this.access = { ...accessBy(() => this.agent), logs: (_box, options) => this.agent.logs(options) };
  }

  get config(): BoxConfig {
    return {
      ...this.box,
      paths: { workspace: this.workspace, run: join(this.dir, 'run') },
      user: this.user,
      ...(this.cgroup !== null && { cgroup: this.cgroup }),
      processScope: 'machine',
      env: {
        PATH: '/usr/local/bin:/usr/bin:/bin',
        HOME: join(this.workspace, 'home'),
        USER: 'dev',
        SHELL: '/bin/bash',
        LANG: 'C.UTF-8',
        IN_DEVCTL_BOX: this.box.boxId,
        ...this.#env,
      },
      limits: TEST_LIMITS,
    };
  }

  async start(): Promise<void> {
    if (this.#server === null) this.#server = await this.#serve();
    const path = join(this.dir, 'opt', 'box.json');
    writeFileSync(path, JSON.stringify(this.config));
    // Something of the agent's own that nobody else may have.
    const env = { PATH: process.env['PATH'], AGENT_SECRET: 'of-the-agent' };
    const agent = spawn(process.execPath, [join(this.dir, 'opt', 'agent.cjs'), path], { env, stdio: ['pipe', 'pipe', 'pipe'] });
    for (const stream of [agent.stdout, agent.stderr])
      stream.on('data', (chunk: Buffer) => {
        this.log += chunk;
      });
    agent.stdin.end(TOKEN);
    this.#agent = agent;
    await this.beat((beat) => beat.state === 'ready');
  }

  /** As by the kernel: nothing is said and nothing is tidied. */
  async kill(): Promise<void> {
    const agent = this.#agent;
    this.#agent = null;
    if (agent === null || agent.exitCode !== null || agent.signalCode !== null) return;
    agent.kill('SIGKILL');
    await once(agent, 'exit');
  }

  get agentPid(): number {
    return this.#agent?.pid as number;
  }

  beat(test: (beat: Heartbeat) => boolean): Promise<Heartbeat> {
    return this.launcher.beat(this.box.boxId, test);
  }

  order(orders: Partial<Orders>): void {
    this.launcher.orders.set(this.box.sessionId, orders);
  }

  /** A path in the workspace, whose folders and text are the workload's. */
  file(path: string, text: string, mode = 0o644): string {
    const parts = path.split('/');
    for (let count = 1; count < parts.length; count += 1) {
      const folder = join(this.workspace, ...parts.slice(0, count));
      if (existsSync(folder)) continue;
      mkdirSync(folder);
      chownSync(folder, this.user.uid, this.user.gid);
    }
    const place = join(this.workspace, path);
    writeFileSync(place, text, { mode });
    chownSync(place, this.user.uid, this.user.gid);
    return place;
  }

  /** Processes that are the workload user's now, by the kernel's own word. */
  processes(): string[] {
    try {
      const lines = execFileSync('ps', ['-o', 'args=', '-U', String(this.user.uid), '-u', String(this.user.uid)], { encoding: 'utf8' });
      // What has ended may wait for the first process of this machine.
      return lines.split('\n').filter((line) => line !== '' && !line.endsWith('<defunct>'));
    } catch {
      // ps says so when there is none.
      return [];
    }
  }

  async close(): Promise<void> {
    await this.kill();
    if (this.cgroup !== null && existsSync(this.cgroup)) {
      writeFileSync(join(this.cgroup, 'cgroup.kill'), '1');
      for (const name of ['commands', 'devctl-docker.service', '.']) await eventually(() => removed(join(this.cgroup as string, name)));
    }
    await eventually(() => {
      for (const pid of pidsOf(this.user.uid)) signal(pid, 'SIGKILL');
      return this.processes().length === 0;
    });
    this.#server?.closeAllConnections();
    this.#server?.close();
    rmSync(this.dir, { recursive: true, force: true });
  }

  async #serve(): Promise<Server> {
    const server = createServer(async (incoming, answer) => {
      const headers = { authorization: incoming.headers.authorization ?? '' };
      const request = new Request(`http://launcher${incoming.url}`, { method: 'POST', headers, body: await textOf(incoming) });
      const response = await this.launcher.handler(request, this.box);
      answer.writeHead(response.status, { 'content-type': 'application/json' }).end(await response.text());
    });
    server.listen(join(this.dir, 'run', 'launcher.sock'));
    await once(server, 'listening');
    return server;
  }
}

function removed(folder: string): boolean {
  try {
    if (existsSync(folder)) rmdirSync(folder);
    return true;
  } catch {
    // Somebody in it has not ended yet.
    return false;
  }
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch {
    // Gone meanwhile.
  }
}

function pidsOf(uid: number): number[] {
  try {
    return execFileSync('ps', ['-o', 'pid=', '-U', String(uid), '-u', String(uid)], { encoding: 'utf8' })
      .split('\n')
      .filter(Boolean)
      .map(Number);
  } catch {
    // None.
    return [];
  }
}

async function textOf(incoming: IncomingMessage): Promise<string> {
  let text = '';
  for await (const chunk of incoming) text += chunk;
  return text;
}
