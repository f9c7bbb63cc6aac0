import { createHash } from 'node:crypto';
import { DevctlError } from '../contract/errors.ts';
import type { UserCall } from './operation.ts';

/** JSON with the keys of every object in order, so that equal values give equal text. */
export function canonicalJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'null';
  const fields = Object.entries(value)
    .filter(([, field]) => field !== undefined)
    .sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${fields.map(([key, field]) => `${JSON.stringify(key)}:${canonicalJson(field)}`).join(',')}}`;
}

export interface Claim {
  /** Decided by the first request with this key: a repeat makes the same thing. */
  resourceId: string;
  /** When the first request came. */
  createdAtMs: number;
}

/**
 * What a request is to make, decided and recorded before anything is made. With no key every request stands for itself.
 * The key is kept for `limits.idempotencyKeepMs` (24 h).
 * @throws DevctlError idempotency_mismatch
 */
export async function claimOnce(call: UserCall & { body: unknown }, resourceId: string): Promise<Claim> {
  const { deps, caller, idempotencyKey: key } = call;
  const nowMs = deps.clock.now();
  if (key === null) return { resourceId, createdAtMs: nowMs };
  const bodyHash = createHash('sha256')
    .update(`${call.path}\n${canonicalJson(call.body)}`)
    .digest('hex');
  const record = { owner: caller.owner, key, bodyHash, resourceId, createdAt: nowMs, expiresAt: nowMs + deps.limits.idempotencyKeepMs };
  const winner = await deps.store.claimIdempotency(record, nowMs);
  if (winner.bodyHash !== bodyHash) throw new DevctlError('idempotency_mismatch', 'the Idempotency-Key was used with another request');
  return { resourceId: winner.resourceId, createdAtMs: winner.createdAt };
}
