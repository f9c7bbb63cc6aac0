import { isIPv6 } from 'node:net';
import { DevctlError } from '../contract/errors.ts';
import type { Limits } from '../core/limits.ts';
import { type Rate, takeToken } from '../core/rate.ts';

/** A bucket for each key, for a bounded number of keys: the one that came first is forgotten first, which only fills its bucket. */
class Buckets {
  readonly #fullAtMs = new Map<string, number>();

  constructor(
    readonly rate: Rate,
    readonly maxKeys: number,
  ) {}

  /** @returns how long until there is a token; 0: it was taken */
  take(key: string, nowMs: number): number {
    const { fullAtMs, waitMs } = takeToken(this.#fullAtMs.get(key), this.rate, nowMs);
    if (this.#fullAtMs.size >= this.maxKeys && !this.#fullAtMs.has(key)) this.#fullAtMs.delete(this.#fullAtMs.keys().next().value ?? '');
    this.#fullAtMs.set(key, fullAtMs);
    return waitMs;
  }

  /** As take, taking nothing. */
  waitMs(key: string, nowMs: number): number {
    return takeToken(this.#fullAtMs.get(key), this.rate, nowMs).waitMs;
  }
}

const limited = (detail: string, waitMs: number, hint?: string): DevctlError =>
  new DevctlError('rate_limited', detail, { retryAfterS: Math.max(1, Math.ceil(waitMs / 1000)), ...(hint !== undefined && { hint }) });

/** Requests of one owner, whatever their tokens. */
export class RequestGate {
  readonly #owners: Buckets;

  constructor(limits: Limits) {
    this.#owners = new Buckets({ perSecond: limits.requestsPerSecond, burst: limits.requestBurst }, limits.rateKeys);
  }

  /** @throws DevctlError rate_limited */
  enter(owner: string, nowMs: number): void {
    const waitMs = this.#owners.take(owner, nowMs);
    if (waitMs > 0) throw limited(`you send more than ${this.#owners.rate.perSecond} requests a second`, waitMs);
  }
}

/**
 * The /64 of an IPv6 address, of which one machine may use every one; any other address as it is.
 * @param address as a socket tells it
 */
export function networkOf(address: string): string {
  const plain = address.replace(/^::ffff:(?=\d+\.)/i, '').replace(/%.*$/, '');
  if (!isIPv6(plain)) return plain;
  const [head = '', tail] = plain.split('::').map((part) => (part === '' ? [] : part.split(':')));
  const groups = [...head, ...Array<string>(8).fill('0')].slice(0, tail === undefined ? 8 : 8 - tail.length).concat(tail ?? []);
  return groups.slice(0, 4).join(':');
}

/**
 * Failed attempts to show a token, by where they come from and by what they show. Only what is not known to be good is held up:
 * somebody who shares an address with the failing one goes on as before.
 */
export class FailureGate {
  readonly #addresses: Buckets;
  readonly #secrets: Buckets;

  constructor(limits: Limits) {
    const rate = { perSecond: limits.authFailuresPerSecond, burst: limits.authFailureBurst };
    this.#addresses = new Buckets(rate, limits.rateKeys);
    this.#secrets = new Buckets(rate, limits.rateKeys);
  }

  /**
   * @param secretHash of what was shown; null when that was no token at all
   * @throws DevctlError rate_limited
   */
  assertOpen(address: string, secretHash: string | null, nowMs: number): void {
    const byAddress = this.#addresses.waitMs(networkOf(address), nowMs);
    const bySecret = secretHash === null ? 0 : this.#secrets.waitMs(secretHash, nowMs);
    const waitMs = Math.max(byAddress, bySecret);
    if (waitMs > 0)
      throw limited('too many requests without a valid token came from there', waitMs, 'check the token in DEVCTL_TOKEN, then repeat');
  }

  failed(address: string, secretHash: string | null, nowMs: number): void {
    this.#addresses.take(networkOf(address), nowMs);
    if (secretHash !== null) this.#secrets.take(secretHash, nowMs);
  }
}

/** What may go on at the same time, for each owner and for all of them. */
export class OpenGate {
  readonly #owners = new Map<string, number>();
  #all = 0;

  /** @param things for people: `streams open` */
  constructor(
    readonly bounds: { perOwner: number; all: number },
    readonly things: string,
    readonly hint: string,
  ) {}

  /**
   * @returns to be called when it is over; again does nothing
   * @throws DevctlError rate_limited
   */
  enter(owner: string): () => void {
    const own = this.#owners.get(owner) ?? 0;
    const { perOwner, all } = this.bounds;
    if (own >= perOwner) throw limited(`you have ${own} ${this.things}, which is the most`, 0, this.hint);
    if (this.#all >= all) throw limited(`there are ${all} ${this.things}, which is the most for this launcher`, 0);
    this.#owners.set(owner, own + 1);
    this.#all += 1;
    let isOpen = true;
    return () => {
      if (!isOpen) return;
      isOpen = false;
      this.#all -= 1;
      const left = (this.#owners.get(owner) ?? 1) - 1;
      if (left === 0) this.#owners.delete(owner);
      else this.#owners.set(owner, left);
    };
  }
}

export const streamGate = ({ streamsPerOwner, streams }: Limits): OpenGate =>
  new OpenGate({ perOwner: streamsPerOwner, all: streams }, 'streams open', 'close one of them: events, logs, a copy or a terminal');

export const underWayGate = ({ requestsAtOncePerOwner, requestsAtOnce }: Limits): OpenGate =>
  new OpenGate({ perOwner: requestsAtOncePerOwner, all: requestsAtOnce }, 'requests under way', 'wait until some of them are answered');
