import { DevctlError, notFound } from '../contract/errors.ts';
import type { SessionRecord, SnapshotRecord, SnapshotRef, WorkspaceRecord } from '../contract/records.ts';
import { LIMITS } from '../core/limits.ts';
import { afterHeadMove, claimFor, originOfCopy, releaseFor, savedCopyOf, settledFork } from '../core/workspace.ts';
import type { LaunchResult } from '../ports/compute.ts';
import type { LedgerDeps } from './sessions.ts';

const RECENT_SNAPSHOTS = 50;

/**
 * Reads, decides and saves a workspace until the save wins. `decide` gives null to leave it as it is, and may throw.
 * @throws DevctlError not_found, conflict (lost too often)
 */
export async function changeWorkspace(
  deps: LedgerDeps,
  owner: string,
  name: string,
  decide: (workspace: WorkspaceRecord) => WorkspaceRecord | null,
): Promise<WorkspaceRecord> {
  for (let attempt = 0; attempt < LIMITS.casAttempts; attempt += 1) {
    const workspace = await deps.store.getWorkspace(owner, name);
    if (workspace === null) throw notFound('workspace', `there is no workspace ${name}`);
    const next = decide(workspace);
    if (next === null) return workspace;
    const saved = await deps.store.saveWorkspace(next);
    if (saved !== null) return saved;
  }
  throw new DevctlError('conflict', `workspace ${name} is being changed by others all the time`);
}

/** As changeWorkspace, for the workspace of a session: one of the same name that was made anew counts as gone. */
export function changeWorkspaceOf(
  deps: LedgerDeps,
  session: SessionRecord,
  decide: (workspace: WorkspaceRecord) => WorkspaceRecord | null,
): Promise<WorkspaceRecord> {
  return changeWorkspace(deps, session.owner, session.workspace, (workspace) => {
    if (workspace.id !== session.workspaceId) throw notFound('workspace', `workspace ${session.workspace} was deleted`);
    return decide(workspace);
  });
}

/**
 * Makes this session and generation the one writer of the workspace.
 * @throws DevctlError workspace_in_use (with the session that has it), workspace_quarantined, not_found
 */
export const claimWorkspace = (deps: LedgerDeps, session: SessionRecord): Promise<WorkspaceRecord> =>
  changeWorkspaceOf(deps, session, (workspace) => claimFor(workspace, session.id, session.generation));

/** Gives the workspace free, if this session has it. A workspace that is gone is fine. */
export async function releaseWorkspace(deps: LedgerDeps, session: SessionRecord): Promise<void> {
  try {
    const keepUntilMs = deps.clock.now() + LIMITS.keepVolumeMs;
    await changeWorkspaceOf(deps, session, (workspace) => releaseFor(workspace, session.id, keepUntilMs, session.refused));
  } catch (error) {
    if (!(error instanceof DevctlError) || error.code !== 'not_found') throw error;
  }
}

/**
 * The next snapshot of a workspace, recorded as pending before the provider is asked. The same operation id gives the
 * same snapshot again. Only the writer of the workspace may begin one: a session that has given it free takes it again first.
 * @throws DevctlError workspace_in_use, stale_generation, workspace_quarantined, not_found, conflict
 */
export async function allocateSnapshot(
  deps: LedgerDeps,
  session: SessionRecord,
  input: { operationId: string; reason: SnapshotRecord['reason']; note: string | null; clean: boolean },
): Promise<SnapshotRecord> {
  const known = await findByOperation(deps, session, input.operationId);
  // One of another volume has nothing of this one.
  if (known !== null && known.volumeId === (await deps.store.getWorkspace(session.owner, session.workspace))?.volume?.id) return known;
  const workspace = await changeWorkspaceOf(deps, session, (current) => {
    const claimed = claimFor(current, session.id, session.generation) ?? current;
    return { ...claimed, snapshotSeq: current.snapshotSeq + 1 };
  });
  const volume = workspace.volume;
  if (volume === null) throw new DevctlError('conflict', `workspace ${workspace.name} has no live volume`);
  const record: SnapshotRecord = {
    owner: workspace.owner,
    workspace: workspace.name,
    workspaceId: workspace.id,
    id: `snap_${workspace.snapshotSeq}`,
    seq: workspace.snapshotSeq,
    parent: workspace.head ?? originOfCopy(workspace),
    state: 'pending',
    reason: input.reason,
    note: input.note,
    operationId: input.operationId,
    sessionId: session.id,
    volumeId: volume.id,
    volumeEpoch: volume.epoch,
    clean: input.clean,
    createdAt: deps.clock.now(),
    completedAt: null,
    bytes: null,
    newBytes: null,
    files: null,
    pins: [],
  };
  if (!(await deps.store.createSnapshot(record))) throw new DevctlError('conflict', `snapshot ${record.id} exists already`);
  return record;
}

/** The snapshot that an operation made or is making: it is among the newest of its workspace. */
export async function findByOperation(
  deps: LedgerDeps,
  { owner, workspaceId }: { owner: string; workspaceId: string },
  operationId: string,
): Promise<SnapshotRecord | null> {
  const recent = await deps.store.listSnapshots(owner, workspaceId, { limit: RECENT_SNAPSHOTS, after: null });
  const usable = (snapshot: SnapshotRecord): boolean => snapshot.state === 'pending' || snapshot.state === 'completed';
  return recent.items.find((snapshot) => snapshot.operationId === operationId && usable(snapshot)) ?? null;
}

/**
 * Records the volume that a launch of this session made. False when the session has no longer the workspace in this
 * generation, or another volume is there: that one is never forgotten, unless a snapshot has all of it.
 */
export async function adoptVolume(
  deps: LedgerDeps,
  session: SessionRecord,
  { volumeId, volumeGiB }: Pick<LaunchResult, 'volumeId' | 'volumeGiB'>,
): Promise<boolean> {
  const { id: sessionId, generation } = session;
  const saved = await changeWorkspaceOf(deps, session, (workspace) => {
    const isOurs = workspace.claim?.sessionId === sessionId && workspace.claim.generation === generation;
    if (!isOurs || workspace.volume?.id === volumeId) return null;
    if (workspace.volume !== null && savedCopyOf(workspace) === null) return null;
    const gib = volumeGiB === undefined ? {} : { gib: volumeGiB };
    return { ...workspace, volume: { id: volumeId, epoch: 1, savedEpoch: 0, keepUntil: null, ...gib } };
  });
  return saved.volume?.id === volumeId && saved.claim?.sessionId === sessionId && saved.claim.generation === generation;
}

/**
 * A fork that was given a copy of a disk gets the snapshot that was taken with it as its head, once that is complete; every other
 * workspace stays as it is. May be repeated, by anyone.
 */
export async function settleFork(deps: LedgerDeps, workspace: WorkspaceRecord): Promise<WorkspaceRecord> {
  const origin = originOfCopy(workspace);
  if (origin === null) return workspace;
  const { owner, name, id } = workspace;
  const pin = async () => deps.store.pinSnapshot(owner, origin, id);
  // Only what is complete can be pinned. The pin comes first: from then on no pruning takes it away.
  if (!(await pin())) return workspace;
  const keepUntilMs = deps.clock.now() + LIMITS.keepVolumeMs;
  const settled = await changeWorkspace(deps, owner, name, (current) => (current.id === id ? settledFork(current, keepUntilMs) : null));
  // The reaper may have taken a pin of something that had no such head yet.
  await pin();
  return settled;
}

/** Makes a completed snapshot the head, unless a newer one is the head already. Counts its bytes. */
export async function moveHead(deps: LedgerDeps, session: SessionRecord, snapshot: SnapshotRecord): Promise<void> {
  const ref = { workspaceId: snapshot.workspaceId, id: snapshot.id };
  if (snapshot.bytes !== null) await deps.store.addSnapshotBytes(session.owner, ref, snapshot.newBytes ?? snapshot.bytes);
  let left: SnapshotRef | null = null;
  await changeWorkspaceOf(deps, session, (workspace) => {
    const next = afterHeadMove(workspace, snapshot);
    left = next !== null && workspace.head !== null && workspace.head.workspaceId !== workspace.id ? workspace.head : null;
    return next;
  });
  if (left !== null) await deps.store.unpinSnapshot(session.owner, left, session.workspaceId);
}
