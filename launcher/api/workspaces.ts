import { DevctlError } from '../contract/errors.ts';
import { makeId } from '../contract/fields.ts';
import type { Receipt } from '../contract/receipt.ts';
import type { SessionRecord, SnapshotRef, WorkspaceRecord } from '../contract/records.ts';
import { assertFree, epochToGiveUp, isRestored, markDeleted, restoredTo } from '../core/admission.ts';
import { isUnsaved } from '../core/workspace.ts';
import { mapBounded } from '../ledger/parallel.ts';
import { changeWorkspace } from '../ledger/workspaces.ts';
import type { ApiDeps } from './deps.ts';
import { claimOnce } from './idempotency.ts';
import { listReply } from './lists.ts';
import type { Call, JsonReply, Reply } from './operation.ts';
import { everySnapshot, noWorkspace, readWorkspace, viewWorkspace } from './reads.ts';

/** The last session of a workspace is looked for in this many sessions of the owner. */
const SESSIONS_LOOKED_AT = 1000;
const ID_BYTES = 16;

export async function listWorkspaces(call: Call<'listWorkspaces'>): Promise<Reply<'listWorkspaces'>> {
  const { deps, caller } = call;
  return listReply(call, 'workspaces', {
    read: (page) => deps.store.listWorkspaces(caller.owner, page),
    keep: (workspace) => !workspace.deleting,
    view: (workspaces) => mapBounded(workspaces, deps.limits.concurrency, (workspace) => viewWorkspace(deps, workspace)),
  });
}

export async function getWorkspace(call: Call<'getWorkspace'>): Promise<Reply<'getWorkspace'>> {
  return { body: await viewWorkspace(call.deps, await readWorkspace(call, call.params.name)) };
}

export async function updateWorkspace(call: Call<'updateWorkspace'>): Promise<Reply<'updateWorkspace'>> {
  const { deps, caller, params, body } = call;
  await readWorkspace(call, params.name);
  const saved = await changeWorkspace(deps, caller.owner, params.name, (workspace) => {
    if (workspace.deleting) throw noWorkspace(params.name);
    const { setupAllowed = workspace.setupAllowed } = body;
    const { keepLast = workspace.retention.keepLast, keepDaily = workspace.retention.keepDaily } = body.retention ?? {};
    return { ...workspace, setupAllowed, retention: { ...workspace.retention, keepLast, keepDaily } };
  });
  return { body: await viewWorkspace(deps, saved) };
}

/** The newest session of a workspace that fits, if it is still known. */
async function findSession(
  deps: ApiDeps,
  workspace: WorkspaceRecord,
  fits: (session: SessionRecord) => boolean,
): Promise<SessionRecord | null> {
  let after: string | null = null;
  for (let seen = 0; seen < SESSIONS_LOOKED_AT; seen += 100) {
    const page = await deps.store.listSessions(workspace.owner, { limit: 100, after });
    const found = page.items.find((session) => session.workspaceId === workspace.id && fits(session));
    if (found !== undefined) return found;
    after = page.next;
    if (after === null) break;
  }
  return null;
}

/** What the last `down` of a workspace found, if that is still known. */
async function lastReceipt(deps: ApiDeps, workspace: WorkspaceRecord): Promise<Receipt | null> {
  const session = await findSession(deps, workspace, ({ receipt }) => receipt !== null);
  return session?.receipt ?? null;
}

/** Marks it as being removed; the collector takes away its snapshots, its volume and the record. */
export async function deleteWorkspace(call: Call<'deleteWorkspace'>): Promise<JsonReply<undefined>> {
  const { deps, caller, params, query } = call;
  const workspace = await readWorkspace(call, params.name);
  assertFree(workspace);
  const force = query.force === 'true';
  const receipt = force ? null : await lastReceipt(deps, workspace);
  const snapshots = await everySnapshot(deps, caller.owner, workspace.id);
  const needed = snapshots.find((snapshot) => snapshot.pins.some((pin) => pin !== workspace.id));
  if (needed !== undefined) throw new DevctlError('in_use', `a fork still begins with ${needed.id} of workspace ${workspace.name}`);
  await changeWorkspace(deps, caller.owner, params.name, (current) => {
    if (current.id !== workspace.id) throw noWorkspace(params.name);
    return markDeleted(current, receipt, force);
  });
  return { body: undefined };
}

/**
 * Makes an earlier snapshot the head. It is pinned first, so that no pruning can take it at the same moment; the pin goes
 * with the next move of the head.
 */
export async function restoreWorkspace(call: Call<'restoreWorkspace'>): Promise<Reply<'restoreWorkspace'>> {
  const { deps, caller, params, body } = call;
  const workspace = await readWorkspace(call, params.name);
  const restore = await plannedRestore(call, workspace);
  if (isRestored(workspace, restore)) return { body: await viewWorkspace(deps, workspace) };
  assertFree(workspace);
  const givenUpEpoch = epochToGiveUp(workspace, await damageOf(deps, workspace), body);
  const ref = await snapshotToRestore(call, workspace);
  if (!(await deps.store.pinSnapshot(caller.owner, ref, workspace.id)))
    throw new DevctlError('in_use', `${body.snapshot} is being deleted at this moment`);
  let before = workspace;
  const saved = await changeWorkspace(deps, caller.owner, params.name, (current) => {
    if (current.id !== workspace.id || current.deleting) throw noWorkspace(params.name);
    before = current;
    return restoredTo(current, ref, { ...restore, givenUpEpoch });
  });
  await lookAgain(deps, before, saved);
  const left = before.head;
  if (left !== null && saved.head !== null && !isSameSnapshot(left, saved.head))
    await deps.store.unpinSnapshot(caller.owner, left, workspace.id);
  if (givenUpEpoch !== null)
    deps.telemetry.warn({ op: 'workspace.volume_given_up', owner: caller.owner, workspace: saved.name, volumeId: before.volume?.id });
  return { body: await viewWorkspace(deps, saved) };
}

const isSameSnapshot = (a: SnapshotRef, b: SnapshotRef): boolean => a.workspaceId === b.workspaceId && a.id === b.id;

/** Which restore this is: the one that the first request with its key decided on, or a new one. */
async function plannedRestore(call: Call<'restoreWorkspace'>, workspace: WorkspaceRecord): Promise<{ id: string; seq: number }> {
  const { deps } = call;
  const own = makeId('req', deps.clock.now(), deps.random.bytes(ID_BYTES));
  const { resourceId: id } = await claimOnce(call, `${workspace.id}/${workspace.snapshotSeq + 1}/${own}`);
  const [workspaceId, seq] = id.split('/');
  if (workspaceId !== workspace.id) throw noWorkspace(call.params.name);
  return { id, seq: Number(seq) };
}

/** Why the disk of a workspace cannot be used: its box found it damaged, or its last launch found none. */
async function damageOf(deps: ApiDeps, workspace: WorkspaceRecord): Promise<string | null> {
  if (workspace.quarantined !== null || !isUnsaved(workspace)) return workspace.quarantined;
  const last = await findSession(deps, workspace, () => true);
  return last?.failure?.code === 'workspace_quarantined' ? last.failure.detail : null;
}

/** A snapshot of its own, or the one of another workspace that it began with. */
async function snapshotToRestore(call: Call<'restoreWorkspace'>, workspace: WorkspaceRecord): Promise<SnapshotRef> {
  const { deps, caller, params, body } = call;
  const snapshots = await everySnapshot(deps, caller.owner, workspace.id);
  const pending = snapshots.find(({ state }) => state === 'pending');
  if (pending !== undefined) throw new DevctlError('conflict', `${pending.id} is still being made: repeat when it is done`);
  const own = snapshots.find(({ id }) => id === body.snapshot);
  if (own?.state === 'completed') return { workspaceId: workspace.id, id: own.id };
  if (own === undefined && workspace.head?.id === body.snapshot) return workspace.head;
  throw new DevctlError('not_found', `workspace ${params.name} has no snapshot ${body.snapshot} to restore`, {
    hint: `see devctl snapshots ${params.name}`,
  });
}

/**
 * The reaper may have taken the pin away in the moment before the head was moved, and the snapshot with it. Then everything
 * goes back to where it was.
 * @throws DevctlError in_use
 */
async function lookAgain(deps: ApiDeps, before: WorkspaceRecord, saved: WorkspaceRecord): Promise<void> {
  if (saved.head === null || (await deps.store.pinSnapshot(saved.owner, saved.head, saved.id))) return;
  const { head, content, quarantined, restoredBy } = before;
  // What was saved is in that head, and its volume may be gone by now; what was not is nowhere else.
  const volume = isUnsaved(before) ? before.volume : null;
  await changeWorkspace(deps, saved.owner, saved.name, (current) =>
    current.headSeq === saved.headSeq ? { ...current, head, content, quarantined, volume, restoredBy } : null,
  );
  throw new DevctlError('in_use', `${saved.head.id} was deleted at this moment; workspace ${saved.name} is as it was`);
}
