import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import type { Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import type { ResponseHead, StreamHandler } from '../../../launcher/serve/lambda/runtime.ts';
import { RUNTIME } from '../../support/function-url.ts';

const BUNDLE = fileURLToPath(new URL('../../../dist/lambda/index.mjs', import.meta.url));
const PROGRAM = fileURLToPath(new URL('function-runtime.mjs', import.meta.url));
const LINES_MAX = 400;

type Told = { ready: true } | { head: ResponseHead } | { chunk: string } | { ended: string | null };

/**
 * The built functions, in processes as Lambda has them: each does one event at a time, another one is started when all are busy, and
 * nothing is shared between two. They know what their environment says, and nothing else of this machine.
 */
export class Functions {
  /** Of what was run for events, what it failed with. */
  readonly failures: string[] = [];
  readonly #env: Record<string, string>;
  readonly #timeoutsMs: { api: number; events: number };
  readonly #idle: { api: ChildProcess[]; events: ChildProcess[] } = { api: [], events: [] };
  readonly #all = new Set<ChildProcess>();
  readonly #underWay = new Set<Promise<void>>();
  readonly #lines: string[] = [];
  #isClosed = false;

  /** @param timeoutsMs of the functions, as the stack has them */
  constructor(env: Record<string, string>, timeoutsMs: { api: number; events: number }) {
    this.#env = env;
    this.#timeoutsMs = timeoutsMs;
  }

  /** Of a Function URL. */
  readonly api: StreamHandler = async (event, stream) => {
    const failure = await this.#run('api', event, stream);
    if (failure === null) return;
    this.failures.push(failure);
    stream.destroy();
  };

  /** Runs the function of events, to its end. */
  async events(event: unknown): Promise<void> {
    const run = this.#run('events', event, null).then((failure) => {
      if (failure !== null && !this.#isClosed) this.failures.push(failure);
    });
    this.#underWay.add(run);
    await run.finally(() => this.#underWay.delete(run));
  }

  /** The latest lines of their logs. */
  logs(): string {
    return this.#lines.join('\n');
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    const gone = [...this.#all].map((child) => (child.exitCode === null && child.signalCode === null ? once(child, 'exit') : null));
    for (const child of this.#all) child.kill('SIGKILL');
    await Promise.all([...gone, ...this.#underWay]);
  }

  /** @returns what it failed with */
  async #run(handler: 'api' | 'events', event: unknown, stream: Writable | null): Promise<string | null> {
    const child = this.#idle[handler].pop() ?? (await this.#start());
    const ended = new Promise<string | null>((resolve) => {
      child.on('message', (told: Told) => {
        if ('ended' in told) resolve(told.ended);
        else if (stream !== null) pass(told, stream);
      });
      child.once('exit', (code, signal) => resolve(`the process of ${handler} ended with ${code ?? signal}`));
    });
    child.send({ handler, event, timeoutMs: this.#timeoutsMs[handler] });
    const failure = await ended;
    child.removeAllListeners('message');
    child.removeAllListeners('exit');
    if (child.exitCode === null && child.signalCode === null) this.#idle[handler].push(child);
    if (failure === null) stream?.end();
    return failure;
  }

  async #start(): Promise<ChildProcess> {
    const child = fork(PROGRAM, [BUNDLE], { env: this.#env, execArgv: [], stdio: ['ignore', 'pipe', 'pipe', 'ipc'] });
    this.#all.add(child);
    for (const output of [child.stdout, child.stderr])
      output?.on('data', (chunk: Buffer) => {
        this.#lines.push(...chunk.toString().trimEnd().split('\n'));
        this.#lines.splice(0, Math.max(0, this.#lines.length - LINES_MAX));
      });
    const isReady = await Promise.race([once(child, 'message').then(() => true), once(child, 'exit').then(() => false)]);
    if (!isReady) throw new Error(`the bundle does not start:\n${this.logs()}`);
    return child;
  }
}

/** Nobody tells a function that whoever asked has gone. */
function pass(told: Told, stream: Writable): void {
  if (stream.destroyed) return;
  if ('head' in told) RUNTIME.HttpResponseStream.from(stream, told.head);
  if ('chunk' in told) stream.write(Buffer.from(told.chunk, 'base64'));
}
