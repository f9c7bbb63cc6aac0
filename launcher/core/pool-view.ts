import { type Pool, type PoolPlan, poolSizeAt } from '../contract/pool.ts';
import type { PoolBoxRecord } from '../contract/records.ts';
import { dollars } from './cost.ts';
import { isCurrent, type PoolKind } from './pool.ts';

/** What the provider makes of a pool; null where it has none. */
export type PoolOffer = (Omit<PoolKind, 'size'> & { microUsdPerMonth: number }) | null;

const iso = (ms: number): string => new Date(ms).toISOString();

/** The pool for people. Whose a claimed box is stays with its session. */
export function poolView(plan: PoolPlan, offer: PoolOffer, boxes: readonly PoolBoxRecord[], nowMs: number): Pool {
  const wanted = offer === null ? 0 : poolSizeAt(plan, nowMs);
  // A claimed box is paid for by its session.
  const kept = boxes.filter(({ phase, boxId }) => phase !== 'claimed' && boxId !== null);
  const usd = (count: number) => dollars(count * (offer?.microUsdPerMonth ?? 0));
  return {
    supported: offer !== null,
    wanted,
    base: plan.base,
    schedule: plan.windows.map(({ text }) => text),
    boxSize: plan.boxSize,
    boxes: boxes.map((box) => ({
      id: box.id,
      box: box.boxId,
      state: box.phase,
      size: box.size,
      arch: box.arch,
      image: box.image,
      current: offer !== null && isCurrent(box, { size: plan.boxSize, ...offer }),
      place: box.place,
      createdAt: iso(box.createdAt),
      since: iso(box.phaseSince),
      problem: box.problem,
    })),
    usdPerMonth: usd(kept.length),
    wantedUsdPerMonth: usd(wanted),
  };
}
