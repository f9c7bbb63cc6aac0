import { DevctlError, notFound } from '../contract/errors.ts';
import { makeId } from '../contract/fields.ts';
import type { SessionRecord, SnapshotRecord, VolumeCopyRecord } from '../contract/records.ts';
import { askCheckpoint } from '../core/admission.ts';
import { snapshotView } from '../core/views.ts';
import { expiredSnapshots } from '../core/workspace.ts';
import { changeSession } from '../ledger/sessions.ts';
import { findByOperation } from '../ledger/workspaces.ts';
import { claimOnce } from './idempotency.ts';
import { listReply } from './lists.ts';
import type { Call, JsonReply, Reply, UserCall } from './operation.ts';
import { everySnapshot, keyOf, readSession, readWorkspace } from './reads.ts';
import { waitForSession } from './wait.ts';

/** How long a request waits for a checkpoint; it is made in any case. */
const CHECKPOINT_WAIT_MS = 5 * 60_000;
const ID_BYTES = 16;

export interface Checkpoint {
  snapshot: SnapshotRecord;
  /** Volumes that have its content, one for each fork that was named; then the snapshot may still be on its way. */
  copies: VolumeCopyRecord[];
}

/**
 * Asks for a checkpoint of a ready session and waits until it is the head, or until the forks that were named have a copy of the
 * disk. The same operation id gives the same snapshot.
 * @throws DevctlError wrong_phase, lease_ended, snapshot_failed, timeout
 */
export async function checkpoint(
  call: UserCall,
  session: { id: string; workspaceId: string },
  ask: NonNullable<SessionRecord['checkpoint']>,
): Promise<Checkpoint> {
  const { deps, caller } = call;
  const key = keyOf(call, session.id);
  const find = () => findByOperation(deps, { owner: caller.owner, workspaceId: session.workspaceId }, ask.operationId);
  if ((await find()) === null) {
    await changeSession(deps, key, (current) => askCheckpoint(current, ask, deps.clock.now(), deps.limits));
    deps.signals.poke(key);
  }
  const options = { timeoutMs: CHECKPOINT_WAIT_MS, signal: call.signal, what: 'snapshotted' };
  return waitForSession(deps, key, options, async (current) => {
    const copies = current.snapshot?.operationId === ask.operationId ? current.snapshot.copies : undefined;
    const isUnderway = current.checkpoint?.operationId === ask.operationId || current.snapshot?.operationId === ask.operationId;
    if (isUnderway && copies === undefined) return undefined;
    const snapshot = await find();
    if (snapshot !== null && copies !== undefined) return { snapshot, copies };
    if (snapshot?.state === 'completed') return { snapshot, copies: [] };
    throw new DevctlError('snapshot_failed', 'the snapshot was not made; see devctl events', { sessionId: session.id });
  });
}

export async function createSnapshot(call: Call<'createSnapshot'>): Promise<Reply<'createSnapshot'>> {
  const { deps, params, body } = call;
  const session = await readSession(call, params.id);
  const claim = await claimOnce(call, makeId('req', deps.clock.now(), deps.random.bytes(ID_BYTES)));
  const operationId = `${session.id}.checkpoint.${claim.resourceId}`;
  const { snapshot } = await checkpoint(call, session, { operationId, note: body.note ?? null, reason: 'checkpoint' });
  const workspace = await readWorkspace(call, session.workspace);
  return { body: snapshotView(snapshot, workspace) };
}

export async function listSnapshots(call: Call<'listSnapshots'>): Promise<Reply<'listSnapshots'>> {
  const { deps, caller, params } = call;
  const workspace = await readWorkspace(call, params.name);
  return listReply(call, `snapshots ${workspace.id}`, {
    read: (page) => deps.store.listSnapshots(caller.owner, workspace.id, page),
    view: async (snapshots) => snapshots.map((snapshot) => snapshotView(snapshot, workspace)),
  });
}

/**
 * A tombstone: from then on nothing may pin or restore it, and the collector removes it. A head is refused here and,
 * because every head that was chosen by hand is pinned, by the store as well.
 */
export async function deleteSnapshot(call: Call<'deleteSnapshot'>): Promise<JsonReply<undefined>> {
  const { deps, caller, params } = call;
  const workspace = await readWorkspace(call, params.name);
  const ref = { workspaceId: workspace.id, id: params.snapshot };
  const snapshot = await deps.store.getSnapshot(caller.owner, ref);
  if (snapshot === null || snapshot.state === 'deleting')
    throw notFound('snapshot', `workspace ${workspace.name} has no snapshot ${params.snapshot}`);
  if (workspace.head?.id === snapshot.id && workspace.head.workspaceId === workspace.id)
    throw new DevctlError('in_use', `${snapshot.id} is the head of workspace ${workspace.name}`, {
      hint: 'restore another snapshot first, or delete the workspace',
    });
  if (snapshot.state === 'pending') throw new DevctlError('in_use', `${snapshot.id} is being made`);
  // One that has just completed becomes the head in a moment.
  if (snapshot.state === 'completed' && snapshot.seq > workspace.headSeq)
    throw new DevctlError('in_use', `${snapshot.id} is about to become the head of workspace ${workspace.name}`);
  if (!(await deps.store.tombstoneSnapshot(caller.owner, ref)))
    throw new DevctlError('in_use', `a fork of ${snapshot.id} needs it`, { hint: 'run devctl down on the fork, or delete it' });
  return { body: undefined };
}

export async function pruneSnapshots(call: Call<'pruneSnapshots'>): Promise<Reply<'pruneSnapshots'>> {
  const { deps, caller, params, body } = call;
  const workspace = await readWorkspace(call, params.name);
  const all = await everySnapshot(deps, caller.owner, workspace.id);
  const headId = workspace.head?.workspaceId === workspace.id ? workspace.head.id : null;
  const removed: string[] = [];
  for (const snapshot of expiredSnapshots(all, headId, workspace.retention)) {
    const ref = { workspaceId: workspace.id, id: snapshot.id };
    if (body.dryRun || (await deps.store.tombstoneSnapshot(caller.owner, ref))) removed.push(snapshot.id);
  }
  const kept = all.filter((snapshot) => snapshot.state === 'completed').length - removed.length;
  return { body: { removed, kept } };
}
