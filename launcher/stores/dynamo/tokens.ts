import { type TokenRecord, tokenRecordSchema } from '../../contract/records.ts';
import type { StorePort } from '../../ports/store.ts';
import { IS_NEW, IS_THERE } from './conditions.ts';
import type { Connection } from './connection.ts';
import { TOKEN_PREFIX, tokenKey } from './keys.ts';
import { listOwned } from './lists.ts';
import type { Owners } from './owners.ts';
import { decode, encode, number, type Row, type Shape } from './rows.ts';

/** `revokedAtMs` is in the row once the token is revoked, and only then. */
const REVOKED = 'revokedAtMs';

const SHAPE: Shape<TokenRecord> = {
  schema: tokenRecordSchema,
  columns: { revokedAt: REVOKED },
  key: (token) => tokenKey(token.owner, token.id),
};

type TokenMethods = Pick<StorePort, 'getToken' | 'createToken' | 'revokeToken' | 'listTokens'>;

export function tokenMethods(connection: Connection, owners: Owners): TokenMethods {
  return {
    async getToken(owner, id) {
      const row = await connection.get(tokenKey(owner, id));
      return row && decode(SHAPE, row);
    },

    async createToken(token) {
      await owners.know(token.owner);
      const expiry = token.expiresAt === null ? {} : connection.expiry(token.expiresAt);
      return connection.put(SHAPE.key(token), { ...encode(SHAPE, token), ...expiry }, { condition: IS_NEW });
    },

    async revokeToken(owner, id, atMs) {
      const key = tokenKey(owner, id);
      const row = await connection.get(key);
      if (!row) return false;
      if (decode(SHAPE, row).revokedAt !== null) return true;
      const values = { ':at': number(atMs), ':expiry': connection.expiry(atMs)['expirySec'] as Row[string] };
      return connection.update(key, `SET ${REVOKED} = :at, expirySec = :expiry`, { condition: IS_THERE }, values);
    },

    listTokens: (owner, page) => listOwned(connection, SHAPE, { owner, prefix: TOKEN_PREFIX, newestFirst: true }, page),
  };
}
