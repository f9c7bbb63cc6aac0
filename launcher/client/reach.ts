import type { Duplex, Readable } from 'node:stream';
import type { Imported } from '../connect/agent.ts';
import type { Connection } from '../contract/api.ts';
import { DevctlError, isDevctlError } from '../contract/errors.ts';
import type { OperationInput, OperationResponse } from '../contract/routes.ts';
import type { DirectApi, DirectBoxes, DirectOptions } from './direct.ts';

export interface LogsQuery {
  tail?: number;
  follow?: 'true' | 'false';
}

/** What is done in a box, whichever way it is reached. */
export interface BoxReach {
  /** Loads what will be needed, while something else is waited for. */
  prepare(): Promise<unknown>;
  attach(sessionId: string, signal?: AbortSignal): Promise<Duplex>;
  /** Runs a small command and gives its exit code. */
  exitCode(sessionId: string, argv: string[]): Promise<number>;
  putFiles(sessionId: string, path: string, tar: Readable, signal?: AbortSignal): Promise<Imported>;
  getFiles(sessionId: string, path: string, signal?: AbortSignal): Promise<Readable>;
  importSource(sessionId: string, tar: Readable, options?: { waitMs?: number; signal?: AbortSignal }): Promise<Imported>;
  logs(sessionId: string, query: LogsQuery, signal?: AbortSignal): Promise<Readable>;
  /** Makes connections to ports of the box's loopback. @throws DevctlError unsupported where the launcher carries what goes to boxes */
  forward(sessionId: string, signal?: AbortSignal): Promise<(port: number) => Promise<Duplex>>;
  close(): Promise<void>;
}

/** Where a launcher that is signed for says how its boxes are reached. */
export interface ReachApi extends DirectApi {
  whoami(): Promise<OperationResponse<'whoami'>>;
  connect(sessionId: string, purpose: NonNullable<OperationInput<'connectBox'>['body']['purpose']>): Promise<Connection>;
}

/** What has no box to be read from, or no plugin to read it with: the launcher may know it all the same. */
const ASK_LAUNCHER: ReadonlySet<string> = new Set(['unsupported', 'wrong_phase', 'lease_ended']);
const TAIL_LINES = 200;

/**
 * Straight to boxes where the launcher says so, and through it otherwise. Who asks for it is a client with AWS credentials: others are
 * spared the question.
 */
export class ChosenReach implements BoxReach {
  readonly #relay: BoxReach;
  readonly #api: ReachApi;
  readonly #options: Omit<DirectOptions, 'api'>;
  #direct: Promise<DirectBoxes | null> | null = null;

  constructor(relay: BoxReach, api: ReachApi, options: Omit<DirectOptions, 'api'>) {
    this.#relay = relay;
    this.#api = api;
    this.#options = options;
  }

  prepare(): Promise<unknown> {
    return Promise.all([this.#way(), this.#options.user()]);
  }

  async attach(sessionId: string, signal?: AbortSignal): Promise<Duplex> {
    return (await this.#way())?.exec(sessionId, signal) ?? this.#relay.attach(sessionId, signal);
  }

  async exitCode(sessionId: string, argv: string[]): Promise<number> {
    const direct = await this.#way();
    return direct ? direct.exitCode(sessionId, argv) : this.#relay.exitCode(sessionId, argv);
  }

  async putFiles(sessionId: string, path: string, tar: Readable, signal?: AbortSignal): Promise<Imported> {
    return ((await this.#way()) ?? this.#relay).putFiles(sessionId, path, tar, signal);
  }

  async getFiles(sessionId: string, path: string, signal?: AbortSignal): Promise<Readable> {
    return ((await this.#way()) ?? this.#relay).getFiles(sessionId, path, signal);
  }

  async importSource(sessionId: string, tar: Readable, options: { waitMs?: number; signal?: AbortSignal } = {}): Promise<Imported> {
    const direct = await this.#way();
    if (direct === null) return this.#relay.importSource(sessionId, tar, options);
    if (options.waitMs === undefined) return direct.importSource(sessionId, tar, options.signal);
    // Whoever leases it waits for it already: a second request would wait for nothing else.
    tar.destroy();
    throw new DevctlError('wrong_phase', `session ${sessionId} has no box yet that files could go to`, { sessionId });
  }

  async logs(sessionId: string, query: LogsQuery, signal?: AbortSignal): Promise<Readable> {
    const direct = await this.#way();
    const options = { tailLines: query.tail ?? TAIL_LINES, follow: query.follow === 'true' };
    if (direct === null) return this.#relay.logs(sessionId, query, signal);
    try {
      return await direct.logs(sessionId, options, signal);
    } catch (error) {
      if (!isDevctlError(error) || !ASK_LAUNCHER.has(error.code)) throw error;
      // Where it does not know it either, the first reason is the one that something can be done about.
      return this.#relay.logs(sessionId, query, signal).catch((second: unknown) => {
        throw isDevctlError(second, 'unsupported') ? error : second;
      });
    }
  }

  async forward(sessionId: string, signal?: AbortSignal): Promise<(port: number) => Promise<Duplex>> {
    return ((await this.#way()) ?? this.#relay).forward(sessionId, signal);
  }

  async close(): Promise<void> {
    await (await this.#direct?.catch(() => null))?.close();
  }

  #way(): Promise<DirectBoxes | null> {
    this.#direct ??= this.#choose().catch((error: unknown) => {
      this.#direct = null;
      throw error;
    });
    return this.#direct;
  }

  async #choose(): Promise<DirectBoxes | null> {
    const [{ reach }, { DirectBoxes }] = await Promise.all([this.#api.whoami(), import('./direct.ts')]);
    return reach === 'direct' ? new DirectBoxes({ ...this.#options, api: this.#api }) : null;
  }
}
