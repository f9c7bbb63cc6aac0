import type { Duplex, Readable } from 'node:stream';
import * as z from 'zod';
import { freezeResultSchema, thawResultSchema } from '../../contract/agent.ts';
import { AGENT_ROUTES } from '../../contract/agent-config.ts';
import { isDevctlError } from '../../contract/errors.ts';
import { type QuiesceReport, quiesceReportSchema } from '../../contract/receipt.ts';
import type { AccessPort } from '../../ports/access.ts';
import { type BoxRef, ComputeError } from '../../ports/compute.ts';
import { askAgent, callAgent, openExec, type Way } from './client.ts';

/** Longest silence while files are moved: a big folder may take a while to be put in its place. */
const FILES_TIMEOUT_MS = 600_000;
/** A log may have nothing new for long. */
const FOLLOW_TIMEOUT_MS = 24 * 3_600_000;

const importedSchema = z.object({ files: z.int(), bytes: z.number() });

/** Posts JSON to a path of the agent and gives its answer. @throws ComputeError unreachable, DevctlError as the agent says */
export type Post = (path: string, body: object, timeoutMs: number) => Promise<unknown>;

interface Options {
  /** Longest silence of an agent that is asked for something small. */
  answerTimeoutMs: number;
  /** @default over a connection, as everything else */
  post?: Post;
}

/** The agent of one box, as its launcher uses it. Each call is a connection of its own. */
export class BoxAgent {
  readonly #way: Way;
  readonly #answerTimeoutMs: number;
  readonly #send: Post;

  constructor(way: Way, { answerTimeoutMs, post }: Options) {
    this.#way = way;
    this.#answerTimeoutMs = answerTimeoutMs;
    this.#send = post ?? postOver(way);
  }

  exec(): Promise<Duplex> {
    return openExec(this.#way, this.#answerTimeoutMs);
  }

  putFiles(path: string, tar: Readable): Promise<{ files: number; bytes: number }> {
    return this.#put(filesAt(path), tar);
  }

  getFiles(path: string): Promise<Readable> {
    return callAgent(this.#way, { method: 'GET', path: filesAt(path), idleTimeoutMs: FILES_TIMEOUT_MS });
  }

  importSource(tar: Readable): Promise<{ files: number; bytes: number }> {
    return this.#put(AGENT_ROUTES.import, tar);
  }

  /** What the box's agent has written, where it keeps that itself. */
  logs({ tailLines, follow }: { tailLines: number; follow: boolean }): Promise<Readable> {
    const query = new URLSearchParams({ tail: String(tailLines), follow: String(follow) });
    return callAgent(this.#way, {
      method: 'GET',
      path: `${AGENT_ROUTES.logs}?${query}`,
      idleTimeoutMs: follow ? FOLLOW_TIMEOUT_MS : this.#answerTimeoutMs,
    });
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

  async #put(path: string, tar: Readable): Promise<{ files: number; bytes: number }> {
    return importedSchema.parse(await askAgent(this.#way, { method: 'PUT', path, body: tar, idleTimeoutMs: FILES_TIMEOUT_MS }));
  }

  #post(path: string, body: object, timeoutMs: number = this.#answerTimeoutMs): Promise<unknown> {
    return this.#send(path, body, timeoutMs);
  }
}

export const postOver =
  (way: Way): Post =>
  (path, body, idleTimeoutMs) =>
    askAgent(way, { method: 'POST', path, body: JSON.stringify(body), idleTimeoutMs });

const filesAt = (path: string): string => `${AGENT_ROUTES.files}?${new URLSearchParams({ path })}`;

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
