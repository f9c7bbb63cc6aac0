import { DevctlError } from '../contract/errors.ts';
import type { SessionRecord, WorkspaceRecord } from '../contract/records.ts';
import { diskOf, withFileSystem } from '../core/disk.ts';
import { applyHeartbeat, applyRegister, workspaceAfterHeartbeat } from '../core/heartbeat.ts';
import { ordersFor } from '../core/orders.ts';
import type { Change } from '../core/session.ts';
import { changeSession } from '../ledger/sessions.ts';
import { changeWorkspaceOf } from '../ledger/workspaces.ts';
import type { BoxCaller, Call, Reply } from './operation.ts';
import { workspaceOf } from './reads.ts';
import { sameHash } from './tokens.ts';
import { waitForSession } from './wait.ts';

/** A box that is quicker than the saving of its launch waits this long for it. */
const LAUNCH_SAVE_MS = 5000;

type BoxCall = Call<'boxDisk'> | Call<'registerBox'> | Call<'heartbeat'>;

/**
 * The session that this token's box belongs to, in the generation that it speaks for.
 * @throws DevctlError unauthorized, stale_generation
 */
async function sessionOfBox(call: BoxCall): Promise<SessionRecord> {
  const { deps, caller, body } = call;
  call.note({ owner: caller.owner, sessionId: body.sessionId });
  const session = await deps.store.getSession({ owner: caller.owner, id: body.sessionId });
  if (session === null) throw notThisBox();
  // The hash of an older generation is kept nowhere, and need not be: all that it learns is that it is over.
  if (body.generation < session.generation)
    throw new DevctlError('stale_generation', `generation ${body.generation} is over`, { sessionId: session.id });
  if (body.generation !== session.generation || !mayBe(caller, session)) throw notThisBox();
  const current = session.phase === 'launching' ? await launched(call, session) : session;
  if (!isBoxOf(caller, current)) throw notThisBox();
  return current;
}

/** Before its launch is saved, a machine cannot be told from others. */
const mayBe = (caller: BoxCaller, session: SessionRecord): boolean =>
  ('boxId' in caller.shown && session.phase === 'launching') || isBoxOf(caller, session);

function isBoxOf({ shown }: BoxCaller, { box, op }: SessionRecord): boolean {
  if ('boxId' in shown) return box?.id === shown.boxId;
  const wanted = box?.tokenHash ?? op?.tokenHash;
  return wanted !== undefined && sameHash(shown.tokenHash, wanted);
}

const notThisBox = () => new DevctlError('unauthorized', 'the token is not of this box');

/** The box came up before the answer of its launch was saved. */
function launched(call: BoxCall, session: SessionRecord): Promise<SessionRecord> {
  const options = { timeoutMs: LAUNCH_SAVE_MS, signal: call.signal, what: 'launched' };
  return waitForSession(call.deps, session, options, (current) => (current.phase === 'launching' ? undefined : current));
}

/** Saves what the box said and answers with its orders. */
async function answer(
  call: BoxCall,
  session: SessionRecord,
  workspace: WorkspaceRecord | null,
  decide: (current: SessionRecord) => Change | null,
): Promise<Reply<'heartbeat'>> {
  const { deps } = call;
  const saved = await changeSession(deps, session, decide);
  // That a box is taken away is due at once, and leaves phase and wish as they are.
  const isDue = saved.version !== session.version && saved.dueAt !== null && saved.dueAt <= deps.clock.now();
  const isNews = saved.phase !== session.phase || saved.desired !== session.desired;
  if (isNews || isDue) deps.signals.poke({ owner: saved.owner, id: saved.id });
  const orders = ordersFor(saved, workspace, deps.clock.now(), deps.limits);
  const accessKey = deps.machines?.accessKey({ sessionId: saved.id, generation: saved.generation });
  return { body: { ...orders, ...(accessKey !== undefined && { accessKey }) } };
}

export async function boxDisk(call: Call<'boxDisk'>): Promise<Reply<'boxDisk'>> {
  const session = await sessionOfBox(call);
  return { body: diskOf(session, await workspaceOf(call.deps, session)) };
}

export async function registerBox(call: Call<'registerBox'>): Promise<Reply<'registerBox'>> {
  const { deps, body } = call;
  const session = await sessionOfBox(call);
  let workspace = await workspaceOf(deps, session);
  const { fileSystem } = body;
  if (workspace !== null && fileSystem !== undefined && isWriter(workspace, session) && withFileSystem(workspace, fileSystem) !== null)
    workspace = await changeWorkspaceOf(deps, session, (current) =>
      isWriter(current, session) ? withFileSystem(current, fileSystem) : null,
    );
  return answer(call, session, workspace, (current) => applyRegister(current, workspace, body, deps.clock.now(), deps.limits));
}

export async function heartbeat(call: Call<'heartbeat'>): Promise<Reply<'heartbeat'>> {
  const { deps, body } = call;
  const session = await sessionOfBox(call);
  let workspace = await workspaceOf(deps, session);
  if (workspace !== null && isWriter(workspace, session) && workspaceAfterHeartbeat(workspace, body) !== null) {
    workspace = await changeWorkspaceOf(deps, session, (current) =>
      isWriter(current, session) ? workspaceAfterHeartbeat(current, body) : null,
    );
  }
  return answer(call, session, workspace, (current) => applyHeartbeat(current, workspace, body, deps.clock.now(), deps.limits));
}

const isWriter = (workspace: WorkspaceRecord, session: SessionRecord): boolean =>
  workspace.claim?.sessionId === session.id && workspace.claim.generation === session.generation;
