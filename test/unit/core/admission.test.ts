import { describe, expect, it } from 'vitest';
import { DevctlError } from '../../../launcher/contract/errors.ts';
import type { SessionRecord } from '../../../launcher/contract/records.ts';
import * as admission from '../../../launcher/core/admission.ts';
import { LIMITS } from '../../../launcher/core/limits.ts';
import { evidence, HOUR_MS, lease, MINUTE_MS, NOW, OTHER, ready, report, session, WS, workspace } from './samples.ts';

const codeOf = (run: () => unknown): string => {
  try {
    run();
    return 'fine';
  } catch (error) {
    return error instanceof DevctlError ? error.code : String(error);
  }
};
const over = (endReason: string | null, patch: Partial<SessionRecord> = {}) =>
  session({ phase: 'quiescing', desired: 'stopped', endReason, ...patch });

describe('a session that is worked in', () => {
  it('must be ready and not be ending', () => {
    const check = (record: SessionRecord, nowMs = NOW) => codeOf(() => admission.assertReady(record, nowMs));
    expect(check(ready())).toBe('fine');
    expect(check(session())).toBe('wrong_phase');
    expect(check(over('user'))).toBe('wrong_phase');
    expect(() => admission.assertReady(ready({ phase: 'rescuing' }), NOW)).toThrow(
      expect.objectContaining({ code: 'wrong_phase', detail: expect.stringMatching(/moved into another box/) }),
    );
    for (const reason of ['idle', 'hold', 'hard_limit']) expect(check(over(reason))).toBe('lease_ended');
    expect(check(ready({ desired: 'stopped', endReason: 'user' }))).toBe('wrong_phase');
    expect(check(ready(), NOW + 30 * MINUTE_MS - 1)).toBe('fine');
    expect(check(ready(), NOW + 30 * MINUTE_MS)).toBe('lease_ended');
  });

  it('is renewed by it, at most so often', () => {
    const at = NOW + 5 * MINUTE_MS;
    const change = admission.touch(ready(), evidence('api', at), at, LIMITS);
    expect(change?.patch.lease).toMatchObject({ idleDeadlineMs: at + 30 * MINUTE_MS, observedAtMs: at });
    const touched = ready({ lease: change?.patch.lease ?? lease() });
    expect(admission.touch(touched, evidence('api', at + 1), at + 1, LIMITS)).toBeNull();
    expect(admission.touch(touched, evidence('connection', at + 1), at + 1, LIMITS)).not.toBeNull();
    const later = at + admission.touchEveryMs(touched.lease);
    expect(admission.touch(touched, evidence('api', later), later, LIMITS)).not.toBeNull();
    expect(admission.touchEveryMs(lease({ idleTtlMs: 5000 }))).toBe(1000);
  });
});

describe('holds', () => {
  const hold = (name: string, untilMs: number) => ({ name, untilMs, createdAt: NOW });

  it('are added, moved and cleared of those that are over', () => {
    const old = lease({ holds: [hold('old', NOW - 1), hold('build', NOW + 5)] });
    const change = admission.addHold(ready({ lease: old }), hold('build', NOW + HOUR_MS), NOW, LIMITS);
    expect(change?.patch.lease?.holds).toEqual([hold('build', NOW + HOUR_MS)]);
    expect(change?.patch.dueAt).toBeGreaterThan(NOW);
    expect(admission.addHold(ready({ lease: old }), hold('build', NOW + 5), NOW, LIMITS)).toBeNull();
    expect(admission.addHold(session(), hold('early', NOW + 5), NOW, LIMITS)?.patch.dueAt).toBeUndefined();
  });

  it('are bounded, and come too late for what is ending', () => {
    const full = lease({ holds: Array.from({ length: LIMITS.holds }, (_, index) => hold(`h${index}`, NOW + HOUR_MS)) });
    expect(codeOf(() => admission.addHold(ready({ lease: full }), hold('more', NOW + 5), NOW, LIMITS))).toBe('quota_exceeded');
    expect(codeOf(() => admission.addHold(over('idle'), hold('x', NOW + 5), NOW, LIMITS))).toBe('lease_ended');
    expect(codeOf(() => admission.addHold(ready(), hold('x', NOW + HOUR_MS), NOW + HOUR_MS, LIMITS))).toBe('lease_ended');
  });

  it('are removed by name', () => {
    const held = lease({ holds: [hold('a', NOW + 5), hold('b', NOW + 5)] });
    expect(admission.removeHold(ready({ lease: held }), 'a', NOW, LIMITS).patch.lease?.holds).toEqual([hold('b', NOW + 5)]);
    expect(admission.removeHold(session({ lease: held }), 'b', NOW, LIMITS).patch.dueAt).toBeUndefined();
    expect(codeOf(() => admission.removeHold(ready(), 'a', NOW, LIMITS))).toBe('not_found');
  });
});

describe('a checkpoint', () => {
  const ask = { operationId: 'o', note: null, reason: 'fork' as const };
  it('is asked for once at a time', () => {
    const change = admission.askCheckpoint(ready(), ask, NOW, LIMITS);
    expect(change).toMatchObject({ patch: { checkpoint: ask, dueAt: NOW }, events: [{ message: 'a fork snapshot was asked for' }] });
    expect(admission.askCheckpoint(ready(), { ...ask, note: 'lunch' }, NOW, LIMITS)?.events?.[0]?.message).toBe('lunch');
    expect(admission.askCheckpoint(ready({ checkpoint: ask }), ask, NOW, LIMITS)).toBeNull();
    const busy = ready({ checkpoint: { ...ask, operationId: 'p' } });
    expect(codeOf(() => admission.askCheckpoint(busy, ask, NOW, LIMITS))).toBe('wrong_phase');
    const taking = ready({ snapshot: { id: 'snap_1', operationId: 'p', started: false } });
    expect(codeOf(() => admission.askCheckpoint(taking, ask, NOW, LIMITS))).toBe('wrong_phase');
    expect(codeOf(() => admission.askCheckpoint(session(), ask, NOW, LIMITS))).toBe('wrong_phase');
  });
});

describe('asking to stop', () => {
  it('is done once, and forgets a failure before', () => {
    const failure = { code: 'snapshot_failed' as const, detail: '', hint: '' };
    expect(admission.askToStop(ready({ failure }), NOW)?.patch).toEqual({
      desired: 'stopped',
      endReason: 'user',
      failure: null,
      dueAt: NOW,
    });
    expect(admission.askToStop(over('idle'), NOW)).toBeNull();
  });
});

describe('a workspace that is to go', () => {
  const free = { claim: null, volume: null };
  const receipt = (patch: object = {}) => ({
    snapshot: 'snap_1',
    parent: null,
    clean: true,
    report: { ...report, repositories: [{ path: 'src', branch: 'main', dirtyFiles: 0, unpushedCommits: 0, hasRemote: true, ...patch }] },
    newBytes: null,
    snapshotBytes: null,
  });

  it('must be free, saved and pushed, or forced', () => {
    const mark = (ws: Parameters<typeof workspace>[0], last: ReturnType<typeof receipt> | null = null, force = false) =>
      codeOf(() => admission.markDeleted(workspace(ws), last, force));
    expect(mark(free)).toBe('fine');
    expect(mark(free, receipt())).toBe('fine');
    expect(mark({ ...free, deleting: true })).toBe('not_found');
    expect(mark({})).toBe('workspace_in_use');
    expect(mark({}, null, true)).toBe('workspace_in_use');
    expect(mark({ claim: null, content: 'present' })).toBe('unsaved_work');
    expect(mark({ claim: null, content: 'empty' })).toBe('fine');
    expect(mark({ claim: null }, null, true)).toBe('fine');
    expect(mark(free, receipt({ dirtyFiles: 1 }))).toBe('unsaved_work');
    expect(mark(free, receipt({ unpushedCommits: 1 }))).toBe('unsaved_work');
    expect(admission.markDeleted(workspace(free), { ...receipt(), report: null }, false).deleting).toBe(true);
  });

  const ref = { workspaceId: WS, id: 'snap_1' };
  const restore = (seq: number, givenUpEpoch: number | null = null) => ({ id: 'r', seq, givenUpEpoch });

  it('that is restored keeps its numbers rising and lets its volume go', () => {
    const before = workspace({
      claim: null,
      volume: { id: 'v', epoch: 1, savedEpoch: 1, keepUntil: 5 },
      headSeq: 3,
      snapshotSeq: 5,
      quarantined: 'x',
    });
    expect(admission.restoredTo(before, ref, restore(4))).toMatchObject({
      head: ref,
      headSeq: 6,
      snapshotSeq: 6,
      volume: null,
      quarantined: null,
      restoredBy: 'r',
      content: 'present',
    });
    expect(admission.restoredTo(before, ref, restore(9))).toMatchObject({ headSeq: 9, snapshotSeq: 9 });
    expect(codeOf(() => admission.restoredTo(workspace(), ref, restore(9)))).toBe('workspace_in_use');
    expect(codeOf(() => admission.restoredTo(workspace({ claim: null }), ref, restore(9)))).toBe('unsaved_work');
    expect(codeOf(() => admission.assertFree(workspace({ claim: { sessionId: OTHER, generation: 1 } })))).toBe('workspace_in_use');
  });

  it('that is restored is restored once, and another head in between is not taken for it', () => {
    const saved = { claim: null, volume: null, headSeq: 4, snapshotSeq: 4 };
    expect(admission.restoredTo(workspace({ ...saved, restoredBy: 'r' }), ref, restore(4))).toBeNull();
    expect(admission.isRestored(workspace({ ...saved, restoredBy: 'r', headSeq: 7 }), restore(4))).toBe(true);
    expect(codeOf(() => admission.isRestored(workspace({ ...saved, restoredBy: 'other' }), restore(4)))).toBe('conflict');
    expect(codeOf(() => admission.restoredTo(workspace(saved), ref, restore(4)))).toBe('conflict');
    expect(admission.isRestored(workspace({ ...saved, restoredBy: 'other' }), restore(5))).toBe(false);
  });

  it('with a damaged disk gives up its work on the word of its owner alone, and only the work that was meant', () => {
    const damaged = workspace({ claim: null, quarantined: 'bad blocks', head: { workspaceId: WS, id: 'snap_2' } });
    const ask = (force: boolean) => ({ snapshot: 'snap_1', force });
    const hintOf = (run: () => unknown) => {
      try {
        run();
      } catch (error) {
        return `${(error as DevctlError).detail}; ${(error as DevctlError).extra.hint}`;
      }
      return 'fine';
    };
    expect(hintOf(() => admission.epochToGiveUp(damaged, 'bad blocks', ask(false)))).toBe(
      'the disk of workspace shop is damaged (bad blocks); everything since snap_2 is on that disk alone, and would be lost; give it up with devctl restore shop snap_1 --force',
    );
    expect(hintOf(() => admission.epochToGiveUp({ ...damaged, head: null }, 'x', ask(false)))).toContain('everything in it is on');
    expect(admission.epochToGiveUp(damaged, 'bad blocks', ask(true))).toBe(1);
    expect(hintOf(() => admission.epochToGiveUp(workspace({ claim: null }), null, ask(true)))).toContain('run devctl up, then devctl down');
    expect(hintOf(() => admission.assertSaved(damaged))).toContain('name an earlier snapshot');
    expect(admission.epochToGiveUp(workspace({ volume: null }), 'x', ask(false))).toBeNull();
    const kept = { id: 'v', epoch: 2, savedEpoch: 2, keepUntil: null };
    expect(admission.epochToGiveUp(workspace({ volume: kept }), 'x', ask(false))).toBeNull();
    expect(admission.restoredTo(damaged, ref, restore(9, 1))).toMatchObject({ volume: null, quarantined: null });
    const usedSince = { ...damaged, volume: { ...kept, savedEpoch: 1 } };
    expect(codeOf(() => admission.restoredTo(usedSince, ref, restore(9, 1)))).toBe('unsaved_work');
    expect(admission.restoredTo({ ...damaged, volume: null }, ref, restore(9, 1))).toMatchObject({ headSeq: 9 });
  });
});
