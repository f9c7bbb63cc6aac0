import { describe, expect, it } from 'vitest';
import type { SessionRecord, WorkspaceRecord } from '../../../launcher/contract/records.ts';
import { decide, sourceOf } from '../../../launcher/core/decide.ts';
import { leaseEndMs } from '../../../launcher/core/lease.ts';
import { LIMITS } from '../../../launcher/core/limits.ts';
import type { Observed, Step } from '../../../launcher/core/steps.ts';
import { box, HOUR_MS, lease, MINUTE_MS, NOW, OTHER, op, ready, report, session, snapshot, WS, workspace } from './samples.ts';

const nothing: Observed = { box: null, snapshot: null };
const running: Observed = { box: 'running', snapshot: null };
const gone: Observed = { box: 'gone', snapshot: null };
const making = (started = false): SessionRecord['snapshot'] => ({ id: 'snap_1', operationId: 'op.snapshot', started });

const look = (found: SessionRecord, observed: Observed, nowMs = NOW, place: WorkspaceRecord | null = workspace()): Step =>
  decide(found, place, observed, nowMs, LIMITS);
const patchOf = (step: Step): Partial<SessionRecord> =>
  step.do === 'change' || step.do === 'finish' || step.do === 'settle' ? step.change.patch : {};

describe('where a disk begins', () => {
  it('is the live volume, else the head, else nothing where nothing was; lost content is never made up', () => {
    const head = { workspaceId: WS, id: 'snap_1' };
    expect(sourceOf(workspace({ head }))).toEqual({ kind: 'volume', volumeId: 'vol_1', saved: null });
    expect(sourceOf(workspace({ head, volume: null }))).toEqual({ kind: 'snapshot', snapshot: head });
    expect(sourceOf(workspace({ volume: null }))).toEqual({ kind: 'blank' });
    expect(sourceOf(workspace({ volume: null, content: 'present' }))).toBeNull();
  });
});

describe('requested and launching', () => {
  it('becomes an intent to launch, or stops where nothing was begun', () => {
    expect(patchOf(look(session(), nothing))).toMatchObject({
      phase: 'launching',
      op: { kind: 'launch', id: `${session().id}.g1.launch` },
    });
    expect(look(session({ desired: 'stopped' }), nothing)).toMatchObject({ do: 'finish', change: { patch: { phase: 'stopped' } } });
  });

  it('launches once its intent is saved and its rest is over', () => {
    const launching = session({ phase: 'launching', op: op('launch', { notBeforeMs: NOW + 5 }) });
    expect(patchOf(look(session({ phase: 'launching' }), nothing)).op).toMatchObject({ kind: 'launch', attempt: 1 });
    expect(look(launching, nothing)).toEqual({ do: 'wait', untilMs: NOW + 5 });
    expect(look(launching, nothing, NOW + 5)).toEqual({ do: 'launch' });
    const lost = workspace({ volume: null, content: 'present' });
    expect(patchOf(look(launching, nothing, NOW + 5, lost))).toMatchObject({ phase: 'ending', failure: { code: 'workspace_quarantined' } });
  });
});

describe('bootstrapping', () => {
  const booting = (patch: Partial<SessionRecord> = {}) =>
    session({ phase: 'bootstrapping', box: box({ registeredAt: null, heartbeatAt: null }), dueAt: NOW, ...patch });

  it('waits for the box, longer once it has registered, and then gives up', () => {
    expect(look(booting(), running)).toEqual({ do: 'wait', untilMs: NOW + LIMITS.pollMs });
    const late = NOW + LIMITS.bootstrapMs;
    expect(look(booting({ dueAt: late }), running, late - 1)).toEqual({ do: 'wait', untilMs: late });
    expect(patchOf(look(booting({ dueAt: late }), running, late))).toMatchObject({
      phase: 'ending',
      save: 'none',
      failure: { code: 'bootstrap_failed' },
    });
    const preparing = booting({ box: box(), dueAt: late });
    expect(look(preparing, running, late).do).toBe('wait');
    const tooLate = NOW + LIMITS.prepareMs;
    expect(patchOf(look({ ...preparing, dueAt: tooLate }, running, tooLate)).failure?.detail).toContain('not prepared');
  });

  it('gives a box the time to be heard when the launcher was away', () => {
    const back = NOW + 5 * HOUR_MS;
    expect(look(booting(), running, back)).toEqual({ do: 'wait', untilMs: back + LIMITS.silentMs });
    expect(look(booting({ dueAt: back + 7 }), running, back)).toEqual({ do: 'wait', untilMs: back + 7 });
    expect(look(booting({ dueAt: null }), running, back).do).toBe('change');
  });

  it('takes the next generation when the box died, a bounded number of times', () => {
    const next = patchOf(look(booting(), gone));
    expect(next).toMatchObject({
      phase: 'launching',
      generation: 2,
      box: null,
      launchAttempts: 1,
      op: { id: `${session().id}.g2.launch` },
    });
    expect(patchOf(look(booting({ launchAttempts: 2 }), gone))).toMatchObject({ phase: 'ending', failure: { code: 'bootstrap_failed' } });
  });

  it('lets go when it is no longer wanted, and saves what an earlier generation may have written', () => {
    expect(patchOf(look(booting({ desired: 'stopped' }), running))).toMatchObject({ phase: 'ending', save: 'none' });
    expect(patchOf(look(booting({ desired: 'stopped', readyAt: NOW }), running))).toMatchObject({ phase: 'ending', save: 'crash' });
  });
});

describe('ready', () => {
  it('rests until something is due', () => {
    expect(look(ready(), running)).toEqual({ do: 'wait', untilMs: NOW + LIMITS.silentMs });
  });

  it('warns once before its end', () => {
    const at = leaseEndMs(ready().lease) - MINUTE_MS;
    const fresh = ready({ box: box({ heartbeatAt: at }) });
    const step = look(fresh, running, at);
    expect(step).toMatchObject({
      do: 'change',
      change: {
        events: [{ type: 'lease.warning', message: expect.stringMatching(/^stops in 1m/) }],
        patch: { lease: { warnedForMs: at + MINUTE_MS } },
      },
    });
    expect(look({ ...fresh, persistent: true }, running, at)).toMatchObject({
      change: { events: [{ message: expect.stringMatching(/^is parked in 1m/) }] },
    });
    const warned = { ...fresh, ...patchOf(step) } as SessionRecord;
    expect(look(warned, running, at).do).toBe('wait');
  });

  it('is stopped at the end of its lease, or when its owner asks', () => {
    const end = leaseEndMs(ready().lease);
    const heard = ready({ box: box({ heartbeatAt: end }) });
    expect(patchOf(look(heard, running, end))).toMatchObject({ phase: 'quiescing', endReason: 'idle', save: 'clean', desired: 'stopped' });
    expect(look(ready({ desired: 'stopped', endReason: 'user' }), running)).toMatchObject({
      change: { patch: { phase: 'quiescing', endReason: 'user' }, events: [{ message: 'asked to stop: stopping every writer' }] },
    });
  });

  it('is not called idle when the launcher was away and has not heard its box', () => {
    const back = leaseEndMs(ready().lease) + HOUR_MS;
    expect(look(ready(), running, back)).toEqual({ do: 'wait', untilMs: back + LIMITS.silentMs });
    expect(look(ready({ box: null, dueAt: back }), nothing, back).do).toBe('change');
    expect(look(ready({ dueAt: back }), running, back).do).toBe('change');
    expect(patchOf(look(ready(), gone, back)).phase).toBe('quiescing');
    expect(patchOf(look(ready({ desired: 'stopped' }), running, back)).phase).toBe('quiescing');
    const hard = ready({ lease: lease({ hardDeadlineMs: NOW + 1 }) });
    expect(patchOf(look(hard, running, back))).toMatchObject({ phase: 'quiescing', endReason: 'hard_limit' });
  });

  it('keeps the reason for which it was given up, and forgets an older one', () => {
    const failure = { code: 'setup_failed' as const, detail: 'd', hint: 'h' };
    expect(patchOf(look(ready({ desired: 'stopped', endReason: 'failed', failure }), running)).failure).toEqual(failure);
    expect(patchOf(look(ready({ desired: 'stopped', endReason: 'user', failure }), running)).failure).toBeNull();
  });

  it('is rescued when its box is gone, and not when nobody can tell', () => {
    expect(patchOf(look(ready(), gone)).phase).toBe('rescuing');
    expect(look(ready(), { ...running, box: 'unknown' }).do).toBe('wait');
  });

  describe('with a checkpoint', () => {
    const asked = ready({ checkpoint: { operationId: 'cp', note: 'n', reason: 'checkpoint' } });
    const under = ready({ ...asked, snapshot: making(), op: op('snapshot', { notBeforeMs: NOW + 5 }) });
    const started = ready({ snapshot: making(true) });

    it('allocates it, takes it live, watches it, and makes it the head', () => {
      expect(look(asked, running)).toEqual({ do: 'allocate', operationId: 'cp', note: 'n', reason: 'checkpoint', clean: true });
      const pending = snapshot({ state: 'pending' });
      expect(look(under, { ...running, snapshot: pending })).toEqual({ do: 'wait', untilMs: NOW + 5 });
      expect(look(under, { ...running, snapshot: pending }, NOW + 5)).toEqual({ do: 'snapshot', snapshot: pending, live: true });
      expect(look(started, { ...running, snapshot: pending })).toEqual({ do: 'watch', snapshot: pending });
      expect(look(started, { ...running, snapshot: snapshot() })).toMatchObject({
        do: 'settle',
        change: { patch: { snapshot: null, op: null } },
      });
    });

    it.each([null, snapshot({ state: 'error' }), snapshot({ state: 'deleting' })])(
      'goes on without it when it was not made (%#)',
      (record) => {
        expect(look(started, { ...running, snapshot: record })).toMatchObject({
          change: { patch: { snapshot: null, checkpoint: null }, events: [{ type: 'snapshot.failed' }] },
        });
      },
    );

    it('goes on without it when there is no volume to take it of', () => {
      expect(patchOf(look(asked, running, NOW, workspace({ volume: null })))).toMatchObject({ checkpoint: null });
      expect(patchOf(look(asked, running, NOW, workspace({ quarantined: 'damaged' })))).toMatchObject({ checkpoint: null });
    });
  });
});

describe('quiescing', () => {
  const quiescing = (patch: Partial<SessionRecord> = {}) =>
    ready({ phase: 'quiescing', desired: 'stopped', save: 'clean', endReason: 'user', ...patch });
  const quiet = (patch: Partial<SessionRecord> = {}) => quiescing({ report, ...patch });

  it('records its intent, rests after a failure, and makes the box quiet', () => {
    expect(patchOf(look(quiescing(), running)).op).toMatchObject({ kind: 'quiesce', attempt: 1 });
    const resting = quiescing({ op: op('quiesce', { notBeforeMs: NOW + 9 }) });
    expect(look(resting, running)).toEqual({ do: 'wait', untilMs: NOW + 9 });
    expect(look(resting, { ...running, box: 'unknown' }, NOW + 9)).toEqual({ do: 'quiesce' });
  });

  it('never ends a box before it is quiet and the snapshot is fixed', () => {
    expect(look(quiet(), running)).toMatchObject({ do: 'allocate', reason: 'down', clean: true });
    const pending = snapshot({ state: 'pending' });
    expect(look(quiet({ snapshot: making() }), { ...running, snapshot: pending })).toEqual({
      do: 'snapshot',
      snapshot: pending,
      live: false,
    });
    expect(patchOf(look(quiet({ snapshot: making(true) }), { ...running, snapshot: pending })).phase).toBe('ending');
    expect(patchOf(look(quiet({ snapshot: making() }), { ...running, snapshot: snapshot() })).phase).toBe('ending');
  });

  it.each([null, snapshot({ state: 'error' })])('begins another snapshot when this one is not to be had (%#)', (record) => {
    expect(patchOf(look(quiet({ snapshot: making() }), { ...running, snapshot: record }))).toEqual({ snapshot: null });
  });

  it('saves the volume of a box that died: as a crash leaves it, or clean when it was quiet', () => {
    expect(patchOf(look(quiescing(), gone))).toMatchObject({ phase: 'ending', save: 'crash' });
    expect(patchOf(look(quiet(), gone))).toMatchObject({ phase: 'ending', save: 'clean' });
    expect(patchOf(look(quiet({ snapshot: making() }), { ...gone, snapshot: snapshot({ state: 'pending' }) }))).toMatchObject({
      phase: 'ending',
    });
    expect(patchOf(look(quiet(), running, NOW, workspace({ volume: null })))).toMatchObject({ phase: 'ending' });
  });
});

describe('rescuing and ending', () => {
  const rescuing = (patch: Partial<SessionRecord> = {}) => ready({ phase: 'rescuing', ...patch });
  const ending = (patch: Partial<SessionRecord> = {}) => ready({ phase: 'ending', desired: 'stopped', save: 'clean', ...patch });

  it.each([rescuing(), ending()])('lets a box go that is there, and waits while nobody can tell', (found) => {
    expect(look(found, running)).toEqual({ do: 'end' });
    expect(look(found, { ...running, box: 'pending' })).toEqual({ do: 'end' });
    expect(look(found, { ...running, box: 'unknown' })).toEqual({ do: 'wait', untilMs: NOW + LIMITS.pollMs });
    expect(look({ ...found, op: op('end', { notBeforeMs: NOW + 3 }) }, running)).toEqual({ do: 'wait', untilMs: NOW + 3 });
  });

  it('takes the next generation, a bounded number of times, unless it is to stop', () => {
    expect(patchOf(look(rescuing(), gone))).toMatchObject({ phase: 'launching', generation: 2, rescues: 1 });
    expect(patchOf(look(rescuing({ box: null }), nothing))).toMatchObject({ phase: 'launching' });
    expect(patchOf(look(rescuing({ rescues: LIMITS.rescues }), gone))).toMatchObject({ phase: 'ending', save: 'crash' });
    expect(patchOf(look(rescuing({ desired: 'stopped' }), gone))).toMatchObject({ phase: 'ending', save: 'crash', endReason: 'lost' });
  });

  it('looks for the box of a launch without an answer before anything else', () => {
    const found = ending({ box: null, op: op('launch', { notBeforeMs: NOW + 4 }) });
    expect(look(found, nothing)).toEqual({ do: 'wait', untilMs: NOW + 4 });
    expect(look(found, nothing, NOW + 4)).toEqual({ do: 'disown' });
  });

  it('is over when nothing is owed, and saves otherwise', () => {
    expect(look(ending({ save: 'none' }), gone)).toMatchObject({ do: 'finish', change: { patch: { phase: 'stopped', receipt: null } } });
    expect(patchOf(look(ending({ box: null }), nothing))).toMatchObject({ phase: 'saving' });
  });
});

describe('saving', () => {
  const saving = (patch: Partial<SessionRecord> = {}) => ready({ phase: 'saving', desired: 'stopped', save: 'clean', ...patch });
  const pending = snapshot({ state: 'pending' });

  it('begins a snapshot, takes it, gives the workspace free once it is fixed, and watches it', () => {
    expect(look(saving({ save: 'crash' }), gone)).toMatchObject({ do: 'allocate', clean: false });
    expect(look(saving({ snapshot: making() }), { ...gone, snapshot: pending })).toEqual({
      do: 'snapshot',
      snapshot: pending,
      live: false,
    });
    expect(look(saving({ snapshot: making(true) }), { ...gone, snapshot: pending })).toEqual({ do: 'release' });
    const free = workspace({ claim: null });
    expect(look(saving({ snapshot: making(true) }), { ...gone, snapshot: pending }, NOW, free)).toEqual({ do: 'watch', snapshot: pending });
  });

  it('makes it the head before it is over', () => {
    const done = saving({ snapshot: making(true), report });
    expect(look(done, { ...gone, snapshot: snapshot() })).toMatchObject({ do: 'settle' });
    const parent = { workspaceId: WS, id: 'snap_0' };
    const last = look(done, { ...gone, snapshot: snapshot({ newBytes: 3, parent }) }, NOW, workspace({ headSeq: 1 }));
    expect(last).toMatchObject({
      do: 'finish',
      change: { patch: { phase: 'stopped', receipt: { snapshot: 'snap_1', parent: 'snap_0', newBytes: 3, report } } },
    });
  });

  it.each([null, snapshot({ state: 'error' }), snapshot({ state: 'deleting' })])(
    'begins another one when it is not to be had (%#)',
    (record) => {
      const step = look(saving({ snapshot: making(true), op: op('snapshot', { attempt: 2 }) }), { ...gone, snapshot: record });
      expect(patchOf(step)).toMatchObject({ snapshot: null, op: { kind: 'snapshot', attempt: 3 } });
      expect(patchOf(look(saving({ snapshot: making(true) }), { ...gone, snapshot: record })).op?.attempt).toBe(2);
    },
  );

  it.each([
    ['the volume is gone', workspace({ volume: null }), 'let go'],
    ['another session has the volume', workspace({ claim: { sessionId: OTHER, generation: 1 } }), OTHER],
    ['the workspace is being deleted', workspace({ claim: null, deleting: true }), 'deleted'],
    ['the workspace is damaged', workspace({ claim: null, quarantined: 'bad blocks' }), 'bad blocks'],
    ['its own workspace is damaged', workspace({ quarantined: 'bad blocks' }), 'bad blocks'],
  ])('begins none when %s, and says so', (_, place, words) => {
    const step = look(saving(), gone, NOW, place);
    expect(step).toMatchObject({
      do: 'finish',
      change: { patch: { phase: 'failed', failure: { code: 'snapshot_failed' }, receipt: null } },
    });
    expect(patchOf(step).failure?.detail).toContain(words);
  });

  it('begins one of a workspace that nobody has, and gives up after a bounded number', () => {
    expect(look(saving(), gone, NOW, workspace({ claim: null })).do).toBe('allocate');
    const spent = saving({ op: op('snapshot', { attempt: LIMITS.snapshotAttempts + 1 }) });
    expect(patchOf(look(spent, gone))).toMatchObject({ phase: 'failed', failure: { detail: expect.stringContaining('volume is kept') } });
    const failure = { code: 'bootstrap_failed' as const, detail: 'first', hint: '' };
    expect(patchOf(look({ ...spent, failure }, gone)).failure).toEqual(failure);
  });
});

describe('a session whose workspace is gone', () => {
  it('lets its box go when that can be told, and fails', () => {
    expect(look(ready(), running, NOW, null)).toEqual({ do: 'end' });
    expect(look(ready(), { ...running, box: 'unknown' }, NOW, null).do).toBe('wait');
    expect(patchOf(look(ready(), gone, NOW, null))).toMatchObject({ phase: 'failed', failure: { code: 'not_found' } });
    expect(patchOf(look(session(), nothing, NOW, workspace({ id: 'ws_other' })))).toMatchObject({ phase: 'failed' });
    const failure = { code: 'no_capacity' as const, detail: 'd', hint: 'h' };
    expect(patchOf(look(session({ failure }), nothing, NOW, null)).failure).toEqual(failure);
  });

  it.each(['stopped', 'failed'] as const)('or not: nothing follows %s', (phase) => {
    for (const place of [workspace(), null])
      expect(look(session({ phase }), nothing, NOW, place)).toEqual({ do: 'wait', untilMs: Number.POSITIVE_INFINITY });
  });
});
