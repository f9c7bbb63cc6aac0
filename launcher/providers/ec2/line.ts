import type { Clock } from '../../ports/clock.ts';
import type { Budget } from './budget.ts';
import type { Ec2Limits } from './limits.ts';
import { Memory } from './memory.ts';

/**
 * The line of those who wait for a call that AWS takes few of. Whoever's turn is far away is told when to come back, once, and has a
 * place until then: a thousand who wait come back a thousand times, and not each every few seconds. They come a little early, so
 * that a place which nobody comes back for is not time that is lost.
 */
export class Line {
  readonly #op: string;
  readonly #clock: Clock;
  readonly #budget: Budget;
  readonly #limits: Ec2Limits;
  readonly #places: Memory<number>;
  #endMs = Number.NEGATIVE_INFINITY;

  constructor(parts: { op: string; clock: Clock; budget: Budget; limits: Ec2Limits }) {
    this.#op = parts.op;
    this.#clock = parts.clock;
    this.#budget = parts.budget;
    this.#limits = parts.limits;
    this.#places = new Memory(parts.limits.places);
  }

  /** @returns ms after which `name` is to come back; 0: its turn is so near that it may wait for it now */
  restMs(name: string): number {
    const nowMs = this.#clock.now();
    const { turnMs } = this.#limits;
    const waitMs = this.#budget.untilTurn(this.#op, 'work');
    const comesMs = (this.#places.get(name) ?? Number.NaN) - turnMs / 2;
    if (comesMs > nowMs) return Math.ceil(comesMs - nowMs);
    const hasPlace = !Number.isNaN(comesMs);
    if (waitMs <= turnMs && (hasPlace || this.#endMs <= nowMs + turnMs)) {
      this.#places.delete(name);
      return 0;
    }
    this.#endMs = Math.max(nowMs + waitMs, this.#endMs) + this.#budget.gapMs(this.#op, 'work');
    this.#places.set(name, this.#endMs);
    return Math.max(1, Math.ceil(this.#endMs - turnMs / 2 - nowMs));
  }
}
