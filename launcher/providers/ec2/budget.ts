import type { Clock } from '../../ports/clock.ts';
import type { Ec2Api, SsmApi } from './api.ts';

/** Who calls: what cleans up has a share of its own, so that it can go on when everybody else is busy. */
export type Caller = 'work' | 'reaper';

interface Rate {
  max: number;
  perSecond: number;
}

/** Buckets of an account for each operation; describes are always filtered here. */
const START: Rate = { max: 5, perSecond: 2 };
const FIFTY: Rate = { max: 50, perSecond: 5 };
const HUNDRED: Rate = { max: 100, perSecond: 5 };
const DESCRIBE: Rate = { max: 100, perSecond: 20 };
const ACCOUNT: Readonly<Partial<Record<keyof Ec2Api | keyof SsmApi, Rate>>> = {
  runInstances: START,
  startInstances: START,
  createVolume: HUNDRED,
  deleteVolume: HUNDRED,
  createSnapshot: HUNDRED,
  terminateInstances: HUNDRED,
  createTags: { max: 100, perSecond: 10 },
  startSession: { max: 3, perSecond: 3 },
  getConnectionStatus: { max: 50, perSecond: 50 },
};

/** Of the account's bucket: the rest is for people and for what else calls AWS there. */
const SHARES: Readonly<Record<Caller, number>> = { work: 0.65, reaper: 0.15 };

const SLOWEST = 0.1;
const RECOVERY_MS = 30_000;

interface Bucket extends Rate {
  tokens: number;
  atMs: number;
  /** Share of the rate that is used, after AWS has said that it is too much. */
  pace: number;
}

/** Keeps the calls of each operation below what the account may make. A call takes its turn, which may be later. */
export class Budget {
  readonly #clock: Clock;
  readonly #buckets = new Map<string, Bucket>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Takes the next turn that comes within `withinMs`. @returns ms until then; null when there is none */
  turn(op: string, caller: Caller, withinMs: number): number | null {
    const waitMs = this.untilTurn(op, caller);
    if (waitMs > withinMs) return null;
    this.#now(op, caller).tokens -= 1;
    return waitMs;
  }

  /** Ms until the next turn, which is not taken. */
  untilTurn(op: string, caller: Caller): number {
    const bucket = this.#now(op, caller);
    return bucket.tokens >= 1 ? 0 : Math.ceil(((1 - bucket.tokens) / (bucket.perSecond * bucket.pace)) * 1000);
  }

  /** Ms from one turn to the next. */
  gapMs(op: string, caller: Caller): number {
    const { perSecond, pace } = this.#now(op, caller);
    return 1000 / (perSecond * pace);
  }

  /** AWS has refused a call for its rate: somebody else uses the account, too. */
  slower(op: string, caller: Caller): void {
    const bucket = this.#now(op, caller);
    bucket.pace = Math.max(SLOWEST, bucket.pace / 2);
    bucket.tokens = Math.min(bucket.tokens, 0);
  }

  #now(op: string, caller: Caller): Bucket {
    const nowMs = this.#clock.now();
    const key = `${op} ${caller}`;
    const account = (ACCOUNT as Readonly<Partial<Record<string, Rate>>>)[op] ?? (op.startsWith('describe') ? DESCRIBE : FIFTY);
    const share = SHARES[caller];
    const rate = { max: Math.max(1, Math.floor(account.max * share)), perSecond: account.perSecond * share };
    const bucket = this.#buckets.get(key) ?? { ...rate, tokens: rate.max, atMs: nowMs, pace: 1 };
    this.#buckets.set(key, bucket);
    const passedMs = Math.max(0, nowMs - bucket.atMs);
    bucket.tokens = Math.min(bucket.max, bucket.tokens + (passedMs / 1000) * bucket.perSecond * bucket.pace);
    bucket.pace = Math.min(1, bucket.pace + passedMs / RECOVERY_MS);
    bucket.atMs = nowMs;
    return bucket;
  }
}
