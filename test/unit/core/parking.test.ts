import { describe, expect, it } from 'vitest';
import { DevctlError } from '../../../launcher/contract/errors.ts';
import type { SessionRecord, WorkspaceRecord } from '../../../launcher/contract/records.ts';
import { addHold, askToPark, askToWake, assertReady } from '../../../launcher/core/admission.ts';
import { decide } from '../../../launcher/core/decide.ts';
import { fail } from '../../../launcher/core/ends.ts';
import { applyHeartbeat } from '../../../launcher/core/heartbeat.ts';
import { LIMITS } from '../../../launcher/core/limits.ts';
import { ordersFor } from '../../../launcher/core/orders.ts';
import { judge } from '../../../launcher/core/orphans.ts';
import * as outcome from '../../../launcher/core/outcome.ts';
import { applyChange } from '../../../launcher/core/session.ts';
import { dailyDueAtMs, readyDueAtMs } from '../../../launcher/core/session-due.ts';
import type { Observed, Step } from '../../../launcher/core/steps.ts';
import { whyView } from '../../../launcher/core/views.ts';
import { afterHeadMove } from '../../../launcher/core/workspace.ts';
import { box, HOUR_MS, lease, MINUTE_MS, NOW, op, ready, report, SES, session, snapshot, WS, workspace } from './samples.ts';

const DAY_MS = 24 * HOUR_MS;
const seen = (state: Observed['box'], record: Observed['snapshot'] = null): Observed => ({ box: state, snapshot: record });
const making = (started: boolean): SessionRecord['snapshot'] => ({ id: 'snap_1', operationId: 'op.snapshot', started });
const pending = snapshot({ state: 'pending', reason: 'park' });
const saved = workspace({ volume: { id: 'vol_1', epoch: 1, savedEpoch: 1, keepUntil: null } });
const failure = (kind: outcome.CallFailure['kind']) => ({ kind, message: 'words' });

const live = (patch: Partial<SessionRecord> = {}) => ready({ persistent: true, policy: 'on-demand', ...patch });
const parking = (patch: Partial<SessionRecord> = {}) => live({ phase: 'parking', desired: 'parked', endReason: 'idle', ...patch });
const parked = (patch: Partial<SessionRecord> = {}) => parking({ phase: 'parked', report, ...patch });

const look = (found: SessionRecord, observed: Observed, nowMs = NOW, place: WorkspaceRecord = workspace()): Step =>
  decide(found, place, observed, nowMs, LIMITS);
const patchOf = (step: Step): Partial<SessionRecord> => (step.do === 'change' || step.do === 'settle' ? step.change.patch : {});
const codeOf = (run: () => unknown): string => {
  try {
    run();
    return 'fine';
  } catch (error) {
    return error instanceof DevctlError ? error.code : String(error);
  }
};

describe('a persistent session that is over for now', () => {
  it('is parked where another is ended; its owner may still end it', () => {
    const idle = NOW + 30 * MINUTE_MS;
    expect(patchOf(look(live({ dueAt: idle }), seen('running'), idle))).toMatchObject({
      phase: 'parking',
      desired: 'parked',
      endReason: 'idle',
    });
    expect(patchOf(look(live({ desired: 'parked', endReason: 'user' }), seen('running')))).toMatchObject({
      phase: 'parking',
      endReason: 'user',
    });
    expect(patchOf(look(live({ desired: 'stopped', endReason: 'user' }), seen('running')))).toMatchObject({ phase: 'quiescing' });
    expect(patchOf(look(ready({ dueAt: idle }), seen('running'), idle))).toMatchObject({ phase: 'quiescing' });
  });

  it('takes a snapshot along whose point in time is fixed, and no other', () => {
    const asked = live({ desired: 'parked', snapshot: making(true) });
    expect(patchOf(look(asked, seen('running', pending)))).toMatchObject({ phase: 'parking' });
    expect(patchOf(look(asked, seen('running', pending)))).not.toHaveProperty('snapshot');
    const unfixed = live({ desired: 'parked', snapshot: making(false) });
    expect(look(unfixed, seen('running', pending))).toMatchObject({ do: 'snapshot', live: true });
  });

  it('is made quiet, then its box is stopped: each intent first', () => {
    expect(patchOf(look(parking(), seen('running'))).op).toMatchObject({ kind: 'quiesce', id: `${SES}.g1.park.1` });
    expect(look(parking({ op: op('quiesce', { notBeforeMs: NOW + 5 }) }), seen('running'))).toEqual({ do: 'wait', untilMs: NOW + 5 });
    expect(look(parking({ op: op('quiesce') }), seen('running'))).toEqual({ do: 'quiesce' });
    expect(patchOf(look(parking({ report }), seen('running'))).op).toMatchObject({ kind: 'park', attempt: 1 });
    const stopping = parking({ report, op: op('park') });
    expect(look(stopping, seen('running'))).toEqual({ do: 'park' });
    expect(look(stopping, seen('unknown'))).toEqual({ do: 'wait', untilMs: NOW + LIMITS.pollMs });
    expect(look({ ...stopping, op: op('park', { notBeforeMs: NOW + 9 }) }, seen('running'))).toEqual({ do: 'wait', untilMs: NOW + 9 });
    const kept = patchOf(look(stopping, seen('parked')));
    expect(kept).toMatchObject({ phase: 'parked', op: null });
    expect(kept).not.toHaveProperty('box');
    expect(patchOf(look(stopping, seen('gone')))).toMatchObject({ phase: 'parked', box: null });
  });

  it('goes on, or ends, while its box was not yet told to stop', () => {
    const asked = parking({ desired: 'ready', report });
    expect(patchOf(look(asked, seen('running')))).toMatchObject({ phase: 'ready', report: null, op: null });
    expect(look({ ...asked, op: op('park') }, seen('running'))).toEqual({ do: 'park' });
    expect(patchOf(look(parking({ desired: 'stopped' }), seen('running')))).toMatchObject({ phase: 'quiescing' });
  });

  it('is stopped as it is when it cannot be made quiet', () => {
    const refused = (attempt: number) =>
      outcome.quiesceRefused(parking({ op: op('quiesce', { attempt }) }), failure('unreachable'), NOW, LIMITS).patch;
    expect(refused(1).op).toMatchObject({ kind: 'quiesce', attempt: 2 });
    expect(refused(LIMITS.quiesceAttempts).op).toMatchObject({ kind: 'park', attempt: 1 });
  });

  it('is asked again while its box is on its way, and is kept running when it may not be stopped', () => {
    const stopping = parking({ report, op: op('park') });
    const tried = (found: SessionRecord, kind: outcome.CallFailure['kind'] | null) =>
      outcome.parkTried(found, kind && failure(kind), NOW, LIMITS).patch;
    for (const kind of [null, 'busy'] as const)
      expect(tried(stopping, kind).op).toMatchObject({ attempt: 1, notBeforeMs: NOW + LIMITS.parkPollMs });
    const often = parking({ report, op: op('park', { attempt: LIMITS.parkAttempts }) });
    for (const kind of ['transient', 'unreachable'] as const)
      expect(tried(often, kind).op).toMatchObject({ attempt: LIMITS.parkAttempts + 1 });
    expect(tried(stopping, 'fatal').op).toMatchObject({ attempt: 2 });
    expect(tried(often, 'fatal')).toMatchObject({ phase: 'ready', desired: 'ready', failure: { code: 'park_failed' }, op: null });
    expect(tried(parked({ op: null }), 'fatal').op).toMatchObject({ kind: 'park', attempt: 2 });
  });

  it('has a quiet box meanwhile, which is told why', () => {
    const beat = { sessionId: SES, generation: 1, state: 'quiesced' as const, contentPresent: true, evidence: [] };
    expect(applyHeartbeat(parking(), workspace(), beat, NOW + HOUR_MS, LIMITS)?.patch.box?.heartbeatAt).toBe(NOW + HOUR_MS);
    for (const found of [parking(), parked()]) expect(ordersFor(found, workspace(), NOW, LIMITS).state).toBe('hold');
    expect(ordersFor(parking(), workspace(), NOW, LIMITS).notice?.text).toBe(
      'devctl: this box is being parked: it was idle; devctl up goes on with it',
    );
    for (const endReason of ['failed', null])
      expect(ordersFor(parking({ endReason }), workspace(), NOW, LIMITS).notice?.text).toContain('it cannot go on');
  });
});

describe('a parked session', () => {
  it('has a snapshot a day of what no snapshot has', () => {
    expect(look(parked(), seen('parked'))).toMatchObject({ do: 'allocate', reason: 'park', clean: true });
    expect(look(parked({ report: null }), seen('parked'))).toMatchObject({ do: 'allocate', clean: false });
    const later = parked({ nextSnapshotAt: NOW + 60_000 });
    expect(look(later, seen('parked'))).toEqual({ do: 'wait', untilMs: NOW + 60_000 });
    for (const place of [saved, workspace({ quarantined: 'damaged' })])
      expect(look(parked(), seen('parked'), NOW, place)).toEqual({ do: 'wait', untilMs: NOW + LIMITS.parkedLookMs });
    const taken = outcome.snapshotStarted(parked({ snapshot: making(false), op: op('snapshot') }), pending, {}, NOW, LIMITS).patch;
    expect(taken.nextSnapshotAt).toBe(NOW + DAY_MS);
    expect(outcome.snapshotStarted(ready(), pending, {}, NOW, LIMITS).patch.nextSnapshotAt).toBeNull();
  });

  it('sees it through until it is the head, with all that the volume has', () => {
    const fixed = parked({ snapshot: making(true) });
    expect(look(parked({ snapshot: making(false) }), seen('parked', pending))).toEqual({ do: 'snapshot', snapshot: pending, live: false });
    expect(look(fixed, seen('parked', pending))).toEqual({ do: 'watch', snapshot: pending });
    const done = snapshot({ reason: 'park' });
    expect(look(fixed, seen('parked', done))).toMatchObject({ do: 'settle', change: { patch: { snapshot: null, op: null } } });
    expect(afterHeadMove(workspace(), done)?.volume?.savedEpoch).toBe(1);
    for (const lost of [null, snapshot({ state: 'error' })])
      expect(patchOf(look(fixed, seen('parked', lost)))).toMatchObject({
        snapshot: null,
        nextSnapshotAt: NOW + LIMITS.dailySnapshotRetryMs,
      });
    const refused = outcome.snapshotRefused(parked({ snapshot: making(false) }), failure('fatal'), NOW, LIMITS).patch;
    expect(refused).toMatchObject({ snapshot: null, nextSnapshotAt: NOW + LIMITS.dailySnapshotRetryMs });
  });

  it('goes on in the next generation with its box; what is being saved is not waited for', () => {
    const asked = parked({ desired: 'ready', snapshot: making(true), launchAttempts: 2, rescues: 2, refused: true });
    const woken = patchOf(look(asked, seen('parked', pending)));
    expect(woken).toMatchObject({
      phase: 'launching',
      generation: 2,
      box: null,
      report: null,
      snapshot: making(true),
      launchAttempts: 0,
      rescues: 0,
      refused: false,
      op: { kind: 'launch', id: `${SES}.g2.launch`, parked: { boxId: 'box_1', generation: 1, launchedAt: NOW, box: box() } },
    });
    expect(patchOf(look(parked({ desired: 'ready', box: null }), seen(null))).op).not.toHaveProperty('parked');
    const unfixed = parked({ desired: 'ready', snapshot: making(false) });
    expect(look(unfixed, seen('parked', pending))).toMatchObject({ do: 'snapshot' });
    const due = parked({ desired: 'ready', nextSnapshotAt: NOW });
    expect(patchOf(look(due, seen('parked'))).nextSnapshotAt).toBe(NOW);
    expect(patchOf(look(due, seen('parked'), NOW, saved)).nextSnapshotAt).toBe(NOW + DAY_MS);
  });

  it('ends with what its box was when it was parked', () => {
    const asked = { desired: 'stopped' as const, endReason: 'user' };
    expect(patchOf(look(parked(asked), seen('parked')))).toMatchObject({ phase: 'ending', save: 'clean', endReason: 'user' });
    expect(patchOf(look(parked({ ...asked, report: null }), seen('parked')))).toMatchObject({ phase: 'ending', save: 'crash' });
    expect(look(session({ phase: 'ending', box: box(), save: 'clean' }), seen('parked'))).toEqual({ do: 'end' });
  });

  it('notices that its box is gone, that somebody else started it, and that nobody can tell', () => {
    expect(patchOf(look(parked(), seen('gone')))).toMatchObject({ box: null });
    for (const state of ['running', 'pending'] as const) expect(look(parked(), seen(state))).toEqual({ do: 'park' });
    expect(look(parked({ op: op('park', { notBeforeMs: NOW + 7 }) }), seen('running'))).toEqual({ do: 'wait', untilMs: NOW + 7 });
    expect(look(parked({ desired: 'ready' }), seen('unknown'))).toEqual({ do: 'wait', untilMs: NOW + LIMITS.pollMs });
    expect(patchOf(look(parked({ op: op('park') }), seen('parked')))).toMatchObject({ op: null });
    expect(look(parked({ box: null }), seen(null), NOW, saved)).toMatchObject({ do: 'wait' });
  });

  it('is what becomes of a launch that found no box; what it left goes first', () => {
    const launching = live({ phase: 'launching', box: null, generation: 2, op: op('launch') });
    const { patch } = fail(launching, NOW, 'no_capacity', 'no machine').change;
    expect(patch).toMatchObject({ phase: 'parked', desired: 'parked', failure: { code: 'no_capacity' }, op: op('launch') });
    const back = applyChange(launching, { patch }, NOW);
    expect(look(back, seen(null))).toEqual({ do: 'disown' });
    expect(look({ ...back, op: op('launch', { notBeforeMs: NOW + 3 }) }, seen(null))).toEqual({ do: 'wait', untilMs: NOW + 3 });
    const kept = { boxId: 'box_1', generation: 1, launchedAt: NOW, box: box() };
    expect(fail({ ...launching, op: op('launch', { parked: kept }) }, NOW, 'no_capacity', 'no machine').change.patch.box).toEqual(box());
    expect(patch.box).toBeNull();
    for (const other of [
      { ...launching, persistent: false },
      { ...launching, readyAt: null },
      { ...launching, desired: 'stopped' as const },
      { ...launching, phase: 'bootstrapping' as const },
    ])
      expect(fail(other, NOW, 'no_capacity', 'no machine').change.patch.phase).toBe('ending');
  });

  it('says in why what parked it', () => {
    const why = (found: SessionRecord) => whyView(found, { nowMs: NOW, sinceMs: 0, limits: LIMITS });
    expect(why(parked())).toMatchObject({ because: 'it was idle', endsAt: null, parks: true });
    expect(why(ready({ persistent: true }))).toMatchObject({ parks: true, endsAt: expect.any(String) });
    expect(why(ready()).parks).toBe(false);
    const failed = { code: 'no_capacity' as const, detail: 'no machine', hint: '' };
    expect(why(parked({ failure: failed })).because).toBe('no machine');
  });

  it('owns its stopped machine, also while that is started again', () => {
    const resource = { kind: 'box' as const, id: 'box_1', tags: { sessionId: SES, generation: 1, workspaceId: WS }, createdAtMs: 0 };
    const verdict = (found: SessionRecord) =>
      judge(resource, { session: found, workspace: workspace(), snapshot: null, poolBox: null }, NOW, LIMITS).verdict;
    expect(verdict(parked())).toBe('keep');
    expect(verdict(parked({ generation: 2 }))).toBe('keep');
    expect(verdict(live({ generation: 2 }))).toBe('drop');
    const woken = live({ phase: 'launching', generation: 2, box: null });
    expect(verdict({ ...woken, op: op('launch', { parked: { boxId: 'box_1', generation: 1, launchedAt: NOW } }) })).toBe('keep');
    expect(verdict({ ...woken, op: op('launch') })).toBe('drop');
  });
});

describe('a box that stands still in the midst of work', () => {
  it('is gone for its session, which goes on in another', () => {
    expect(patchOf(look(ready(), seen('parked')))).toMatchObject({ phase: 'rescuing' });
    expect(look(session({ phase: 'rescuing', box: box() }), seen('parked'))).toEqual({ do: 'end' });
    expect(patchOf(look(session({ phase: 'bootstrapping', box: box() }), seen('parked')))).toMatchObject({ phase: 'launching' });
    expect(patchOf(look(ready({ phase: 'quiescing', desired: 'stopped' }), seen('parked')))).toMatchObject({
      phase: 'ending',
      save: 'crash',
    });
  });
});

describe('a persistent session that goes on for long', () => {
  it('has a snapshot a day, and the next one sooner when that fails', () => {
    const long = live({ lease: lease({ idleDeadlineMs: NOW + 9 * DAY_MS, hardDeadlineMs: NOW + 9 * DAY_MS }) });
    const beating = (nowMs: number) => ({ ...long, box: box({ heartbeatAt: nowMs }) });
    const due = look(beating(NOW + DAY_MS), seen('running'), NOW + DAY_MS);
    expect(patchOf(due).checkpoint).toMatchObject({ note: 'of the day', reason: 'checkpoint' });
    expect(look(beating(NOW + DAY_MS - 1), seen('running'), NOW + DAY_MS - 1)).toEqual({ do: 'wait', untilMs: NOW + DAY_MS });
    for (const place of [workspace({ volume: null }), workspace({ quarantined: 'damaged' })])
      expect(look(beating(NOW + DAY_MS), seen('running'), NOW + DAY_MS, place).do).toBe('wait');
    const lost = { ...beating(NOW), snapshot: making(true) };
    expect(patchOf(look(lost, seen('running', null))).nextSnapshotAt).toBe(NOW + LIMITS.dailySnapshotRetryMs);
    expect(patchOf(look({ ...lost, persistent: false }, seen('running', null)))).not.toHaveProperty('nextSnapshotAt');
    expect(dailyDueAtMs(ready(), LIMITS)).toBe(Number.POSITIVE_INFINITY);
    expect(readyDueAtMs({ ...beating(NOW), nextSnapshotAt: NOW + 60 }, NOW, LIMITS)).toBe(NOW + 60);
  });
});

describe('what its owner may ask', () => {
  it('is to park it, once, while it is in use', () => {
    expect(askToPark(live(), NOW)?.patch).toMatchObject({ desired: 'parked', endReason: 'user', dueAt: NOW });
    expect(askToPark(parked(), NOW)).toBeNull();
    for (const found of [ready(), live({ phase: 'launching' }), live({ desired: 'stopped' })])
      expect(codeOf(() => askToPark(found, NOW))).toBe('wrong_phase');
  });

  it('is to let it go on, with a new lease', () => {
    const at = NOW + 5 * DAY_MS;
    const { patch } = askToWake(parked({ lease: lease({ holds: [{ name: 'a', untilMs: NOW, createdAt: NOW }] }) }), at) ?? { patch: {} };
    expect(patch).toMatchObject({ desired: 'ready', endReason: null, failure: null });
    expect(patch.lease).toMatchObject({ idleDeadlineMs: at + 30 * MINUTE_MS, hardDeadlineMs: at + 12 * HOUR_MS, holds: [] });
    expect(askToWake(live(), NOW)).toBeNull();
    expect(codeOf(() => askToWake(parked({ desired: 'stopped', endReason: 'user' }), NOW))).toBe('wrong_phase');
  });

  it('is not to work in it, or to hold it, while it is parked', () => {
    expect(codeOf(() => assertReady(parked(), NOW))).toBe('lease_ended');
    expect(codeOf(() => assertReady(parked({ endReason: 'user' }), NOW))).toBe('wrong_phase');
    expect(codeOf(() => addHold(parked({ endReason: 'user' }), { name: 'a', untilMs: NOW + 1, createdAt: NOW }, NOW, LIMITS))).toBe(
      'wrong_phase',
    );
  });
});
