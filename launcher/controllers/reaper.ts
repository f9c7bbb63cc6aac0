import type { ReapResult } from '../contract/api.ts';
import type { SnapshotRef } from '../contract/records.ts';
import { dollars } from '../core/cost.ts';
import { isUnknown, judge, type Records, type Verdict } from '../core/orphans.ts';
import { changeWorkspace } from '../ledger/workspaces.ts';
import type { ListedResource, ResourceList } from '../ports/compute.ts';
import { UnreadableRecordError } from '../ports/store.ts';
import { watchBudgets } from './budgets.ts';
import { withDeadline } from './deadline.ts';
import type { ControllerDeps } from './deps.ts';
import { tidyOwner } from './tidy.ts';

export type ReapItem = ReapResult['items'][number];

/**
 * One pass in both directions. Resources: the provider is listed *before* the store is read, what nothing owns is listed and
 * judged a second time, and only what both passes condemn is removed. Records: claims, usage and pins that point at nothing
 * are given free, deleted workspaces are finished and expired snapshots pruned.
 * A list of the provider that could not be read in full removes nothing; a record that cannot be read keeps what it may own,
 * and the others go on.
 */
export async function reap(deps: ControllerDeps, options: { dryRun: boolean }): Promise<Omit<ReapResult, 'sessionsLookedAt'>> {
  const items: ReapItem[] = [];
  let complete = true;
  if (!options.dryRun) await watchMoney(deps);
  const known = await compareRecords(deps, options);
  if (!known.vouches) return { dryRun: options.dryRun, items: known.unknown, complete: known.complete, recordsMissing: true };
  for (const owner of await deps.store.listOwners()) {
    const tidied = await tidyOwner(deps, owner, options);
    items.push(...tidied.items);
    complete &&= tidied.complete;
  }
  const swept = await sweep(deps, options);
  items.push(...swept.items);
  complete &&= swept.complete;
  deps.telemetry.info({ op: 'reap', outcome: 'ok', dryRun: options.dryRun, found: items.length, complete });
  for (const item of items) deps.telemetry.count('devctl_reaped_total', { kind: item.kind, action: item.action });
  return { dryRun: options.dryRun, items, complete, recordsMissing: false };
}

/** What goes wrong there keeps nobody from clearing up. */
async function watchMoney(deps: ControllerDeps): Promise<void> {
  try {
    await watchBudgets(deps);
  } catch (error) {
    deps.telemetry.error({ op: 'budgets', outcome: 'error', detail: String(error) });
  }
}

/**
 * Whether what has no record may be taken for left over. A table that does not vouch for that yet begins to when a whole list of the
 * provider has nothing that it does not know: until then nothing is deleted, by anybody.
 */
export async function compareRecords(
  deps: ControllerDeps,
  options: { dryRun: boolean },
): Promise<{ vouches: boolean; unknown: ReapItem[]; complete: boolean }> {
  if (await deps.store.vouches()) return { vouches: true, unknown: [], complete: true };
  const { items, complete } = await listAll(deps);
  const unknown: ReapItem[] = [];
  for (const resource of items) {
    const records = await recordsOf(deps, resource);
    if (records !== null && isUnknown(resource, records)) unknown.push(itemOf(resource, 'the table has no record of it', 'unknown'));
  }
  const vouches = complete && unknown.length === 0;
  if (vouches && !options.dryRun) await deps.store.vouch();
  if (!vouches) deps.telemetry.error({ op: 'reap.records_missing', outcome: 'refused', unknown: unknown.length, complete });
  return { vouches, unknown, complete };
}

async function sweep(deps: ControllerDeps, options: { dryRun: boolean }): Promise<{ items: ReapItem[]; complete: boolean }> {
  const first = await condemned(deps);
  const items: ReapItem[] = first.waiting;
  if (!first.complete) return { items, complete: false };
  if (first.found.size === 0) return { items, complete: true };
  const second = await condemned(deps);
  for (const [id, found] of second.found) {
    if (!first.found.has(id)) continue;
    const { resource, verdict } = found;
    const action = options.dryRun || !second.complete ? 'would_remove' : await remove(deps, resource, verdict);
    items.push(itemOf(resource, verdict.reason, action));
  }
  return { items, complete: second.complete };
}

function itemOf({ kind, id, tags, createdAtMs, microUsdPerMonth }: ListedResource, reason: string, action: ReapItem['action']): ReapItem {
  const usdPerMonth = microUsdPerMonth === undefined || microUsdPerMonth === null ? null : dollars(microUsdPerMonth);
  const thing = {
    owner: tags?.owner ?? null,
    workspace: tags?.workspace ?? null,
    createdAt: new Date(createdAtMs).toISOString(),
    usdPerMonth,
  };
  return { kind, id, reason, action, thing };
}

interface Condemned {
  found: Map<string, { resource: ListedResource; verdict: Verdict }>;
  waiting: ReapItem[];
  complete: boolean;
}

async function condemned(deps: ControllerDeps): Promise<Condemned> {
  const list = await listAll(deps);
  const result: Condemned = { found: new Map(), waiting: [], complete: list.complete };
  for (const resource of list.items) {
    const records = await recordsOf(deps, resource);
    if (records === null) continue;
    const verdict = judge(resource, records, deps.clock.now(), deps.limits);
    if (verdict.verdict === 'wait') result.waiting.push(itemOf(resource, verdict.reason, 'waiting'));
    if (verdict.verdict === 'drop' || verdict.verdict === 'expire')
      result.found.set(`${resource.kind} ${resource.id}`, { resource, verdict });
  }
  return result;
}

/** What the provider has; a list that fails is one that misses everything. */
export async function listAll(deps: ControllerDeps): Promise<ResourceList> {
  try {
    return await withDeadline(deps.limits.launchMs, deps.compute.list());
  } catch (error) {
    deps.telemetry.error({ op: 'reap.list', outcome: 'error', detail: String(error) });
    return { items: [], complete: false };
  }
}

function snapshotRefOf(resource: ListedResource): SnapshotRef {
  const [workspaceId = '', id = ''] = resource.id.split('/');
  return { workspaceId, id };
}

/** Null when one of them cannot be read: then nobody can say whose the resource is, and it stays. */
export async function recordsOf(deps: ControllerDeps, resource: ListedResource): Promise<Records | null> {
  try {
    return await readRecords(deps, resource);
  } catch (error) {
    if (!(error instanceof UnreadableRecordError)) throw error;
    deps.telemetry.error({ op: 'reap.unreadable', outcome: 'error', key: error.key, kind: resource.kind, id: resource.id });
    return null;
  }
}

async function readRecords(deps: ControllerDeps, resource: ListedResource): Promise<Records> {
  const { tags, poolId } = resource;
  const none = { session: null, workspace: null, snapshot: null, poolBox: null };
  if (tags === null) return poolId === undefined ? none : { ...none, poolBox: await deps.store.getPoolBox(poolId) };
  const [session, workspace, snapshot] = await Promise.all([
    tags.sessionId === null ? null : deps.store.getSession({ owner: tags.owner, id: tags.sessionId }),
    deps.store.getWorkspace(tags.owner, tags.workspace),
    resource.kind === 'snapshot' ? deps.store.getSnapshot(tags.owner, snapshotRefOf(resource)) : null,
  ]);
  return { ...none, session, workspace, snapshot };
}

async function remove(deps: ControllerDeps, resource: ListedResource, verdict: Verdict): Promise<ReapItem['action']> {
  try {
    if (verdict.verdict === 'expire' && !(await letGo(deps, resource))) return 'waiting';
    if (resource.poolId !== undefined) await withDeadline(deps.limits.launchMs, endPoolBox(deps, resource.poolId, resource.id));
    else if (resource.kind === 'box') {
      const box = { boxId: resource.id, sessionId: resource.tags?.sessionId ?? '', generation: resource.tags?.generation ?? 0 };
      await withDeadline(deps.limits.launchMs, deps.compute.end(box));
    } else if (resource.kind === 'volume') await withDeadline(deps.limits.launchMs, deps.compute.dropVolume(resource.id));
    else await withDeadline(deps.limits.launchMs, deps.compute.dropSnapshot(snapshotRefOf(resource)));
    return 'removed';
  } catch (error) {
    deps.telemetry.error({ op: 'reap.remove', outcome: 'error', kind: resource.kind, id: resource.id, detail: String(error) });
    return 'failed';
  }
}

const endPoolBox = async ({ compute }: ControllerDeps, id: string, boxId: string): Promise<void> => compute.pool?.end({ id, boxId });

/** Takes an expired warm volume out of its workspace, if it still is expired: whoever claims the workspace first wins. */
async function letGo(deps: ControllerDeps, resource: ListedResource): Promise<boolean> {
  if (resource.tags === null) return false;
  const { owner, workspace: name } = resource.tags;
  let released = false;
  await changeWorkspace(deps, owner, name, (workspace) => {
    const records = { session: null, workspace, snapshot: null, poolBox: null };
    released = judge(resource, records, deps.clock.now(), deps.limits).verdict === 'expire';
    return released ? { ...workspace, volume: null } : null;
  });
  return released;
}
