import type { Duplex, Readable } from 'node:stream';
import * as z from 'zod';
import { AGENT_ROUTES } from '../contract/agent-config.ts';
import { askAgent, callAgent, openExec, openPort, type Way } from './agent-http.ts';

/** Longest silence while files are moved: a big folder may take a while to be put in its place. */
const FILES_TIMEOUT_MS = 600_000;
/** A log may have nothing new for long. */
const FOLLOW_TIMEOUT_MS = 24 * 3_600_000;

const importedSchema = z.object({ files: z.int(), bytes: z.number() });

/** What went into a box. */
export interface Imported {
  files: number;
  bytes: number;
}

/**
 * What people and programs do in a box, asked of its agent. Each call is a connection of its own.
 * Every method throws ReachError, and DevctlError as the agent says.
 */
export class AgentClient {
  readonly #way: Way;
  readonly #answerTimeoutMs: number;

  /** @param answerTimeoutMs longest silence of an agent that is asked for something small */
  constructor(way: Way, answerTimeoutMs: number) {
    this.#way = way;
    this.#answerTimeoutMs = answerTimeoutMs;
  }

  exec(): Promise<Duplex> {
    return openExec(this.#way, this.#answerTimeoutMs);
  }

  /** A connection to a port of the box's loopback. */
  forward(port: number): Promise<Duplex> {
    return openPort(this.#way, port, this.#answerTimeoutMs);
  }

  putFiles(path: string, tar: Readable): Promise<Imported> {
    return this.#put(filesAt(path), tar);
  }

  getFiles(path: string): Promise<Readable> {
    return callAgent(this.#way, { method: 'GET', path: filesAt(path), idleTimeoutMs: FILES_TIMEOUT_MS });
  }

  importSource(tar: Readable): Promise<Imported> {
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

  /** Posts JSON and gives the answer. */
  post(path: string, body: object, timeoutMs: number): Promise<unknown> {
    return askAgent(this.#way, { method: 'POST', path, body: JSON.stringify(body), idleTimeoutMs: timeoutMs });
  }

  async #put(path: string, tar: Readable): Promise<Imported> {
    return importedSchema.parse(await askAgent(this.#way, { method: 'PUT', path, body: tar, idleTimeoutMs: FILES_TIMEOUT_MS }));
  }
}

const filesAt = (path: string): string => `${AGENT_ROUTES.files}?${new URLSearchParams({ path })}`;
