import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isFinal, isLegal, PHASE_NAMES } from '../../../launcher/contract/phases.ts';
import type { SessionRecord, WorkspaceRecord } from '../../../launcher/contract/records.ts';
import { decide, sourceOf } from '../../../launcher/core/decide.ts';
import { LIMITS } from '../../../launcher/core/limits.ts';
import { applyChange } from '../../../launcher/core/session.ts';
import type { Observed } from '../../../launcher/core/steps.ts';
import { box, lease, NOW, OTHER, op, report, SES, session, snapshot, WS, workspace } from './samples.ts';

const near = fc.integer({ min: NOW - 100_000_000, max: NOW + 100_000_000 });
const maybe = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: null });

const boxes = fc.record({ registeredAt: maybe(near), heartbeatAt: maybe(near) }).map((patch) => box(patch));
const ops = fc
  .record({
    kind: fc.constantFrom('launch', 'quiesce', 'snapshot', 'park', 'end'),
    attempt: fc.integer({ min: 1, max: 7 }),
    notBeforeMs: near,
  })
  .map(({ kind, ...patch }) => op(kind as 'launch', patch));

const sessions: fc.Arbitrary<SessionRecord> = fc
  .record({
    phase: fc.constantFrom(...PHASE_NAMES),
    desired: fc.constantFrom('ready', 'parked', 'stopped'),
    persistent: fc.boolean(),
    nextSnapshotAt: maybe(near),
    endReason: fc.constantFrom(null, 'user', 'idle', 'failed'),
    box: maybe(boxes),
    op: maybe(ops),
    snapshot: maybe(fc.boolean().map((started) => ({ id: 'snap_1', operationId: 'op.snapshot', started }))),
    checkpoint: maybe(fc.constant({ operationId: 'cp', note: null, reason: 'checkpoint' })),
    report: maybe(fc.constant(report)),
    save: fc.constantFrom('none', 'clean', 'crash'),
    phaseSince: near,
    readyAt: maybe(near),
    dueAt: maybe(near),
    launchAttempts: fc.nat(4),
    rescues: fc.nat(4),
    lease: fc.record({ idleDeadlineMs: near, hardDeadlineMs: near, warnedForMs: maybe(near) }).map((patch) => lease(patch)),
  })
  .map((patch) => session(patch as Partial<SessionRecord>));

const workspaces: fc.Arbitrary<WorkspaceRecord | null> = maybe(
  fc
    .record({
      content: fc.constantFrom('empty', 'present'),
      head: maybe(fc.constant({ workspaceId: WS, id: 'snap_1' })),
      headSeq: fc.nat(2),
      volume: maybe(fc.constant({ id: 'vol_1', epoch: 2, savedEpoch: 1, keepUntil: null })),
      claim: fc.constantFrom(null, { sessionId: SES, generation: 1 }, { sessionId: OTHER, generation: 1 }),
      deleting: fc.boolean(),
      quarantined: fc.constantFrom(null, 'bad'),
    })
    .map((patch) => workspace(patch as Partial<WorkspaceRecord>)),
);

const observed: fc.Arbitrary<Observed> = fc.record({
  box: fc.constantFrom('pending', 'running', 'parked', 'gone', 'unknown'),
  snapshot: maybe(fc.constantFrom('pending', 'completed', 'error', 'deleting').map((state) => snapshot({ state: state as 'pending' }))),
});

const anything = fc.tuple(sessions, workspaces, observed, near).map(([found, place, seen, nowMs]) => {
  const look: Observed = { box: found.box === null ? null : seen.box, snapshot: found.snapshot === null ? null : seen.snapshot };
  return { found, place, look, nowMs, step: decide(found, place, look, nowMs, LIMITS) };
});

const holds = (check: (world: typeof anything extends fc.Arbitrary<infer T> ? T : never) => void): void =>
  fc.assert(
    fc.property(anything, (world) => check(world)),
    { numRuns: 3000 },
  );

describe('whatever is found', () => {
  it('every change is a legal edge, and nothing follows a final phase', () => {
    holds(({ found, step, nowMs }) => {
      if (isFinal(found.phase)) expect(step).toEqual({ do: 'wait', untilMs: Number.POSITIVE_INFINITY });
      if (step.do !== 'change' && step.do !== 'finish' && step.do !== 'settle') return;
      expect(isLegal(found.phase, step.change.patch.phase ?? found.phase)).toBe(true);
      applyChange(found, step.change, nowMs);
      if (step.do === 'finish') expect(isFinal(step.change.patch.phase ?? 'ready')).toBe(true);
      else expect(isFinal(step.change.patch.phase ?? 'ready')).toBe(false);
    });
  });

  it('a session that is not over has a step, or waits for a moment that comes', () => {
    holds(({ found, step, nowMs }) => {
      if (isFinal(found.phase) || step.do !== 'wait') return;
      expect(step.untilMs).toBeGreaterThan(nowMs);
      expect(Number.isFinite(step.untilMs)).toBe(true);
    });
  });

  it('nothing is destroyed while nobody can tell whether the box lives', () => {
    holds(({ step, look, found }) => {
      if (look.box !== 'unknown') return;
      expect(['end', 'disown', 'park']).not.toContain(step.do);
      if (step.do === 'finish') expect(['requested', 'saving']).toContain(found.phase);
    });
  });

  it('a box is ended only when its session is past its snapshot, was lost, or failed', () => {
    holds(({ step, found, place }) => {
      if (step.do !== 'end') return;
      const isOrphan = place === null || place.id !== found.workspaceId;
      expect(isOrphan || found.phase === 'ending' || found.phase === 'rescuing').toBe(true);
    });
  });

  it('a snapshot of a volume with a box is live while the box may write, and never of another one’s volume', () => {
    holds(({ step, found, place }) => {
      if (step.do === 'snapshot') expect(step.live).toBe(found.phase === 'ready');
      if (step.do === 'allocate' && found.phase === 'saving') expect(place?.claim?.sessionId ?? SES).toBe(SES);
    });
  });

  it('content is never replaced by a blank disk', () => {
    fc.assert(
      fc.property(workspaces, (place) => {
        if (place !== null && (place.content === 'present' || place.head !== null || place.volume !== null))
          expect(sourceOf(place)?.kind).not.toBe('blank');
      }),
    );
  });

  it('what owes a snapshot is over only with a completed one, or with a failure to tell', () => {
    holds(({ step, found, look }) => {
      if (step.do !== 'finish' || found.phase !== 'saving') return;
      if (step.change.patch.phase === 'stopped') expect(look.snapshot?.state).toBe('completed');
    });
  });
});
