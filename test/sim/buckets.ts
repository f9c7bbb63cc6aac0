import type { Clock } from '../../launcher/ports/clock.ts';
import { refusal } from './errors.ts';
import { BUCKETS, DESCRIBE_NARROW, DESCRIBE_WIDE, OTHER_MUTATING } from './figures.ts';

const isNarrow = (input: { Filters?: unknown[]; MaxResults?: number }): boolean =>
  (input.Filters?.length ?? 0) > 0 || input.MaxResults !== undefined;

/** How fast an account may call: a bucket of tokens for each operation; wide describes have a smaller one of their own. */
export class Buckets {
  readonly #clock: Clock;
  readonly #levels = new Map<string, { tokens: number; atMs: number }>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** @throws RequestLimitExceeded */
  take(op: string, input: object): void {
    const describing = op.startsWith('describe');
    const wide = describing && !isNarrow(input);
    const bucket = describing ? (wide ? DESCRIBE_WIDE : DESCRIBE_NARROW) : (BUCKETS[op] ?? OTHER_MUTATING);
    const key = wide ? `${op} wide` : op;
    const nowMs = this.#clock.now();
    const level = this.#levels.get(key) ?? { tokens: bucket.max, atMs: nowMs };
    level.tokens = Math.min(bucket.max, level.tokens + ((nowMs - level.atMs) / 1000) * bucket.perSecond);
    level.atMs = nowMs;
    this.#levels.set(key, level);
    if (level.tokens < 1) throw refusal('RequestLimitExceeded', 'Request limit exceeded.');
    level.tokens -= 1;
  }
}
