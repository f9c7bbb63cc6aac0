import { existsSync, readFileSync } from 'node:fs';
import type { ApiDeps } from '../api/deps.ts';
import { mintToken } from '../api/tokens.ts';
import { parseUserToken } from '../contract/tokens.ts';
import { type Home, writePrivate } from './home.ts';

/**
 * Makes the token of the person who started the launcher, with every scope, unless the one in the file still holds.
 * @returns the token
 */
export async function ensureLocalToken(deps: ApiDeps, home: Home, owner: string): Promise<string> {
  if (existsSync(home.tokenFile)) {
    const kept = readFileSync(home.tokenFile, 'utf8').trim();
    const token = parseUserToken(kept);
    const record = token && (await deps.store.getToken(token.owner, token.id));
    if (record && record.revokedAt === null) return kept;
  }
  const { token } = await mintToken(deps, { owner, name: 'local', scopes: ['read', 'write', 'admin'], expiresAtMs: null });
  writePrivate(home.tokenFile, `${token}\n`);
  return token;
}
