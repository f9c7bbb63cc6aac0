import { DevctlError, notFound } from '../contract/errors.ts';
import type { Retention, SnapshotRecord, SnapshotRef, Source, VolumeCopyRecord, WorkspaceRecord } from '../contract/records.ts';

import { LIMITS } from './limits.ts';

/** Of a volume until a claim raises it. */
const FIRST_EPOCH = 1;

/**
 * A workspace that was just asked for, version 1.
 * @param copy of a fork: a volume with what the snapshot has, which is still being made and becomes the head later
 */
export function newWorkspace(
  input: { owner: string; name: string; id: string; source: Source },
  nowMs: number,
  copy: VolumeCopyRecord | null = null,
): WorkspaceRecord {
  return {
    ...input,
    version: 1,
    createdAt: nowMs,
    content: input.source.kind === 'fork' ? 'present' : 'empty',
    head: input.source.kind === 'fork' && copy === null ? input.source.snapshot : null,
    headSeq: 0,
    snapshotSeq: 0,
    volume: copy && {
      id: copy.volumeId,
      epoch: FIRST_EPOCH,
      savedEpoch: 0,
      keepUntil: null,
      ...(copy.volumeGiB !== undefined && { gib: copy.volumeGiB }),
    },
    claim: null,
    deleting: false,
    quarantined: null,
    setupAllowed: null,
    retention: { keepLast: LIMITS.keepLast, keepDaily: LIMITS.keepDaily },
  };
}

/**
 * The workspace with this session and generation as its one writer; null when it is that already. A volume that is there
 * will be written to, so its epoch rises: what was saved of it before is no longer all of it.
 * @throws DevctlError workspace_in_use, workspace_quarantined, not_found (being deleted)
 */
export function claimFor(workspace: WorkspaceRecord, sessionId: string, generation: number): WorkspaceRecord | null {
  const { claim, volume, name } = workspace;
  if (workspace.deleting) throw notFound('workspace', `workspace ${name} is being deleted`);
  if (workspace.quarantined !== null)
    throw new DevctlError('workspace_quarantined', `workspace ${name}: ${workspace.quarantined}`, {
      ...(workspace.head === null && { hint: `it has no snapshot to go back to: devctl workspace delete ${name} --force removes it` }),
    });
  if (claim !== null) {
    if (claim.sessionId !== sessionId) {
      throw new DevctlError('workspace_in_use', `workspace ${name} is leased by ${claim.sessionId}`, { sessionId: claim.sessionId });
    }
    if (claim.generation === generation) return null;
    if (claim.generation > generation)
      throw new DevctlError('stale_generation', `generation ${generation} is older than ${claim.generation}`);
  }
  return { ...workspace, claim: { sessionId, generation }, volume: volume && { ...volume, epoch: volume.epoch + 1, keepUntil: null } };
}

/** The workspace with another source, while nothing has come into it: a wrong address is corrected. Null when nothing changes. */
export function withSource(workspace: WorkspaceRecord, source: Source): WorkspaceRecord | null {
  if (workspace.content === 'present' || workspace.head !== null) return null;
  return JSON.stringify(workspace.source) === JSON.stringify(source) ? null : { ...workspace, source };
}

/**
 * The workspace without the claim of this session; null when it has none. Its volume is kept warm until `keepUntilMs`.
 * @param refused the claim made no box: a volume that was saved before it is saved still
 */
export function releaseFor(workspace: WorkspaceRecord, sessionId: string, keepUntilMs: number, refused = false): WorkspaceRecord | null {
  const { claim, volume } = workspace;
  if (claim?.sessionId !== sessionId) return null;
  const isSaved = refused && savedCopyOf(workspace) !== null;
  return {
    ...workspace,
    claim: null,
    volume: volume && { ...volume, savedEpoch: isSaved ? volume.epoch : volume.savedEpoch, keepUntil: keepUntilMs },
  };
}

/** True when its live volume may hold something that no snapshot has. */
export const isUnsaved = (workspace: WorkspaceRecord): boolean =>
  workspace.volume !== null && workspace.volume.savedEpoch < workspace.volume.epoch;

/**
 * The snapshot that has everything of the live volume, while the claim has not begun to write: it has only raised the epoch.
 * Null when there is none, and of a volume that no snapshot has ever covered.
 */
export const savedCopyOf = ({ volume, head }: WorkspaceRecord): SnapshotRef | null =>
  volume !== null && volume.savedEpoch > 0 && volume.savedEpoch >= volume.epoch - 1 ? head : null;

/**
 * The snapshot that a fork began beside: while it was being made the fork was given a copy of the disk that it was taken of, and
 * has no head yet. Null of every other workspace.
 */
export const originOfCopy = ({ source, head, volume, deleting }: WorkspaceRecord): SnapshotRef | null =>
  source.kind === 'fork' && head === null && volume !== null && !deleting ? source.snapshot : null;

/**
 * The fork with the snapshot that it began beside as its head, now that this one is complete; null when it has a head. Of what
 * the copy began with nothing is on it alone any more, so one that nobody uses is kept until `keepUntilMs`.
 */
export function settledFork(workspace: WorkspaceRecord, keepUntilMs: number): WorkspaceRecord | null {
  const { volume, claim } = workspace;
  const head = originOfCopy(workspace);
  if (head === null || volume === null) return null;
  const savedEpoch = Math.max(volume.savedEpoch, FIRST_EPOCH);
  return { ...workspace, head, volume: { ...volume, savedEpoch, keepUntil: claim === null ? keepUntilMs : volume.keepUntil } };
}

/** True of a snapshot of this very volume, made while nobody wrote to it: after a checkpoint writing goes on. */
const covers = ({ reason, volumeId }: SnapshotRecord, volume: WorkspaceRecord['volume']): boolean =>
  (reason === 'down' || reason === 'rescue' || reason === 'park') && volume?.id === volumeId;

/** True when a snapshot has what the live volume had when it was last claimed, and all that was written since. */
export const hasAllOf = (snapshot: SnapshotRecord, { volume }: WorkspaceRecord): boolean =>
  volume === null || (covers(snapshot, volume) && snapshot.volumeEpoch >= volume.epoch);

/** The workspace with a completed snapshot as its head; null when a newer one is the head already. */
export function afterHeadMove(workspace: WorkspaceRecord, snapshot: SnapshotRecord): WorkspaceRecord | null {
  if (snapshot.state !== 'completed') throw new Error(`${snapshot.id} is ${snapshot.state}, not completed`);
  const isWhole = covers(snapshot, workspace.volume);
  const isNewer = snapshot.seq > workspace.headSeq;
  if (!isNewer && !isWhole) return null;
  return {
    ...workspace,
    ...(isNewer && { head: { workspaceId: snapshot.workspaceId, id: snapshot.id }, headSeq: snapshot.seq }),
    volume:
      workspace.volume && isWhole
        ? { ...workspace.volume, savedEpoch: Math.max(workspace.volume.savedEpoch, snapshot.volumeEpoch) }
        : workspace.volume,
  };
}

/**
 * Which snapshots retention lets go: all but the newest `keepLast`, the newest of each of the last `keepDaily` UTC days that
 * have one, the head, and what is pinned, pending or being deleted already.
 * @param snapshots of one workspace, in any order
 */
export function expiredSnapshots(snapshots: readonly SnapshotRecord[], headId: string | null, retention: Retention): SnapshotRecord[] {
  const completed = snapshots.filter((snapshot) => snapshot.state === 'completed').sort((a, b) => b.seq - a.seq);
  const kept = new Set(completed.slice(0, retention.keepLast).map((snapshot) => snapshot.id));
  const days = new Set<string>();
  for (const snapshot of completed) {
    const day = new Date(snapshot.createdAt).toISOString().slice(0, 10);
    if (days.has(day) || days.size >= retention.keepDaily) continue;
    days.add(day);
    kept.add(snapshot.id);
  }
  return completed.filter((snapshot) => !kept.has(snapshot.id) && snapshot.id !== headId && snapshot.pins.length === 0);
}
