import { describe, expect, it } from 'vitest';
import type { SessionRecord, SnapshotRecord, WorkspaceRecord } from '../../../launcher/contract/records.ts';
import { interrupt } from '../../../launcher/core/admission.ts';
import { decide, sourceOf } from '../../../launcher/core/decide.ts';
import { applyHeartbeat } from '../../../launcher/core/heartbeat.ts';
import { LIMITS } from '../../../launcher/core/limits.ts';
import * as outcome from '../../../launcher/core/outcome.ts';
import type { Observed, Step } from '../../../launcher/core/steps.ts';
import { afterHeadMove, savedCopyOf } from '../../../launcher/core/workspace.ts';
import { box, NOW, op, ready, report, SES, session, snapshot, WS, workspace } from './samples.ts';

const running: Observed = { box: 'running', snapshot: null };
const making = (started: boolean): SessionRecord['snapshot'] => ({ id: 'snap_1', operationId: 'op.snapshot', started });
const pending = snapshot({ state: 'pending', reason: 'rescue' });
const notice = { endsAtMs: NOW + 120_000, source: 'provider' as const, save: true };
const failure = (kind: outcome.CallFailure['kind']) => ({ kind, message: 'words' });

const look = (found: SessionRecord, observed: Observed, nowMs = NOW, place: WorkspaceRecord = workspace()): Step =>
  decide(found, place, observed, nowMs, LIMITS);
const patchOf = (step: Step): Partial<SessionRecord> => (step.do === 'change' || step.do === 'settle' ? step.change.patch : {});

describe('a box that is taken away', () => {
  const rescuing = (patch: Partial<SessionRecord> = {}) => session({ phase: 'rescuing', box: box(), interruption: notice, ...patch });

  it('is told by its user, its provider or itself, once, while it is in use', () => {
    const told = { endsAtMs: NOW + 5, source: 'user' as const };
    expect(interrupt(ready(), told, NOW)?.patch).toEqual({ interruption: { ...told, save: true }, dueAt: NOW });
    expect(interrupt(ready({ interruption: notice }), told, NOW)).toBeNull();
    expect(() => interrupt(session(), told, NOW)).toThrow(expect.objectContaining({ code: 'wrong_phase' }));
    expect(() => interrupt(ready({ desired: 'stopped' }), told, NOW)).toThrow(expect.objectContaining({ code: 'wrong_phase' }));
    const beat = { sessionId: SES, generation: 1, state: 'ready' as const, contentPresent: true, evidence: [], interruptionInMs: 90_000 };
    const heard = (found: SessionRecord) => applyHeartbeat(found, workspace(), beat, NOW, LIMITS)?.patch;
    expect(heard(ready())?.interruption).toEqual({ endsAtMs: NOW + 90_000, source: 'box', save: true });
    expect(heard(ready({ interruption: notice }))).toBeUndefined();
  });

  it('is rescued at once, also from a checkpoint that is still on its way', () => {
    const busy = ready({ interruption: notice, snapshot: making(true), checkpoint: { operationId: 'o', note: null, reason: 'fork' } });
    expect(patchOf(look(busy, { box: 'running', snapshot: pending }))).toMatchObject({
      phase: 'rescuing',
      snapshot: null,
      checkpoint: null,
      report: null,
    });
    expect(patchOf(look(ready({ interruption: notice }), { box: 'gone', snapshot: null })).phase).toBe('rescuing');
  });

  it('is made quiet, saved and let go, in this order', () => {
    expect(patchOf(look(rescuing(), running)).op).toMatchObject({ kind: 'quiesce', id: `${SES}.g1.rescue` });
    expect(look(rescuing({ op: op('quiesce', { notBeforeMs: NOW + 5 }) }), running)).toEqual({ do: 'wait', untilMs: NOW + 5 });
    expect(look(rescuing({ op: op('quiesce') }), running)).toEqual({ do: 'quiesce' });
    expect(look(rescuing({ report }), running)).toMatchObject({ do: 'allocate', reason: 'rescue', clean: true });
    const allocated = rescuing({ report, snapshot: making(false) });
    expect(look(allocated, { box: 'running', snapshot: pending })).toEqual({ do: 'snapshot', snapshot: pending, live: false });
    expect(look(rescuing({ report, snapshot: making(true) }), { box: 'running', snapshot: pending })).toEqual({ do: 'end' });
    expect(look(rescuing({ report }), running, NOW, workspace({ volume: null }))).toEqual({ do: 'end' });
    for (const lost of [null, snapshot({ state: 'error' })])
      expect(look(allocated, { box: 'running', snapshot: lost })).toEqual({ do: 'end' });
    expect(look(rescuing({ report }), running, NOW, workspace({ quarantined: 'damaged' }))).toEqual({ do: 'end' });
  });

  it('is let go as it is when it cannot be saved', () => {
    expect(look(rescuing({ interruption: { ...notice, save: false } }), running)).toEqual({ do: 'end' });
    const last = rescuing({ op: op('quiesce', { attempt: LIMITS.quiesceAttempts }) });
    expect(outcome.quiesceRefused(last, failure('unreachable'), NOW, LIMITS).patch).toMatchObject({
      op: null,
      interruption: { save: false },
    });
    const unable = rescuing({ report, snapshot: making(false), op: op('snapshot') });
    expect(outcome.snapshotRefused(unable, failure('fatal'), NOW, LIMITS).patch).toMatchObject({
      snapshot: null,
      interruption: { save: false },
    });
    const unasked = rescuing({ interruption: null, op: op('quiesce', { attempt: LIMITS.quiesceAttempts }) });
    expect(outcome.quiesceRefused(unasked, failure('unreachable'), NOW, LIMITS).patch.interruption).toBeNull();
  });

  it('is made quiet and saved for its owner, too, who has asked meanwhile that it stops', () => {
    const stopping = (patch: Partial<SessionRecord> = {}) => rescuing({ desired: 'stopped', ...patch });
    expect(look(stopping({ op: op('quiesce') }), running)).toEqual({ do: 'quiesce' });
    expect(look(stopping({ report }), running)).toMatchObject({ do: 'allocate', reason: 'rescue', clean: true });
    expect(look(stopping({ report, snapshot: making(true) }), { box: 'running', snapshot: pending })).toEqual({ do: 'end' });
    const gone: Observed = { box: 'gone', snapshot: pending };
    expect(patchOf(look(stopping({ report, snapshot: making(true) }), gone))).toMatchObject({ phase: 'ending', save: 'clean' });
    expect(patchOf(look(stopping(), gone))).toMatchObject({ phase: 'ending', save: 'crash' });
  });

  it('counts as lost only soon after the one before it, and not when its user wanted it so', () => {
    const gone: Observed = { box: 'gone', snapshot: null };
    const lostWith = (patch: Partial<SessionRecord>, livedMs = 0) =>
      patchOf(look(rescuing({ rescues: LIMITS.rescues, box: box({ launchedAt: NOW - livedMs }), ...patch }), gone));
    expect(lostWith({})).toMatchObject({ phase: 'ending', failure: { code: 'bootstrap_failed' } });
    expect(lostWith({}, LIMITS.rescueForgetMs - 1).phase).toBe('ending');
    expect(lostWith({}, LIMITS.rescueForgetMs)).toMatchObject({ phase: 'launching', rescues: 1 });
    expect(lostWith({ interruption: { ...notice, source: 'user' } })).toMatchObject({ phase: 'launching', rescues: LIMITS.rescues });
  });

  it('leaves to the next generation its snapshot, if its point in time is fixed', () => {
    const next = (started: boolean) => patchOf(look(rescuing({ report, snapshot: making(started) }), { box: 'gone', snapshot: pending }));
    expect(next(true)).toMatchObject({ phase: 'launching', generation: 2, interruption: null, report: null, snapshot: making(true) });
    expect(next(false).snapshot).toBeNull();
  });
});

describe('a box that is gone while a snapshot is on its way', () => {
  const lost: Observed = { box: 'gone', snapshot: pending };

  it('is replaced at once, and the snapshot goes on, if its point in time is fixed and the session does', () => {
    expect(patchOf(look(ready({ snapshot: making(true) }), lost)).phase).toBe('rescuing');
    expect(look(ready({ snapshot: making(true) }), { box: 'running', snapshot: pending })).toMatchObject({ do: 'watch' });
    expect(look(ready({ snapshot: making(false) }), lost)).toMatchObject({ do: 'snapshot' });
    expect(look(ready({ snapshot: making(true), desired: 'stopped' }), lost)).toMatchObject({ do: 'watch' });
  });
});

describe('a snapshot that an earlier box left', () => {
  const ending = session({ phase: 'ending', save: 'crash', snapshot: making(true), readyAt: NOW });
  const kept = (found: SnapshotRecord | null, place: WorkspaceRecord) =>
    patchOf(look(ending, { box: null, snapshot: found }, NOW, place)).snapshot;
  const volume = (id: string, epoch: number) => workspace({ volume: { id, epoch, savedEpoch: 0, keepUntil: null } });

  it('is the last one only when it has all of the volume', () => {
    expect(kept(pending, volume('vol_1', 1))).toEqual(making(true));
    expect(kept(null, volume('vol_1', 1))).toEqual(making(true));
    expect(kept(pending, workspace({ volume: null }))).toEqual(making(true));
    expect(kept(pending, volume('vol_1', 2))).toBeNull();
    expect(kept(pending, volume('vol_2', 1))).toBeNull();
    expect(kept(snapshot({ reason: 'checkpoint' }), volume('vol_1', 1))).toBeNull();
  });
});

describe('a checkpoint that does not come to its end', () => {
  it('is given up in the end', () => {
    const waiting = ready({ snapshot: making(true), op: op('snapshot') });
    const late = NOW + LIMITS.snapshotPendingMs;
    expect(look(waiting, { box: 'running', snapshot: pending }, late - 1)).toMatchObject({ do: 'watch' });
    expect(patchOf(look(waiting, { box: 'running', snapshot: pending }, late))).toMatchObject({ snapshot: null, checkpoint: null });
  });
});

describe('a snapshot of a box that has gone', () => {
  it('that does not come to its end is begun anew, from the volume that is still there', () => {
    const saving = session({ phase: 'saving', snapshot: making(true), op: op('snapshot'), save: 'crash' });
    const late = look(saving, { box: null, snapshot: pending }, NOW + LIMITS.snapshotPendingMs);
    expect(patchOf(late)).toMatchObject({ snapshot: null, op: { kind: 'snapshot', attempt: 2 } });
  });
});

describe('a launch in steps', () => {
  const launching = (patch: Partial<SessionRecord> = {}) => session({ phase: 'launching', op: op('launch'), ...patch });

  it('keeps what each step asked to be kept, and tells of it', () => {
    const step = { providerState: { az: 'b' }, retryAfterMs: 700, notes: ['no capacity in a'] };
    expect(outcome.launchUnderway(launching(), step, NOW)).toEqual({
      patch: { providerState: { az: 'b' }, op: op('launch', { notBeforeMs: NOW + 700 }), dueAt: NOW + 700 },
      events: [{ type: 'launch.step', message: 'no capacity in a' }],
    });
    expect(outcome.launchUnderway(launching({ op: null }), step, NOW).patch.op).toBeNull();
    const pooled = { id: 'pool_00000000000000000000000001', boxId: 'box_1' };
    expect(outcome.launchUnderway(launching(), { ...step, pooled }, NOW).patch.op).toMatchObject({ pooled });
    expect(outcome.launchUnderway(launching({ desired: 'stopped' }), step, NOW).patch).toMatchObject({
      phase: 'ending',
      save: 'none',
      op: op('launch'),
      providerState: { az: 'b' },
    });
  });

  it('ends after a bounded time', () => {
    expect(patchOf(look(launching(), { box: null, snapshot: null }, NOW + LIMITS.launchingMs))).toMatchObject({
      failure: { code: 'timeout' },
    });
  });

  it('that finds no machine beside the volume begins again from a snapshot of it', () => {
    const noMachine = { ...failure('stranded'), volumeId: 'vol_1' };
    const { patch } = outcome.launchRefused(launching(), noMachine, NOW, LIMITS);
    expect(patch.op).toMatchObject({ kind: 'launch', strandedVolumeId: 'vol_1' });
    const stranded = launching({ op: op('launch', { strandedVolumeId: 'vol_1' }) });
    const nothing: Observed = { box: null, snapshot: null };
    expect(look(stranded, nothing)).toMatchObject({ do: 'allocate', operationId: 'op.launch.rescue', reason: 'rescue', clean: false });
    expect(patchOf(look({ ...stranded, desired: 'stopped', readyAt: NOW }, nothing))).toMatchObject({ phase: 'ending', save: 'crash' });
    const own = { id: 'snap_1', operationId: 'op.launch.rescue', started: false };
    const saving = launching({ op: op('launch', { strandedVolumeId: 'vol_1' }), snapshot: own });
    expect(look(saving, { box: null, snapshot: pending })).toEqual({ do: 'snapshot', snapshot: pending, live: false });
    expect(look(saving, { box: null, snapshot: snapshot({ reason: 'rescue' }) })).toMatchObject({
      do: 'settle',
      change: { patch: { snapshot: null } },
    });
    for (const lost of [null, snapshot({ state: 'error' }), snapshot({ state: 'deleting' })])
      expect(patchOf(look(saving, { box: null, snapshot: lost }))).toMatchObject({ failure: { code: 'snapshot_failed' } });
    const head = { workspaceId: WS, id: 'snap_1' };
    const saved = workspace({ head, volume: { id: 'vol_1', epoch: 2, savedEpoch: 2, keepUntil: null } });
    expect(look(stranded, nothing, NOW, saved)).toEqual({ do: 'launch' });
    for (const again of [noMachine, failure('stranded')])
      expect(outcome.launchRefused(stranded, again, NOW, LIMITS).patch.failure?.code).toBe('no_capacity');
  });

  it('makes a snapshot of its own when that of the box before came to nothing', () => {
    const stranded = launching({ op: op('launch', { strandedVolumeId: 'vol_1' }), snapshot: making(true) });
    for (const lost of [null, snapshot({ state: 'error' })])
      expect(patchOf(look(stranded, { box: null, snapshot: lost }))).toEqual({ snapshot: null, dueAt: NOW });
  });

  it('takes no snapshot of the volume that it has made elsewhere, whose box it may not know yet', () => {
    const stranded = launching({ op: op('launch', { strandedVolumeId: 'vol_1' }) });
    const made = workspace({ volume: { id: 'vol_2', epoch: 1, savedEpoch: 0, keepUntil: null } });
    expect(look(stranded, { box: null, snapshot: null }, NOW, made)).toEqual({ do: 'launch' });
  });

  it('goes on being the operation while its snapshot is made; without one it fails', () => {
    const stranded = launching({ op: op('launch', { strandedVolumeId: 'vol_1' }) });
    expect(outcome.allocated(stranded, pending, NOW).patch).toEqual({ snapshot: making(false) });
    expect(outcome.snapshotRefused({ ...stranded, snapshot: making(false) }, failure('fatal'), NOW, LIMITS).patch).toMatchObject({
      phase: 'ending',
      failure: { code: 'snapshot_failed' },
    });
  });
});

describe('what has all of a volume', () => {
  const head = { workspaceId: WS, id: 'snap_1' };
  const volume = (epoch: number, savedEpoch: number) => ({ id: 'vol_1', epoch, savedEpoch, keepUntil: null });

  it('is its snapshot, until the box of the claim writes', () => {
    expect(savedCopyOf(workspace({ head, volume: null }))).toBeNull();
    expect(savedCopyOf(workspace({ head, volume: volume(1, 0) }))).toBeNull();
    expect(savedCopyOf(workspace({ head, volume: volume(4, 2) }))).toBeNull();
    expect(savedCopyOf(workspace({ head, volume: volume(3, 2) }))).toEqual(head);
    expect(sourceOf(workspace({ head, volume: volume(3, 2) }))).toEqual({ kind: 'volume', volumeId: 'vol_1', saved: head });
  });

  it('a rescue covers the volume, a checkpoint does not', () => {
    const covered = (reason: 'rescue' | 'checkpoint') => afterHeadMove(workspace(), snapshot({ reason }))?.volume?.savedEpoch;
    expect(covered('rescue')).toBe(1);
    expect(covered('checkpoint')).toBe(0);
  });
});
