import type { Duplex, Readable } from 'node:stream';
import * as z from 'zod';
import { AgentClient } from '../../connect/agent.ts';
import type { Way } from '../../connect/agent-http.ts';
import { ReachError } from '../../connect/errors.ts';
import { freezeResultSchema, thawResultSchema } from '../../contract/agent.ts';
import { AGENT_ROUTES } from '../../contract/agent-config.ts';
import { isDevctlError } from '../../contract/errors.ts';
import { type QuiesceReport, quiesceReportSchema } from '../../contract/receipt.ts';
import type { AccessPort } from '../../ports/access.ts';
import { type BoxRef, ComputeError } from '../../ports/compute.ts';

/** Posts JSON to a path of the agent and gives its answer. @throws ComputeError unreachable, DevctlError as the agent says */
export type Post = (path: string, body: object, timeoutMs: number) => Promise<unknown>;

interface Options {
  /** Longest silence of an agent that is asked for something small. */
  answerTimeoutMs: number;
  /** @default over a connection, as everything else */
  post?: Post;
}

/** The agent of one box, as its launcher uses it. Each call is a connection of its own, and throws the errors of the port. */
export class BoxAgent {
  readonly #client: AgentClient;
  readonly #answerTimeoutMs: number;
  readonly #send: Post;

  constructor(way: Way, { answerTimeoutMs, post }: Options) {
    this.#client = new AgentClient(way, answerTimeoutMs);
    this.#answerTimeoutMs = answerTimeoutMs;
    this.#send = post ?? postOver(way);
  }

  exec(): Promise<Duplex> {
    return reached(() => this.#client.exec());
  }

  putFiles(path: string, tar: Readable): Promise<{ files: number; bytes: number }> {
    return reached(() => this.#client.putFiles(path, tar));
  }

  getFiles(path: string): Promise<Readable> {
    return reached(() => this.#client.getFiles(path));
  }

  importSource(tar: Readable): Promise<{ files: number; bytes: number }> {
    return reached(() => this.#client.importSource(tar));
  }

  /** What the box's agent has written, where it keeps that itself. */
  logs(options: { tailLines: number; follow: boolean }): Promise<Readable> {
    return reached(() => this.#client.logs(options));
  }

  /** Best effort: the next heartbeat fetches the same orders. */
  async poke(): Promise<void> {
    await this.#post(AGENT_ROUTES.poke, {}).catch(() => {});
  }

  /** @throws ComputeError only */
  quiesce(operationId: string, timeoutMs: number): Promise<QuiesceReport> {
    return asCompute(async () => quiesceReportSchema.parse(await this.#post(AGENT_ROUTES.quiesce, { operationId }, timeoutMs)));
  }

  /** @throws ComputeError only */
  async freeze(operationId: string, forMs: number): Promise<void> {
    const result = await asCompute(async () => freezeResultSchema.parse(await this.#post(AGENT_ROUTES.freeze, { operationId, forMs })));
    if (!result.frozen) throw new ComputeError('unreachable', 'the box could not be frozen');
  }

  /** @returns false when the box had gone on by itself before @throws ComputeError only */
  async thaw(operationId: string): Promise<boolean> {
    return asCompute(async () => thawResultSchema.parse(await this.#post(AGENT_ROUTES.thaw, { operationId })).held);
  }

  #post(path: string, body: object, timeoutMs: number = this.#answerTimeoutMs): Promise<unknown> {
    return this.#send(path, body, timeoutMs);
  }
}

export const postOver =
  (way: Way): Post =>
  (path, body, timeoutMs) =>
    reached(() => new AgentClient(way, timeoutMs).post(path, body, timeoutMs));

/** An agent that was not reached, in the words of the port. */
async function reached<T>(call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (error) {
    throw error instanceof ReachError ? new ComputeError(error.kind, error.message, { cause: error.cause ?? error }) : error;
  }
}

/** What the agent says, as an error of the port. */
async function asCompute<T>(call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (error) {
    if (isDevctlError(error))
      throw new ComputeError(error.code === 'disk_full' ? 'disk_full' : 'transient', error.detail, { cause: error });
    if (error instanceof z.ZodError)
      throw new ComputeError('transient', 'the agent of the box answered with something unexpected', { cause: error });
    throw error;
  }
}

/** Reaching into boxes by their agents; their logs are where the provider keeps them. */
export const accessBy = (agentOf: (box: BoxRef) => BoxAgent): Omit<AccessPort, 'logs'> => ({
  exec: async (box) => agentOf(box).exec(),
  putFiles: async (box, path, tar) => agentOf(box).putFiles(path, tar),
  getFiles: async (box, path) => agentOf(box).getFiles(path),
  importSource: async (box, tar) => agentOf(box).importSource(tar),
  poke: async (box) => agentOf(box).poke(),
});
