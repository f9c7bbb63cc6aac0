import { randomBytes } from 'node:crypto';
import { chmodSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { TextDecoder } from 'node:util';
import type { BoxLimits } from '../../launcher/contract/agent-config.ts';
import { type Heartbeat, heartbeatSchema, type Orders, type Register, registerSchema } from '../../launcher/contract/box.ts';
import { DevctlError, type ErrorCode, type Problem } from '../../launcher/contract/errors.ts';
import {
  decodeJson,
  encodeFrame,
  encodeJsonFrame,
  FRAME,
  type Frame,
  FrameReader,
  type FrameType,
} from '../../launcher/contract/exec-frames.ts';
import type { ExecExit, ExecStartInput } from '../../launcher/contract/exec-messages.ts';
import { makeId } from '../../launcher/contract/fields.ts';
import type { AccessPort } from '../../launcher/ports/access.ts';
import type { BoxRef, LaunchRequest } from '../../launcher/ports/compute.ts';
import type { LogFields, Telemetry } from '../../launcher/ports/telemetry.ts';
import { createLocalProvider, type LocalProvider, type LocalProviderOptions } from '../../launcher/providers/local/index.ts';
import type { ComputeSubject } from '../contract/compute.suite.ts';
import { type LaunchPatch, launchRequestWith } from '../support/launch-request.ts';

export const PACKAGE_ROOT = new URL('../..', import.meta.url).pathname;
export const AGENT_BUNDLE = join(PACKAGE_ROOT, 'dist/agent.cjs');

export const TEST_LIMITS: BoxLimits = {
  archiveBytes: 200 * 1024 ** 2,
  archiveFiles: 1_000,
  archiveRatio: 100,
  archiveRatioFloorBytes: 1024 ** 2,
  stopGraceMs: 3_000,
  orphanLimitMs: 3_600_000,
};

export const newId = (prefix: 'ses' | 'ws') => makeId(prefix, Date.now(), randomBytes(16));

/** What a box hears from its launcher, and what it said: a launcher of one table, for tests. */
export class FakeLauncher {
  readonly registered = new Map<string, Register>();
  readonly beats = new Map<string, Heartbeat[]>();
  readonly orders = new Map<string, Partial<Orders>>();
  readonly tokens = new Map<string, string>();
  /** Sessions whose boxes are refused, and with which code. */
  readonly refuse = new Map<string, ErrorCode>();
  /** Holds back the answer to a heartbeat until the promise is kept; null: does not. */
  hold: (boxId: string) => Promise<void> | null = () => null;
  /** Called after every request of a box. */
  #listeners = new Set<() => void>();

  handler = async (request: Request, box: BoxRef): Promise<Response> => {
    const token = request.headers.get('authorization')?.replace('Bearer ', '');
    if (token !== this.tokens.get(box.sessionId)) return problem(new DevctlError('unauthorized', 'wrong box token'));
    const refusal = this.refuse.get(box.sessionId);
    if (refusal) return problem(new DevctlError(refusal, 'refused by the test'));
    const body: unknown = await request.json();
    if (request.url.endsWith('/register')) this.registered.set(box.boxId, registerSchema.parse(body));
    else this.beats.set(box.boxId, [...(this.beats.get(box.boxId) ?? []), heartbeatSchema.parse(body)]);
    queueMicrotask(() => {
      for (const listener of this.#listeners) listener();
    });
    const orders: Orders = {
      state: 'work',
      clone: null,
      runSetup: false,
      heartbeatMs: 200,
      notice: null,
      hardLimitInMs: 3_600_000,
      ...this.orders.get(box.sessionId),
    };
    await this.hold(box.boxId);
    return Response.json(orders);
  };

  /** Waits for a heartbeat (any from now on) of which the test holds. */
  beat(boxId: string, test: (beat: Heartbeat) => boolean): Promise<Heartbeat> {
    const from = this.beats.get(boxId)?.length ?? 0;
    return this.until(() => this.beats.get(boxId)?.slice(from).find(test));
  }

  until<T>(find: () => T | undefined): Promise<T> {
    return new Promise((resolve) => {
      const look = () => {
        const found = find();
        if (found === undefined) return;
        this.#listeners.delete(look);
        resolve(found);
      };
      this.#listeners.add(look);
      look();
    });
  }

  ready(box: BoxRef): Promise<Heartbeat> {
    return this.until(() => (this.beats.get(box.boxId)?.at(-1)?.state === 'ready' ? this.beats.get(box.boxId)?.at(-1) : undefined));
  }
}

const problem = (error: DevctlError) => Response.json(error.toProblem(), { status: error.spec.status });

export class SilentTelemetry implements Telemetry {
  readonly lines: LogFields[] = [];
  info = (fields: LogFields) => void this.lines.push(fields);
  warn = this.info;
  error = this.info;
  count = () => {};
  observe = () => {};
  gauge = () => {};
}

export interface Bench {
  stateDir: string;
  provider: LocalProvider;
  launcher: FakeLauncher;
  /** Another launcher process's view of the same state: a new provider on it, started. */
  again: (options?: Partial<LocalProviderOptions>) => Promise<LocalProvider>;
  close: () => Promise<void>;
}

export function makeStateDir(prefix = 'devctl-test-'): string {
  const folder = mkdtempSync(join(tmpdir(), prefix));
  chmodSync(folder, 0o700);
  return folder;
}

/** A provider on an empty state folder, with a launcher that says yes to everything. */
export async function openBench(options: Partial<LocalProviderOptions> = {}): Promise<Bench> {
  const stateDir = options.stateDir ?? makeStateDir();
  mkdirSync(stateDir, { recursive: true });
  const launcher = new FakeLauncher();
  const make = async (more: Partial<LocalProviderOptions> = {}) => {
    const provider = await createLocalProvider({
      agentBundlePath: AGENT_BUNDLE,
      limits: TEST_LIMITS,
      clock: { now: Date.now },
      random: { bytes: (length) => randomBytes(length) },
      telemetry: new SilentTelemetry(),
      boxHandler: launcher.handler,
      ...options,
      ...more,
      stateDir,
    });
    await provider.start();
    return provider;
  };
  const provider = await make();
  return {
    stateDir,
    provider,
    launcher,
    again: make,
    async close() {
      for (const item of (await provider.list()).items) {
        if (item.kind === 'box' && item.tags)
          await provider.end({ boxId: item.id, sessionId: item.tags.sessionId as string, generation: item.tags.generation as number });
      }
      await provider.stop();
      rmSync(stateDir, { recursive: true, force: true });
    },
  };
}

/** A launch of a new workspace, unless something else is said. */
export const launchRequest = (patch: LaunchPatch = {}): LaunchRequest => launchRequestWith(newId, patch);

/** Launches and waits until the box has said that it is ready. */
export async function launchReady(bench: Bench, patch: Parameters<typeof launchRequest>[0] = {}) {
  const request = launchRequest(patch);
  bench.launcher.tokens.set(request.tags.sessionId, request.boxToken);
  const result = await bench.provider.launch(request);
  const box: BoxRef = { boxId: result.boxId, sessionId: request.tags.sessionId, generation: request.tags.generation };
  await bench.launcher.ready(box);
  return { box, request, ...result };
}

export interface Outcome {
  stdout: string;
  stderr: string;
  exit: ExecExit | null;
  problem: Problem | null;
  notices: string[];
}

/** The client's end of one command. */
export class TestExec {
  readonly stream: Duplex;
  readonly outcome: Outcome = { stdout: '', stderr: '', exit: null, problem: null, notices: [] };
  readonly done: Promise<Outcome>;
  #listeners = new Set<() => void>();

  constructor(stream: Duplex) {
    this.stream = stream;
    const reader = new FrameReader();
    const decoders = { stdout: new TextDecoder(), stderr: new TextDecoder() };
    this.done = new Promise((resolve, reject) => {
      stream.on('data', (chunk: Buffer) => {
        for (const frame of reader.push(chunk)) this.#take(frame, decoders);
        for (const listener of this.#listeners) listener();
      });
      stream.on('close', () => resolve(this.outcome));
      stream.on('error', reject);
    });
  }

  #take(frame: Frame, decoders: { stdout: TextDecoder; stderr: TextDecoder }): void {
    const { outcome } = this;
    if (frame.type === FRAME.stdout) outcome.stdout += decoders.stdout.decode(frame.payload, { stream: true });
    else if (frame.type === FRAME.stderr) outcome.stderr += decoders.stderr.decode(frame.payload, { stream: true });
    else if (frame.type === FRAME.exit) outcome.exit = decodeJson(frame.payload) as ExecExit;
    else if (frame.type === FRAME.error) outcome.problem = decodeJson(frame.payload) as Problem;
    else if (frame.type === FRAME.notice) outcome.notices.push(new TextDecoder().decode(frame.payload));
  }

  /** Waits until the output so far passes the test. */
  until(test: (outcome: Outcome) => boolean): Promise<void> {
    return new Promise((resolve) => {
      const look = () => {
        if (!test(this.outcome)) return;
        this.#listeners.delete(look);
        resolve();
      };
      this.#listeners.add(look);
      look();
    });
  }

  send(type: FrameType, value: unknown): void {
    this.stream.write(encodeJsonFrame(type, value));
  }

  input(bytes: string | Uint8Array): void {
    this.stream.write(encodeFrame(FRAME.stdin, typeof bytes === 'string' ? Buffer.from(bytes) : bytes));
  }

  endInput(): void {
    this.stream.write(encodeFrame(FRAME.stdinEnd));
  }
}

export async function startExec(access: AccessPort, box: BoxRef, start: ExecStartInput): Promise<TestExec> {
  const command = new TestExec(await access.exec(box));
  command.send(FRAME.start, start);
  return command;
}

/** Runs a command to its end. */
export async function runIn(
  access: AccessPort,
  box: BoxRef,
  argv: string[],
  more: Partial<ExecStartInput> & { input?: string } = {},
): Promise<Outcome> {
  const { input, ...start } = more;
  const command = await startExec(access, box, { argv, ...start });
  if (input !== undefined) command.input(input);
  command.endInput();
  return command.done;
}

/** Output of a shell line that must succeed. */
export async function shell(access: AccessPort, box: BoxRef, line: string): Promise<string> {
  const outcome = await runIn(access, box, ['/bin/bash', '-c', line]);
  if (outcome.exit?.code !== 0) throw new Error(`${line}: ${JSON.stringify(outcome)}`);
  return outcome.stdout.trimEnd();
}

/** The provider as the compute suite asks for it. */
export async function openSubject(options: Partial<LocalProviderOptions>): Promise<ComputeSubject> {
  const bench = await openBench(options);
  const { launcher, provider } = bench;
  return {
    ports: provider,
    request(patch) {
      const request = launchRequest(patch);
      launcher.tokens.set(request.tags.sessionId, request.boxToken);
      return request;
    },
    ready: (box) => launcher.ready(box),
    order: (box, orders) => launcher.orders.set(box.sessionId, orders),
    write: async (box, path, line) => {
      await shell(provider, box, `echo '${line}' > /workspace/${path}`);
    },
    read: (box, path) => shell(provider, box, `cat /workspace/${path}`),
    shell: (box, line) => shell(provider, box, line),
    pause: sleep,
    close: bench.close,
  };
}

/** Asks again until the answer is yes. For states that nobody announces; bounded by the time-out of the test. */
export async function eventually(test: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await test())) await sleep(10);
}
