import type { Workspace } from '../contract/api.ts';
import { DevctlError, notFound } from '../contract/errors.ts';
import type { SessionRecord, SnapshotRecord, WorkspaceRecord } from '../contract/records.ts';
import { workspaceView } from '../core/views.ts';
import { everyPage } from '../ledger/pages.ts';
import type { SessionKey } from '../ports/store.ts';
import type { ApiDeps } from './deps.ts';
import type { UserCall } from './operation.ts';

export const keyOf = (call: UserCall, id: string): SessionKey => ({ owner: call.caller.owner, id });

/** The session of the caller. Unknown and foreign ids are the same. @throws DevctlError not_found */
export async function readSession(call: UserCall, id: string): Promise<SessionRecord> {
  const session = await call.deps.store.getSession(keyOf(call, id));
  if (session === null) throw notFound('session', `there is no session ${id}`);
  call.note({ sessionId: id, workspace: session.workspace });
  return session;
}

/** The workspace of a session, if it still is the one. */
export async function workspaceOf(deps: ApiDeps, session: SessionRecord): Promise<WorkspaceRecord | null> {
  const workspace = await deps.store.getWorkspace(session.owner, session.workspace);
  return workspace?.id === session.workspaceId ? workspace : null;
}

export const noWorkspace = (name: string): DevctlError => notFound('workspace', `there is no workspace ${name}`);

/** The workspace of the caller; one that is being deleted is gone. @throws DevctlError not_found */
export async function readWorkspace(call: UserCall, name: string): Promise<WorkspaceRecord> {
  call.note({ workspace: name });
  const workspace = await call.deps.store.getWorkspace(call.caller.owner, name);
  if (workspace === null || workspace.deleting) throw noWorkspace(name);
  return workspace;
}

export async function viewWorkspace(deps: ApiDeps, workspace: WorkspaceRecord): Promise<Workspace> {
  const head = workspace.head === null ? null : await deps.store.getSnapshot(workspace.owner, workspace.head);
  return workspaceView(workspace, head);
}

/** Every snapshot of a workspace, newest first. @throws DevctlError too_large */
export async function everySnapshot(deps: ApiDeps, owner: string, workspaceId: string): Promise<SnapshotRecord[]> {
  const { items, complete } = await everyPage((page) => deps.store.listSnapshots(owner, workspaceId, page));
  if (!complete) throw new DevctlError('too_large', 'the workspace has too many snapshots to look at');
  return items;
}
