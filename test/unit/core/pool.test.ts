import { describe, expect, it } from 'vitest';
import { NO_POOL } from '../../../launcher/contract/pool.ts';
import type { PoolBoxRecord, SessionRecord } from '../../../launcher/contract/records.ts';
import { LIMITS } from '../../../launcher/core/limits.ts';
import {
  boxesFor,
  decidePoolBox,
  fillFailed,
  keptBoxes,
  lacksOne,
  mayTake,
  newPoolBox,
  type PoolKind,
  type PoolView,
} from '../../../launcher/core/pool.ts';
import { poolView } from '../../../launcher/core/pool-view.ts';
import { box, NOW, op, ready, SES, session } from './samples.ts';

const KIND: PoolKind = { size: 'small', arch: 'x86_64', image: 'ami-1' };
const idOf = (n: number): string => `pool_${'0'.repeat(25)}${n}`;
const pooled = (phase: PoolBoxRecord['phase'], patch: Partial<PoolBoxRecord> = {}): PoolBoxRecord => ({
  ...newPoolBox(idOf(1), KIND, NOW, LIMITS),
  phase,
  boxId: phase === 'launching' ? null : 'box_1',
  notBeforeMs: NOW,
  ...patch,
});
const claim = { owner: 'dev', sessionId: SES, generation: 1, operationId: 'op.launch' };
const view = (patch: Partial<PoolView> = {}): PoolView => ({ isKept: true, seen: null, session: null, ...patch });
const next = (record: PoolBoxRecord, patch: Partial<PoolView> = {}, afterMs = 0) => {
  const step = decidePoolBox(record, view(patch), NOW + afterMs, LIMITS);
  return step.do === 'change' ? step.patch.phase : step.do;
};

describe('a box of the pool', () => {
  it('that is asked for waits for its answer, is asked for again, and ends when nobody wants it', () => {
    const asked = newPoolBox(idOf(1), KIND, NOW, LIMITS);
    expect([next(asked), next(asked, {}, LIMITS.poolAnswerMs)]).toEqual(['wait', 'fill']);
    expect(next(asked, { isKept: false }, LIMITS.poolAnswerMs)).toBe('ending');
  });

  it.each([
    [{ seen: 'pending' }, 0, 'wait'],
    [{ seen: 'running' }, LIMITS.poolWarmMs - 1, 'wait'],
    [{ seen: 'running' }, LIMITS.poolWarmMs, 'park'],
    [{ seen: 'parked' }, LIMITS.poolWarmingMs, 'ready'],
    [{ seen: 'gone' }, 0, 'forget'],
    [{ seen: 'unknown' }, LIMITS.poolWarmMs, 'wait'],
    [{ seen: 'unknown' }, LIMITS.poolWarmingMs, 'ending'],
    [{ seen: 'running', isKept: false }, 0, 'ending'],
  ] as const)('that runs for the first time, %o after %i ms: %s', (seen, afterMs, expected) => {
    expect(next(pooled('warming'), seen, afterMs)).toBe(expected);
  });

  it.each([
    [{ seen: 'parked' }, 'wait'],
    [{ seen: 'unknown' }, 'wait'],
    [{ seen: 'gone' }, 'forget'],
    [{ seen: 'running' }, 'warming'],
    [{ seen: 'parked', isKept: false }, 'ending'],
  ] as const)('that is ready, %o: %s', (seen, expected) => {
    expect(next(pooled('ready'), seen)).toBe(expected);
  });

  it('that ends is let go until it is gone, and forgotten once nothing can come of a launch any more', () => {
    expect([next(pooled('ending'), { seen: 'parked' }), next(pooled('ending'), { seen: 'unknown' })]).toEqual(['end', 'end']);
    expect(next(pooled('ending', { notBeforeMs: NOW + 1 }), { seen: 'gone' })).toBe('wait');
    expect(next(pooled('ending'), { seen: 'gone' })).toBe('forget');
  });

  it('that is claimed belongs to its session while that launches with it or has it', () => {
    const claimed = pooled('claimed', { claim });
    const later = LIMITS.orphanGraceMs;
    const launching = session({ phase: 'launching', op: op('launch') });
    const using = ready({ box: box({ id: 'box_1' }) });
    const waking = session({
      phase: 'launching',
      op: op('launch', { id: 'other', parked: { boxId: 'box_1', generation: 1, launchedAt: NOW } }),
    });
    expect([next(claimed, { session: launching }), next(claimed, { session: launching }, later)]).toEqual(['wait', 'wait']);
    expect([next(claimed, { session: using }), next(claimed, { session: using }, later)]).toEqual(['wait', 'forget']);
    expect(next(claimed, { session: waking }, later)).toBe('forget');
  });

  it('that is claimed by a launch which is over without it is let go', () => {
    const claimed = pooled('claimed', { claim });
    expect(next(claimed)).toBe('ending');
    expect(next(claimed, { session: ready({ box: box({ id: 'box_2' }) }) })).toBe('ending');
    expect(next(claimed, { session: session({ phase: 'launching', op: op('launch', { id: 'other' }) }) })).toBe('ending');
  });

  it('for which there is no machine rests, and says why', () => {
    const failed = fillFailed(pooled('launching'), 'x'.repeat(999), NOW, LIMITS);
    expect(failed).toEqual({ attempt: 2, notBeforeMs: NOW + LIMITS.poolRetryMs, problem: 'x'.repeat(500) });
  });
});

describe('the pool', () => {
  const boxes = [
    pooled('launching', { id: idOf(1) }),
    pooled('warming', { id: idOf(2) }),
    pooled('ready', { id: idOf(3), createdAt: NOW + 1 }),
    pooled('ready', { id: idOf(4) }),
    pooled('ready', { id: idOf(5), image: 'ami-0' }),
    pooled('ready', { id: idOf(6), arch: 'arm64' }),
    pooled('ready', { id: idOf(7), size: 'large' }),
    pooled('claimed', { id: idOf(8), claim }),
    pooled('ending', { id: idOf(9) }),
  ];
  const kept = (wanted: number) => keptBoxes(boxes, KIND, wanted).map(({ id }) => id);

  it('keeps what is ready, then what is nearly so, the oldest first, and nothing of another kind', () => {
    expect([kept(0), kept(2), kept(9)]).toEqual([[], [idOf(4), idOf(3)], [idOf(4), idOf(3), idOf(2), idOf(1)]]);
  });

  it('lacks one only while no other is being launched', () => {
    const [launching, , one] = boxes as [PoolBoxRecord, PoolBoxRecord, PoolBoxRecord];
    expect([lacksOne([one], [one], 1), lacksOne([one], [one], 2), lacksOne([one, launching], [one, launching], 3)]).toEqual([
      false,
      true,
      false,
    ]);
  });

  it('gives a launch what is ready, of its kind, and where its volume is', () => {
    const near = [pooled('ready', { id: idOf(1), place: 'a' }), pooled('ready', { id: idOf(2), place: 'b' }), pooled('warming')];
    expect(boxesFor('op.launch', near, KIND, null).map(({ id }) => id)).toEqual([idOf(1), idOf(2)]);
    expect(boxesFor('op.launch', near, KIND, 'b').map(({ id }) => id)).toEqual([idOf(2)]);
    expect(boxesFor('op.launch', near, { ...KIND, image: 'ami-2' }, null)).toEqual([]);
  });

  it('gives a launch the box that it has claimed already, and no other', () => {
    const own = pooled('claimed', { id: idOf(3), claim });
    expect(boxesFor('op.launch', [pooled('ready'), own], KIND, null)).toEqual([own]);
    expect(boxesFor('other', [pooled('claimed', { claim: null }), own], KIND, null)).toEqual([]);
  });

  it.each<[boolean, Partial<SessionRecord>]>([
    [true, {}],
    [true, { policy: 'on-demand', arch: 'x86_64' }],
    [false, { policy: 'spot' }],
    [false, { instanceTypes: ['m7a.large'] }],
    [false, { size: 'large' }],
    [false, { arch: 'arm64' }],
    [false, { op: op('quiesce') }],
    [false, { op: null }],
    [false, { op: op('launch', { parked: { boxId: 'b', generation: 1, launchedAt: NOW } }) }],
  ])('is for a launch (%s) of %o', (expected, patch) => {
    expect(mayTake(session({ op: op('launch'), ...patch }), KIND)).toBe(expected);
  });

  it('is shown with what it costs, and without whose its claimed boxes are', () => {
    const plan = { ...NO_POOL, boxSize: 'small' as const, base: 3 };
    const offer = { arch: KIND.arch, image: KIND.image, microUsdPerMonth: 960_000 };
    const records = [pooled('ready'), pooled('ready', { id: idOf(2), image: 'ami-0' }), pooled('claimed', { claim }), pooled('launching')];
    const shown = poolView(plan, offer, records, NOW);
    expect(shown).toMatchObject({ supported: true, wanted: 3, base: 3, schedule: [], usdPerMonth: 1.92, wantedUsdPerMonth: 2.88 });
    expect(shown.boxes.map(({ state, current, box: id }) => [state, current, id])).toEqual([
      ['ready', true, 'box_1'],
      ['ready', false, 'box_1'],
      ['claimed', true, 'box_1'],
      ['launching', true, null],
    ]);
    expect(JSON.stringify(shown)).not.toContain(SES);
    expect(poolView(plan, null, [pooled('ready')], NOW)).toMatchObject({
      supported: false,
      wanted: 0,
      usdPerMonth: 0,
      boxes: [{ current: false }],
    });
  });
});
