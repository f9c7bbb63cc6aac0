import { ERRORS, type ErrorCode } from '../contract/errors.ts';
import type { Failure, SessionRecord, SnapshotRecord } from '../contract/records.ts';
import type { Change } from './session.ts';

/** A failure as it is kept on the session and shown to its owner. */
export const failed = (code: ErrorCode, detail: string, hint: string = ERRORS[code].hint): Failure => ({ code, detail, hint });

/** A launch that was asked for and has no answer: it may have left a box, which nobody knows yet. */
const launchOf = (session: SessionRecord): SessionRecord['op'] =>
  session.phase === 'launching' && session.op?.kind === 'launch' ? session.op : null;

/**
 * The way out when it cannot go on: the box, if there is one, is let go first, and work that it may have done is saved
 * from the volume. The volume is kept in any case.
 */
export function fail(
  session: SessionRecord,
  nowMs: number,
  code: ErrorCode,
  detail: string,
  hint?: string,
): { do: 'change'; change: Change } {
  const failure = failed(code, detail, hint);
  const isKept = session.persistent && session.phase === 'launching' && session.readyAt !== null && session.desired === 'ready';
  if (isKept) return { do: 'change', change: standBy(session, nowMs, failure) };
  return {
    do: 'change',
    change: {
      patch: {
        phase: 'ending',
        desired: 'stopped',
        endReason: 'failed',
        failure,
        save: session.readyAt === null ? 'none' : 'crash',
        op: launchOf(session),
        dueAt: nowMs,
      },
      events: [{ type: 'session.failing', message: detail, data: { code } }],
    },
  };
}

/**
 * A persistent session that gets no box is parked until its owner tries again: its volume has everything, and the box that it was parked
 * with is kept, if the provider has kept it.
 */
function standBy(session: SessionRecord, nowMs: number, failure: Failure): Change {
  const box = session.op?.parked?.box ?? null;
  return {
    patch: { phase: 'parked', desired: 'parked', endReason: 'failed', failure, op: launchOf(session), box, dueAt: nowMs },
    events: [{ type: 'session.parked', message: `parked, for it cannot go on: ${failure.detail}`, data: { code: failure.code } }],
  };
}

/** The box is let go; what its end owes the workspace is decided here and not changed by anything later. */
export function letGo(session: SessionRecord, nowMs: number, save: SessionRecord['save'], because: string): Change {
  return {
    patch: { phase: 'ending', op: launchOf(session), desired: 'stopped', endReason: session.endReason ?? 'lost', save, dueAt: nowMs },
    events: [{ type: 'session.ending', message: because }],
  };
}

/** The end of a launch that its owner wants no more. */
export const stopLaunch = (session: SessionRecord, nowMs: number): Change =>
  letGo(session, nowMs, session.readyAt === null ? 'none' : 'crash', 'asked to stop before a box was there');

/** The last step: `failed` when there is a failure to tell of, else `stopped` with the receipt. */
export function finish(session: SessionRecord, snapshot: SnapshotRecord | null): { do: 'finish'; change: Change } {
  const failure = session.failure;
  const receipt = {
    snapshot: snapshot?.id ?? null,
    parent: snapshot?.parent?.id ?? null,
    clean: snapshot?.clean ?? false,
    report: session.report,
    newBytes: snapshot?.newBytes ?? null,
    snapshotBytes: snapshot?.bytes ?? null,
  };
  return {
    do: 'finish',
    change: {
      patch: {
        phase: failure === null ? 'stopped' : 'failed',
        desired: 'stopped',
        op: null,
        failure,
        receipt: snapshot === null ? null : receipt,
      },
      events: [
        failure === null
          ? {
              type: 'session.stopped',
              message: snapshot === null ? 'stopped' : `stopped; everything on disk is in ${snapshot.id}`,
              data: { receipt },
            }
          : { type: 'session.failed', message: failure.detail, data: { code: failure.code } },
      ],
    },
  };
}
