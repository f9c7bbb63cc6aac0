import { isFinal } from '../../contract/phases.ts';
import { type SessionRecord, sessionRecordSchema } from '../../contract/records.ts';
import { type SessionKey, type StorePort, UnreadableRecordError } from '../../ports/store.ts';
import { IS_NEW, VERSION_UNCHANGED, WRITE_UNCHANGED } from './conditions.ts';
import type { Connection } from './connection.ts';
import {
  decodeLiveCursor,
  encodeLiveCursor,
  keyText,
  LIVE_SHARD,
  type LivePosition,
  parseSessionKey,
  SESSION_PREFIX,
  sessionKey,
} from './keys.ts';
import { listOwned, queryPage } from './lists.ts';
import type { Owners } from './owners.ts';
import { decode, encode, keyRow, number, type Row, rowKey, type Shape, text } from './rows.ts';
import { DUE_INDEX } from './table.ts';

const SHAPE: Shape<SessionRecord> = {
  schema: sessionRecordSchema,
  columns: { version: 'version', phase: 'sessionPhase' },
  key: sessionKey,
};

/** Of a live session that nothing is due of: in the index, after everything that is. */
const NEVER_MS = 8_640_000_000_000_000;

/** A session that cannot be read is looked at again after this, so that it does not stand before the others in the index. */
const UNREADABLE_PAUSE_MS = 60_000;

/** Columns beside the document: live sessions are in the due index, ended ones expire. */
function indexed(connection: Connection, session: SessionRecord): { set: Row; remove: string[] } {
  const row = encode(SHAPE, session);
  if (isFinal(session.phase)) {
    return { set: { ...row, ...connection.expiry(session.endedAt ?? session.phaseSince) }, remove: ['liveShard', 'lookAt'] };
  }
  return { set: { ...row, liveShard: text(LIVE_SHARD), lookAt: number(session.dueAt ?? NEVER_MS) }, remove: ['expirySec'] };
}

const versionGuard = (session: SessionRecord) => ({
  condition: VERSION_UNCHANGED,
  values: { ':version': number(session.version) },
});

/** Best effort: the reader gets the error whether or not this works. */
async function postpone(connection: Connection, key: SessionKey, row: Row): Promise<void> {
  const writeId = row['writeId'];
  if (!row['liveShard'] || !writeId) return;
  const lookAt = number(connection.clock.now() + UNREADABLE_PAUSE_MS);
  const guard = { condition: WRITE_UNCHANGED, values: { ':writeId': writeId } };
  await connection.change(sessionKey(key), { set: { lookAt } }, guard).catch(() => false);
}

async function getSession(connection: Connection, key: SessionKey): Promise<SessionRecord | null> {
  const row = await connection.get(sessionKey(key));
  if (!row) return null;
  try {
    return decode(SHAPE, row);
  } catch (error) {
    if (error instanceof UnreadableRecordError) {
      connection.reportUnreadable([error.key]);
      await postpone(connection, key, row);
    }
    throw error;
  }
}

const positionOf = (row: Row): LivePosition => ({ ...rowKey(row), lookAt: Number(row['lookAt']?.N) });

/** A page of the due index: the keys of sessions, and the keys that are none. */
async function liveKeys(connection: Connection, query: { untilMs: number; after: LivePosition | null; limit: number }) {
  const { rows, last } = await queryPage(
    connection,
    {
      IndexName: DUE_INDEX,
      KeyConditionExpression: 'liveShard = :shard AND lookAt <= :until',
      ExpressionAttributeValues: { ':shard': text(LIVE_SHARD), ':until': number(query.untilMs) },
      ...(query.after && {
        ExclusiveStartKey: { ...keyRow(query.after), liveShard: text(LIVE_SHARD), lookAt: number(query.after.lookAt) },
      }),
    },
    query.limit,
  );
  const found: Array<SessionKey & { dueAt: number }> = [];
  const unreadable: string[] = [];
  for (const position of rows.map(positionOf)) {
    const key = parseSessionKey(position);
    if (key) found.push({ ...key, dueAt: position.lookAt });
    else unreadable.push(keyText(position));
  }
  connection.reportUnreadable(unreadable);
  return { found, unreadable, next: last ? encodeLiveCursor(positionOf(last)) : null };
}

type SessionMethods = Pick<
  StorePort,
  'getSession' | 'createSession' | 'saveSession' | 'deleteSession' | 'listSessions' | 'listDue' | 'listLive'
>;

export function sessionMethods(connection: Connection, owners: Owners): SessionMethods {
  return {
    getSession: (key) => getSession(connection, key),

    async createSession(session) {
      await owners.know(session.owner);
      return connection.put(sessionKey(session), indexed(connection, session).set, { condition: IS_NEW });
    },

    async saveSession(session) {
      const saved = { ...session, version: session.version + 1 };
      const won = await connection.change(sessionKey(session), indexed(connection, saved), versionGuard(session));
      return won ? saved : null;
    },

    deleteSession: (session) => connection.remove(sessionKey(session), versionGuard(session)),

    listSessions: (owner, page) => listOwned(connection, SHAPE, { owner, prefix: SESSION_PREFIX, newestFirst: true }, page),

    async listDue(nowMs, limit) {
      return (await liveKeys(connection, { untilMs: nowMs, after: null, limit })).found;
    },

    async listLive({ limit, after }) {
      const position = after === null ? null : decodeLiveCursor(after);
      const { found, unreadable, next } = await liveKeys(connection, { untilMs: NEVER_MS, after: position, limit });
      return { items: found.map(({ owner, id }) => ({ owner, id })), unreadable, next };
    },
  };
}
