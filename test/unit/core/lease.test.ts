import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { EVIDENCE_KINDS } from '../../../launcher/contract/evidence.ts';
import type { Evidence, Lease } from '../../../launcher/contract/records.ts';
import {
  addEvidence,
  heartbeatEveryMs,
  leaseEndedBy,
  leaseEndMs,
  leaseReason,
  newLease,
  selfReportedLimitMs,
  warnAtMs,
} from '../../../launcher/core/lease.ts';
import { backoffMs, LIMITS } from '../../../launcher/core/limits.ts';
import { readyDueAtMs } from '../../../launcher/core/session-due.ts';
import { box, evidence, HOUR_MS, lease, MINUTE_MS, NOW, ready } from './samples.ts';

const time = fc.integer({ min: NOW - 24 * HOUR_MS, max: NOW + 24 * HOUR_MS });
const evidences = fc.array(fc.record({ kind: fc.constantFrom(...EVIDENCE_KINDS), atMs: time, detail: fc.constant('x') }), { maxLength: 8 });
const hold = (name: string, untilMs: number) => ({ name, untilMs, createdAt: NOW });
const leases = fc
  .record({
    idleTtlMs: fc.integer({ min: 1000, max: 24 * HOUR_MS }),
    maxTtlMs: fc.integer({ min: 1000, max: 48 * HOUR_MS }),
    holds: fc.array(time, { maxLength: 3 }),
  })
  .map(
    ({ idleTtlMs, maxTtlMs, holds }): Lease => ({ ...newLease(NOW, idleTtlMs, maxTtlMs), holds: holds.map((at, n) => hold(`h${n}`, at)) }),
  );

describe('the end of a lease', () => {
  it('is the hard deadline, or the later of idleness and holds, whichever is first', () => {
    fc.assert(
      fc.property(leases, (found) => {
        const held = found.holds.reduce((last, { untilMs }) => Math.max(last, untilMs), found.idleDeadlineMs);
        expect(leaseEndMs(found)).toBe(Math.min(found.hardDeadlineMs, held));
      }),
    );
  });

  it.each([
    ['idle', {}, 'idle 30m after the last evidence'],
    ['hold', { holds: [hold('a', NOW + HOUR_MS), hold('build', NOW + 2 * HOUR_MS), hold('c', NOW)] }, 'hold build ends'],
    ['hard_limit', { holds: [hold('build', NOW + 99 * HOUR_MS)] }, 'hard limit of 12h'],
  ] as const)('by %s is told in words', (by, patch, words) => {
    const found = lease(patch as Partial<Lease>);
    expect(leaseEndedBy(found)).toBe(by);
    expect(leaseReason(found)).toBe(words);
  });
});

describe('evidence', () => {
  const apply = (found: Lease, items: Evidence[], nowMs: number) => addEvidence(found, items, nowMs, LIMITS);

  it('moves deadlines only forward, never past the hard one, also when the clock goes back', () => {
    fc.assert(
      fc.property(leases, fc.array(fc.tuple(evidences, time), { maxLength: 6 }), (first, steps) => {
        let found = first;
        for (const [items, nowMs] of steps) {
          const next = apply(found, items, nowMs);
          expect(next.idleDeadlineMs).toBeGreaterThanOrEqual(found.idleDeadlineMs);
          expect(next.observedAtMs).toBeGreaterThanOrEqual(found.observedAtMs);
          expect(next.hardDeadlineMs).toBe(found.hardDeadlineMs);
          expect(leaseEndMs(next)).toBeGreaterThanOrEqual(leaseEndMs(found));
          found = next;
        }
      }),
    );
  });

  it('of a kind that does not hold is kept, and moves nothing', () => {
    const first = lease({});
    const next = apply(first, [evidence('containers', NOW + MINUTE_MS)], NOW + MINUTE_MS);
    expect(next.evidence).toMatchObject([{ kind: 'containers', atMs: NOW + MINUTE_MS }]);
    expect(next).toMatchObject({ idleDeadlineMs: first.idleDeadlineMs, observedAtMs: first.observedAtMs });
  });

  it('from the future counts as now', () => {
    fc.assert(
      fc.property(leases, evidences, time, (found, items, nowMs) => {
        const next = apply(found, items, nowMs);
        const byNow = Math.max(found.idleDeadlineMs, nowMs + found.idleTtlMs);
        expect(next.idleDeadlineMs).toBeLessThanOrEqual(byNow);
        for (const { atMs } of next.evidence) expect(atMs).toBeLessThanOrEqual(nowMs);
      }),
    );
  });

  it('of the box alone reaches no further than the limit past what the launcher saw itself', () => {
    fc.assert(
      fc.property(leases, fc.array(fc.tuple(evidences, time), { maxLength: 6 }), (first, steps) => {
        let found = first;
        for (const [items, nowMs] of steps) found = apply(found, items, nowMs);
        expect(found.idleDeadlineMs).toBeLessThanOrEqual(selfReportedLimitMs(found, LIMITS));
      }),
    );
  });

  it('gives the same lease in whatever order it comes', () => {
    fc.assert(
      fc.property(leases, evidences, time, (found, items, nowMs) => {
        const { idleDeadlineMs, observedAtMs } = apply(found, items, nowMs);
        expect(apply(found, [...items].reverse(), nowMs)).toMatchObject({ idleDeadlineMs, observedAtMs });
      }),
    );
  });

  it('is kept for why: the latest of each kind', () => {
    const first = apply(lease(), [evidence('cpu', NOW), evidence('api', NOW)], NOW);
    const next = apply(first, [evidence('cpu', NOW - 5), evidence('api', NOW + 3)], NOW + 5);
    expect(next.evidence).toEqual([evidence('api', NOW + 3), evidence('cpu', NOW)]);
  });

  it('that the launcher saw opens the way for the word of the box again', () => {
    const far = NOW + LIMITS.selfReportedMaxMs + HOUR_MS;
    const told = apply(lease(), [evidence('cpu', far)], far);
    expect(told.idleDeadlineMs).toBe(NOW + LIMITS.selfReportedMaxMs + 30 * MINUTE_MS);
    expect(apply(told, [evidence('connection', far)], far).idleDeadlineMs).toBe(far + 30 * MINUTE_MS);
  });
});

describe('what follows from a lease', () => {
  it('a warning comes a quarter of the idle time before the end, at most five minutes', () => {
    expect(leaseEndMs(lease()) - warnAtMs(lease(), LIMITS)).toBe(5 * MINUTE_MS);
    const short = newLease(NOW, 20_000, HOUR_MS);
    expect(leaseEndMs(short) - warnAtMs(short, LIMITS)).toBe(5000);
  });

  it('a box reports within its bounds, six times in its idle time', () => {
    expect(heartbeatEveryMs(lease({ idleTtlMs: 30_000 }), LIMITS)).toBe(5000);
    expect(heartbeatEveryMs(lease({ idleTtlMs: 100 }), LIMITS)).toBe(LIMITS.heartbeatMinMs);
    expect(heartbeatEveryMs(lease(), LIMITS)).toBe(LIMITS.heartbeatMaxMs);
  });

  it('a ready session is due at its warning, its end, or when its box falls silent', () => {
    expect(readyDueAtMs(ready(), NOW, LIMITS)).toBe(NOW + LIMITS.silentMs);
    expect(readyDueAtMs(ready({ box: null }), NOW, LIMITS)).toBe(NOW + LIMITS.silentMs);
    const silent = ready({ box: box({ heartbeatAt: NOW - HOUR_MS }) });
    expect(readyDueAtMs(silent, NOW, LIMITS)).toBe(NOW + LIMITS.readyLookMs);
    const near = lease({ idleDeadlineMs: NOW + 6 * MINUTE_MS });
    expect(readyDueAtMs(ready({ lease: near, box: box({ heartbeatAt: NOW + HOUR_MS }) }), NOW, LIMITS)).toBe(NOW + MINUTE_MS);
    const warned = { ...near, warnedForMs: near.idleDeadlineMs };
    expect(readyDueAtMs(ready({ lease: warned, box: box({ heartbeatAt: NOW + HOUR_MS }) }), NOW, LIMITS)).toBe(near.idleDeadlineMs);
  });

  it('back-off doubles up to its bound', () => {
    expect([0, 1, 2].map((attempt) => backoffMs(attempt, LIMITS))).toEqual([500, 1000, 2000]);
    expect(backoffMs(1000, LIMITS)).toBe(LIMITS.backoffMaxMs);
  });
});
