import { DevctlError } from '../contract/errors.ts';
import type { Receipt } from '../contract/receipt.ts';
import type { WorkspaceRecord } from '../contract/records.ts';
import { assertFree, assertSaved, markDeleted, restoredTo } from '../core/admission.ts';
import { changeWorkspace } from '../ledger/workspaces.ts';
import type { ApiDeps } from './deps.ts';
import { claimOnce } from './idempotency.ts';
import { listReply } from './lists.ts';
import type { Call, JsonReply, Reply } from './operation.ts';
import { mapBounded } from './parallel.ts';
import { everySnapshot, noWorkspace, readWorkspace, viewWorkspace } from './reads.ts';

/** The receipt of the last `down` is looked for in this many sessions of the owner. */
const SESSIONS_LOOKED_AT = 1000;

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
    const { setupAllowed = workspace.setupAllowed, retention = workspace.retention } = body;
    return { ...workspace, setupAllowed, retention };
  });
  return { body: await viewWorkspace(deps, saved) };
}

/** What the last `down` of a workspace found, if that is still known. */
async function lastReceipt(deps: ApiDeps, workspace: WorkspaceRecord): Promise<Receipt | null> {
  let after: string | null = null;
  for (let seen = 0; seen < SESSIONS_LOOKED_AT; seen += 100) {
    const page = await deps.store.listSessions(workspace.owner, { limit: 100, after });
    const found = page.items.find((session) => session.workspaceId === workspace.id && session.receipt !== null);
    if (found !== undefined) return found.receipt;
    after = page.next;
    if (after === null) break;
  }
  return null;
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
  const claim = await claimOnce(call, `${workspace.id}/${workspace.snapshotSeq + 1}`);
  const [workspaceId, seq] = claim.resourceId.split('/');
  if (workspaceId !== workspace.id) throw noWorkspace(params.name);
  if (workspace.headSeq >= Number(seq)) return { body: await viewWorkspace(deps, workspace) };
  assertFree(workspace);
  assertSaved(workspace);
  const ref = { workspaceId: workspace.id, id: body.snapshot };
  const snapshots = await everySnapshot(deps, caller.owner, workspace.id);
  const snapshot = snapshots.find(({ id }) => id === body.snapshot);
  if (snapshot === undefined || snapshot.state === 'deleting' || snapshot.state === 'error')
    throw new DevctlError('not_found', `workspace ${params.name} has no snapshot ${body.snapshot} to restore`);
  const pending = snapshots.find(({ state }) => state === 'pending');
  if (pending !== undefined) throw new DevctlError('conflict', `${pending.id} is still being made: repeat when it is done`);
  if (!(await deps.store.pinSnapshot(caller.owner, ref, workspace.id)))
    throw new DevctlError('in_use', `${body.snapshot} is being deleted at this moment`);
  let before = workspace;
  const saved = await changeWorkspace(deps, caller.owner, params.name, (current) => {
    if (current.id !== workspace.id || current.deleting) throw noWorkspace(params.name);
    before = current;
    return restoredTo(current, snapshot, Number(seq));
  });
  await lookAgain(deps, before, saved);
  const left = before.head;
  if (left !== null && saved.head !== null && (left.id !== saved.head.id || left.workspaceId !== saved.head.workspaceId))
    await deps.store.unpinSnapshot(caller.owner, left, workspace.id);
  return { body: await viewWorkspace(deps, saved) };
}

/**
 * The reaper may have taken the pin away in the moment before the head was moved, and the snapshot with it. Then the head goes
 * back to where it was.
 * @throws DevctlError in_use
 */
async function lookAgain(deps: ApiDeps, before: WorkspaceRecord, saved: WorkspaceRecord): Promise<void> {
  if (saved.head === null || (await deps.store.pinSnapshot(saved.owner, saved.head, saved.id))) return;
  await changeWorkspace(deps, saved.owner, saved.name, (current) =>
    current.headSeq === saved.headSeq ? { ...current, head: before.head, content: before.content } : null,
  );
  throw new DevctlError('in_use', `${saved.head.id} was deleted at this moment; the head is as it was`);
}
