import { IDLE_TTL_RANGE_MS, MAX_TTL_RANGE_MS } from '../contract/api.ts';
import { idTimeMs, type Policy, type Size } from '../contract/fields.ts';
import type { SessionRecord, SnapshotRecord, SnapshotRef, WorkspaceRecord } from '../contract/records.ts';
import { newSession } from './session.ts';
import { newWorkspace } from './workspace.ts';

/** A resource as the provider lists it, with what its tags say; the same shape as the compute port's. */
export interface Found {
  kind: 'box' | 'volume' | 'snapshot';
  id: string;
  tags: { owner: string; workspace: string; workspaceId: string; sessionId: string | null; generation: number | null; operationId: string };
  createdAtMs: number;
  bytes: number | null;
  /** Of a box: the disk that it uses. */
  volumeId?: string | null;
  size?: Size | null;
  /** What its session asked for, as far as that is kept with it. */
  wish?: { policy?: Policy; network?: boolean; persistent?: boolean };
  /** It is stopped, and kept. */
  parked?: boolean;
  /** Of a snapshot. */
  parent?: SnapshotRef | null;
  state?: 'pending' | 'completed' | 'error';
}

/** What the table knows of the things of one workspace. */
export interface KnownOf {
  /** Whoever has the name. */
  workspace: WorkspaceRecord | null;
  /** Ids of sessions and refs of snapshots that have a record. */
  sessions: ReadonlySet<string>;
  snapshots: ReadonlySet<string>;
}

/** Something that is not brought back, and stays as it is until a person has looked at it. */
export interface Left {
  kind: Found['kind'];
  id: string;
  owner: string;
  workspace: string;
  reason: string;
}

/** What is put into the table for one workspace, in this order; each only where nothing is yet. */
export interface Recovered {
  snapshots: SnapshotRecord[];
  workspace: WorkspaceRecord | null;
  session: SessionRecord | null;
  left: Left[];
}

const numberOf = (id: string): number => Number(id.slice(id.lastIndexOf('_') + 1));
const leave =
  (reason: string) =>
  (found: Found): Left => {
    const { kind, id, tags } = found;
    return { kind, id, owner: tags.owner, workspace: tags.workspace, reason };
  };

/** A snapshot as its tags tell it. How clean its disk was is in none of them. */
function snapshotRecord({ id: ref, tags, parent, state, createdAtMs, bytes }: Found): SnapshotRecord {
  const id = ref.slice(ref.indexOf('/') + 1);
  return {
    owner: tags.owner,
    workspace: tags.workspace,
    workspaceId: tags.workspaceId,
    id,
    seq: numberOf(id),
    parent: parent ?? null,
    state: state === 'error' ? 'error' : 'completed',
    reason: 'checkpoint',
    note: 'its record was rebuilt',
    operationId: tags.operationId,
    sessionId: tags.sessionId,
    volumeId: '',
    volumeEpoch: 0,
    clean: false,
    createdAt: createdAtMs,
    completedAt: createdAtMs,
    bytes,
    newBytes: null,
    files: null,
    pins: [],
  };
}

/** What tags do not tell of a session, in words: nobody can say whether it had any of it. */
const RECOVERED =
  'its record was rebuilt from the tags of its box, which hold no secrets, no list of hosts (--egress) and no --aws: what it had of these is given anew with devctl down and devctl up; ' +
  'this box keeps to a list that it has, and the next one would have none';

/** Its session goes on as one that was just found ready, or parked, with a new lease. */
function sessionRecord(box: Found, id: string, volumeId: string, nowMs: number): SessionRecord {
  const { owner, workspace, workspaceId, generation } = box.tags;
  const fresh = newSession(
    {
      owner,
      id,
      workspace,
      workspaceId,
      size: box.size ?? 'medium',
      policy: box.wish?.policy ?? (box.parked === true ? 'on-demand' : 'spot-preferred'),
      instanceTypes: [],
      arch: null,
      // One that is kept was to be, whatever its tags say.
      persistent: box.parked === true || box.wish?.persistent === true,
      network: box.wish?.network ?? true,
      // Tags do not tell: a new session names them again.
      egress: null,
      secrets: [],
      awsCredentials: false,
      idleTtlMs: IDLE_TTL_RANGE_MS.default,
      maxTtlMs: MAX_TTL_RANGE_MS.default,
    },
    nowMs,
    { type: 'session.recovered', message: RECOVERED },
  );
  return {
    ...fresh,
    ...(box.parked === true ? { phase: 'parked', desired: 'parked' } : { phase: 'ready' }),
    generation: generation ?? 1,
    readyAt: nowMs,
    box: {
      id: box.id,
      description: 'found by its tags',
      volumeId,
      launchedAt: box.createdAtMs,
      registeredAt: nowMs,
      heartbeatAt: nowMs,
      tokenHash: '',
    },
  };
}

/** The newest whole snapshot is the head; a live disk is newer than that, and counts as saved nowhere. */
function workspaceRecord(tags: Found['tags'], things: { snapshots: Found[]; volumes: Found[] }, nowMs: number): WorkspaceRecord {
  const { owner, workspace: name, workspaceId: id } = tags;
  const whole = things.snapshots.filter(({ state }) => state === 'completed');
  const numbers = things.snapshots.map(({ id: ref }) => numberOf(ref));
  const headSeq = Math.max(0, ...whole.map(({ id: ref }) => numberOf(ref)));
  const [volume, other] = things.volumes;
  const names = things.volumes.map((each) => each.id).join(', ');
  return {
    ...newWorkspace({ owner, name, id, source: { kind: 'upload' } }, idTimeMs(id) ?? nowMs),
    content: headSeq > 0 ? 'present' : 'empty',
    head: headSeq > 0 ? { workspaceId: id, id: `snap_${headSeq}` } : null,
    headSeq,
    snapshotSeq: Math.max(0, ...numbers),
    volume: volume === undefined || other !== undefined ? null : { id: volume.id, epoch: 1, savedEpoch: 0, keepUntil: null },
    quarantined:
      other === undefined ? null : `its record was rebuilt, and it has several disks: nobody knows which is the newest (${names})`,
  };
}

/**
 * What can be rebuilt of one workspace from the tags of its things. What is ambiguous is not guessed: a workspace with several disks is
 * quarantined, with all of them kept; what belongs to a record that says otherwise is left for a person. Nothing is ever deleted
 * or overwritten.
 * @param things all that a whole list has of this workspace, one at least
 * @param isNewest false when a later workspace has the same name
 */
export function recoveryOf(things: readonly [Found, ...Found[]], known: KnownOf, isNewest: boolean, nowMs: number): Recovered {
  const { tags } = things[0];
  const of = (kind: Found['kind']) => things.filter((found) => found.kind === kind);
  const [boxes, volumes, snapshots] = [of('box'), of('volume'), of('snapshot')];
  const nothing: Recovered = { snapshots: [], workspace: null, session: null, left: [] };
  if (!isNewest || (known.workspace !== null && known.workspace.id !== tags.workspaceId))
    return { ...nothing, left: things.map(leave(`another workspace has the name ${tags.workspace} now`)) };
  const pending = snapshots.filter(({ state }) => state === 'pending');
  const missing = snapshots.filter((found) => found.state !== 'pending' && !known.snapshots.has(found.id));
  const left = pending.filter(({ id }) => !known.snapshots.has(id)).map(leave('it is not complete yet: repeat this later'));
  const isNew = known.workspace === null;
  const workspace = known.workspace ?? workspaceRecord(tags, { snapshots, volumes }, nowMs);
  if (isNew && workspace.head === null && volumes.length === 0)
    return { ...nothing, left: [...left, ...boxes.map(leave('its workspace has neither a disk nor a snapshot'))] };
  if (!isNew && workspace.quarantined === null)
    left.push(...volumes.filter(({ id }) => id !== workspace.volume?.id).map(leave(`workspace ${workspace.name} uses another disk`)));
  const found = liveOf(boxes, workspace, known, isNew);
  const session = found === null ? null : sessionRecord(found.box, found.sessionId, found.volumeId, nowMs);
  const unknown = boxes.filter(({ tags: own }) => !known.sessions.has(own.sessionId ?? '') && own.sessionId !== session?.id);
  return {
    snapshots: missing.map(snapshotRecord),
    workspace: isNew ? { ...workspace, claim: session && { sessionId: session.id, generation: session.generation } } : null,
    session,
    left: [...left, ...unknown.map(leave('nobody can say whether it is the one that may write'))],
  };
}

/** The one box that may write to the disk: it uses it, and there is no other; a workspace that is there already must say so. */
function liveOf(
  boxes: Found[],
  { volume, quarantined, claim }: WorkspaceRecord,
  known: KnownOf,
  isNew: boolean,
): { box: Found; sessionId: string; volumeId: string } | null {
  const [box, other] = boxes;
  const sessionId = box?.tags.sessionId ?? null;
  if (box === undefined || other !== undefined || sessionId === null || volume === null || quarantined !== null) return null;
  const mayWrite = box.volumeId === volume.id && !known.sessions.has(sessionId);
  const isClaimed = isNew || (claim?.sessionId === sessionId && claim.generation === box.tags.generation);
  return mayWrite && isClaimed ? { box, sessionId, volumeId: volume.id } : null;
}
