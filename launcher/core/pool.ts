import type { Architecture, Size } from '../contract/fields.ts';
import type { PoolBoxRecord, SessionRecord } from '../contract/records.ts';
import type { Limits } from './limits.ts';

/** What a box of the pool would be if it were made now. */
export interface PoolKind {
  size: Size;
  arch: Architecture;
  image: string;
}

/** What the provider says of a box; the same words as the compute port has. Null: it was not asked. */
export type Seen = 'pending' | 'running' | 'parked' | 'gone' | 'unknown' | null;

/** The one thing to do next for a box of the pool. */
export type PoolStep =
  | { do: 'wait' }
  /** Save the record with this change. */
  | { do: 'change'; patch: Partial<PoolBoxRecord> }
  /** Ask for its machine. The try is saved before. */
  | { do: 'fill' }
  /** Stop its machine. */
  | { do: 'park' }
  /** Let its machine go. */
  | { do: 'end' }
  /** Remove the record. */
  | { do: 'forget' };

const WAIT: PoolStep = { do: 'wait' };

/** A box that was just asked for. */
export const newPoolBox = (id: string, { size, arch, image }: PoolKind, nowMs: number, limits: Limits): PoolBoxRecord => ({
  id,
  version: 1,
  phase: 'launching',
  phaseSince: nowMs,
  createdAt: nowMs,
  size,
  arch,
  image,
  boxId: null,
  place: null,
  attempt: 1,
  notBeforeMs: nowMs + limits.poolAnswerMs,
  problem: null,
  claim: null,
});

/** It is what would be made now: another image, say, makes it of no use. */
export const isCurrent = (box: PoolBoxRecord, kind: PoolKind): boolean =>
  box.size === kind.size && box.arch === kind.arch && box.image === kind.image;

const USEFUL = ['ready', 'warming', 'launching'];

/** The boxes that are to stay, the most useful ones first. */
export function keptBoxes(boxes: readonly PoolBoxRecord[], kind: PoolKind, wanted: number): PoolBoxRecord[] {
  const rank = ({ phase }: PoolBoxRecord) => USEFUL.indexOf(phase);
  return boxes
    .filter((box) => rank(box) >= 0 && isCurrent(box, kind))
    .sort((a, b) => rank(a) - rank(b) || a.createdAt - b.createdAt)
    .slice(0, wanted);
}

/** Whether one more is to be launched: one at a time. */
export const lacksOne = (boxes: readonly PoolBoxRecord[], kept: readonly PoolBoxRecord[], wanted: number): boolean =>
  kept.length < wanted && !boxes.some(({ phase }) => phase === 'launching');

/** What the next step of a box hangs on. */
export interface PoolView {
  isKept: boolean;
  seen: Seen;
  /** Of a box that was claimed: the session of the claim. */
  session: SessionRecord | null;
}

export function decidePoolBox(box: PoolBoxRecord, { isKept, seen, session }: PoolView, nowMs: number, limits: Limits): PoolStep {
  const become = (phase: PoolBoxRecord['phase'], patch: Partial<PoolBoxRecord> = {}): PoolStep => ({
    do: 'change',
    patch: { ...patch, phase, phaseSince: nowMs },
  });
  switch (box.phase) {
    case 'launching':
      if (nowMs < box.notBeforeMs) return WAIT;
      return isKept ? { do: 'fill' } : become('ending');
    case 'warming':
      if (seen === 'gone') return { do: 'forget' };
      if (seen === 'parked') return become('ready', { problem: null });
      if (!isKept || nowMs >= box.phaseSince + limits.poolWarmingMs) return become('ending');
      return seen === 'running' && nowMs >= box.phaseSince + limits.poolWarmMs ? { do: 'park' } : WAIT;
    case 'ready':
      if (seen === 'gone') return { do: 'forget' };
      if (!isKept) return become('ending');
      // Somebody has started it.
      return seen === 'running' ? become('warming') : WAIT;
    case 'claimed':
      return decideClaimed(box, session, nowMs, limits, become);
    case 'ending':
      // What a launch without an answer made may not be to be seen before.
      if (seen !== 'gone') return { do: 'end' };
      return nowMs < box.notBeforeMs ? WAIT : { do: 'forget' };
  }
}

/**
 * A claimed box belongs to its session: its record is kept for a while, in which what the provider shows of it may be from before.
 * One whose launch is over and which its session has not got is let go.
 */
function decideClaimed(
  box: PoolBoxRecord,
  session: SessionRecord | null,
  nowMs: number,
  limits: Limits,
  become: (phase: PoolBoxRecord['phase']) => PoolStep,
): PoolStep {
  if (session !== null && session.op?.id === box.claim?.operationId) return WAIT;
  const isUsed = session?.box?.id === box.boxId || session?.op?.parked?.boxId === box.boxId;
  if (!isUsed) return become('ending');
  return nowMs < box.phaseSince + limits.orphanGraceMs ? WAIT : { do: 'forget' };
}

/** The launch has no machine: there was none (it rests), or nobody knows (the next try looks first). */
export const fillFailed = (box: PoolBoxRecord, problem: string, nowMs: number, limits: Limits): Partial<PoolBoxRecord> => ({
  attempt: box.attempt + 1,
  notBeforeMs: nowMs + limits.poolRetryMs,
  problem: problem.slice(0, 500),
});

/** A launch that may have a box of the pool: it says nothing of the machine but its class, and may be on demand. */
export const mayTake = ({ policy, instanceTypes, size, arch, op }: SessionRecord, kind: PoolKind): boolean =>
  policy !== 'spot' &&
  instanceTypes.length === 0 &&
  size === kind.size &&
  (arch === null || arch === kind.arch) &&
  op?.kind === 'launch' &&
  op.parked === undefined;

/**
 * The boxes that a launch may try to claim, in this order. The one that it has claimed already, if there is one, is all.
 * @param place where its volume is; null: anywhere
 */
export function boxesFor(operationId: string, boxes: readonly PoolBoxRecord[], kind: PoolKind, place: string | null): PoolBoxRecord[] {
  const own = boxes.filter(({ phase, claim }) => phase === 'claimed' && claim?.operationId === operationId);
  if (own.length > 0) return own;
  return boxes.filter((box) => box.phase === 'ready' && isCurrent(box, kind) && (place === null || box.place === place));
}
