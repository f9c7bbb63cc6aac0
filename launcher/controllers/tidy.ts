import { idTimeMs } from '../contract/fields.ts';
import { isFinal } from '../contract/phases.ts';
import type { SnapshotRecord, WorkspaceRecord } from '../contract/records.ts';
import { expiredSnapshots } from '../core/workspace.ts';
import { changeWorkspace } from '../ledger/workspaces.ts';
import type { Page, PageRequest } from '../ports/store.ts';
import type { ControllerDeps } from './deps.ts';
import type { ReapItem } from './reaper.ts';

interface Tidied {
  items: ReapItem[];
  /** False when a row could not be read: nothing may be removed on the word of a partial list. */
  complete: boolean;
}

/** Gives free what points at nothing, prunes, and finishes what is being deleted, for one owner. */
export async function tidyOwner(deps: ControllerDeps, owner: string, options: { dryRun: boolean }): Promise<Tidied> {
  const workspaces = await all(deps, (page) => deps.store.listWorkspaces(owner, page));
  const items: ReapItem[] = [];
  let complete = workspaces.complete;
  for (const workspace of workspaces.items) {
    const snapshots = await all(deps, (page) => deps.store.listSnapshots(owner, workspace.id, page));
    complete &&= snapshots.complete;
    if (!snapshots.complete) continue;
    items.push(...(await tidyClaim(deps, workspace, options)));
    if (workspaces.complete) items.push(...(await tidyPins(deps, snapshots.items, workspaces.items, options)));
    items.push(...(await prune(deps, workspace, snapshots.items, options)));
    if (workspace.deleting) items.push(...(await finishDeletion(deps, workspace, snapshots.items, options)));
  }
  if (workspaces.complete) items.push(...(await tidyUsage(deps, owner, workspaces.items, options)));
  return { items, complete };
}

async function all<T>(deps: ControllerDeps, list: (page: PageRequest) => Promise<Page<T>>): Promise<{ items: T[]; complete: boolean }> {
  const items: T[] = [];
  let after: string | null = null;
  for (let pages = 0; pages < deps.limits.listPages; pages += 1) {
    const page: Page<T> = await list({ limit: 200, after });
    items.push(...page.items);
    if (page.unreadable.length > 0) {
      deps.telemetry.error({ op: 'reap.unreadable', outcome: 'error', keys: page.unreadable });
      return { items, complete: false };
    }
    if (page.next === null) return { items, complete: true };
    after = page.next;
  }
  return { items, complete: false };
}

async function isOver(deps: ControllerDeps, owner: string, sessionId: string): Promise<boolean> {
  const session = await deps.store.getSession({ owner, id: sessionId });
  return session === null || isFinal(session.phase);
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
      if (!options.dryRun) await deps.store.unpinSnapshot(snapshot.owner, { workspaceId: snapshot.workspaceId, id: snapshot.id }, pin);
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
    const reason = snapshot.state === 'completed' ? 'retention no longer keeps it' : `it is ${snapshot.state}`;
    items.push(await dropSnapshot(deps, snapshot, reason, options));
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

/** Tombstone first, so that no fork can pin it any more; then the data, then its bytes, then the record. */
async function dropSnapshot(
  deps: ControllerDeps,
  snapshot: SnapshotRecord,
  reason: string,
  options: { dryRun: boolean },
): Promise<ReapItem> {
  const ref = { workspaceId: snapshot.workspaceId, id: snapshot.id };
  const item = { kind: 'snapshot' as const, id: `${ref.workspaceId}/${ref.id}`, reason };
  if (options.dryRun) return { ...item, action: 'would_remove' };
  try {
    if (snapshot.state !== 'deleting' && !(await deps.store.tombstoneSnapshot(snapshot.owner, ref))) return { ...item, action: 'waiting' };
    await deps.compute.dropSnapshot(ref);
    await deps.store.removeSnapshotBytes(snapshot.owner, ref, snapshot.newBytes ?? snapshot.bytes ?? 0);
    await deps.store.deleteSnapshot(snapshot.owner, ref);
    return { ...item, action: 'removed' };
  } catch (error) {
    deps.telemetry.error({ op: 'reap.snapshot', outcome: 'error', id: item.id, detail: String(error) });
    return { ...item, action: 'failed' };
  }
}

/** Snapshots, volume, usage and at last the record of a workspace that its owner deleted. Each step may be repeated. */
async function finishDeletion(
  deps: ControllerDeps,
  workspace: WorkspaceRecord,
  snapshots: SnapshotRecord[],
  options: { dryRun: boolean },
): Promise<ReapItem[]> {
  const items: ReapItem[] = [];
  for (const snapshot of snapshots.filter(({ state }) => state === 'completed' || state === 'pending')) {
    items.push(await dropSnapshot(deps, snapshot, 'its workspace was deleted', options));
  }
  if (options.dryRun || workspace.claim !== null || items.some((item) => item.action !== 'removed')) return items;
  if (workspace.volume !== null) await deps.compute.dropVolume(workspace.volume.id);
  if (workspace.head !== null) await deps.store.unpinSnapshot(workspace.owner, workspace.head, workspace.id);
  if (await deps.store.deleteWorkspace(workspace)) await deps.store.releaseWorkspace(workspace.owner, workspace.id);
  return items;
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
    if (!(await isOver(deps, owner, sessionId)) || isYoung(deps, sessionId)) continue;
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
