import { IDLE_TTL_RANGE_MS, MAX_TTL_RANGE_MS, type Session } from '../contract/api.ts';
import { DevctlError, isDevctlError } from '../contract/errors.ts';
import { makeId } from '../contract/fields.ts';
import { isFinal } from '../contract/phases.ts';
import type { SessionRecord, WorkspaceRecord } from '../contract/records.ts';
import { addHold, askToStop, interrupt, removeHold } from '../core/admission.ts';
import { admission, budgetNotice } from '../core/budget.ts';
import { newSession } from '../core/session.ts';
import { holdView, type Listening, sessionView, whyView } from '../core/views.ts';
import { newWorkspace, withSource } from '../core/workspace.ts';
import { admitToBudgets, leaveBudgets } from '../ledger/budgets.ts';
import { mapBounded } from '../ledger/parallel.ts';
import { changeSession } from '../ledger/sessions.ts';
import { changeWorkspaceOf, claimWorkspace, releaseWorkspace } from '../ledger/workspaces.ts';
import type { SessionKey } from '../ports/store.ts';
import type { ApiDeps } from './deps.ts';
import { claimOnce } from './idempotency.ts';
import { listReply } from './lists.ts';
import { assertOffered, policyOf } from './offers.ts';
import type { Call, JsonReply, Reply, UserCall } from './operation.ts';
import { reserveSession, reserveWorkspace } from './quotas.ts';
import { keyOf, readSession, workspaceOf } from './reads.ts';
import { waitForSession } from './wait.ts';

const ID_BYTES = 16;

const listening = ({ clock, startedAtMs, limits }: ApiDeps): Listening => ({ nowMs: clock.now(), sinceMs: startedAtMs, limits });

export async function view(deps: ApiDeps, session: SessionRecord): Promise<Session> {
  return sessionView(session, await workspaceOf(deps, session), deps.config.providerName, listening(deps));
}

/** Nothing more happens to it by itself, for whoever waits for a box. */
export const isSettled = ({ phase, desired }: SessionRecord): boolean =>
  phase === 'ready' || isFinal(phase) || (phase === 'parked' && desired === 'parked');

export async function createSession(call: Call<'createSession'>): Promise<Reply<'createSession'>> {
  const { deps, query } = call;
  assertOffered(call);
  const freshId = makeId('ses', deps.clock.now(), deps.random.bytes(ID_BYTES));
  const { resourceId } = await claimOnce(call, freshId);
  const key = keyOf(call, resourceId);
  call.note({ sessionId: key.id, workspace: call.body.workspace });
  const known = resourceId === freshId ? null : await deps.store.getSession(key);
  const session = known ?? (await recordSession(call, key.id));
  // A repeat after a crash finds the record, and takes up what was not done of the rest.
  if (session.phase === 'requested' && session.desired === 'ready') await claimOrUndo(call, session);
  deps.signals.poke(key);
  const body = await view(deps, query.wait === 'ready' ? await untilReady(call, key, query.timeout) : session);
  return { body, headers: { location: `/sessions/${key.id}` } };
}

/** Budget, quota, workspace, record: in this order, so that a crash leaves nothing that a repeat or the reaper would not find. */
async function recordSession(call: Call<'createSession'>, id: string): Promise<SessionRecord> {
  const { deps, caller, body } = call;
  const admitted = admission(id, { size: body.size, instanceTypes: body.instanceTypes ?? [] });
  const standings = await admitToBudgets(deps, deps.money, caller.owner, admitted);
  let workspace: WorkspaceRecord;
  try {
    await reserveSession(deps, caller.owner, id);
    workspace = await getOrCreateWorkspace(call, id);
  } catch (error) {
    await deps.store.releaseSession(caller.owner, id);
    await leaveBudgets(deps, deps.money, caller.owner, admitted);
    throw error;
  }
  const record = newSession(
    {
      owner: caller.owner,
      id,
      workspace: workspace.name,
      workspaceId: workspace.id,
      size: body.size,
      policy: policyOf(body),
      instanceTypes: body.instanceTypes ?? [],
      arch: body.arch ?? null,
      network: body.network,
      persistent: body.persistent,
      secrets: body.secrets,
      awsCredentials: body.awsCredentials,
      idleTtlMs: body.idleTtl ?? IDLE_TTL_RANGE_MS.default,
      maxTtlMs: body.maxTtl ?? MAX_TTL_RANGE_MS.default,
    },
    deps.clock.now(),
  );
  if (!(await deps.store.createSession(record))) return readSession(call, id);
  return changeSession(deps, record, (current) => budgetNotice(current, standings, deps.clock.now()), record);
}

/** What is in a workspace is never overwritten: its source matters only when it is new. */
async function getOrCreateWorkspace(call: Call<'createSession'>, sessionId: string): Promise<WorkspaceRecord> {
  const { deps, caller, body } = call;
  const found = await deps.store.getWorkspace(caller.owner, body.workspace);
  if (found !== null) return assertKept(found);
  await assertNew(deps, body.workspace);
  // Named after the session: a repeat of this request reserves the same place again, and no second one.
  const id = sessionId.replace(/^ses_/, 'ws_');
  await reserveWorkspace(deps, caller.owner, id);
  const fresh = newWorkspace({ owner: caller.owner, name: body.workspace, id, source: body.source ?? { kind: 'empty' } }, deps.clock.now());
  const record = { ...fresh, setupAllowed: body.allowSetup ?? null };
  if (await deps.store.createWorkspace(record)) return record;
  const winner = await deps.store.getWorkspace(caller.owner, body.workspace);
  if (winner?.id !== id) await deps.store.releaseWorkspace(caller.owner, id);
  if (winner === null) throw new DevctlError('conflict', `workspace ${body.workspace} was deleted at this moment`);
  return assertKept(winner);
}

/** What has no record in a table that may have lost some is not new: an empty workspace must not take its place. */
async function assertNew(deps: ApiDeps, name: string): Promise<void> {
  if (await deps.store.vouches()) return;
  throw new DevctlError('records_missing', `there is no record of a workspace ${name}, and the table may have lost some`);
}

function assertKept(workspace: WorkspaceRecord): WorkspaceRecord {
  if (workspace.deleting) throw new DevctlError('conflict', `workspace ${workspace.name} is being deleted: repeat in a moment`);
  return workspace;
}

/** Makes the session the one writer of its workspace, or takes back what was made of it. */
async function claimOrUndo(call: Call<'createSession'>, session: SessionRecord): Promise<void> {
  const { deps, body } = call;
  try {
    await claimWorkspace(deps, session);
  } catch (error) {
    // A claim of a later generation means that the controller has gone on with it already.
    if (isDevctlError(error, 'stale_generation')) return;
    if (isDevctlError(error)) await undo(deps, session);
    throw isDevctlError(error, 'workspace_in_use') ? await withPhase(deps, session, error) : error;
  }
  const { source, allowSetup: allowed } = body;
  if (source !== undefined) await changeWorkspaceOf(deps, session, (current) => withSource(current, source));
  if (allowed !== undefined) {
    await changeWorkspaceOf(deps, session, (current) => (current.setupAllowed === allowed ? null : { ...current, setupAllowed: allowed }));
  }
}

async function undo(deps: ApiDeps, session: SessionRecord): Promise<void> {
  if (!(await deps.store.deleteSession(session))) return;
  await deps.store.releaseSession(session.owner, session.id);
  await leaveBudgets(deps, deps.money, session.owner, admission(session.id, session));
  await releaseWorkspace(deps, session);
}

const HINTS: Readonly<Partial<Record<SessionRecord['desired'], string>>> = {
  stopped: 'it is being stopped: repeat when it has gone',
  parked: 'it is parked: wake it, or run devctl up',
};

/** Adds to the error what the session in the way is doing. */
async function withPhase(deps: ApiDeps, session: SessionRecord, error: DevctlError): Promise<DevctlError> {
  const id = error.extra.sessionId;
  const other = id === undefined ? null : await deps.store.getSession({ owner: session.owner, id });
  if (id === undefined || other === null) return error;
  const hint = HINTS[other.desired];
  return new DevctlError(error.code, `workspace ${session.workspace} is leased by ${id} (${other.phase})`, {
    sessionId: id,
    ...(hint !== undefined && { hint }),
  });
}

/** The session once it is ready, or over. One that failed answers with its failure. */
export async function untilReady(call: UserCall, key: SessionKey, timeoutMs: number): Promise<SessionRecord> {
  const { deps, signal } = call;
  return waitForSession(deps, key, { timeoutMs, signal, what: 'ready' }, (current) => {
    if (current.phase === 'failed' && current.failure !== null) {
      const { code, detail, hint } = current.failure;
      throw new DevctlError(code, detail, { hint, sessionId: key.id });
    }
    return isSettled(current) ? current : undefined;
  });
}

export async function getSession(call: Call<'getSession'>): Promise<Reply<'getSession'>> {
  const { deps, query, params } = call;
  const session = await readSession(call, params.id);
  if (query.wait === 'none') return { body: await view(deps, session) };
  const options = { timeoutMs: query.timeout, signal: call.signal, what: 'ready' };
  const settled = await waitForSession(deps, session, options, (current) => (isSettled(current) ? current : undefined));
  return { body: await view(deps, settled) };
}

export async function listSessions(call: Call<'listSessions'>): Promise<Reply<'listSessions'>> {
  const { deps, caller, query } = call;
  return listReply(call, `sessions ${query.all} ${query.workspace ?? ''}`, {
    read: (page) => deps.store.listSessions(caller.owner, page),
    keep: (session) =>
      (query.all === 'true' || !isFinal(session.phase)) && (query.workspace === undefined || session.workspace === query.workspace),
    view: (sessions) => mapBounded(sessions, deps.limits.concurrency, (session) => view(deps, session)),
  });
}

export async function endSession(call: Call<'endSession'>): Promise<Reply<'endSession'>> {
  const { deps, query, params } = call;
  await readSession(call, params.id);
  const key = keyOf(call, params.id);
  const asked = await changeSession(deps, key, (session) => askToStop(session, deps.clock.now()));
  deps.signals.poke(key);
  if (query.wait === 'none') return { body: await view(deps, asked) };
  const options = { timeoutMs: query.timeout, signal: call.signal, what: query.wait };
  const session = await waitForSession(deps, key, options, (current) => {
    const isKept = current.phase === 'ready' && current.desired === 'ready';
    if (current.failure !== null && (isKept || (current.phase === 'failed' && current.failure.code === 'snapshot_failed'))) {
      const { code, detail, hint } = current.failure;
      throw new DevctlError(code, detail, { hint, sessionId: key.id });
    }
    return isDown(current, query.wait) ? current : undefined;
  });
  return { body: await view(deps, session) };
}

function isDown(session: SessionRecord, wait: 'quiet' | 'stopped' | 'none'): boolean {
  if (isFinal(session.phase)) return true;
  return wait === 'quiet' && (session.phase === 'ending' || session.phase === 'saving' || session.report !== null);
}

export async function createHold(call: Call<'createHold'>): Promise<Reply<'createHold'>> {
  const { deps, params, body } = call;
  await readSession(call, params.id);
  // The end counts from the first request with its key: a repeat does not move it.
  const claim = await claimOnce(call, `${params.id}/${body.name}`);
  const hold = { name: body.name, untilMs: claim.createdAtMs + body.for, createdAt: claim.createdAtMs };
  await changeSession(deps, keyOf(call, params.id), (session) => addHold(session, hold, deps.clock.now(), deps.limits));
  return { body: holdView(hold) };
}

export async function deleteHold(call: Call<'deleteHold'>): Promise<JsonReply<undefined>> {
  const { deps, params } = call;
  await readSession(call, params.id);
  const key = keyOf(call, params.id);
  await changeSession(deps, key, (session) => removeHold(session, params.hold, deps.clock.now(), deps.limits));
  deps.signals.poke(key);
  return { body: undefined };
}

export async function interruptSession(call: Call<'interruptSession'>): Promise<Reply<'interruptSession'>> {
  const { deps, params, body } = call;
  await readSession(call, params.id);
  const key = keyOf(call, params.id);
  const nowMs = deps.clock.now();
  const session = await changeSession(deps, key, (current) => interrupt(current, { endsAtMs: nowMs + body.in, source: 'user' }, nowMs));
  deps.signals.poke(key);
  return { body: await view(deps, session) };
}

export async function why(call: Call<'why'>): Promise<Reply<'why'>> {
  const session = await readSession(call, call.params.id);
  return { body: whyView(session, listening(call.deps)) };
}
