import { makeId } from '../contract/fields.ts';
import { isPoolWanted, type PoolPlan, poolSizeAt } from '../contract/pool.ts';
import type { PoolBoxRecord, SessionRecord } from '../contract/records.ts';
import { boxesFor, decidePoolBox, fillFailed, keptBoxes, lacksOne, mayTake, newPoolBox, type PoolStep, type Seen } from '../core/pool.ts';
import type { LaunchSource } from '../core/steps.ts';
import { allPoolBoxes } from '../ledger/pool.ts';
import type { Random } from '../ports/clock.ts';
import { ComputeError, type LaunchRequest, type PoolBoxRef, type PoolPort } from '../ports/compute.ts';
import { UnreadableRecordError } from '../ports/store.ts';
import { withDeadline } from './deadline.ts';
import type { ControllerDeps } from './deps.ts';

/** Steps of one box in one pass: asked for, or stopped and noted as such. */
const STEPS = 3;

export interface PoolKeeper {
  /** One pass: what is not wanted goes, what is not there comes, one at a time. */
  tend(): Promise<void>;
}

/** Keeps the pool as large as it is to be. Where there is none, and nothing is left of one, a pass asks nobody anything. */
export function createPoolKeeper(deps: ControllerDeps & { random: Random }): PoolKeeper {
  const { compute, pool: plan } = deps;
  let isNothingLeft = false;
  return {
    async tend() {
      const { pool } = compute;
      if (pool === null || isNothingLeft) return;
      const boxes = await allPoolBoxes(deps.store);
      if (!isPoolWanted(plan) && boxes.length === 0) isNothingLeft = true;
      else await pass({ ...deps, pool }, plan, boxes);
    },
  };
}

type PoolDeps = Omit<ControllerDeps, 'pool'> & { random: Random; pool: PoolPort };

async function pass(deps: PoolDeps, plan: PoolPlan, boxes: PoolBoxRecord[]): Promise<void> {
  const kind = { size: plan.boxSize, ...(await deps.pool.kind()) };
  const wanted = poolSizeAt(plan, deps.clock.now());
  const kept = keptBoxes(boxes, kind, wanted);
  await Promise.all(boxes.map((box) => tendBox(deps, box, kept.includes(box))));
  if (lacksOne(boxes, kept, wanted)) {
    const nowMs = deps.clock.now();
    const box = newPoolBox(makeId('pool', nowMs, deps.random.bytes(16)), kind, nowMs, deps.limits);
    if (await deps.store.createPoolBox(box)) await fill(deps, box);
  }
  deps.telemetry.info({ op: 'pool', outcome: 'ok', wanted, boxes: boxes.length, kept: kept.length });
}

/** Takes one box as far as it can go now. A box that fails holds up no other. */
async function tendBox(deps: PoolDeps, first: PoolBoxRecord, isKept: boolean): Promise<void> {
  let box: PoolBoxRecord | null = first;
  try {
    for (let steps = 0; steps < STEPS && box !== null; steps += 1) {
      const { seen, place } = await look(deps, box);
      const session: SessionRecord | null =
        box.phase === 'claimed' && box.claim ? await deps.store.getSession({ owner: box.claim.owner, id: box.claim.sessionId }) : null;
      const step = decidePoolBox(box, { isKept, seen, session }, deps.clock.now(), deps.limits);
      box = await take(deps, box, step, place);
    }
  } catch (error) {
    if (!(error instanceof ComputeError || error instanceof UnreadableRecordError)) throw error;
    deps.telemetry.warn({ op: 'pool.box', outcome: 'error', id: first.id, box: first.boxId, detail: error.message });
  }
}

/** @returns the box as it was saved; null when nothing is to be done now */
async function take(deps: PoolDeps, box: PoolBoxRecord, step: PoolStep, place: string | null): Promise<PoolBoxRecord | null> {
  switch (step.do) {
    case 'wait':
      return null;
    case 'change':
      return deps.store.savePoolBox({ ...box, ...step.patch, place: place ?? box.place });
    case 'fill': {
      // Nobody else tries at the same time.
      const mine = await deps.store.savePoolBox({ ...box, notBeforeMs: deps.clock.now() + deps.limits.poolAnswerMs });
      if (mine !== null) await fill(deps, mine);
      return null;
    }
    case 'park':
      await withDeadline(deps.limits.launchMs, deps.pool.park(refOf(box)));
      return null;
    case 'end':
      await withDeadline(deps.limits.launchMs, deps.pool.end(refOf(box)));
      return null;
    case 'forget':
      await deps.store.deletePoolBox(box);
      return null;
  }
}

async function fill(deps: PoolDeps, box: PoolBoxRecord): Promise<void> {
  const { id, attempt, size, arch } = box;
  try {
    const { boxId } = await withDeadline(deps.limits.launchMs, deps.pool.fill({ id, attempt, size, arch }));
    await deps.store.savePoolBox({ ...box, boxId, phase: 'warming', phaseSince: deps.clock.now(), problem: null });
  } catch (error) {
    if (!(error instanceof ComputeError)) throw error;
    deps.telemetry.warn({ op: 'pool.fill', outcome: 'error', id, kind: error.kind, detail: error.message });
    await deps.store.savePoolBox({ ...box, ...fillFailed(box, error.message, deps.clock.now(), deps.limits) });
  }
}

async function look(deps: PoolDeps, box: PoolBoxRecord): Promise<{ seen: Seen; place: string | null }> {
  if (box.phase === 'launching' || box.phase === 'claimed') return { seen: null, place: null };
  try {
    const { state, place } = await withDeadline(deps.limits.lookMs, deps.pool.observe(refOf(box)));
    return { seen: state, place };
  } catch (error) {
    if (!(error instanceof ComputeError)) throw error;
    return { seen: 'unknown', place: null };
  }
}

const refOf = ({ id, boxId, phase, phaseSince }: PoolBoxRecord): PoolBoxRef => ({
  id,
  boxId,
  ...(phase === 'warming' && { launchedAtMs: phaseSince }),
});

/**
 * A box of the pool for this launch: nobody else has it from then on. What a launch has claimed before it finds again.
 * @returns null when none fits, also while it cannot be told; undefined when there is no pool for it
 */
export async function claimPoolBox(
  deps: ControllerDeps,
  session: SessionRecord,
  source: LaunchSource,
): Promise<LaunchRequest['pooled'] | undefined> {
  const { pool: plan, compute } = deps;
  const { op } = session;
  if (op === null || compute.pool === null || !isPoolWanted(plan)) return undefined;
  if (op.pooled !== undefined) return op.pooled;
  const kind = { size: plan.boxSize, ...(await compute.pool.kind()) };
  if (!mayTake(session, kind)) return undefined;
  const place = source.kind === 'volume' ? await placeOf(deps, compute.pool, source.volumeId) : null;
  if (source.kind === 'volume' && place === null) return null;
  const { owner, id: sessionId, generation } = session;
  for (const box of boxesFor(op.id, await allPoolBoxes(deps.store), kind, place)) {
    const claim = { owner, sessionId, generation, operationId: op.id };
    const isMine = box.phase === 'claimed';
    const claimed = isMine ? box : await deps.store.savePoolBox({ ...box, phase: 'claimed', phaseSince: deps.clock.now(), claim });
    if (claimed !== null && claimed.boxId !== null) return { id: claimed.id, boxId: claimed.boxId };
  }
  return null;
}

async function placeOf(deps: ControllerDeps, pool: PoolPort, volumeId: string): Promise<string | null> {
  try {
    return await withDeadline(deps.limits.lookMs, pool.placeOf(volumeId));
  } catch (error) {
    if (!(error instanceof ComputeError)) throw error;
    return null;
  }
}
