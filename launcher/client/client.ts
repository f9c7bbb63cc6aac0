import type { Duplex, Readable } from 'node:stream';
import type { Imported } from '../connect/agent.ts';
import type { Session, Workspace } from '../contract/api.ts';
import { DevctlError } from '../contract/errors.ts';
import { isFinal } from '../contract/phases.ts';
import type { SessionEvent } from '../contract/records.ts';
import type { OperationId, OperationInput, OperationResponse } from '../contract/routes.ts';
import { formatDuration } from '../contract/units.ts';
import { type ExecTransport, webSocketTransport } from './attach.ts';
import type { DirectOptions } from './direct.ts';
import { resumingEvents } from './events.ts';
import { assertGood, type BaseUrl, type HttpTransport, nodeTransport, readText, type WireResponse } from './http.ts';
import { CLIENT_LIMITS } from './limits.ts';
import { meanwhile } from './meanwhile.ts';
import { type BoxReach, ChosenReach, type LogsQuery, type ReachApi } from './reach.ts';
import { withRetries } from './retry.ts';
import { fillPath, isRepeatable, takesIdempotencyKey, WIRE } from './wire.ts';

export interface ClientOptions {
  baseUrl: BaseUrl;
  /** A function is asked at each request, so that a token file that was written anew is seen. */
  token?: string | (() => string | undefined);
  userAgent?: string;
  /** Carries requests; default: node:http and node:https. */
  transport?: HttpTransport;
  /** Carries commands and terminals; default: a WebSocket to the launcher. */
  exec?: ExecTransport;
  /** Of a client with AWS credentials: how it goes straight to boxes where the launcher carries nothing. */
  direct?: Omit<DirectOptions, 'api'>;
  /** Called before a request is repeated that got no answer, which may bring the launcher back. */
  onUnavailable?: () => Promise<void>;
}

type Given<T> = { [K in keyof T as T[K] extends undefined ? never : K]: T[K] };
type Optional<T, K extends PropertyKey> = Omit<T, K> & Partial<Pick<T, K & keyof T>>;

/** What a call takes: parameters and body where the operation has them; a query may be left out. */
export type CallInput<Id extends OperationId> = Optional<Given<OperationInput<Id>>, 'query'> & CallOptions;

export interface CallOptions {
  /** Given by the caller to repeat a create over several runs; otherwise one is made for each call. */
  idempotencyKey?: string;
  signal?: AbortSignal | undefined;
  /** How long the launcher was asked to wait, ms: the answer may take that much longer. */
  waitMs?: number;
}

/** Operations whose answer is one JSON document, or nothing. */
type JsonId = Exclude<
  OperationId,
  'events' | 'logs' | 'attach' | 'putFiles' | 'getFiles' | 'importSource' | 'launcherLogs' | 'metrics' | 'openapi' | 'docs'
>;
type ListId = 'listSessions' | 'listWorkspaces' | 'listSnapshots' | 'listTokens';
type ItemOf<Id extends ListId> = OperationResponse<Id> extends { items: Array<infer T> } ? T : never;
type TextId = 'logs' | 'launcherLogs' | 'metrics' | 'openapi';

export interface Client {
  /** One call and its answer. @throws DevctlError as the operation's table says, or `unavailable`, `timeout` */
  call<Id extends JsonId>(id: Id, input: CallInput<Id>): Promise<OperationResponse<Id>>;
  /** Every item of a list, page after page as they are asked for. */
  list<Id extends ListId>(id: Id, input: CallInput<Id>): AsyncGenerator<ItemOf<Id>>;
  /** Events of a session, resumed after a lost connection; with `follow` until the session is over. */
  events(sessionId: string, options?: { follow?: boolean; after?: string; signal?: AbortSignal }): AsyncGenerator<SessionEvent>;
  /** Loads what `attach` will need, while something else is waited for. */
  prepareAttach(): void;
  /** A byte stream of exec frames: write `start` first. */
  attach(sessionId: string, signal?: AbortSignal): Promise<Duplex>;
  /** Runs a small command in the box and gives its exit code. */
  exitCode(sessionId: string, argv: string[]): Promise<number>;
  /** What the box wrote. */
  logs(sessionId: string, query?: LogsQuery, signal?: AbortSignal): Promise<Readable>;
  /** An answer that is text and may go on for long. */
  text<Id extends TextId>(id: Id, input: CallInput<Id>): Promise<Readable>;
  /** Makes connections to ports of the box's loopback. @throws DevctlError unsupported where the launcher carries what goes to boxes */
  forward(sessionId: string, signal?: AbortSignal): Promise<(port: number) => Promise<Duplex>>;
  putFiles(sessionId: string, path: string, tar: Readable, signal?: AbortSignal): Promise<{ files: number; bytes: number }>;
  getFiles(sessionId: string, path: string, signal?: AbortSignal): Promise<Readable>;
  /** `waitMs`: how long the launcher may wait until the box is ready; without it, it must be. */
  importSource(
    sessionId: string,
    tar: Readable,
    options?: { waitMs?: number; signal?: AbortSignal },
  ): Promise<{ files: number; bytes: number }>;
  /** Lets go of connections, and of what carried them. */
  close(): Promise<void>;
}

/** Calls in which the launcher itself waits for a disk, a box or a command. */
const SLOW: ReadonlySet<OperationId> = new Set<OperationId>([
  'createSnapshot',
  'forkWorkspace',
  'restoreWorkspace',
  'deleteWorkspace',
  'pruneSnapshots',
  'reap',
  'exec',
  'importSource',
  'putFiles',
  'getFiles',
]);

interface LooseInput extends CallOptions {
  params?: Readonly<Record<string, unknown>>;
  query?: Readonly<Record<string, unknown>>;
  body?: unknown;
}

/** Most commands need none, and do not wait for node:crypto. */
const newKey = async (): Promise<string> => (await import('node:crypto')).randomUUID();

/** Sends one request of an operation, with its credentials, key and time limit. */
class Sender {
  readonly #options: ClientOptions;
  readonly #http: HttpTransport;

  constructor(options: ClientOptions, http: HttpTransport) {
    this.#options = options;
    this.#http = http;
  }

  token(): string | undefined {
    const { token } = this.#options;
    return typeof token === 'function' ? token() : token;
  }

  get userAgent(): string {
    return this.#options.userAgent ?? 'devctl-client';
  }

  async send(
    id: OperationId,
    input: LooseInput,
    extra: { headers?: Record<string, string>; upload?: Readable } = {},
  ): Promise<WireResponse> {
    const path = fillPath(id, input.params, input.query);
    const json = input.body === undefined ? undefined : JSON.stringify(input.body);
    const token = this.token();
    const headers: Record<string, string> = {
      accept: 'application/json, application/problem+json, */*',
      'user-agent': this.userAgent,
      ...(token && { authorization: `Bearer ${token}` }),
      ...(json !== undefined && { 'content-type': 'application/json', 'content-length': String(Buffer.byteLength(json)) }),
      ...(extra.upload && { 'content-type': 'application/x-tar', 'transfer-encoding': 'chunked' }),
      ...(takesIdempotencyKey(id) && { 'idempotency-key': input.idempotencyKey ?? (await newKey()) }),
      ...extra.headers,
    };
    const timeoutMs =
      input.waitMs === undefined || extra.upload
        ? SLOW.has(id)
          ? CLIENT_LIMITS.slowAnswerMs
          : CLIENT_LIMITS.answerMs
        : input.waitMs + CLIENT_LIMITS.waitMarginMs;
    const body = extra.upload ?? json;
    const send = async () =>
      assertGood(
        await this.#http.request({
          method: WIRE[id].method,
          path,
          headers,
          timeoutMs,
          signal: input.signal,
          ...(body !== undefined && { body }),
        }),
      );
    return withRetries(isRepeatable(id) && !extra.upload, input.signal, send, this.#options.onUnavailable);
  }

  async json(id: OperationId, input: LooseInput, extra?: { upload?: Readable }): Promise<unknown> {
    const response = await this.send(id, input, extra);
    const text = await readText(response);
    if (text === '') return undefined;
    try {
      return JSON.parse(text);
    } catch (cause) {
      throw new DevctlError('internal', `the answer to ${id} is not JSON: is this a devctl launcher?`, {
        hint: 'check DEVCTL_URL and --on',
        cause,
      });
    }
  }
}

/** A client of one launcher. Answers are typed by the contract and not checked again: a newer launcher may send more. */
export function createClient(options: ClientOptions): Client {
  const http = options.transport ?? nodeTransport(options.baseUrl);
  const sender = new Sender(options, http);
  const exec = options.exec ?? webSocketTransport({ baseUrl: options.baseUrl, token: () => sender.token(), userAgent: sender.userAgent });
  const call: Client['call'] = async (id, input) => (await sender.json(id, input as LooseInput)) as never;
  const text: Client['text'] = async (id, input) =>
    (await sender.send(id, input as LooseInput, { headers: { accept: 'text/plain, application/json' } })).body;
  const relay = relayBy(sender, call, text, exec);
  const reach = options.direct ? new ChosenReach(relay, reachApi(call), options.direct) : relay;

  async function* list<Id extends ListId>(id: Id, input: CallInput<Id>): AsyncGenerator<ItemOf<Id>> {
    const first = input as LooseInput;
    let cursor: string | null = null;
    for (let page = 0; page < CLIENT_LIMITS.pages; page += 1) {
      const query: Record<string, unknown> = { ...first.query, ...(cursor !== null && { cursor }) };
      const answer = (await sender.json(id, { ...first, query })) as { items: Array<ItemOf<Id>>; nextCursor: string | null };
      yield* answer.items;
      cursor = answer.nextCursor;
      if (cursor === null) return;
    }
    throw new DevctlError('too_large', `the list has more than ${CLIENT_LIMITS.pages} pages`);
  }

  return {
    call,
    list,
    events(sessionId, { follow = true, after, signal } = {}) {
      const open = async (lastEventId: string | null) => {
        const headers = { accept: 'text/event-stream', ...(lastEventId !== null && { 'last-event-id': lastEventId }) };
        const input = { params: { id: sessionId }, query: { follow: String(follow) }, signal };
        return (await sender.send('events', input, { headers })).body;
      };
      const isOver = async () => isFinal((await call('getSession', { params: { id: sessionId }, signal })).phase);
      return resumingEvents({ open, isOver, follow, signal }, after ?? null);
    },
    prepareAttach: () => meanwhile(() => reach.prepare()),
    attach: (sessionId, signal) => reach.attach(sessionId, signal),
    exitCode: (sessionId, argv) => reach.exitCode(sessionId, argv),
    logs: (sessionId, query = {}, signal) => reach.logs(sessionId, query, signal),
    text,
    forward: (sessionId, signal) => reach.forward(sessionId, signal),
    putFiles: (sessionId, path, tar, signal) => reach.putFiles(sessionId, path, tar, signal),
    getFiles: (sessionId, path, signal) => reach.getFiles(sessionId, path, signal),
    importSource: (sessionId, tar, options) => reach.importSource(sessionId, tar, options),
    async close() {
      http.close();
      await reach.close();
    },
  };
}

const reachApi = (call: Client['call']): ReachApi => ({
  whoami: () => call('whoami', {}),
  connect: (id, purpose) => call('connectBox', { params: { id }, body: { purpose } }),
  exec: (id, body) => call('exec', { params: { id }, body }),
});

/** Through the launcher. */
function relayBy(sender: Sender, call: Client['call'], text: Client['text'], exec: ExecTransport): BoxReach {
  return {
    prepare: async () => exec.prepare?.(),
    attach: (sessionId, signal) => exec.open(sessionId, signal),
    exitCode: async (id, argv) => (await call('exec', { params: { id }, body: { argv } })).code,
    putFiles: async (sessionId, path, tar, signal) =>
      (await sender.json('putFiles', { params: { id: sessionId }, query: { path }, signal }, { upload: tar })) as Imported,
    getFiles: async (sessionId, path, signal) =>
      (await sender.send('getFiles', { params: { id: sessionId }, query: { path }, signal }, { headers: { accept: 'application/x-tar' } }))
        .body,
    importSource: async (sessionId, tar, { waitMs, signal } = {}) => {
      const query = waitMs === undefined ? {} : { wait: 'ready', timeout: formatDuration(waitMs) };
      return (await sender.json('importSource', { params: { id: sessionId }, query, signal }, { upload: tar })) as Imported;
    },
    logs: (id, query, signal) => text('logs', { params: { id }, query, signal }),
    async forward() {
      throw new DevctlError('unsupported', 'this launcher carries no connections to ports of its boxes', {
        hint: 'of the embedded launcher, a port of a box is a port of this machine: connect to localhost',
      });
    },
    close: async () => undefined,
  };
}

/** Every item of a list at once, for callers that show all of it. */
export async function collect<T>(items: AsyncIterable<T>, limit = 100_000): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) {
    if (all.length >= limit) throw new DevctlError('too_large', `there are more than ${limit} items`);
    all.push(item);
  }
  return all;
}

export type { Session, Workspace };
