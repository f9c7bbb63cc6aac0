import { type Duplex, type Readable, Transform } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { AgentClient, type Imported } from '../connect/agent.ts';
import type { AwsUser } from '../connect/aws/user.ts';
import { ReachError } from '../connect/errors.ts';
import { Tunnels } from '../connect/tunnels.ts';
import { WholeExec } from '../connect/whole-exec.ts';
import type { Connection } from '../contract/api.ts';
import { DevctlError, isDevctlError } from '../contract/errors.ts';
import { decodeJson, encodeFrame, encodeJsonFrame, FRAME, FrameReader } from '../contract/exec-frames.ts';
import { execExitSchema } from '../contract/exec-messages.ts';
import { problemSchema } from '../contract/problem.ts';
import type { OperationInput, OperationResponse } from '../contract/routes.ts';
import { CLIENT_LIMITS } from './limits.ts';

type Purpose = NonNullable<OperationInput<'connectBox'>['body']['purpose']>;

/** What of the API it needs: the way to a box, and a command that is run as a whole. */
export interface DirectApi {
  connect(sessionId: string, purpose: Purpose): Promise<Connection>;
  exec(sessionId: string, body: OperationInput<'exec'>['body']): Promise<OperationResponse<'exec'>>;
}

export interface DirectOptions {
  api: DirectApi;
  /** Whose credentials the way is gone with. */
  user: () => Promise<Pick<AwsUser, 'sessions' | 'profile'>>;
  /** Of the plugin of Session Manager. */
  env: NodeJS.ProcessEnv;
}

/**
 * Straight to boxes, through Session Manager, with the credentials of the caller: for a launcher that carries neither terminals nor
 * files. One session with a box carries all that one run of this program wants of it, and ends with it.
 */
export class DirectBoxes {
  readonly #options: DirectOptions;
  readonly #tunnels = new Map<string, Promise<Tunnels>>();
  readonly #open = new Set<Tunnels>();

  constructor(options: DirectOptions) {
    this.#options = options;
  }

  /** Without the plugin a command still runs: the launcher has it run as a whole. */
  async exec(sessionId: string, signal?: AbortSignal): Promise<Duplex> {
    try {
      const { agent, alive } = await this.#reach(sessionId, 'command', signal);
      return onInput(await asClient(() => agent.exec()), alive);
    } catch (error) {
      if (!isDevctlError(error, 'unsupported')) throw error;
      return this.#whole(sessionId, error);
    }
  }

  /** Runs a small command and gives its exit code. */
  async exitCode(sessionId: string, argv: string[]): Promise<number> {
    const stream = await this.exec(sessionId);
    try {
      stream.write(encodeJsonFrame(FRAME.start, { argv }));
      stream.write(encodeFrame(FRAME.stdinEnd));
      const reader = new FrameReader();
      for await (const chunk of stream as AsyncIterable<Uint8Array>)
        for (const { type, payload } of reader.push(chunk)) {
          if (type === FRAME.exit) return execExitSchema.parse(decodeJson(payload)).code;
          if (type === FRAME.error) throw DevctlError.fromProblem(problemSchema.parse(decodeJson(payload)));
        }
      throw new DevctlError('box_unreachable', 'the box hung up before the command had ended');
    } finally {
      stream.destroy();
    }
  }

  async putFiles(sessionId: string, path: string, tar: Readable, signal?: AbortSignal): Promise<Imported> {
    const { agent, alive } = await this.#reach(sessionId, 'copy', signal);
    return asClient(() => agent.putFiles(path, watched(tar, alive)));
  }

  async getFiles(sessionId: string, path: string, signal?: AbortSignal): Promise<Readable> {
    const { agent, alive } = await this.#reach(sessionId, 'copy', signal);
    return watched(await asClient(() => agent.getFiles(path)), alive);
  }

  async importSource(sessionId: string, tar: Readable, signal?: AbortSignal): Promise<Imported> {
    const { agent, alive } = await this.#reach(sessionId, 'import', signal);
    return asClient(() => agent.importSource(watched(tar, alive)));
  }

  /** Makes connections to ports of a box, one for each call of what it gives. */
  async forward(sessionId: string, signal?: AbortSignal): Promise<(port: number) => Promise<Duplex>> {
    const { agent, alive } = await this.#reach(sessionId, 'forward', signal);
    return async (port) => onInput(await asClient(() => agent.forward(port)), alive);
  }

  async logs(sessionId: string, options: { tailLines: number; follow: boolean }, signal?: AbortSignal): Promise<Readable> {
    const { agent } = await this.#reach(sessionId, 'logs', signal);
    return asClient(() => agent.logs(options));
  }

  /** Ends every session with a box. */
  async close(): Promise<void> {
    await Promise.all([...this.#open].map((tunnels) => tunnels.closeAll()));
  }

  /** The agent of a box to which a tunnel stands. What has just come up is not online at once: that is waited for. */
  async #reach(sessionId: string, purpose: Purpose, signal?: AbortSignal): Promise<{ agent: AgentClient; alive: () => void }> {
    const connection = await this.#options.api.connect(sessionId, purpose);
    const tunnels = await this.#tunnelsFor(connection);
    await this.#stand(tunnels, connection.instanceId, signal);
    const way = {
      connect: () => tunnels.connect(connection.instanceId),
      authorization: `Bearer ${connection.accessKey}`,
      onNoAnswer: () => tunnels.doubt(connection.instanceId),
    };
    return { agent: new AgentClient(way, CLIENT_LIMITS.agentAnswerMs), alive: this.#renewal(sessionId, purpose) };
  }

  async #stand(tunnels: Tunnels, instanceId: string, signal: AbortSignal | undefined): Promise<void> {
    const untilMs = performance.now() + CLIENT_LIMITS.boxOnlineMs;
    for (let tries = 1; ; tries += 1) {
      signal?.throwIfAborted();
      try {
        (await tunnels.connect(instanceId)).destroy();
        return;
      } catch (error) {
        const mayTry = error instanceof ReachError && (error.isComing || tries < CLIENT_LIMITS.tunnelTries);
        if (!mayTry || performance.now() > untilMs) throw asDevctl(error);
        await sleep(CLIENT_LIMITS.boxOnlineLookMs);
      }
    }
  }

  #tunnelsFor({ region, port, document }: Connection): Promise<Tunnels> {
    const key = `${region} ${port} ${document}`;
    const known = this.#tunnels.get(key);
    if (known) return known;
    const made = this.#options.user().then(({ sessions, profile }) => {
      const { env } = this.#options;
      const idleMs = CLIENT_LIMITS.tunnelIdleMs;
      const tunnels = new Tunnels({ sessions, region, agentPort: port, document, idleMs, env, place: 'here', ...(profile && { profile }) });
      this.#open.add(tunnels);
      endWithProcess(tunnels);
      return tunnels;
    });
    this.#tunnels.set(key, made);
    return made;
  }

  /** Bytes that pass here pass by the launcher: it is told now and then that something goes on. Never fails. */
  #renewal(sessionId: string, purpose: Purpose): () => void {
    let nextMs = performance.now() + CLIENT_LIMITS.renewEveryMs;
    return () => {
      if (performance.now() < nextMs) return;
      nextMs = performance.now() + CLIENT_LIMITS.renewEveryMs;
      this.#options.api.connect(sessionId, purpose).catch(() => undefined);
    };
  }

  #whole(sessionId: string, why: DevctlError): Duplex {
    return new WholeExec({
      why,
      notice: `${why.detail}: the command runs through the launcher, gets no input, and shows its output at its end`,
      run: async ({ argv, cwd, secrets, secretFiles }) => {
        const body = { argv, ...(cwd && { cwd }), ...(secrets && { secrets }), ...(secretFiles && { secretFiles }) };
        const result = await this.#options.api.exec(sessionId, { ...body, timeout: CLIENT_LIMITS.wholeExec });
        if (result.timedOut)
          throw new DevctlError('timeout', `the command was ended after ${CLIENT_LIMITS.wholeExec}: ${why.detail}`, why.extra);
        return { ...result, ...(result.truncated && { cut: 'the output is cut' }) };
      },
    });
  }
}

const ENDING = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 } as const;

/** A program that is ended takes its plugins along: they have a group of their own, and nobody else would. */
function endWithProcess(tunnels: Tunnels): void {
  process.once('exit', () => tunnels.kill());
  for (const [signal, code] of Object.entries(ENDING))
    process.on(signal, () => {
      // Whoever else listens says what becomes of it.
      if (process.listenerCount(signal) === 1) process.exit(code);
    });
}

/** The stream, with a word for each part of it. */
function watched<T extends Readable>(source: T, onChunk: () => void): Readable {
  const seen = new Transform({
    transform(chunk: Uint8Array, _encoding, done) {
      onChunk();
      done(null, chunk);
    },
  });
  source.once('error', (error) => seen.destroy(error));
  seen.once('close', () => source.destroy());
  return source.pipe(seen);
}

/** The stream, with a word for all that is sent to the box: a launcher that carries it counts that, too. */
function onInput(stream: Duplex, told: () => void): Duplex {
  const write = stream._write.bind(stream);
  stream._write = (chunk, encoding, done) => {
    told();
    write(chunk, encoding, done);
  };
  return stream;
}

const asDevctl = (error: unknown): unknown =>
  error instanceof ReachError ? new DevctlError('box_unreachable', error.message, { cause: error }) : error;

async function asClient<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw asDevctl(error);
  }
}
