import type { Clock } from '../../launcher/ports/clock.ts';
import { STORAGE_PRICES } from './figures.ts';

export const HOURS_PER_MONTH = 730;
const HOUR_MS = 3_600_000;

export type CostKind = 'instance' | 'volume' | 'snapshot' | 'publicIp' | 'initialization';

/** Meters what runs: each thing at its price per hour, from when it is set until it is set to another. */
export class Meter {
  readonly #clock: Clock;
  readonly #rates = new Map<string, { kind: CostKind; usdPerHour: number; fromMs: number }>();
  readonly #spent: Record<CostKind, number> = { instance: 0, volume: 0, snapshot: 0, publicIp: 0, initialization: 0 };

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** The price of a thing from now on; 0 when it is gone. */
  set(kind: CostKind, thing: string, usdPerHour: number): void {
    const key = `${kind} ${thing}`;
    const nowMs = this.#clock.now();
    const running = this.#rates.get(key);
    if (running) this.#spent[kind] += ((nowMs - running.fromMs) / HOUR_MS) * running.usdPerHour;
    if (usdPerHour === 0) this.#rates.delete(key);
    else this.#rates.set(key, { kind, usdPerHour, fromMs: nowMs });
  }

  setVolume(id: string, sizeGiB: number): void {
    this.set('volume', id, (sizeGiB * STORAGE_PRICES.volumeUsdPerGiBMonth) / HOURS_PER_MONTH);
  }

  /** All snapshots together: blocks that several of them have are stored once. */
  setSnapshots(bytes: number): void {
    this.set('snapshot', 'all', ((bytes / 1024 ** 3) * STORAGE_PRICES.snapshotUsdPerGiBMonth) / HOURS_PER_MONTH);
  }

  once(kind: CostKind, usd: number): void {
    this.#spent[kind] += usd;
  }

  /** What was spent until now. */
  get spentUsd(): Record<CostKind | 'total', number> {
    const nowMs = this.#clock.now();
    const spent = { ...this.#spent };
    for (const { kind, usdPerHour, fromMs } of this.#rates.values()) spent[kind] += ((nowMs - fromMs) / HOUR_MS) * usdPerHour;
    return { ...spent, total: Object.values(spent).reduce((sum, usd) => sum + usd, 0) };
  }

  /** What an hour costs as it stands. */
  get usdPerHour(): number {
    return [...this.#rates.values()].reduce((sum, rate) => sum + rate.usdPerHour, 0);
  }
}
