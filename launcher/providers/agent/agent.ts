import type { Duplex, Readable } from 'node:stream';
import * as z from 'zod';
import { freezeResultSchema, thawResultSchema } from '../../contract/agent.ts';
import { AGENT_ROUTES } from '../../contract/agent-config.ts';
import { isDevctlError } from '../../contract/errors.ts';
import { type QuiesceReport, quiesceReportSchema } from '../../contract/receipt.ts';
import type { AccessPort } from '../../ports/access.ts';
import { type BoxRef, ComputeError } from '../../ports/compute.ts';
import { askAgent, callAgent, openExec, type Reach } from './client.ts';

/** Longest silence while files are moved: a big folder may take a while to be put in its place. */
const FILES_TIMEOUT_MS = 600_000;

const importedSchema = z.object({ files: z.int(), bytes: z.number() });

/** The agent of one box, as its launcher uses it. Each call is a connection of its own. */
export class BoxAgent {
  readonly #reach: Reach;
  readonly #answerTimeoutMs: number;

  /** @param answerTimeoutMs longest silence of an agent that is asked for something small */
  constructor(reach: Reach, answerTimeoutMs: number) {
    this.#reach = reach;
    this.#answerTimeoutMs = answerTimeoutMs;
  }

  exec(): Promise<Duplex> {
    return openExec(this.#reach, this.#answerTimeoutMs);
  }

  putFiles(path: string, tar: Readable): Promise<{ files: number; bytes: number }> {
    return this.#put(filesAt(path), tar);
  }

  getFiles(path: string): Promise<Readable> {
    return callAgent(this.#reach, { method: 'GET', path: filesAt(path), idleTimeoutMs: FILES_TIMEOUT_MS });
  }

  importSource(tar: Readable): Promise<{ files: number; bytes: number }> {
    return this.#put(AGENT_ROUTES.import, tar);
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
    return importedSchema.parse(await askAgent(this.#reach, { method: 'PUT', path, body: tar, idleTimeoutMs: FILES_TIMEOUT_MS }));
  }

  #post(path: string, body: object, idleTimeoutMs: number = this.#answerTimeoutMs): Promise<unknown> {
    return askAgent(this.#reach, { method: 'POST', path, body: JSON.stringify(body), idleTimeoutMs });
  }
}

const filesAt = (path: string): string => `${AGENT_ROUTES.files}?${new URLSearchParams({ path })}`;

/** What the agent says, as an error of the port. */
async function asCompute<T>(call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (error) {
    if (isDevctlError(error))
      throw new ComputeError(error.code === 'disk_full' ? 'disk_full' : 'transient', error.detail, { cause: error });
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
