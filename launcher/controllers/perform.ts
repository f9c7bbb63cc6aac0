import { DevctlError } from '../contract/errors.ts';
import type { SessionRecord, SnapshotRecord, WorkspaceRecord } from '../contract/records.ts';
import type { Step } from '../core/decide.ts';
import { fail } from '../core/ends.ts';
import * as outcome from '../core/outcome.ts';
import type { Change } from '../core/session.ts';
import { changeSession, commitSession } from '../ledger/sessions.ts';
import { allocateSnapshot, changeWorkspaceOf, claimWorkspace, moveHead, releaseWorkspace } from '../ledger/workspaces.ts';
import { type BoxRef, ComputeError, type SnapshotStatus } from '../ports/compute.ts';
import { withDeadline } from './deadline.ts';
import { boxTokenHash, type ControllerDeps } from './deps.ts';

type Action = Exclude<Step, { do: 'wait' } | { do: 'change' }>;

/** Carries out one action that was decided on, and saves what came of it. */
export async function perform(
  deps: ControllerDeps,
  session: SessionRecord,
  workspace: WorkspaceRecord | null,
  step: Action,
): Promise<void> {
  switch (step.do) {
    case 'launch':
      return launch(deps, session, step.source);
    case 'quiesce':
      return quiesce(deps, session);
    case 'allocate':
      return allocate(deps, session, step);
    case 'snapshot':
      return takeSnapshot(deps, session, workspace, step.snapshot, step.live);
    case 'watch':
      return watchSnapshot(deps, session, step.snapshot);
    case 'settle':
      await moveHead(deps, session, step.snapshot);
      await save(deps, session, () => step.change);
      return;
    case 'end':
      return end(deps, session);
    case 'release':
      return releaseWorkspace(deps, session);
    case 'finish':
      await releaseWorkspace(deps, session);
      await deps.store.releaseSession(session.owner, session.id);
      await commitSession(deps, session, step.change);
      return;
  }
}

/**
 * Saves the outcome of a call on the newest record, if that still is where the call was decided on: heartbeats may have
 * moved the lease meanwhile, but a newer phase, generation or operation makes the outcome stale.
 */
async function save(deps: ControllerDeps, session: SessionRecord, change: (current: SessionRecord) => Change): Promise<void> {
  await changeSession(deps, session, (current) => {
    const same = current.phase === session.phase && current.generation === session.generation && current.op?.id === session.op?.id;
    return same ? change(current) : null;
  });
}

function failureOf(deps: ControllerDeps, session: SessionRecord, op: string, error: unknown): outcome.CallFailure {
  const failure =
    error instanceof ComputeError ? { kind: error.kind, message: error.message } : { kind: 'transient' as const, message: String(error) };
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

async function launch(deps: ControllerDeps, session: SessionRecord, source: Extract<Step, { do: 'launch' }>['source']): Promise<void> {
  const operationId = session.op?.id ?? '';
  try {
    await claimWorkspace(deps, session);
  } catch (error) {
    if (!(error instanceof DevctlError) || error.code === 'conflict') throw error;
    await save(deps, session, (current) => fail(current, deps.clock.now(), error.code, error.detail).change);
    return;
  }
  try {
    const result = await withDeadline(
      deps.limits.snapshotMs,
      deps.compute.launch({
        tags: {
          owner: session.owner,
          workspace: session.workspace,
          workspaceId: session.workspaceId,
          sessionId: session.id,
          generation: session.generation,
          operationId,
        },
        source,
        size: session.size,
        network: session.network,
        boxToken: deps.boxToken(session, session.generation),
        providerState: session.providerState,
      }),
    );
    await changeWorkspaceOf(deps, session, (workspace) =>
      workspace.volume?.id === result.volumeId
        ? null
        : { ...workspace, volume: { id: result.volumeId, epoch: 1, savedEpoch: 0, keepUntil: null } },
    );
    await save(deps, session, (current) => outcome.launched(current, result, boxTokenHash(deps, session), deps.clock.now(), deps.limits));
  } catch (error) {
    const failure = failureOf(deps, session, 'launch', error);
    await save(deps, session, (current) => outcome.launchRefused(current, failure, deps.clock.now(), deps.limits));
  }
}

function boxRef(session: SessionRecord): BoxRef {
  if (session.box === null) throw new ComputeError('unreachable', 'the session has no box');
  return { boxId: session.box.id, sessionId: session.id, generation: session.generation };
}

async function quiesce(deps: ControllerDeps, session: SessionRecord): Promise<void> {
  try {
    const report = await withDeadline(deps.limits.quiesceMs, deps.compute.quiesce(boxRef(session), session.op?.id ?? ''));
    await save(deps, session, () => outcome.quiesced(report, deps.clock.now()));
  } catch (error) {
    const failure = failureOf(deps, session, 'quiesce', error);
    await save(deps, session, (current) => outcome.quiesceRefused(current, failure, deps.clock.now(), deps.limits));
  }
}

async function allocate(deps: ControllerDeps, session: SessionRecord, step: Extract<Step, { do: 'allocate' }>): Promise<void> {
  const record = await allocateSnapshot(deps, session, step);
  await commitSession(deps, session, outcome.allocated(session, record, deps.clock.now()));
}

async function takeSnapshot(
  deps: ControllerDeps,
  session: SessionRecord,
  workspace: WorkspaceRecord | null,
  record: SnapshotRecord,
  live: boolean,
): Promise<void> {
  const ref = { workspaceId: record.workspaceId, id: record.id };
  try {
    const status = await withDeadline(
      deps.limits.snapshotMs,
      deps.compute.snapshot({
        tags: {
          owner: session.owner,
          workspace: session.workspace,
          workspaceId: session.workspaceId,
          sessionId: session.id,
          generation: session.generation,
          operationId: record.operationId,
        },
        ref,
        volumeId: record.volumeId,
        liveBox: live ? boxRef(session) : null,
        parent: workspace?.head ?? null,
      }),
    );
    if (status.state === 'error' || status.state === 'absent')
      throw new ComputeError('fatal', status.detail ?? 'the provider could not make it');
    await noteStatus(deps, session, record, status);
    await save(deps, session, (current) => outcome.snapshotStarted(current, record, deps.clock.now(), deps.limits));
  } catch (error) {
    const failure = failureOf(deps, session, 'snapshot', error);
    await save(deps, session, (current) => outcome.snapshotRefused(current, failure, deps.clock.now(), deps.limits));
    const after = await deps.store.getSession(session);
    if (after?.snapshot?.id !== record.id) await deps.store.updateSnapshot(session.owner, ref, { state: 'error' });
  }
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

async function watchSnapshot(deps: ControllerDeps, session: SessionRecord, record: SnapshotRecord): Promise<void> {
  try {
    const status = await deps.compute.observeSnapshot({ workspaceId: record.workspaceId, id: record.id });
    await noteStatus(deps, session, record, status);
  } catch (error) {
    failureOf(deps, session, 'observeSnapshot', error);
  }
  await save(deps, session, (current) => outcome.snapshotPending(current, deps.clock.now(), deps.limits));
}

async function end(deps: ControllerDeps, session: SessionRecord): Promise<void> {
  try {
    await withDeadline(deps.limits.launchMs, deps.compute.end(boxRef(session)));
    if ((await deps.compute.observe(boxRef(session))) === 'gone') return;
  } catch (error) {
    failureOf(deps, session, 'end', error);
  }
  await save(deps, session, (current) => outcome.endTried(current, deps.clock.now(), deps.limits));
}
