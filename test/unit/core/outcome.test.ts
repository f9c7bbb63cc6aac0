import { describe, expect, it } from 'vitest';
import { fail, finish, letGo } from '../../../launcher/core/ends.ts';
import { LIMITS } from '../../../launcher/core/limits.ts';
import * as outcome from '../../../launcher/core/outcome.ts';
import { applyChange, newSession, outboxIsFull } from '../../../launcher/core/session.ts';
import { box, HOUR_MS, lease, NOW, op, ready, report, SES, session, snapshot, WS } from './samples.ts';

const failure = (kind: outcome.CallFailure['kind']) => ({ kind, message: 'words' });

describe('a launch', () => {
  const launching = (patch = {}) => session({ phase: 'launching', op: op('launch'), ...patch });

  it('that worked is a box in bootstrapping; the state of the provider is kept when it gives none', () => {
    const result = { boxId: 'box_1', volumeId: 'vol_1', description: 'd' };
    const { patch } = outcome.launched(launching({ providerState: { az: 1 } }), result, 'hash', NOW, LIMITS);
    expect(patch).toMatchObject({
      phase: 'bootstrapping',
      op: null,
      providerState: { az: 1 },
      box: { tokenHash: 'hash', registeredAt: null },
    });
    const price = { boxMicroUsdPerHour: 1, diskMicroUsdPerHour: 2, about: true };
    expect(outcome.launched(launching(), { ...result, price }, 'hash', NOW, LIMITS).patch.box).toMatchObject({ price });
    expect(outcome.launched(launching(), { ...result, providerState: 2 }, 'hash', NOW, LIMITS).patch.providerState).toBe(2);
  });

  it('that was refused for a reason that may pass is made again after a rest', () => {
    const { patch } = outcome.launchRefused(launching(), failure('transient'), NOW, LIMITS);
    expect(patch).toMatchObject({ op: { attempt: 2, notBeforeMs: NOW + 1000 }, dueAt: NOW + 1000 });
    const last = launching({ op: op('launch', { attempt: LIMITS.launchAttempts }) });
    expect(outcome.launchRefused(last, failure('unreachable'), NOW, LIMITS).patch).toMatchObject({
      phase: 'ending',
      failure: { code: 'bootstrap_failed' },
    });
    expect(outcome.launchRefused(launching({ op: null }), failure('transient'), NOW, LIMITS).patch.phase).toBe('ending');
  });

  it('of a volume in use waits for it without counting, a bounded time', () => {
    const { patch } = outcome.launchRefused(launching(), failure('busy'), NOW, LIMITS);
    expect(patch.op).toMatchObject({ attempt: 1, notBeforeMs: NOW + LIMITS.busyPollMs });
    expect(outcome.launchRefused(launching(), failure('busy'), NOW + LIMITS.snapshotMs, LIMITS).patch.failure?.code).toBe('timeout');
  });

  it('that is not wanted any more ends without a failure, and keeps in mind that it may have left a box', () => {
    const { patch } = outcome.launchRefused(launching({ desired: 'stopped', endReason: 'user' }), failure('busy'), NOW, LIMITS);
    expect(patch).toMatchObject({ phase: 'ending', save: 'none', endReason: 'user', op: { kind: 'launch' } });
    const again = launching({ desired: 'stopped', readyAt: NOW });
    expect(outcome.launchRefused(again, failure('transient'), NOW, LIMITS).patch.save).toBe('crash');
  });

  it('that was refused for good at once has made no box; after a lost answer, or for another reason, nobody knows', () => {
    const refused = (kind: outcome.CallFailure['kind'], patch = {}) =>
      outcome.launchRefused(launching(patch), failure(kind), NOW, LIMITS).patch.refused;
    expect([refused('capacity'), refused('disk_full'), refused('unsupported'), refused('capacity', { desired: 'stopped' })]).toEqual([
      true,
      true,
      true,
      true,
    ]);
    expect([refused('fatal'), refused('missing'), refused('capacity', { op: null })]).toEqual([false, false, false]);
    expect(refused('capacity', { op: op('launch', { attempt: 2 }) })).toBe(false);
    const found = session({ phase: 'ending', op: op('launch'), refused: true });
    expect(outcome.disowned(found, false, NOW, LIMITS).patch.refused).toBe(false);
    expect(outcome.disowned(found, true, NOW, LIMITS).patch).not.toHaveProperty('refused');
  });

  it('tells the next step of the provider, where that says more', () => {
    const hint = 'enable the key';
    const told = outcome.launchRefused(launching(), { ...failure('fatal'), hint }, NOW, LIMITS).patch.failure;
    expect([told?.hint, outcome.launchRefused(launching(), failure('fatal'), NOW, LIMITS).patch.failure?.hint]).toEqual([
      hint,
      'see devctl logs, then devctl up again; the workspace is untouched',
    ]);
  });

  it('may have left boxes, which are looked for until there are none', () => {
    const ending = session({ phase: 'ending', op: op('launch') });
    expect(outcome.disowned(ending, true, NOW, LIMITS).patch.op).toBeNull();
    expect(outcome.disowned(ending, false, NOW, LIMITS).patch.op).toMatchObject({ kind: 'launch', attempt: 2, notBeforeMs: NOW + 2000 });
    expect(outcome.disowned(session({ phase: 'ending' }), false, NOW, LIMITS).patch.op).toBeNull();
  });
});

describe('making a box quiet', () => {
  it('gives its report', () => {
    expect(outcome.quiesced(report, NOW)).toMatchObject({
      patch: { report, op: null },
      events: [{ message: 'quiet: 1 processes stopped' }],
    });
  });

  it('is tried again a bounded number of times, then the volume is saved as a crash leaves it', () => {
    const quiescing = ready({ phase: 'quiescing', op: op('quiesce') });
    expect(outcome.quiesceRefused(quiescing, failure('unreachable'), NOW, LIMITS).patch.op?.attempt).toBe(2);
    const last = { ...quiescing, op: op('quiesce', { attempt: LIMITS.quiesceAttempts }) };
    expect(outcome.quiesceRefused(last, failure('unreachable'), NOW, LIMITS).patch).toMatchObject({
      phase: 'ending',
      save: 'crash',
      op: null,
    });
    expect(outcome.quiesceRefused({ ...quiescing, op: null }, failure('unreachable'), NOW, LIMITS).patch.phase).toBe('ending');
  });
});

describe('a snapshot', () => {
  it('is noted with its operation; a rest that was set before goes on', () => {
    const record = snapshot({ state: 'pending' });
    expect(outcome.allocated(ready(), record, NOW).patch).toMatchObject({
      snapshot: { started: false },
      op: { attempt: 1, notBeforeMs: NOW },
    });
    const retry = ready({ op: op('snapshot', { attempt: 3, notBeforeMs: NOW + 7 }) });
    expect(outcome.allocated(retry, record, NOW).patch.op).toMatchObject({ id: 'op.snapshot', attempt: 3, notBeforeMs: NOW + 7 });
  });

  it('tells of the copies that were made with it, and why there are none', () => {
    const record = snapshot({ state: 'pending' });
    const copy = { workspaceId: record.workspaceId, workspace: 'b', volumeId: 'vol_7' };
    const started = (made: Parameters<typeof outcome.snapshotStarted>[2]) => outcome.snapshotStarted(ready(), record, made, NOW, LIMITS);
    const messageOf = ({ events }: ReturnType<typeof started>) => events?.[0]?.message;
    expect(started({ copies: [copy] }).patch.snapshot).toMatchObject({ started: true, copies: [copy] });
    expect(messageOf(started({ copies: [copy] }))).toContain('copied for a fork');
    expect(messageOf(started({ copies: [copy, copy] }))).toContain('copied for 2 forks');
    expect(messageOf(started({ noCopies: 'VolumeLimitExceeded' }))).toContain('waits for it (VolumeLimitExceeded)');
    expect(messageOf(started({}))).toBe(`${record.id} is being made`);
  });

  it('that is on its way is looked at again after a rest, also after its operation was forgotten', () => {
    const record = snapshot({ state: 'pending' });
    const later = NOW + LIMITS.pollMs;
    expect(outcome.snapshotStarted(ready({ op: op('snapshot') }), record, {}, NOW, LIMITS).patch).toMatchObject({
      snapshot: { started: true },
      op: { notBeforeMs: later },
    });
    expect(outcome.snapshotStarted(ready(), record, {}, NOW, LIMITS).patch.op).toBeNull();
    for (const before of [null, op('snapshot')])
      expect(outcome.snapshotPending(ready({ op: before }), record, NOW, LIMITS).patch).toMatchObject({
        op: { kind: 'snapshot', notBeforeMs: later },
        dueAt: later,
      });
  });

  const refused = (patch: Parameters<typeof ready>[0], kind: outcome.CallFailure['kind']) =>
    outcome.snapshotRefused(ready(patch), failure(kind), NOW, LIMITS).patch;

  it.each(['transient', 'busy'] as const)('that was refused as %s is taken again', (kind) => {
    expect(refused({ op: op('snapshot') }, kind)).toMatchObject({ op: { attempt: 2 } });
    expect(refused({ op: op('snapshot', { attempt: LIMITS.snapshotAttempts }) }, kind)).toEqual({
      snapshot: null,
      checkpoint: null,
      op: null,
    });
  });

  it('that cannot be taken of a live box changes nothing', () => {
    expect(refused({ op: op('snapshot') }, 'unreachable')).toEqual({ snapshot: null, checkpoint: null, op: null });
  });

  it('that cannot be taken at the end keeps the box, and gives it time', () => {
    const patch = refused(
      { phase: 'quiescing', desired: 'stopped', report, lease: lease({ idleDeadlineMs: NOW, hardDeadlineMs: NOW }) },
      'disk_full',
    );
    expect(patch).toMatchObject({ phase: 'ready', desired: 'ready', report: null, save: 'none', failure: { code: 'disk_full' } });
    expect(patch.lease).toMatchObject({ idleDeadlineMs: NOW + LIMITS.retryDownMs, hardDeadlineMs: NOW + LIMITS.retryDownMs });
    const far = refused({ phase: 'quiescing', lease: lease({ idleDeadlineMs: NOW + HOUR_MS }) }, 'fatal');
    expect(far).toMatchObject({ failure: { code: 'snapshot_failed' }, lease: { idleDeadlineMs: NOW + HOUR_MS } });
  });

  it('that cannot be taken after the box has gone is begun again', () => {
    expect(refused({ phase: 'saving', op: op('snapshot', { attempt: 2 }) }, 'fatal')).toMatchObject({ snapshot: null, op: { attempt: 3 } });
    expect(refused({ phase: 'saving', op: null }, 'fatal')).toMatchObject({ op: { attempt: 2 } });
  });
});

describe('the end', () => {
  it('of a box is tried again with longer rests', () => {
    expect(outcome.endTried(ready(), NOW, LIMITS).patch.op).toMatchObject({ kind: 'end', attempt: 1, notBeforeMs: NOW + 500 });
    expect(outcome.endTried(ready({ op: op('end', { attempt: 3 }) }), NOW, LIMITS).patch.op).toMatchObject({
      attempt: 4,
      notBeforeMs: NOW + 4000,
    });
  });

  it('for a failure owes a snapshot once somebody could work in the box', () => {
    expect(fail(session({ phase: 'launching' }), NOW, 'no_capacity', 'd').change.patch).toMatchObject({ save: 'none', op: null });
    expect(fail(ready({ phase: 'launching', op: op('launch') }), NOW, 'no_capacity', 'd').change.patch).toMatchObject({
      save: 'crash',
      op: { kind: 'launch' },
    });
    expect(letGo(ready(), NOW, 'clean', 'because').patch).toMatchObject({ endReason: 'lost', save: 'clean', op: null });
  });

  it('has a receipt when there is a snapshot', () => {
    expect(finish(ready({ report }), snapshot()).change.patch.receipt).toMatchObject({
      snapshot: 'snap_1',
      parent: null,
      clean: true,
      report,
    });
    expect(finish(ready(), null).change).toMatchObject({ patch: { phase: 'stopped', receipt: null }, events: [{ message: 'stopped' }] });
  });
});

describe('a change of the record', () => {
  it('numbers its events so that they sort as text, after those of the save before', () => {
    const fresh = newSession(
      {
        owner: 'dev',
        id: SES,
        workspace: 'shop',
        workspaceId: WS,
        size: 'small',
        policy: 'spot',
        instanceTypes: [],
        arch: null,
        network: true,
        persistent: false,
        secrets: [],
        awsCredentials: false,
        idleTtlMs: 1,
        maxTtlMs: 2,
      },
      NOW,
    );
    expect(fresh.outbox.map(({ id }) => id)).toEqual(['0000000001.00']);
    const events = [
      { type: 'a.b', message: 'x'.repeat(2000), data: { n: 1 } },
      { type: 'c.d', message: 'y' },
    ];
    const next = applyChange({ ...fresh, version: 41 }, { patch: {}, events }, NOW + 1);
    expect(next.outbox.slice(1).map(({ id, message }) => [id, message.length])).toEqual([
      ['0000000042.00', 1000],
      ['0000000042.01', 1],
    ]);
    expect(next).toMatchObject({ version: 41, phaseSince: NOW, timings: { requested: NOW } });
    const many = Array.from({ length: 99 }, () => ({ type: 'a.b', message: 'm' }));
    expect(applyChange({ ...fresh, outbox: [] }, { patch: {}, events: many }, NOW).outbox).toHaveLength(LIMITS.outboxEvents);
  });

  it('keeps its events in the record until there is no room for those of the next change', () => {
    const events = (count: number) => Array.from({ length: count }, () => ({ type: 'a.b', message: 'm' }));
    const kept = (count: number) => applyChange(ready(), { patch: {}, events: events(count) }, NOW);
    expect(outboxIsFull(kept(LIMITS.outboxEvents), { patch: {} })).toBe(false);
    expect(outboxIsFull(kept(LIMITS.outboxEvents - 1), { patch: {}, events: events(1) })).toBe(false);
    expect(outboxIsFull(kept(LIMITS.outboxEvents), { patch: {}, events: events(1) })).toBe(true);
    expect(outboxIsFull(kept(0), { patch: {}, events: events(99) })).toBe(false);
  });

  it('moves only along the edges of the table, and is due no more when it is over', () => {
    expect(() => applyChange(ready(), { patch: { phase: 'stopped' } }, NOW)).toThrow('no edge from ready to stopped');
    expect(applyChange(ready({ box: box() }), { patch: { phase: 'quiescing' } }, NOW + 5)).toMatchObject({
      phaseSince: NOW + 5,
      timings: { quiescing: NOW + 5 },
      endedAt: null,
    });
    const over = applyChange(session(), { patch: { phase: 'stopped', dueAt: NOW } }, NOW + 9);
    expect(over).toMatchObject({ endedAt: NOW + 9, dueAt: null });
    expect(applyChange(over, { patch: { dueAt: NOW } }, NOW + 99)).toMatchObject({ endedAt: NOW + 9, dueAt: null });
  });
});
