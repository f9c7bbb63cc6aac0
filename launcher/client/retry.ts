import { setTimeout as sleep } from 'node:timers/promises';
import { DevctlError, type ErrorCode } from '../contract/errors.ts';
import { CLIENT_LIMITS } from './limits.ts';

/**
 * Codes that pass by themselves within moments. Other retryable codes (no capacity, a full disk, a wait that ran out) need
 * a person or much more time: they are told, not repeated.
 */
const PASSING: ReadonlySet<ErrorCode> = new Set<ErrorCode>(['unavailable', 'rate_limited', 'conflict']);

export const isPassing = (error: unknown): boolean => error instanceof DevctlError && PASSING.has(error.code);

/** Exponential with full jitter; `attempt` counts from 1. */
export function backoffMs(attempt: number): number {
  const ceiling = Math.min(CLIENT_LIMITS.backoffMaxMs, CLIENT_LIMITS.backoffBaseMs * 2 ** (attempt - 1));
  return Math.floor(ceiling * (0.5 + Math.random() / 2));
}

export const pause = (ms: number, signal?: AbortSignal): Promise<void> => sleep(ms, undefined, signal ? { signal } : {});

/**
 * Repeats `call` while it fails with something that passes, at most `CLIENT_LIMITS.attempts` times in all.
 * @param onUnavailable called before a call is repeated that the launcher did not answer
 */
export async function withRetries<T>(
  repeatable: boolean,
  signal: AbortSignal | undefined,
  call: () => Promise<T>,
  onUnavailable: () => Promise<void> = async () => undefined,
): Promise<T> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await call();
    } catch (error) {
      if (!repeatable || attempt >= CLIENT_LIMITS.attempts || signal?.aborted || !isPassing(error)) throw error;
      const askedMs = 1000 * ((error as DevctlError).extra.retryAfterS ?? 0);
      if (askedMs > CLIENT_LIMITS.retryAfterMaxMs) throw error;
      await pause(Math.max(askedMs, backoffMs(attempt)), signal);
      if ((error as DevctlError).code === 'unavailable') await onUnavailable();
    }
  }
}
