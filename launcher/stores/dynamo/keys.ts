import { DevctlError } from '../../contract/errors.ts';
import type { ChargeRecord, SnapshotRef } from '../../contract/records.ts';
import type { SessionKey } from '../../ports/store.ts';

/**
 * Keys of the table. The owner is in every partition key, and `#` is in no owner and in no id, so that no name of one owner
 * can reach a row of another.
 *
 * | row | pk | sk |
 * |---|---|---|
 * | session | `O#owner` | `S#id` |
 * | workspace | `O#owner` | `W#name` |
 * | snapshot | `O#owner` | `P#workspaceId#number`, nine digits |
 * | token | `O#owner` | `T#id` |
 * | idempotency | `O#owner` | `I#key` |
 * | usage | `O#owner` | `USAGE` |
 * | entry of a month's cost | `O#owner` | `C#month#session#id`, `C#month#storage#workspaceId` |
 * | budget of a month | `O#owner`, or `TABLE` for all | `B#month` |
 * | event | `O#owner#E#sessionId` | event id |
 * | owner | `OWNERS` | owner |
 * | box of the pool | `POOL` | id |
 * | turn | `TURN#name` | `TURN` |
 * | mark that nothing is missing | `TABLE` | `VOUCHES` |
 */
export interface Key {
  pk: string;
  sk: string;
}

export const SESSION_PREFIX = 'S#';
export const WORKSPACE_PREFIX = 'W#';
export const TOKEN_PREFIX = 'T#';
export const OWNERS_PK = 'OWNERS';
export const POOL_PK = 'POOL';
export const POOL_PREFIX = 'pool_';

/** One shard is enough for what one index partition takes (1000 writes/s); more are a list here and a loop in the queries. */
export const LIVE_SHARD = 'live#0';

export const ownerPk = (owner: string): string => `O#${owner}`;
export const eventsPk = (session: SessionKey): string => `O#${session.owner}#E#${session.id}`;
export const snapshotPrefix = (workspaceId: string): string => `P#${workspaceId}#`;

const snapshotNumber = (id: string): string => id.slice(id.indexOf('_') + 1).padStart(9, '0');

export const sessionKey = (session: SessionKey): Key => ({ pk: ownerPk(session.owner), sk: SESSION_PREFIX + session.id });
export const workspaceKey = (owner: string, name: string): Key => ({ pk: ownerPk(owner), sk: WORKSPACE_PREFIX + name });
export const snapshotKey = (owner: string, ref: SnapshotRef): Key => ({
  pk: ownerPk(owner),
  sk: snapshotPrefix(ref.workspaceId) + snapshotNumber(ref.id),
});
export const tokenKey = (owner: string, id: string): Key => ({ pk: ownerPk(owner), sk: TOKEN_PREFIX + id });
export const idempotencyKey = (owner: string, key: string): Key => ({ pk: ownerPk(owner), sk: `I#${key}` });
export const usageKey = (owner: string): Key => ({ pk: ownerPk(owner), sk: 'USAGE' });
export const chargePrefix = (month: string, kind?: ChargeRecord['kind']): string => `C#${month}#${kind === undefined ? '' : `${kind}#`}`;
export const chargeKey = (charge: ChargeRecord): Key => ({
  pk: ownerPk(charge.owner),
  sk: chargePrefix(charge.month, charge.kind) + (charge.kind === 'session' ? charge.sessionId : charge.workspaceId),
});
export const ownerKey = (owner: string): Key => ({ pk: OWNERS_PK, sk: owner });

export const budgetKey = ({ owner, month }: { owner: string | null; month: string }): Key => ({
  pk: owner === null ? 'TABLE' : ownerPk(owner),
  sk: `B#${month}`,
});
export const poolBoxKey = (id: string): Key => ({ pk: POOL_PK, sk: id });

export const turnKey = (name: string): Key => ({ pk: `TURN#${name}`, sk: 'TURN' });

export const vouchKey: Key = { pk: 'TABLE', sk: 'VOUCHES' };

/** For people and logs. */
export const keyText = (key: Key): string => `${key.pk} ${key.sk}`;

/** The session that a key of the due index names; null for a key that is none. */
export function parseSessionKey(key: Key): SessionKey | null {
  const owner = /^O#([^#]+)$/.exec(key.pk)?.[1];
  const id = /^S#([^#]+)$/.exec(key.sk)?.[1];
  return owner !== undefined && id !== undefined ? { owner, id } : null;
}

const invalidCursor = (): DevctlError => new DevctlError('invalid_cursor', 'cursor: was not made by this list');

/** A position in one owner's list: only what follows the list's own prefix, so that a forged one stays within it. */
export const encodeCursor = (prefix: string, sk: string): string => Buffer.from(sk.slice(prefix.length)).toString('base64url');

/** @throws DevctlError `invalid_cursor` */
export function decodeCursor(prefix: string, cursor: string): string {
  const rest = Buffer.from(cursor, 'base64url');
  const text = rest.toString('utf8');
  const canonical = rest.toString('base64url') === cursor && Buffer.from(text).equals(rest);
  if (!canonical || text === '' || text.length > 500) throw invalidCursor();
  return prefix + text;
}

/** A position in the due index. */
export interface LivePosition extends Key {
  lookAt: number;
}

export const encodeLiveCursor = ({ pk, sk, lookAt }: LivePosition): string =>
  Buffer.from(JSON.stringify([pk, sk, lookAt])).toString('base64url');

/** @throws DevctlError `invalid_cursor` */
export function decodeLiveCursor(cursor: string): LivePosition {
  try {
    const [pk, sk, lookAt] = JSON.parse(Buffer.from(cursor, 'base64url').toString('utf8')) as unknown[];
    if (typeof pk === 'string' && pk && typeof sk === 'string' && sk && Number.isSafeInteger(lookAt)) {
      return { pk, sk, lookAt: lookAt as number };
    }
  } catch {
    // Not JSON, or not a list: the same answer as any other cursor that is not ours.
  }
  throw invalidCursor();
}
