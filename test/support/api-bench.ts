import { createHmac, randomBytes } from 'node:crypto';
import { Readable } from 'node:stream';
import { type Bindings, createApp, createBoxApp, createSignedApp } from '../../launcher/api/app.ts';
import type { ApiDeps } from '../../launcher/api/deps.ts';
import { type IamRoles, identifyByIam } from '../../launcher/api/iam.ts';
import { mintToken } from '../../launcher/api/tokens.ts';
import type { Session } from '../../launcher/contract/api.ts';
import type { Heartbeat } from '../../launcher/contract/box.ts';
import type { Problem } from '../../launcher/contract/errors.ts';
import { NO_POOL } from '../../launcher/contract/pool.ts';
import type { Scope } from '../../launcher/contract/records.ts';
import { makeBoxToken } from '../../launcher/contract/tokens.ts';
import { reap } from '../../launcher/controllers/reaper.ts';
import { recover } from '../../launcher/controllers/recover.ts';
import { createSignals } from '../../launcher/controllers/signals.ts';
import { createWorker, type Worker } from '../../launcher/controllers/worker.ts';
import { LIMITS, type Limits } from '../../launcher/core/limits.ts';
import { type Budgets, NO_BUDGETS } from '../../launcher/core/statement.ts';
import { type BoxRef, ComputeError } from '../../launcher/ports/compute.ts';
import type { Quotas, SessionKey, StorePort } from '../../launcher/ports/store.ts';
import type { Served } from '../../launcher/serve/lambda/function-url.ts';
import { createTelemetry, type LauncherTelemetry } from '../../launcher/telemetry/index.ts';
import { FakeBoxAccess } from './fake-box-access.ts';
import { FakeCompute } from './fake-compute.ts';
import type { Database } from './table.ts';

export interface BenchOptions {
  limits?: Partial<Limits>;
  quotas?: Partial<Quotas>;
  budgets?: Partial<Budgets>;
  /** Boxes and disks cost something. @default false */
  priced?: boolean;
  /** False: sessions stay as they are recorded. @default true */
  controllers?: boolean;
  /** As in Lambda: callers are known by their signatures, and the app has every operation. */
  signed?: IamRoles;
}

export interface Answer<T = unknown> {
  status: number;
  headers: Headers;
  body: T;
  text: string;
}

export interface Ask {
  token?: string | null;
  body?: unknown;
  raw?: string | Uint8Array | ReadableStream<Uint8Array>;
  headers?: Record<string, string>;
  key?: string;
  signal?: AbortSignal;
  /** Address that it comes from. */
  remote?: string;
}

/** The real API over the real store and the real controllers; only the machines behind them are fake. */
export class ApiBench {
  readonly lines: string[] = [];
  readonly access = new FakeBoxAccess();
  readonly compute: FakeCompute;
  readonly telemetry: LauncherTelemetry;
  readonly app: ReturnType<typeof createApp>;
  readonly boxApp: ReturnType<typeof createBoxApp>;
  readonly deps: ApiDeps;
  readonly worker: Worker;
  /** Added to the real time: moves every clock of the launcher. */
  skewMs = 0;
  /** Boxes do not register by themselves while this is set. */
  muteBoxes = false;
  /** What boxes say of themselves when they beat for the first time; null: registering is all. */
  firstBeat: Partial<Heartbeat> | null = null;

  private constructor(
    readonly store: StorePort,
    options: BenchOptions,
    random: { bytes(length: number): Uint8Array },
  ) {
    const clock = { now: () => Date.now() + this.skewMs };
    this.compute = new FakeCompute(clock);
    if (options.priced) this.compute.putPrices();
    this.telemetry = createTelemetry({ clock, onLine: (line) => void this.lines.push(line) });
    const limits = { ...LIMITS, pollMs: 20, ...options.limits };
    const ledger = { store, clock, signals: createSignals(), telemetry: this.telemetry };
    const boxToken = (session: SessionKey, generation: number) => this.boxToken(session, generation);
    const budgets = { ...NO_BUDGETS, ...options.budgets };
    const controllers = { ...ledger, access: this.access, compute: this.compute, limits, budgets, pool: NO_POOL, boxToken };
    const quotas = { liveSessions: 10, workspaces: 50, snapshotBytes: 1e12, ...options.quotas };
    this.deps = {
      ...ledger,
      access: this.access,
      random,
      limits,
      quotas,
      money: { storagePrices: this.compute.storagePrices, budgets },
      pool: { plan: NO_POOL, port: this.compute.pool },
      config: {
        version: '0.0.0',
        providerName: 'fake',
        offers: this.compute.offers,
        isolation: 'none',
        allowedHosts: ['localhost'],
        ...(options.signed && { reach: 'direct' as const }),
        cursorSecret: 'cursor secret',
      },
      startedAtMs: clock.now(),
      reap: async (dryRun) => ({ ...(await reap(controllers, { dryRun })), sessionsLookedAt: 0 }),
      recover: (dryRun) => recover(controllers, { dryRun }),
      checks: async () => [{ name: 'bench', ok: true, level: 'ok', detail: 'fine', fix: null }],
      launcherLogs: async () => Readable.from(this.lines.map((line) => `${line}\n`)),
      metricsText: () => this.telemetry.metricsText(),
    };
    this.app = options.signed ? createSignedApp({ ...this.deps, identify: identifyByIam(options.signed) }) : createApp(this.deps);
    this.boxApp = createBoxApp(this.deps);
    this.worker = createWorker(controllers);
    this.#bootBoxes();
    this.access.onPoke = (box) => this.compute.reopen(box.boxId);
  }

  static async open(database: Database, options: BenchOptions = {}): Promise<ApiBench> {
    const random = { bytes: (length: number) => new Uint8Array(randomBytes(length)) };
    const { store } = await database.open({ now: () => Date.now() }, random);
    await store.vouch();
    const bench = new ApiBench(store, options, random);
    if (options.controllers !== false) await bench.worker.start();
    return bench;
  }

  async close(): Promise<void> {
    await this.worker.stop();
  }

  boxToken(session: SessionKey, generation: number): string {
    const secret = createHmac('sha256', 'bench').update(`${session.owner} ${session.id} ${generation}`).digest();
    return makeBoxToken(session.owner, secret);
  }

  /** Every box that is launched registers at once, as a real one would: it may be quicker than the saving of its launch. */
  #bootBoxes(): void {
    const launch = this.compute.launch.bind(this.compute);
    this.compute.launch = async (request) => {
      const result = await launch(request);
      const { owner, sessionId: id, generation } = request.tags;
      if (!this.muteBoxes) void this.boot({ owner, id }, generation);
      return result;
    };
  }

  async boot(session: SessionKey, generation: number): Promise<void> {
    const registered = await this.box('register', session, generation, { agentVersion: '1', bootId: 'b' });
    if (registered.status === 200 && this.firstBeat !== null) await this.beat(session, generation, this.firstBeat);
  }

  beat(session: SessionKey, generation: number, beat: Partial<Heartbeat>): Promise<Answer> {
    return this.box('heartbeat', session, generation, { state: 'ready', contentPresent: false, evidence: [], ...beat });
  }

  box(path: 'disk' | 'register' | 'heartbeat', session: SessionKey, generation: number, body: object, token?: string): Promise<Answer> {
    return this.#fetch(this.boxApp, 'POST', `/boxes/${path}`, {
      token: token ?? this.boxToken(session, generation),
      body: { sessionId: session.id, generation, ...body },
    });
  }

  async token(owner: string, scopes: Scope[] = ['read', 'write', 'admin']): Promise<string> {
    return (await mintToken(this.deps, { owner, name: 'bench', scopes, expiresAtMs: null })).token;
  }

  ask<T = Record<string, unknown>>(method: string, path: string, ask: Ask = {}): Promise<Answer<T>> {
    return this.#fetch(this.app, method, path, ask) as Promise<Answer<T>>;
  }

  async #fetch(app: ApiBench['app'], method: string, path: string, ask: Ask): Promise<Answer> {
    const headers = new Headers(ask.headers);
    if (ask.token) headers.set('authorization', `Bearer ${ask.token}`);
    if (ask.key !== undefined) headers.set('idempotency-key', ask.key);
    const json = ask.body === undefined ? undefined : JSON.stringify(ask.body);
    if (json !== undefined && !headers.has('content-type')) headers.set('content-type', 'application/json');
    const body = ask.raw ?? json;
    const init = { method, headers, ...(body !== undefined && { body, duplex: 'half' }), ...(ask.signal && { signal: ask.signal }) };
    const response = await app.request(`http://localhost${path}`, init as RequestInit, { remote: ask.remote });
    const text = await response.text();
    const isJson = /json/.test(response.headers.get('content-type') ?? '');
    return { status: response.status, headers: response.headers, text, body: isJson && text !== '' ? JSON.parse(text) : undefined };
  }

  /** A ready session of a workspace. */
  async up(token: string, workspace: string, body: object = {}): Promise<Session> {
    const answer = await this.ask<Session>('POST', '/sessions?wait=ready&timeout=20s', { token, body: { workspace, ...body } });
    if (answer.status !== 201) throw new Error(`up ${workspace}: ${answer.text}`);
    return answer.body;
  }

  async down(token: string, id: string): Promise<Session> {
    const answer = await this.ask<Session>('DELETE', `/sessions/${id}?wait=stopped&timeout=20s`, { token });
    if (answer.status !== 202) throw new Error(`down ${id}: ${answer.text}`);
    return answer.body;
  }

  refOf(session: Session): BoxRef {
    return { boxId: session.box?.id ?? '', sessionId: session.id, generation: session.generation };
  }
}

/** A bench as what a handler of Lambda hands its requests to: its worker does what they ask for. */
export const servedBy = (bench: ApiBench) => async (): Promise<Served> => ({
  fetch: async (request: Request, bindings: Bindings) => bench.app.fetch(request, bindings),
  settle: async () => {},
  telemetry: bench.telemetry,
});

export const codeOf = (answer: Answer): string => (answer.body as Problem | undefined)?.code ?? `status ${answer.status}`;
export const unreachable = (): ComputeError => new ComputeError('unreachable', 'the box does not answer');

/** Looks until it is so: conditions are awaited, never slept for. */
export async function until<T>(look: () => T | undefined | false | Promise<T | undefined | false>, what: string): Promise<T> {
  const endMs = Date.now() + 15_000;
  for (;;) {
    const found = await look();
    if (found !== undefined && found !== false) return found;
    if (Date.now() > endMs) throw new Error(`it never came true: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
