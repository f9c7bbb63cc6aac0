import { type Context, Hono } from 'hono';
import { BOX_OWNER_HEADER } from '../contract/box.ts';
import { DevctlError, notFound } from '../contract/errors.ts';
import { makeId } from '../contract/fields.ts';
import type { Scope } from '../contract/records.ts';
import { OPERATIONS, type Operation, type OperationId } from '../contract/routes.ts';
import { openUpload, readJson } from './body.ts';
import type { ApiDeps } from './deps.ts';
import { directHandlers } from './direct.ts';
import { FailureGate, type OpenGate, RequestGate, streamGate, underWayGate } from './gates.ts';
import { assertHost, assertPlainPath, parseWith, readIdempotencyKey, readQuery } from './guards.ts';
import { handlersWith } from './handlers.ts';
import type { Identify, Shown } from './identify.ts';
import type { BoxCaller, Call, Caller, JsonReply, Note, UpgradeSlot } from './operation.ts';
import { toDevctlError } from './problems.ts';
import { OpenStreams, stayOpen } from './streams.ts';
import { assertScope, identifyByTokens, TokenCache } from './tokens.ts';

/** What the server gives with a request. */
export interface Bindings {
  /** The one name that the request may have been sent to. @default those of the configuration */
  host?: string;
  /** Who has signed it (Shown). */
  signedBy?: unknown;
  upgrade?: UpgradeSlot;
  /** Address of the other side; none for a unix socket. */
  remote?: string | undefined;
  /** Cuts the connection of the request. */
  hangUp?: () => void;
}
type App = Hono<{ Bindings: Bindings }>;
type Ctx = Context<{ Bindings: Bindings }>;

interface Options {
  operations: readonly OperationId[];
  /** False on a socket that only one box can reach: there is no name to check. */
  checkHost: boolean;
}

const OPERATION_IDS = Object.keys(OPERATIONS) as OperationId[];

/** The whole API but for the boxes: they have sockets of their own. */
export const createApp = (deps: ApiDeps): App =>
  build(deps, { operations: OPERATION_IDS.filter((id) => OPERATIONS[id].scope !== 'box'), checkHost: true });

/** `/boxes/*` alone, for the socket of a box. */
export const createBoxApp = (deps: ApiDeps): App =>
  build(deps, { operations: OPERATION_IDS.filter((id) => OPERATIONS[id].scope === 'box'), checkHost: false });

/** All of it at one address: who calls is told by their signature. */
export const createSignedApp = (deps: ApiDeps & { identify: Identify }): App => build(deps, { operations: OPERATION_IDS, checkHost: true });

/** What is remembered from one request to the next. */
interface Memory {
  tokens: TokenCache;
  failures: FailureGate;
  requests: RequestGate;
  streams: OpenGate;
  underWay: OpenGate;
  open: OpenStreams;
}

type AnyHandler = (call: Call<OperationId>) => Promise<Response | JsonReply<unknown>>;

function build(deps: ApiDeps, options: Options): App {
  const app: App = new Hono();
  const memory: Memory = {
    tokens: new TokenCache(),
    failures: new FailureGate(deps.limits),
    requests: new RequestGate(deps.limits),
    streams: streamGate(deps.limits),
    underWay: underWayGate(deps.limits),
    open: new OpenStreams(),
  };
  // One place where the types of single operations are let go: the map itself is checked for each of them.
  const own = handlersWith(memory);
  const handlers = (deps.config.reach === 'direct' ? directHandlers(own) : own) as unknown as Record<OperationId, AnyHandler>;
  const identify = deps.identify ?? identifyByTokens(deps, memory);
  const around: Around = { deps, options, challenge: identify.challenge };
  const methods = new Map<string, string[]>();
  for (const id of options.operations) {
    const operation: Operation = OPERATIONS[id];
    const path = operation.path.replace(/\{(\w+)\}/g, ':$1');
    methods.set(path, [...(methods.get(path) ?? []), operation.method]);
    app.on(operation.method, path, (c) =>
      respond(around, c, id, (request) => answer(deps, memory, c, { id, operation, handler: handlers[id], identify }, request)),
    );
  }
  for (const [path, allowed] of methods) app.all(path, (c) => respond(around, c, 'other', async () => otherMethod(c, allowed)));
  app.notFound((c) =>
    respond(around, c, 'unknown', async () => {
      throw notFound('path', 'there is no such path');
    }),
  );
  return app;
}

interface Around {
  deps: ApiDeps;
  options: Options;
  challenge: string;
}

interface RequestFacts {
  requestId: string;
  note: Note;
}

/** Everything around an operation: its checks of address and path, its request id, its one log event, its error answer. */
async function respond(
  { deps, options, challenge }: Around,
  c: Ctx,
  op: OperationId | 'other' | 'unknown',
  work: (facts: RequestFacts) => Promise<Response>,
): Promise<Response> {
  const startedAtMs = performance.now();
  const facts: RequestFacts = { requestId: makeId('req', deps.clock.now(), deps.random.bytes(16)), note: {} };
  let response: Response;
  let failure: DevctlError | null = null;
  try {
    if (options.checkHost) assertHost(c.req.raw, c.env?.host === undefined ? deps.config.allowedHosts : [c.env.host]);
    assertPlainPath(c.req.url);
    response = await work(facts);
  } catch (error) {
    failure = toDevctlError(error);
    response = problemResponse(failure, facts.requestId, challenge);
  }
  response.headers.set('x-request-id', facts.requestId);
  response.headers.set('x-content-type-options', 'nosniff');
  response.headers.set('cache-control', 'no-store');
  const durationMs = performance.now() - startedAtMs;
  record(deps, { op, method: c.req.method, status: response.status, durationMs, failure, facts });
  return response;
}

function problemResponse(error: DevctlError, requestId: string, challenge: string): Response {
  const problem = error.toProblem(requestId);
  const headers: Record<string, string> = { 'content-type': 'application/problem+json' };
  if (error.code === 'unauthorized') headers['www-authenticate'] = challenge;
  if (error instanceof MethodError) headers['allow'] = error.allowed;
  if (problem.retryable && (problem.status === 429 || problem.status === 503)) headers['retry-after'] = String(problem.retryAfterS ?? 1);
  return new Response(JSON.stringify(problem), { status: problem.status, headers });
}

/** What is asked all the time is counted, and logged only when it fails. */
const QUIET: ReadonlySet<string> = new Set<OperationId>(['healthz', 'readyz', 'metrics', 'heartbeat']);

interface Outcome {
  op: string;
  method: string;
  status: number;
  durationMs: number;
  failure: DevctlError | null;
  facts: RequestFacts;
}

function record(deps: ApiDeps, { op, method, status, durationMs, failure, facts }: Outcome): void {
  const { telemetry } = deps;
  telemetry.count('devctl_http_requests_total', { operation: op, status: String(status) });
  telemetry.observe('devctl_http_request_seconds', durationMs / 1000, { operation: op });
  if (failure !== null) telemetry.count('devctl_http_failures_total', { operation: op, code: failure.code });
  if (failure === null && QUIET.has(op)) return;
  const fields = {
    op: `api.${op}`,
    outcome: failure === null ? ('ok' as const) : status >= 500 ? ('error' as const) : ('refused' as const),
    method,
    status,
    durationMs: Math.round(durationMs * 10) / 10,
    requestId: facts.requestId,
    ...facts.note,
    ...(failure !== null && { code: failure.code, detail: failure.detail }),
  };
  if (failure?.code === 'internal') telemetry.error({ ...fields, cause: causeText(failure.cause) });
  else if (status >= 500) telemetry.warn({ ...fields, ...(failure?.cause !== undefined && { cause: String(failure.cause) }) });
  else telemetry.info(fields);
}

const causeText = (cause: unknown): string => (cause instanceof Error ? (cause.stack ?? String(cause)) : String(cause));

function otherMethod(c: Ctx, allowed: readonly string[]): Response {
  const methods = [...allowed, 'OPTIONS'].join(', ');
  if (c.req.method === 'OPTIONS') return new Response(null, { status: 204, headers: { allow: methods } });
  throw new MethodError(methods);
}

class MethodError extends DevctlError {
  constructor(readonly allowed: string) {
    super('method_not_allowed', `use ${allowed}`);
  }
}

interface Target {
  identify: Identify;
  id: OperationId;
  operation: Operation;
  handler: AnyHandler;
}

/** Who it is, whether they may, what they ask; then the handler. A request that may not is not even read. */
async function answer(deps: ApiDeps, memory: Memory, c: Ctx, target: Target, facts: RequestFacts): Promise<Response> {
  const { operation } = target;
  if (c.req.raw.method === 'HEAD' && operation.stream !== undefined) throw new MethodError('GET');
  const shown: Shown = {
    authorization: c.req.header('authorization'),
    boxOwner: c.req.header(BOX_OWNER_HEADER),
    remote: c.env?.remote ?? '',
    signedBy: c.env?.signedBy,
  };
  const caller = await target.identify.callerOf(operation.scope, shown);
  if (isUser(caller)) {
    memory.requests.enter(caller.owner, deps.clock.now());
    assertScope(caller, operation.scope as Scope);
  }
  if (caller !== null) facts.note.owner = caller.owner;
  const leave = isUser(caller) ? memory.underWay.enter(caller.owner) : () => undefined;
  try {
    return await handle(deps, memory, c, { ...target, caller }, facts);
  } finally {
    leave();
  }
}

const isUser = (caller: Caller | BoxCaller | null): caller is Caller => caller !== null && 'scopes' in caller;

/** Reads what is asked, and has it done. */
async function handle(
  deps: ApiDeps,
  memory: Memory,
  c: Ctx,
  { id, operation, handler, caller }: Target & { caller: Caller | BoxCaller | null },
  facts: RequestFacts,
): Promise<Response> {
  const params = operation.params && parseWith(operation.params, c.req.param());
  const query = readQuery(c.req.url, operation.query);
  const idempotencyKey = operation.idempotent ? readIdempotencyKey(c.req.header('idempotency-key')) : null;
  const body = operation.body && parseWith(operation.body, await readJson(c.req.raw, deps.limits));
  const call = {
    deps,
    caller,
    params,
    query,
    body,
    idempotencyKey,
    requestId: facts.requestId,
    path: c.req.path,
    header: (name: string) => c.req.header(name),
    signal: c.req.raw.signal,
    upload: (onChunk: () => void) => openUpload(c.req.raw, operation.upload ?? '', deps.limits, onChunk),
    upgrade: c.env?.upgrade ?? null,
    note: (fields: Note) => void Object.assign(facts.note, fields),
  } as unknown as Call<typeof id>;
  if (operation.stream !== undefined && isUser(caller))
    return stream({ deps, memory, c, facts, caller }, () => handler(call) as Promise<Response>);
  const reply = await handler(call);
  if (reply instanceof Response) return reply;
  if (operation.status === 204) return new Response(null, { status: 204 });
  return new Response(JSON.stringify(reply.body), {
    status: operation.status,
    headers: { 'content-type': 'application/json', ...reply.headers },
  });
}

/** A stream has its place until it is over, and ends with the token that it was asked for with. */
function stream(
  { deps, memory, c, facts, caller }: { deps: ApiDeps; memory: Memory; c: Ctx; facts: RequestFacts; caller: Caller },
  work: () => Promise<Response>,
): Promise<Response> {
  const leave = memory.streams.enter(caller.owner);
  const { cut, over } = memory.open.open(caller, deps.clock.now());
  const life = {
    cut,
    over() {
      leave();
      over();
    },
    failed(error: unknown) {
      deps.telemetry.warn({ op: 'api.stream', outcome: 'error', requestId: facts.requestId, ...facts.note, detail: String(error) });
    },
    upgrade: c.env?.upgrade ?? null,
    hangUp: c.env?.hangUp,
  };
  return stayOpen(life, work);
}
