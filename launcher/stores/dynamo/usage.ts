import { type UsageRecord, usageRecordSchema } from '../../contract/records.ts';
import { type Quotas, type StorePort, UnreadableRecordError } from '../../ports/store.ts';
import { IS_THERE, SESSION_FITS, SNAPSHOT_COUNTED, SNAPSHOT_NOT_COUNTED, WORKSPACE_FITS } from './conditions.ts';
import type { Connection } from './connection.ts';
import { keyText, usageKey } from './keys.ts';
import type { Owners } from './owners.ts';
import { number, stringSet, text } from './rows.ts';

/** A refusal is read back to tell which quota it was; between the two there may be room again. */
const RESERVE_ATTEMPTS = 10;

async function getUsage(connection: Connection, owner: string): Promise<UsageRecord> {
  const key = usageKey(owner);
  const row = await connection.get(key);
  const usage = {
    owner,
    sessions: row?.['sessionSet']?.SS ?? [],
    workspaces: row?.['workspaceSet']?.SS ?? [],
    snapshots: row?.['snapshotSet']?.SS ?? [],
    snapshotBytes: Math.max(0, Number(row?.['bytesSum']?.N ?? 0)),
  };
  const checked = usageRecordSchema.safeParse(usage);
  if (!checked.success) throw new UnreadableRecordError(keyText(key), 'its counters are damaged', { cause: checked.error });
  return usage;
}

interface Reservation {
  owner: string;
  id: string;
  set: 'sessionSet' | 'workspaceSet';
  fits: string;
  maxCount: number;
  maxBytes: number;
  /** Members of the set as read back. */
  members(usage: UsageRecord): string[];
}

/** One conditional write; when it is refused the counters are read to say why. */
async function reserve(connection: Connection, wish: Reservation): Promise<'ok' | 'count' | 'bytes'> {
  const key = usageKey(wish.owner);
  const values = { ':id': text(wish.id), ':maxCount': number(wish.maxCount), ':maxBytes': number(wish.maxBytes) };
  // A set that is not there has no size to compare: a quota of nothing is refused here.
  const mayFit = wish.maxCount > 0 && wish.maxBytes > 0;
  let reason: 'count' | 'bytes' = 'count';
  for (let attempt = 0; attempt < RESERVE_ATTEMPTS; attempt += 1) {
    const add = { ':one': stringSet([wish.id]) };
    if (mayFit && (await connection.update(key, `ADD ${wish.set} :one`, { condition: wish.fits, values }, add))) return 'ok';
    const usage = await getUsage(connection, wish.owner);
    const members = wish.members(usage);
    if (members.includes(wish.id)) return 'ok';
    reason = members.length >= wish.maxCount ? 'count' : 'bytes';
    if (reason === 'count' || usage.snapshotBytes >= wish.maxBytes) return reason;
  }
  return reason;
}

async function release(connection: Connection, owner: string, set: Reservation['set'], id: string): Promise<void> {
  await connection.update(usageKey(owner), `DELETE ${set} :one`, { condition: IS_THERE }, { ':one': stringSet([id]) });
}

type UsageMethods = Pick<
  StorePort,
  'reserveSession' | 'releaseSession' | 'reserveWorkspace' | 'releaseWorkspace' | 'addSnapshotBytes' | 'removeSnapshotBytes' | 'getUsage'
>;

export function usageMethods(connection: Connection, owners: Owners): UsageMethods {
  const common = (owner: string, id: string, quotas: Quotas) => ({ owner, id, maxBytes: quotas.snapshotBytes });
  return {
    async reserveSession(owner, sessionId, quotas) {
      await owners.know(owner);
      const got = await reserve(connection, {
        ...common(owner, sessionId, quotas),
        set: 'sessionSet',
        fits: SESSION_FITS,
        maxCount: quotas.liveSessions,
        members: (usage) => usage.sessions,
      });
      return got === 'count' ? 'sessions' : got;
    },

    releaseSession: (owner, sessionId) => release(connection, owner, 'sessionSet', sessionId),

    async reserveWorkspace(owner, workspaceId, quotas) {
      await owners.know(owner);
      const got = await reserve(connection, {
        ...common(owner, workspaceId, quotas),
        set: 'workspaceSet',
        fits: WORKSPACE_FITS,
        maxCount: quotas.workspaces,
        members: (usage) => usage.workspaces,
      });
      return got === 'count' ? 'workspaces' : got;
    },

    releaseWorkspace: (owner, workspaceId) => release(connection, owner, 'workspaceSet', workspaceId),

    async addSnapshotBytes(owner, ref, bytes) {
      const id = `${ref.workspaceId}/${ref.id}`;
      const guard = { condition: SNAPSHOT_NOT_COUNTED, values: { ':id': text(id) } };
      const values = { ':one': stringSet([id]), ':bytes': number(bytes) };
      await connection.update(usageKey(owner), 'ADD snapshotSet :one, bytesSum :bytes', guard, values);
    },

    async removeSnapshotBytes(owner, ref, bytes) {
      const id = `${ref.workspaceId}/${ref.id}`;
      const guard = { condition: SNAPSHOT_COUNTED, values: { ':id': text(id) } };
      const values = { ':one': stringSet([id]), ':bytes': number(-bytes) };
      await connection.update(usageKey(owner), 'DELETE snapshotSet :one ADD bytesSum :bytes', guard, values);
    },

    getUsage: (owner) => getUsage(connection, owner),
  };
}
