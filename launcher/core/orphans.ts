import { isFinal } from '../contract/phases.ts';
import type { PoolBoxRecord, SessionRecord, SnapshotRecord, WorkspaceRecord } from '../contract/records.ts';
import type { Limits } from './limits.ts';
import { isUnsaved } from './workspace.ts';

/** A resource as the provider lists it; the same shape as the compute port's. */
export interface Resource {
  kind: 'box' | 'volume' | 'snapshot';
  id: string;
  tags: { sessionId: string | null; generation: number | null; workspaceId: string } | null;
  createdAtMs: number;
  /** Of a box of the pool, which has no other tags. */
  poolId?: string;
}

/** The records that a resource's tags point at, read after the provider was listed. */
export interface Records {
  session: SessionRecord | null;
  workspace: WorkspaceRecord | null;
  snapshot: SnapshotRecord | null;
  poolBox: PoolBoxRecord | null;
}

/**
 * `keep`: it has its record. `wait`: no record, but too young to judge. `drop`: nothing owns it.
 * `expire`: a warm volume whose time is over: the workspace must let go of it first.
 */
export interface Verdict {
  verdict: 'keep' | 'wait' | 'drop' | 'expire';
  reason: string;
}

const keep = (reason: string): Verdict => ({ verdict: 'keep', reason });

/** Whether anything owns a resource. What has no readable tags is not ours to judge, and is kept. */
export function judge(resource: Resource, records: Records, nowMs: number, limits: Limits): Verdict {
  if (resource.tags === null && resource.poolId === undefined) return keep('its tags cannot be read');
  const found = resource.poolId === undefined ? judgeByRecords(resource, records, nowMs) : judgePoolBox(resource, records.poolBox);
  if (found.verdict !== 'drop') return found;
  return nowMs - resource.createdAtMs < limits.orphanGraceMs ? { verdict: 'wait', reason: `${found.reason}, but it is young` } : found;
}

/**
 * True of what no table that is whole would leave without a record: records are made before the thing, and deleted after it. A
 * table that was lost, or is older than the thing, is why; it could be rebuilt from the tags. A box of the pool has nothing in it.
 */
export function isUnknown({ kind, id, tags }: Resource, { session, workspace, snapshot }: Records): boolean {
  if (tags === null) return false;
  switch (kind) {
    case 'box':
      return session === null || (tags.generation ?? 0) > session.generation;
    case 'volume':
      return workspace?.id !== tags.workspaceId || (workspace.volume?.id !== id && workspace.quarantined === null);
    case 'snapshot':
      return snapshot === null;
  }
}

function judgeByRecords(resource: Resource, records: Records, nowMs: number): Verdict {
  switch (resource.kind) {
    case 'box':
      return judgeBox(resource, records.session);
    case 'volume':
      return judgeVolume(resource, records, nowMs);
    case 'snapshot':
      return judgeSnapshot(resource, records);
  }
}

/** Whether it is wanted is decided where the pool is kept: that ends a box before it removes its record. */
function judgePoolBox({ id }: Resource, poolBox: PoolBoxRecord | null): Verdict {
  if (poolBox === null) return { verdict: 'drop', reason: 'the pool has no record of it' };
  if (poolBox.boxId !== null && poolBox.boxId !== id) return { verdict: 'drop', reason: `the pool has ${poolBox.boxId} in its place` };
  return keep(`it is ${poolBox.phase} in the pool`);
}

function judgeBox(resource: Resource, session: SessionRecord | null): Verdict {
  if (session === null) return { verdict: 'drop', reason: 'its session is not recorded' };
  if (isFinal(session.phase)) return { verdict: 'drop', reason: `its session is ${session.phase}` };
  if (session.op?.parked?.boxId === resource.id) return keep('it was parked, and its session is going on');
  if (session.phase === 'parked' && session.box?.id === resource.id) return keep('it is parked with its session');
  const generation = resource.tags?.generation ?? 0;
  if (generation < session.generation)
    return { verdict: 'drop', reason: `generation ${generation} was superseded by ${session.generation}` };
  if (session.box !== null && session.box.id !== resource.id) return { verdict: 'drop', reason: `the session uses ${session.box.id}` };
  return keep('its session is live');
}

function judgeVolume(resource: Resource, records: Records, nowMs: number): Verdict {
  const { workspace, session } = records;
  if (workspace === null || workspace.id !== resource.tags?.workspaceId) return { verdict: 'drop', reason: 'its workspace is gone' };
  if (workspace.deleting) return { verdict: 'drop', reason: 'its workspace is being deleted' };
  if (workspace.quarantined !== null) return keep('its workspace is damaged, and a person decides');
  const volume = workspace.volume;
  if (volume?.id === resource.id) {
    const expired = workspace.claim === null && volume.keepUntil !== null && volume.keepUntil <= nowMs && !isUnsaved(workspace);
    return expired
      ? { verdict: 'expire', reason: 'it was kept warm for its time and everything on it is saved' }
      : keep('it is the live volume');
  }
  if (volume === null && workspace.claim !== null) return keep('a launch is under way');
  if (session !== null && !isFinal(session.phase) && session.box?.volumeId === resource.id) return keep('a live session uses it');
  return { verdict: 'drop', reason: 'its workspace uses another volume' };
}

function judgeSnapshot(resource: Resource, records: Records): Verdict {
  const { snapshot, workspace } = records;
  if (workspace?.head && !workspace.deleting && resource.id === `${workspace.head.workspaceId}/${workspace.head.id}`)
    return keep('it is the head of its workspace');
  if (snapshot === null) return { verdict: 'drop', reason: 'it is not recorded' };
  if (snapshot.pins.length > 0) return keep('another workspace begins from it');
  if (snapshot.state === 'deleting' || snapshot.state === 'error') return { verdict: 'drop', reason: `its record says ${snapshot.state}` };
  return keep('it is recorded');
}
