import type { SessionRecord, WorkspaceRecord } from '../contract/records.ts';
import { fail, letGo } from './ends.ts';
import type { Limits } from './limits.ts';
import type { Change } from './session.ts';
import { endOrWait, type Observed, type Step, snapshotOrWatch } from './steps.ts';

/** The intent of a launch, saved before the call. One generation, one operation: repeats find what the first call made. */
export function launchOperation(session: SessionRecord, nowMs: number): NonNullable<SessionRecord['op']> {
  return { kind: 'launch', id: `${session.id}.g${session.generation}.launch`, attempt: 1, startedAt: nowMs, notBeforeMs: nowMs };
}

export function toLaunching(session: SessionRecord, nowMs: number, because: string): Change {
  const next = { ...session, generation: session.generation + 1 };
  return {
    patch: {
      phase: 'launching',
      generation: next.generation,
      box: null,
      report: null,
      interruption: null,
      // Only one whose point in time is fixed is of use to the next generation.
      snapshot: session.snapshot?.started === true ? session.snapshot : null,
      op: launchOperation(next, nowMs),
      launchAttempts: session.launchAttempts,
      rescues: session.rescues,
      refused: false,
      dueAt: nowMs,
    },
    events: [
      { type: 'session.launching', message: `${because}: launching generation ${next.generation}`, data: { generation: next.generation } },
    ],
  };
}

/**
 * Takes the work over into the next generation. A box that is gone left its volume. One that is being taken away is made
 * quiet and its snapshot is started, as far as there is time; then it is let go, so that its volume is free.
 */
export function decideRescuing(
  session: SessionRecord,
  workspace: WorkspaceRecord,
  observed: Observed,
  nowMs: number,
  limits: Limits,
): Step {
  if (session.box !== null && observed.box !== 'gone') {
    const saving = session.interruption?.save === true ? beforeItGoes(session, workspace, observed, nowMs) : null;
    return saving ?? endOrWait(session, observed, nowMs, limits);
  }
  if (session.desired === 'stopped')
    return { do: 'change', change: letGo(session, nowMs, session.report === null ? 'crash' : 'clean', 'asked to stop') };
  const rescues = rescuesOf(session, nowMs, limits);
  if (rescues > limits.rescues) return fail(session, nowMs, 'bootstrap_failed', `the box was lost ${rescues} times`);
  return { do: 'change', change: toLaunching({ ...session, rescues }, nowMs, 'the box was lost') };
}

/**
 * How many boxes were lost one soon after the other, with this one. One that was in use for a good while begins the count
 * anew: in a long session every one of them is taken away in the end. What its user asked for counts for nothing.
 */
function rescuesOf({ rescues, interruption, box }: SessionRecord, nowMs: number, limits: Limits): number {
  if (interruption?.source === 'user') return rescues;
  const hasLasted = box !== null && nowMs - box.launchedAt >= limits.rescueForgetMs;
  return hasLasted ? 1 : rescues + 1;
}

/** Quiet, then a snapshot whose point in time is fixed; null when both are done, and when there is nothing to be saved. */
function beforeItGoes(session: SessionRecord, workspace: WorkspaceRecord, observed: Observed, nowMs: number): Step | null {
  const op = session.op;
  if (session.report === null) {
    if (op !== null) return nowMs < op.notBeforeMs ? { do: 'wait', untilMs: op.notBeforeMs } : { do: 'quiesce' };
    const id = `${session.id}.g${session.generation}.rescue`;
    return { do: 'change', change: { patch: { op: { kind: 'quiesce', id, attempt: 1, startedAt: nowMs, notBeforeMs: nowMs } } } };
  }
  if (session.snapshot?.started === true || workspace.volume === null || workspace.quarantined !== null) return null;
  if (session.snapshot === null)
    return {
      do: 'allocate',
      operationId: `${session.id}.g${session.generation}.rescue.snapshot`,
      reason: 'rescue',
      note: null,
      clean: true,
    };
  const record = observed.snapshot;
  if (record === null || record.state !== 'pending') return null;
  return snapshotOrWatch(session, record, false, nowMs);
}
