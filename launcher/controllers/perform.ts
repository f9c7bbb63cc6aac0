import { DevctlError } from '../contract/errors.ts';
import { isFinal } from '../contract/phases.ts';
import type { QuiesceReport } from '../contract/receipt.ts';
import type { SessionRecord, SnapshotRecord } from '../contract/records.ts';
import { sessionCharges } from '../core/cost.ts';
import { sourceOf } from '../core/decide.ts';
import { fail } from '../core/ends.ts';
import * as outcome from '../core/outcome.ts';
import { applyChange, type Change } from '../core/session.ts';
import type { LaunchSource, Step } from '../core/steps.ts';
import { changeSession, commitSession } from '../ledger/sessions.ts';
import { adoptVolume, allocateSnapshot, claimWorkspace, moveHead, releaseWorkspace, settleFork } from '../ledger/workspaces.ts';
import {
  type BoxRef,
  ComputeError,
  type LaunchResult,
  type LaunchUnderway,
  type ListedResource,
  type ResourceTags,
  type SnapshotStatus,
} from '../ports/compute.ts';
import { pokeBox, withDeadline } from './deadline.ts';
import { boxTokenHash, type ControllerDeps } from './deps.ts';
import { claimPoolBox } from './pool.ts';

type Action = Exclude<Step, { do: 'wait' } | { do: 'change' }>;

/**
 * Carries out one action that was decided on, and saves what came of it.
 * @returns the session as it was saved; null when it is to be read again
 */
export async function perform(deps: ControllerDeps, session: SessionRecord, step: Action): Promise<SessionRecord | null> {
  switch (step.do) {
    case 'launch':
      return launch(deps, session);
    case 'quiesce':
      return quiesce(deps, session);
    case 'allocate':
      return allocate(deps, session, step);
    case 'snapshot':
      return takeSnapshot(deps, session, step.snapshot, step.live);
    case 'watch':
      return watchSnapshot(deps, session, step.snapshot);
    case 'settle':
      await moveHead(deps, session, step.snapshot);
      return save(deps, session, () => step.change);
    case 'park':
      return park(deps, session);
    case 'end':
      return end(deps, session);
    case 'disown':
      return disown(deps, session);
    case 'release':
      await releaseWorkspace(deps, session);
      return null;
    case 'finish':
      await releaseWorkspace(deps, session);
      await noteCharges(deps, session, step.change);
      await deps.store.releaseSession(session.owner, session.id);
      return commitSession(deps, session, step.change);
  }
}

/** What the session cost goes into its months before it is over: a repeat writes the same entries again. */
async function noteCharges(deps: ControllerDeps, session: SessionRecord, change: Change): Promise<void> {
  const nowMs = deps.clock.now();
  for (const charge of sessionCharges(applyChange(session, change, nowMs), nowMs)) await deps.store.putCharge(charge);
}

/**
 * Saves the outcome of a call on the newest record, if that still is where the call was decided on: heartbeats may have
 * moved the lease meanwhile, but a newer phase, generation or operation makes the outcome stale.
 * @returns what was saved; null when it was not
 */
async function save(
  deps: ControllerDeps,
  session: SessionRecord,
  change: (current: SessionRecord) => Change,
): Promise<SessionRecord | null> {
  let isSame = false;
  const decide = (current: SessionRecord): Change | null => {
    isSame = current.phase === session.phase && current.generation === session.generation && current.op?.id === session.op?.id;
    return isSame ? change(current) : null;
  };
  const saved = await changeSession(deps, session, decide, session);
  return isSame ? saved : null;
}

function failureOf(deps: ControllerDeps, session: SessionRecord, op: string, error: unknown): outcome.CallFailure {
  const failure =
    error instanceof ComputeError
      ? { kind: error.kind, message: error.message, ...(error.hint !== undefined && { hint: error.hint }) }
      : { kind: 'transient' as const, message: String(error) };
  deps.telemetry.warn({
    op: `compute.${op}`,
    outcome: 'error',
    sessionId: session.id,
    owner: session.owner,
    kind: failure.kind,
    detail: failure.message,
  });
  deps.telemetry.count('devctl_compute_failures_total', { op, kind: failure.kind });
  return failure;
}

async function launch(deps: ControllerDeps, session: SessionRecord): Promise<SessionRecord | null> {
  const source = await claimSource(deps, session);
  if (source === null) return null;
  const pooled = await claimPoolBox(deps, session, source);
  let result: LaunchResult | LaunchUnderway;
  try {
    result = await withDeadline(
      deps.limits.snapshotMs,
      deps.compute.launch({
        tags: tagsOf(session, session.op?.id ?? ''),
        source,
        size: session.size,
        policy: session.policy,
        instanceTypes: session.instanceTypes,
        arch: session.arch,
        network: session.network,
        persistent: session.persistent,
        parked: parkedBox(session),
        pooled: pooled ?? null,
        boxToken: deps.boxToken(session, session.generation),
        providerState: session.providerState,
      }),
    );
  } catch (error) {
    const failure = { ...failureOf(deps, session, 'launch', error), ...(source.kind === 'volume' && { volumeId: source.volumeId }) };
    return save(deps, session, (current) => outcome.launchRefused(current, failure, deps.clock.now(), deps.limits));
  }
  if (result.underway) {
    const step = { ...result, ...(pooled !== undefined && { pooled }) };
    return save(deps, session, (current) => outcome.launchUnderway(current, step, deps.clock.now()));
  }
  const box: LaunchResult = result;
  const launched = (current: SessionRecord) => outcome.launched(current, box, boxTokenHash(deps, session), deps.clock.now(), deps.limits);
  const other = `the box came with ${result.volumeId}, which is not the volume of workspace ${session.workspace}`;
  const isOurs = await adoptVolume(deps, session, result);
  const saved = await save(
    deps,
    session,
    isOurs ? launched : (current) => fail(current, deps.clock.now(), 'bootstrap_failed', other).change,
  );
  if (saved === null || !isOurs) await endStale(deps, session, result.boxId);
  return saved;
}

const tagsOf = (session: SessionRecord, operationId: string): ResourceTags & { sessionId: string; generation: number } => ({
  owner: session.owner,
  workspace: session.workspace,
  workspaceId: session.workspaceId,
  sessionId: session.id,
  generation: session.generation,
  operationId,
});

/**
 * Claims the workspace, and says what the disk begins with. Null when this launch is not to be made any more: the claim is
 * refused, or the session went on while this controller was not looking.
 */
async function claimSource(deps: ControllerDeps, session: SessionRecord): Promise<LaunchSource | null> {
  try {
    const workspace = await claimWorkspace(deps, session);
    const current = await deps.store.getSession(session);
    if (current?.phase === 'launching' && current.generation === session.generation) return sourceOf(await settleFork(deps, workspace));
    // A session that is over has given its claim back for good.
    if (current === null || isFinal(current.phase)) await releaseWorkspace(deps, session);
    return null;
  } catch (error) {
    if (!(error instanceof DevctlError) || error.code === 'conflict') throw error;
    await save(deps, session, (current) => fail(current, deps.clock.now(), error.code, error.detail).change);
    return null;
  }
}

/** A box that came too late for its session is ended, unless the session has it by another controller's hand. */
async function endStale(deps: ControllerDeps, session: SessionRecord, boxId: string): Promise<void> {
  const current = await deps.store.getSession(session);
  const isUsed = current?.box?.id === boxId && current.phase !== 'saving' && !isFinal(current.phase);
  if (isUsed) return;
  await withDeadline(deps.limits.launchMs, deps.compute.end({ boxId, sessionId: session.id, generation: session.generation }));
}

function boxRef(session: SessionRecord): BoxRef {
  if (session.box === null) throw new ComputeError('unreachable', 'the session has no box');
  return { boxId: session.box.id, sessionId: session.id, generation: session.generation, launchedAtMs: session.box.launchedAt };
}

async function quiesce(deps: ControllerDeps, session: SessionRecord): Promise<SessionRecord | null> {
  let report: QuiesceReport;
  try {
    report = await withDeadline(deps.limits.quiesceMs, deps.compute.quiesce(boxRef(session), session.op?.id ?? ''));
  } catch (error) {
    const failure = failureOf(deps, session, 'quiesce', error);
    return save(deps, session, (current) => outcome.quiesceRefused(current, failure, deps.clock.now(), deps.limits));
  }
  return save(deps, session, () => outcome.quiesced(report, deps.clock.now()));
}

async function allocate(
  deps: ControllerDeps,
  session: SessionRecord,
  step: Extract<Step, { do: 'allocate' }>,
): Promise<SessionRecord | null> {
  const record = await allocateSnapshot(deps, session, step);
  return commitSession(deps, session, outcome.allocated(session, record, deps.clock.now()));
}

async function takeSnapshot(
  deps: ControllerDeps,
  session: SessionRecord,
  record: SnapshotRecord,
  live: boolean,
): Promise<SessionRecord | null> {
  const ref = { workspaceId: record.workspaceId, id: record.id };
  const copies = copiesAsked(session, record);
  let status: SnapshotStatus;
  try {
    status = await withDeadline(
      deps.limits.snapshotMs,
      deps.compute.snapshot({
        tags: tagsOf(session, record.operationId),
        ref,
        volumeId: record.volumeId,
        liveBox: live ? boxRef(session) : null,
        parent: record.parent,
        ...(copies && { copies }),
      }),
    );
    if (status.state === 'error' || status.state === 'absent')
      throw new ComputeError('fatal', status.detail ?? 'the provider could not make it');
  } catch (error) {
    const failure = failureOf(deps, session, 'snapshot', error);
    const after = await save(deps, session, (current) => outcome.snapshotRefused(current, failure, deps.clock.now(), deps.limits));
    if (after !== null && after.snapshot?.id !== record.id) await deps.store.updateSnapshot(session.owner, ref, { state: 'error' });
    // A kept box is quiet until it fetches the order to go on.
    if (after?.phase === 'ready' && session.phase === 'quiescing') await pokeBox(deps, boxRef(after));
    return after;
  }
  // Started first: a controller that comes too late has nothing to say about the record.
  const saved = await save(deps, session, (current) => outcome.snapshotStarted(current, record, status, deps.clock.now(), deps.limits));
  if (saved !== null) await noteStatus(deps, session, record, status);
  return saved;
}

/** Whose the copies of the disk are that are to be made with a snapshot. */
function copiesAsked({ owner, checkpoint }: SessionRecord, { operationId }: SnapshotRecord): ResourceTags[] | undefined {
  if (checkpoint?.operationId !== operationId) return undefined;
  const workspaces = checkpoint.copies;
  return workspaces?.map((workspace) => ({ owner, ...workspace, sessionId: null, generation: null, operationId }));
}

/** Writes what the provider says of a snapshot into its record. */
async function noteStatus(deps: ControllerDeps, session: SessionRecord, record: SnapshotRecord, status: SnapshotStatus): Promise<void> {
  if (status.state === 'pending') return;
  const state = status.state === 'completed' ? 'completed' : 'error';
  await deps.store.updateSnapshot(
    session.owner,
    { workspaceId: record.workspaceId, id: record.id },
    { state, completedAt: deps.clock.now(), bytes: status.bytes, newBytes: status.newBytes, files: status.files },
  );
}

async function watchSnapshot(deps: ControllerDeps, session: SessionRecord, record: SnapshotRecord): Promise<SessionRecord | null> {
  let status: SnapshotStatus | null = null;
  try {
    status = await withDeadline(deps.limits.lookMs, deps.compute.observeSnapshot({ workspaceId: record.workspaceId, id: record.id }));
  } catch (error) {
    failureOf(deps, session, 'observeSnapshot', error);
  }
  if (status !== null) await noteStatus(deps, session, record, status);
  if (status !== null && status.state !== 'pending') return null;
  return save(deps, session, (current) => outcome.snapshotPending(current, record, deps.clock.now(), deps.limits));
}

/** The box that a launch may let go on. */
function parkedBox({ id, op }: SessionRecord): BoxRef | null {
  if (!op?.parked) return null;
  return { boxId: op.parked.boxId, sessionId: id, generation: op.parked.generation, launchedAtMs: op.parked.launchedAt };
}

async function park(deps: ControllerDeps, session: SessionRecord): Promise<SessionRecord | null> {
  let failure: outcome.CallFailure | null = null;
  try {
    await withDeadline(deps.limits.launchMs, deps.compute.park(boxRef(session)));
    const state = await withDeadline(deps.limits.lookMs, deps.compute.observe(boxRef(session)));
    if (state === 'parked' || state === 'gone') return null;
  } catch (error) {
    failure = failureOf(deps, session, 'park', error);
  }
  const after = await save(deps, session, (current) => outcome.parkTried(current, failure, deps.clock.now(), deps.limits));
  // A kept box is quiet until it fetches the order to go on.
  if (after?.phase === 'ready') await pokeBox(deps, boxRef(after));
  return after;
}

async function end(deps: ControllerDeps, session: SessionRecord): Promise<SessionRecord | null> {
  try {
    await withDeadline(deps.limits.launchMs, deps.compute.end(boxRef(session)));
    if ((await withDeadline(deps.limits.lookMs, deps.compute.observe(boxRef(session)))) === 'gone') return null;
  } catch (error) {
    failureOf(deps, session, 'end', error);
  }
  return save(deps, session, (current) => outcome.endTried(current, deps.clock.now(), deps.limits));
}

/** A launch whose answer was lost may have left a box: it must not write while its volume is saved or used by the next one. */
async function disown(deps: ControllerDeps, session: SessionRecord): Promise<SessionRecord | null> {
  let isClear = false;
  try {
    const { items, complete } = await withDeadline(deps.limits.launchMs, deps.compute.list({ sessionId: session.id }));
    // The one that it was parked with is its own still.
    const isLeft = ({ kind, id, tags }: ListedResource) => kind === 'box' && tags?.sessionId === session.id && id !== session.box?.id;
    const boxes = items.filter(isLeft);
    for (const { id, tags } of boxes) {
      const box = { boxId: id, sessionId: session.id, generation: tags?.generation ?? session.generation };
      await withDeadline(deps.limits.launchMs, deps.compute.end(box));
    }
    isClear = complete && boxes.length === 0;
  } catch (error) {
    failureOf(deps, session, 'disown', error);
  }
  return save(deps, session, (current) => outcome.disowned(current, isClear, deps.clock.now(), deps.limits));
}
