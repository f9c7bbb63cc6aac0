import { createHash, timingSafeEqual } from 'node:crypto';
import { DevctlError, notFound } from '../contract/errors.ts';
import { makeId, ownerSchema } from '../contract/fields.ts';
import type { Scope, TokenRecord } from '../contract/records.ts';
import { makeUserToken, parseBoxToken, parseUserToken, type UserToken } from '../contract/tokens.ts';
import { formatDuration } from '../contract/units.ts';
import { tokenView } from '../core/views.ts';
import { everyPage } from '../ledger/pages.ts';
import type { Clock, Random } from '../ports/clock.ts';
import type { Machines } from '../ports/provider.ts';
import type { StorePort } from '../ports/store.ts';
import type { ApiDeps } from './deps.ts';
import type { FailureGate } from './gates.ts';
import type { Identify } from './identify.ts';
import { listReply } from './lists.ts';
import type { BoxCaller, Call, Caller, JsonReply, Reply } from './operation.ts';
import type { OpenStreams } from './streams.ts';

const SECRET_BYTES = 32;
const ID_BYTES = 16;

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');

/** Compares two hex digests in a time that tells nothing of where they differ. */
export function sameHash(given: string, wanted: string): boolean {
  const [a, b] = [Buffer.from(given, 'hex'), Buffer.from(wanted, 'hex')];
  return a.length > 0 && a.length === b.length && timingSafeEqual(a, b);
}

export interface NewToken {
  owner: string;
  name: string;
  scopes: readonly Scope[];
  expiresAtMs: number | null;
}

/** Makes a token and keeps its hash. The text is shown this once. */
export async function mintToken(
  deps: { store: StorePort; clock: Clock; random: Random },
  input: NewToken,
): Promise<{ token: string; record: TokenRecord }> {
  const nowMs = deps.clock.now();
  const id = makeId('tok', nowMs, deps.random.bytes(ID_BYTES));
  const token = makeUserToken(input.owner, id, deps.random.bytes(SECRET_BYTES));
  const record: TokenRecord = {
    owner: input.owner,
    id,
    name: input.name,
    scopes: [...new Set(input.scopes)],
    secretHash: sha256(parseUserToken(token)?.secret ?? ''),
    createdAt: nowMs,
    expiresAt: input.expiresAtMs,
    revokedAt: null,
  };
  if (!(await deps.store.createToken(record))) throw new DevctlError('conflict', `token ${id} exists already`);
  return { token, record };
}

const CACHE_MS = 5000;
const CACHE_MAX = 1000;

/**
 * Records of tokens that were shown lately, so that not every request costs a read. A token revoked through this process
 * is dropped at once; one revoked through another lives on for CACHE_MS at most.
 */
export class TokenCache {
  readonly #known = new Map<string, { record: TokenRecord; untilMs: number }>();
  /** Raised at each drop: a record that was read before it is not kept. */
  #drops = 0;

  get epoch(): number {
    return this.#drops;
  }

  get(owner: string, id: string, nowMs: number): TokenRecord | null {
    const entry = this.#known.get(`${owner} ${id}`);
    return entry !== undefined && nowMs < entry.untilMs ? entry.record : null;
  }

  /** @param epoch as it was before the record was read */
  put(record: TokenRecord, nowMs: number, epoch: number): void {
    if (epoch !== this.#drops) return;
    if (this.#known.size >= CACHE_MAX) this.#known.clear();
    this.#known.set(`${record.owner} ${record.id}`, { record, untilMs: nowMs + CACHE_MS });
  }

  /** True for a token that was shown with this secret before, and was not revoked through this process since. */
  knows(owner: string, id: string, secretHash: string): boolean {
    const entry = this.#known.get(`${owner} ${id}`);
    return entry !== undefined && sameHash(secretHash, entry.record.secretHash);
  }

  drop(owner: string, id: string): void {
    this.#drops += 1;
    this.#known.delete(`${owner} ${id}`);
  }
}

const unauthorized = () => new DevctlError('unauthorized', 'the request carries no token that is valid now');

function bearerOf(authorization: string | undefined): string | null {
  const [, token] = /^Bearer ([\x21-\x7e]{1,600})$/i.exec(authorization ?? '') ?? [];
  return token ?? null;
}

/**
 * Whose token it is. Every reason for refusing it gets the same answer. Who fails too often has to wait before another token is
 * looked up.
 * @throws DevctlError unauthorized, rate_limited
 */
async function authenticate(
  deps: ApiDeps,
  { tokens, failures }: { tokens: TokenCache; failures: FailureGate },
  { authorization, remote }: { authorization: string | undefined; remote: string },
): Promise<Caller> {
  const nowMs = deps.clock.now();
  const token = parseUserToken(bearerOf(authorization) ?? '');
  const hash = token && sha256(token.secret);
  if (token === null || hash === null || !tokens.knows(token.owner, token.id, hash)) failures.assertOpen(remote, hash, nowMs);
  const record = token && hash && (tokens.get(token.owner, token.id, nowMs) ?? (await readToken(deps, tokens, token, nowMs)));
  if (!record || !hash || !sameHash(hash, record.secretHash) || isOver(record, nowMs)) {
    failures.failed(remote, hash, nowMs);
    throw unauthorized();
  }
  return { owner: record.owner, tokenId: record.id, scopes: record.scopes, expiresAtMs: record.expiresAt };
}

/** The token of a request that has waited for long: it may be over by now. A signature was good once. @throws DevctlError unauthorized */
export async function assertStillValid({ store, clock }: ApiDeps, { owner, tokenId }: Caller): Promise<void> {
  if (tokenId === null) return;
  const record = await store.getToken(owner, tokenId);
  if (record === null || isOver(record, clock.now())) throw unauthorized();
}

const isOver = ({ revokedAt, expiresAt }: TokenRecord, nowMs: number): boolean =>
  revokedAt !== null || (expiresAt !== null && expiresAt <= nowMs);

async function readToken(deps: ApiDeps, cache: TokenCache, token: UserToken, nowMs: number): Promise<TokenRecord | null> {
  const epoch = cache.epoch;
  const record = await deps.store.getToken(token.owner, token.id);
  if (record !== null && sameHash(sha256(token.secret), record.secretHash)) cache.put(record, nowMs, epoch);
  return record;
}

/**
 * Which box it is, by its own token or by its machine; whether it is the live one is checked against its session.
 * @throws DevctlError unauthorized, unavailable
 */
async function identifyBox(machines: Machines | undefined, shown: BoxProof): Promise<BoxCaller> {
  if (machines !== undefined) return identifyMachine(machines, shown);
  const token = bearerOf(shown.authorization);
  const box = token && parseBoxToken(token);
  if (!token || !box) throw unauthorized();
  return { owner: box.owner, shown: { tokenHash: sha256(token) } };
}

/** What a request of a box carries. */
interface BoxProof {
  authorization: string | undefined;
  /** A machine's token names no owner: the box does, from its tags. It finds a session of that owner only where it is the box of it. */
  owner: string | undefined;
}

async function identifyMachine(machines: Machines, shown: BoxProof): Promise<BoxCaller> {
  const token = /^Bearer ([\x21-\x7e]{1,8000})$/i.exec(shown.authorization ?? '')?.[1];
  const owner = ownerSchema.safeParse(shown.owner);
  if (token === undefined || !owner.success) throw unauthorized();
  return { owner: owner.data, shown: { boxId: await machines.boxIdOf(token) } };
}

/** By the tokens that they show. */
export const identifyByTokens = (deps: ApiDeps, memory: { tokens: TokenCache; failures: FailureGate }): Identify => ({
  challenge: 'Bearer',
  async callerOf(scope, shown) {
    if (scope === 'public') return null;
    if (scope === 'box') return identifyBox(deps.machines, { authorization: shown.authorization, owner: shown.boxOwner });
    return authenticate(deps, memory, shown);
  },
});

/** @throws DevctlError forbidden */
export function assertScope(caller: Caller, scope: Scope): void {
  if (caller.scopes.includes(scope)) return;
  if (caller.arn !== undefined)
    throw new DevctlError('forbidden', `this needs the scope ${scope}, which ${caller.arn} does not have`, {
      hint: 'assume the admin role of this deployment, and try again',
    });
  throw new DevctlError('forbidden', `this needs a token with the scope ${scope}; yours has ${caller.scopes.join(', ') || 'none'}`);
}

export async function createToken({ deps, caller, body }: Call<'createToken'>): Promise<Reply<'createToken'>> {
  const owner = body.owner ?? caller.owner;
  if (owner !== caller.owner) assertScope(caller, 'admin');
  const excess = body.scopes.filter((scope) => !caller.scopes.includes(scope));
  if (excess.length > 0) throw new DevctlError('forbidden', `your own token does not have the scope ${excess.join(', ')}`);
  const expiresAtMs = expiryOf(caller, body.expiresIn, deps.clock.now());
  await assertRoom(deps, owner);
  const { token, record } = await mintToken(deps, { owner, name: body.name, scopes: body.scopes, expiresAtMs });
  return { body: { ...tokenView(record), token } };
}

/** A token cannot make one that outlives it: else its own end would mean nothing. */
function expiryOf(caller: Caller, expiresInMs: number | undefined, nowMs: number): number | null {
  if (expiresInMs === undefined) return caller.expiresAtMs;
  const expiresAtMs = nowMs + expiresInMs;
  if (caller.expiresAtMs !== null && expiresAtMs > caller.expiresAtMs)
    throw new DevctlError(
      'forbidden',
      `your own token ends in ${formatDuration(caller.expiresAtMs - nowMs)}, and no token can make one that lives longer`,
      {
        hint: 'leave the expiry out, ask for less, or use a token that lives longer',
      },
    );
  return expiresAtMs;
}

/** @throws DevctlError quota_exceeded */
async function assertRoom(deps: ApiDeps, owner: string): Promise<void> {
  const { items } = await everyPage((page) => deps.store.listTokens(owner, page));
  const valid = items.filter((record) => !isOver(record, deps.clock.now()));
  if (valid.length >= deps.limits.quotaTokens)
    throw new DevctlError('quota_exceeded', `${owner} has ${valid.length} tokens, which is the most`, {
      hint: 'revoke some with devctl token revoke',
    });
}

/** What is kept of tokens from one request to the next. */
export interface TokenMemory {
  tokens: TokenCache;
  open: OpenStreams;
}

/** The token is refused from now on, and what is still open with it is cut. */
export const revokeToken =
  ({ tokens, open }: TokenMemory) =>
  async ({ deps, caller, params }: Call<'revokeToken'>): Promise<JsonReply<undefined>> => {
    const nowMs = deps.clock.now();
    const known = await deps.store.revokeToken(caller.owner, params.id, nowMs);
    tokens.drop(caller.owner, params.id);
    open.cut(caller.owner, params.id, nowMs);
    if (!known) throw notFound('token', `there is no token ${params.id}`);
    return { body: undefined };
  };

export async function listTokens(call: Call<'listTokens'>): Promise<Reply<'listTokens'>> {
  const { deps, caller } = call;
  return listReply(call, 'tokens', {
    read: (page) => deps.store.listTokens(caller.owner, page),
    view: async (items) => items.map(tokenView),
  });
}

export async function whoami({ deps, caller }: Call<'whoami'>): Promise<Reply<'whoami'>> {
  const { owner, scopes, tokenId, arn } = caller;
  return { body: { owner, scopes: [...scopes], tokenId, reach: deps.config.reach ?? 'relay', ...(arn !== undefined && { arn }) } };
}
