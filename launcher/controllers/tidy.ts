import { idTimeMs } from '../contract/fields.ts';
import { isFinal } from '../contract/phases.ts';
import type { SnapshotRecord, WorkspaceRecord } from '../contract/records.ts';
import { expiredSnapshots } from '../core/workspace.ts';
import { everyPage } from '../ledger/pages.ts';
import { changeWorkspace, settleFork } from '../ledger/workspaces.ts';
import { type Page, type PageRequest, UnreadableRecordError } from '../ports/store.ts';
import { withDeadline } from './deadline.ts';
import type { ControllerDeps } from './deps.ts';
import { type Kept, meterStorage } from './meter.ts';
import type { ReapItem } from './reaper.ts';

interface Tidied {
  items: ReapItem[];
  /** False when a row could not be read, and what it may stand for was left alone. */
  complete: boolean;
}

/** Gives free what points at nothing, prunes, and finishes what is being deleted, for one owner. */
export async function tidyOwner(deps: ControllerDeps, owner: string, options: { dryRun: boolean }): Promise<Tidied> {
  const workspaces = await all(deps, (page) => deps.store.listWorkspaces(owner, page));
  const items: ReapItem[] = [];
  const kept: Kept[] = [];
  let complete = workspaces.complete;
  for (const found of workspaces.items) {
    const workspace = options.dryRun ? found : await settleFork(deps, found);
    const snapshots = await all(deps, (page) => deps.store.listSnapshots(owner, workspace.id, page));
    complete &&= snapshots.complete;
    kept.push({ workspace, snapshots: snapshots.items });
    items.push(...(await tidyClaim(deps, workspace, options)));
    if (!snapshots.complete) continue;
    if (workspaces.complete) items.push(...(await tidyPins(deps, snapshots.items, workspaces.items, options)));
    items.push(...(await prune(deps, workspace, snapshots.items, options)));
    if (workspace.deleting) items.push(...(await finishDeletion(deps, workspace, snapshots.items, options)));
  }
  if (workspaces.complete) items.push(...(await tidyUsage(deps, owner, workspaces.items, options)));
  if (complete && !options.dryRun) await meterStorage(deps, owner, kept);
  return { items, complete };
}

/** A list with a row that cannot be read is one that misses something. */
async function all<T>(deps: ControllerDeps, list: (page: PageRequest) => Promise<Page<T>>): Promise<{ items: T[]; complete: boolean }> {
  const { items, unreadable, complete } = await everyPage(list);
  if (unreadable.length > 0) deps.telemetry.error({ op: 'reap.unreadable', outcome: 'error', keys: unreadable });
  return { items, complete: complete && unreadable.length === 0 };
}

/** True when the session has ended, or there is none and it is not just being made. One that cannot be read may be live. */
async function isOver(deps: ControllerDeps, owner: string, sessionId: string): Promise<boolean> {
  try {
    const session = await deps.store.getSession({ owner, id: sessionId });
    return session === null ? !isYoung(deps, sessionId) : isFinal(session.phase);
  } catch (error) {
    if (!(error instanceof UnreadableRecordError)) throw error;
    deps.telemetry.error({ op: 'reap.unreadable', outcome: 'error', key: error.key });
    return false;
  }
}

/** Something that is being made right now may be counted before its record is there. */
const isYoung = (deps: ControllerDeps, id: string): boolean => deps.clock.now() - (idTimeMs(id) ?? 0) < deps.limits.orphanGraceMs;

async function tidyClaim(deps: ControllerDeps, workspace: WorkspaceRecord, options: { dryRun: boolean }): Promise<ReapItem[]> {
  const { claim, owner, name } = workspace;
  if (claim === null || !(await isOver(deps, owner, claim.sessionId))) return [];
  const item = { kind: 'claim' as const, id: `${owner}/${name}`, reason: `its session ${claim.sessionId} is over` };
  if (options.dryRun) return [{ ...item, action: 'would_remove' }];
  const keepUntil = deps.clock.now() + deps.limits.keepVolumeMs;
  await changeWorkspace(deps, owner, name, (current) =>
    current.claim?.sessionId === claim.sessionId
      ? { ...current, claim: null, volume: current.volume && { ...current.volume, keepUntil } }
      : null,
  );
  return [{ ...item, action: 'removed' }];
}

/** A pin holds while its workspace exists and its head is that snapshot; a workspace that is being made counts as existing. */
async function tidyPins(
  deps: ControllerDeps,
  snapshots: SnapshotRecord[],
  workspaces: WorkspaceRecord[],
  options: { dryRun: boolean },
): Promise<ReapItem[]> {
  const items: ReapItem[] = [];
  for (const snapshot of snapshots) {
    for (const pin of snapshot.pins) {
      const holder = workspaces.find((workspace) => workspace.id === pin);
      const holds = holder?.head?.workspaceId === snapshot.workspaceId && holder.head.id === snapshot.id;
      if (holds || (holder === undefined && isYoung(deps, pin))) continue;
      if (holder !== undefined && (await isHeadOf(deps, holder, snapshot))) continue;
      if (!options.dryRun && !(await unpin(deps, snapshot, pin))) continue;
      const action = options.dryRun ? 'would_remove' : 'removed';
      items.push({
        kind: 'pin',
        id: `${snapshot.workspaceId}/${snapshot.id} by ${pin}`,
        reason: 'nothing begins from it any more',
        action,
      });
    }
  }
  return items;
}

/** Takes a pin away, and puts it back when its workspace has come meanwhile: a late repeat of a fork makes it under an old id. */
async function unpin(deps: ControllerDeps, snapshot: SnapshotRecord, pin: string): Promise<boolean> {
  const { owner, workspaceId, id } = snapshot;
  await deps.store.unpinSnapshot(owner, { workspaceId, id }, pin);
  const now = await all(deps, (page) => deps.store.listWorkspaces(owner, page));
  const holder = now.items.find((workspace) => workspace.id === pin);
  const isHeld = holder?.head?.workspaceId === workspaceId && holder.head.id === id;
  if (isHeld) await deps.store.pinSnapshot(owner, { workspaceId, id }, pin);
  return !isHeld;
}

/** Whether a workspace, as it is at this moment, begins from the snapshot: a restore may have come since it was listed. */
async function isHeadOf(deps: ControllerDeps, workspace: WorkspaceRecord, snapshot: SnapshotRecord): Promise<boolean> {
  const now = await deps.store.getWorkspace(workspace.owner, workspace.name);
  return now?.id === workspace.id && now.head?.workspaceId === snapshot.workspaceId && now.head.id === snapshot.id;
}

/** Removes what retention no longer keeps, and goes on with what an earlier pass had begun to remove. */
export async function prune(
  deps: ControllerDeps,
  workspace: WorkspaceRecord,
  snapshots: SnapshotRecord[],
  options: { dryRun: boolean },
): Promise<ReapItem[]> {
  const headId = workspace.head?.workspaceId === workspace.id ? workspace.head.id : null;
  const begun = snapshots.filter((snapshot) => snapshot.state === 'deleting');
  const broken = await brokenSnapshots(deps, snapshots);
  const expired = workspace.deleting ? [] : expiredSnapshots(snapshots, headId, workspace.retention);
  const items: ReapItem[] = [];
  for (const snapshot of [...begun, ...broken, ...expired]) {
    if (snapshot.id === headId && !workspace.deleting) continue;
    const reason = snapshot.state === 'completed' ? 'retention no longer keeps it' : `it is ${snapshot.state}`;
    items.push(await dropSnapshot(deps, workspace, snapshot, reason, options));
  }
  return items;
}

/** Snapshots that failed, or that nobody is making any more. */
async function brokenSnapshots(deps: ControllerDeps, snapshots: SnapshotRecord[]): Promise<SnapshotRecord[]> {
  const broken: SnapshotRecord[] = [];
  for (const snapshot of snapshots) {
    if (snapshot.state === 'error') broken.push(snapshot);
    const abandoned =
      snapshot.state === 'pending' && snapshot.sessionId !== null && (await isOver(deps, snapshot.owner, snapshot.sessionId));
    if (abandoned && deps.clock.now() - snapshot.createdAt > deps.limits.orphanGraceMs) broken.push(snapshot);
  }
  return broken;
}

/**
 * Tombstone first, so that no fork can pin it any more; then another look at the head, which may have come back to it since
 * it was listed; then the data, its bytes and the record.
 */
async function dropSnapshot(
  deps: ControllerDeps,
  workspace: WorkspaceRecord,
  snapshot: SnapshotRecord,
  reason: string,
  options: { dryRun: boolean },
): Promise<ReapItem> {
  const ref = { workspaceId: snapshot.workspaceId, id: snapshot.id };
  const item = { kind: 'snapshot' as const, id: `${ref.workspaceId}/${ref.id}`, reason };
  if (options.dryRun) return { ...item, action: 'would_remove' };
  try {
    if (snapshot.state !== 'deleting' && !(await deps.store.tombstoneSnapshot(snapshot.owner, ref))) return { ...item, action: 'waiting' };
    if (!workspace.deleting && (await isHeadOf(deps, workspace, snapshot))) return { ...item, action: 'waiting' };
    await withDeadline(deps.limits.launchMs, deps.compute.dropSnapshot(ref));
    await deps.store.removeSnapshotBytes(snapshot.owner, ref, snapshot.newBytes ?? snapshot.bytes ?? 0);
    await deps.store.deleteSnapshot(snapshot.owner, ref);
    return { ...item, action: 'removed' };
  } catch (error) {
    deps.telemetry.error({ op: 'reap.snapshot', outcome: 'error', id: item.id, detail: String(error) });
    return { ...item, action: 'failed' };
  }
}

/**
 * Snapshots, volume, usage and at last the record of a workspace that its owner deleted. Each step may be repeated; the
 * record stays until nothing is left that only it leads to.
 */
async function finishDeletion(
  deps: ControllerDeps,
  workspace: WorkspaceRecord,
  snapshots: SnapshotRecord[],
  options: { dryRun: boolean },
): Promise<ReapItem[]> {
  const { owner, id } = workspace;
  const items: ReapItem[] = [];
  for (const snapshot of snapshots.filter(({ state }) => state === 'completed' || state === 'pending')) {
    if (!options.dryRun && snapshot.pins.includes(id)) await deps.store.unpinSnapshot(owner, { workspaceId: id, id: snapshot.id }, id);
    items.push(await dropSnapshot(deps, workspace, snapshot, 'its workspace was deleted', options));
  }
  if (options.dryRun || workspace.claim !== null) return items;
  const left = await deps.store.listSnapshots(owner, id, { limit: 1, after: null });
  if (left.items.length > 0 || left.unreadable.length > 0) return items;
  if (workspace.volume !== null) {
    const dropped = await dropVolume(deps, workspace.volume.id);
    items.push(dropped);
    if (dropped.action !== 'removed') return items;
  }
  if (workspace.head !== null) await deps.store.unpinSnapshot(owner, workspace.head, id);
  if (await deps.store.deleteWorkspace(workspace)) await deps.store.releaseWorkspace(owner, id);
  return items;
}

async function dropVolume(deps: ControllerDeps, volumeId: string): Promise<ReapItem> {
  const item = { kind: 'volume' as const, id: volumeId, reason: 'its workspace was deleted' };
  try {
    await withDeadline(deps.limits.launchMs, deps.compute.dropVolume(volumeId));
    return { ...item, action: 'removed' };
  } catch (error) {
    deps.telemetry.error({ op: 'reap.volume', outcome: 'error', id: volumeId, detail: String(error) });
    return { ...item, action: 'failed' };
  }
}

async function tidyUsage(
  deps: ControllerDeps,
  owner: string,
  workspaces: WorkspaceRecord[],
  options: { dryRun: boolean },
): Promise<ReapItem[]> {
  const usage = await deps.store.getUsage(owner);
  const items: ReapItem[] = [];
  const action = options.dryRun ? 'would_remove' : 'removed';
  for (const sessionId of usage.sessions) {
    if (isYoung(deps, sessionId) || !(await isOver(deps, owner, sessionId))) continue;
    if (!options.dryRun) await deps.store.releaseSession(owner, sessionId);
    items.push({ kind: 'usage', id: sessionId, reason: 'the session is over', action });
  }
  for (const id of usage.workspaces) {
    if (workspaces.some((workspace) => workspace.id === id) || isYoung(deps, id)) continue;
    if (!options.dryRun) await deps.store.releaseWorkspace(owner, id);
    items.push({ kind: 'usage', id, reason: 'the workspace is gone', action });
  }
  return items;
}
