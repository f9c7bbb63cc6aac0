import { type ChildProcess, spawn } from 'node:child_process';
import { type IncomingMessage, request, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { AGENT_ROUTES, type BoxConfig } from '../launcher/contract/agent-config.ts';
import { DevctlError } from '../launcher/contract/errors.ts';
import { problemSchema } from '../launcher/contract/problem.ts';
import { type Counts, takePlace } from './files.ts';
import { AGENT_FD, type FilesConfig, STAGING_PARAM } from './files-helper.ts';
import { SYSTEM_PATH } from './helper.ts';
import type { Launcher } from './launch.ts';
import { pathOf } from './paths.ts';
import type { Log } from './ports.ts';
import type { Processes } from './processes.ts';
import type { Handler } from './server.ts';
import { signalProcess } from './signals.ts';
import type { Staging } from './staging.ts';
import type { BoxState } from './state.ts';
import type { WriteGate } from './write-gate.ts';

/** Copies at a time. */
const HELPERS_MAX = 8;
/** How long a helper waits for the next copy. */
const SPARE_MS = 60_000;
const ANSWER_MAX_BYTES = 64 * 1024;
const END_POLL_MS = 5;
const END_MS = 5_000;
const LOGGED_MAX_CHARS = 2_000;

interface Deps {
  config: BoxConfig;
  box: BoxState;
  gate: WriteGate;
  processes: Processes;
  launcher: Launcher;
  staging: Staging;
  log: Log;
}

interface Helper {
  process: ChildProcess;
  pid: number;
  socket: Socket;
}

/**
 * Files in and out of a box whose workload is another user than its agent: each copy is made by a process of that user, and here
 * it is decided whether it may be made. The next copy finds a process that waits for it.
 */
export class FilesProxy {
  readonly #deps: Deps;
  readonly #helpers = new Set<Helper>();
  #spare: { helper: Helper; timer: NodeJS.Timeout } | null = null;

  constructor(deps: Deps) {
    this.#deps = deps;
  }

  readonly handlers: ReadonlyMap<string, Handler> = new Map<string, Handler>([
    [`PUT ${AGENT_ROUTES.import}`, async (incoming) => this.#import(incoming)],
    [
      `PUT ${AGENT_ROUTES.files}`,
      async (incoming, url) => this.#put(`${AGENT_ROUTES.files}?${new URLSearchParams({ path: pathOf(url) })}`, incoming),
    ],
    [`GET ${AGENT_ROUTES.files}`, async (_incoming, url, answer) => this.#send(pathOf(url), answer)],
  ]);

  /** Ends every copy. Who waits for one hears that the box is being saved. */
  async end(): Promise<void> {
    if (this.#spare) clearTimeout(this.#spare.timer);
    this.#spare = null;
    const ending = [...this.#helpers];
    for (const { pid } of ending) signalProcess(pid, 'SIGKILL');
    for (let waitedMs = 0; ending.some((helper) => this.#helpers.has(helper)) && waitedMs < END_MS; waitedMs += END_POLL_MS)
      await sleep(END_POLL_MS);
  }

  async #import(body: IncomingMessage): Promise<Counts> {
    const { config, gate, box, staging } = this.#deps;
    const place = staging.newPlace('import');
    try {
      const counts = await this.#put(`${AGENT_ROUTES.import}?${new URLSearchParams({ [STAGING_PARAM]: place })}`, body);
      await gate.write(async () => {
        this.#assertOpen();
        await takePlace(place, join(config.paths.workspace, 'src'));
      });
      box.change({});
      return counts;
    } catch (error) {
      // Of an upload that the saving of the box has cut off: the next box removes it.
      if (box.open) await staging.remove(place);
      throw error;
    }
  }

  async #put(path: string, body: IncomingMessage): Promise<Counts> {
    await this.#deps.staging.cleared;
    await this.#deps.gate.passed();
    this.#assertOpen();
    const { helper, answer } = await this.#askLiving('PUT', path, body);
    const { files, bytes } = (await this.#readJson(helper, answer)) as Partial<Counts>;
    if (typeof files !== 'number' || typeof bytes !== 'number')
      throw new DevctlError('internal', 'the copy has ended in a way that nobody knows');
    return { files, bytes };
  }

  async #send(path: string, answer: ServerResponse): Promise<void> {
    const { helper, answer: sent } = await this.#askLiving('GET', `${AGENT_ROUTES.files}?${new URLSearchParams({ path })}`, null);
    answer.once('close', () => signalProcess(helper.pid, 'SIGKILL'));
    answer.writeHead(200, { 'content-type': 'application/x-tar' });
    // A reader that leaves in the middle is no fault, and what was cut off has no end mark.
    await pipeline(sent, answer).catch(() => answer.destroy());
  }

  /** No more of a body goes through while the disk is copied, and none at all once the box is being saved. */
  async *#guarded(body: IncomingMessage): AsyncGenerator<Buffer> {
    // Who is refused hears why: what he sends is not closed for that.
    for await (const chunk of body.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
      await this.#deps.gate.passed();
      this.#assertOpen();
      yield chunk;
    }
  }

  #assertOpen(): void {
    if (!this.#deps.box.open) throw saved();
  }

  /** The one that waited may have been ended by somebody in the box, which is seen only when it is asked: then another is started. */
  async #askLiving(method: string, path: string, body: IncomingMessage | null): Promise<{ helper: Helper; answer: IncomingMessage }> {
    const first = this.#take();
    try {
      return { helper: first, answer: await this.#ask(first, method, path, body) };
    } catch (error) {
      if (!(error instanceof NeverBegan)) throw error;
    }
    this.#assertOpen();
    const second = this.#start();
    return { helper: second, answer: await this.#ask(second, method, path, body).catch((error) => Promise.reject(this.#reason(error))) };
  }

  /**
   * The answer of a helper, when it is a success. A body is sent once the helper says that it reads (RFC 9110, 10.1.1).
   * @throws NeverBegan when it has ended before it read anything, DevctlError as the helper says, or that it has ended
   */
  #ask(helper: Helper, method: string, path: string, body: IncomingMessage | null): Promise<IncomingMessage> {
    return new Promise((resolve, reject) => {
      let begun = false;
      const failed = (error: unknown) => {
        signalProcess(helper.pid, 'SIGKILL');
        reject(begun || !this.#deps.box.open ? this.#reason(error) : new NeverBegan(String(error)));
      };
      // One that closed after a refusal would take its answer with it: what is still on its way to it could not be written.
      const headers = { host: 'files', connection: 'keep-alive', ...(body && { expect: '100-continue' }) };
      const outgoing = request({ createConnection: () => helper.socket, method, path, headers }, (answer) => {
        begun = true;
        if (answer.statusCode === 200) return resolve(answer);
        this.#readJson(helper, answer).then((problem) => reject(asProblem(problem)), reject);
      });
      outgoing.on('error', failed);
      outgoing.on('continue', () => {
        begun = true;
        pipeline(Readable.from(this.#guarded(body as IncomingMessage)), outgoing).catch(failed);
      });
      if (body === null) outgoing.end();
    });
  }

  async #readJson(helper: Helper, answer: IncomingMessage): Promise<unknown> {
    try {
      const chunks: Buffer[] = [];
      let size = 0;
      for await (const chunk of answer as AsyncIterable<Buffer>) {
        size += chunk.length;
        if (size > ANSWER_MAX_BYTES) throw new Error('it says too much');
        chunks.push(chunk);
      }
      return JSON.parse(Buffer.concat(chunks).toString());
    } catch (error) {
      throw this.#reason(error);
    } finally {
      signalProcess(helper.pid, 'SIGKILL');
    }
  }

  /** Why there is no answer: it is the saving of the box that ends copies, or somebody in the box. */
  #reason(error: unknown): DevctlError {
    if (error instanceof DevctlError) return error;
    if (!this.#deps.box.open) return saved();
    return new DevctlError('internal', `the copy was cut off: ${error instanceof Error ? error.message : error}`, {
      hint: 'something in the box has ended it, or the upload was left: try again',
    });
  }

  #take(): Helper {
    const waiting = this.#spare;
    this.#spare = null;
    if (waiting) clearTimeout(waiting.timer);
    if (this.#helpers.size - (waiting ? 1 : 0) >= HELPERS_MAX)
      throw new DevctlError('rate_limited', `${HELPERS_MAX} copies are being made in this box`, { hint: 'wait until one has ended' });
    const helper = waiting?.helper ?? this.#start();
    this.#keepSpare();
    return helper;
  }

  /** The next copy of a series does not wait for a process to start. */
  #keepSpare(): void {
    setImmediate(() => {
      if (this.#spare !== null || !this.#deps.box.open || this.#helpers.size >= HELPERS_MAX) return;
      const helper = this.#start();
      const timer = setTimeout(() => signalProcess(helper.pid, 'SIGKILL'), SPARE_MS);
      this.#spare = { helper, timer: timer.unref() };
    });
  }

  #start(): Helper {
    const { launcher, processes, log, config } = this.#deps;
    const { paths, limits, user } = config;
    const [bundle] = process.argv.slice(1);
    const { file, args, ...options } = launcher.program([process.execPath, bundle as string, 'files'], {
      cwd: '/',
      env: { PATH: SYSTEM_PATH },
      lastFd: AGENT_FD,
    });
    const child = spawn(file, args, { ...options, stdio: ['pipe', 'ignore', 'pipe', 'pipe'] });
    if (child.pid === undefined) throw new DevctlError('internal', 'no process for copying files could be started');
    const helper = { process: child, pid: child.pid, socket: child.stdio[AGENT_FD] as Socket };
    this.#helpers.add(helper);
    processes.servants.add(helper.pid);
    let said = 0;
    child.stderr?.on('data', (chunk: Buffer) => {
      said += chunk.length;
      if (said <= LOGGED_MAX_CHARS) log(`files: ${chunk.toString().trimEnd()}`);
    });
    // One that has been ended does not read what it is told.
    child.stdin?.on('error', () => {});
    helper.socket.on('error', () => {});
    child.stdin?.end(JSON.stringify({ paths, limits, user } satisfies FilesConfig));
    child.on('error', (error) => log(`files: ${error.message}`));
    child.on('exit', () => {
      this.#helpers.delete(helper);
      processes.servants.delete(helper.pid);
      if (this.#spare?.helper === helper) this.#spare = null;
    });
    return helper;
  }
}

/** A helper that had ended before it took up what it was asked. */
class NeverBegan extends Error {}

const saved = () => new DevctlError('wrong_phase', 'the box takes no files: it is being saved');

function asProblem(value: unknown): DevctlError {
  const parsed = problemSchema.safeParse(value);
  return parsed.success
    ? DevctlError.fromProblem(parsed.data)
    : new DevctlError('internal', 'the copy has ended in a way that nobody knows');
}
