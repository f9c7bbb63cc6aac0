import { DevctlError, notFound } from '../contract/errors.ts';
import { makeId } from '../contract/fields.ts';
import type { ForkTarget, SnapshotRecord, SnapshotRef, VolumeCopyRecord, WorkspaceRecord } from '../contract/records.ts';
import { assertSaved } from '../core/admission.ts';
import { isUnsaved, newWorkspace } from '../core/workspace.ts';
import { everyPage } from '../ledger/pages.ts';
import type { ApiDeps } from './deps.ts';
import { claimOnce } from './idempotency.ts';
import type { Call, Reply } from './operation.ts';
import { reserveWorkspace } from './quotas.ts';
import { readSession, readWorkspace, viewWorkspace } from './reads.ts';
import { checkpoint } from './snapshots.ts';

const ID_BYTES = 16;
const NAME_MAX = 48;

type ForkCall = Call<'forkWorkspace'>;

/** What a fork is to make. All of it follows from the request and its key, so that a repeat finds what was made. */
interface Plan {
  /** Ids of the new workspaces, one for each. */
  ids: string[];
  /** Names that were asked for; null: the next free ones. */
  names: string[] | null;
}

export async function forkWorkspace(call: ForkCall): Promise<Reply<'forkWorkspace'>> {
  const { deps, params } = call;
  const source = await readWorkspace(call, params.name);
  const names = namesAsked(call);
  const claim = await claimOnce(call, makeId('ws', deps.clock.now(), deps.random.bytes(ID_BYTES)));
  const count = names?.length ?? call.body.count;
  const plan = { ids: Array.from({ length: count }, (_, index) => numberedId(claim.resourceId, index)), names };
  const { items: known } = await everyPage((page) => deps.store.listWorkspaces(source.owner, page));
  assertNamesFree(plan, known);
  const done = known.find((workspace) => plan.ids.includes(workspace.id));
  const start =
    done?.source.kind === 'fork'
      ? { snapshot: done.source.snapshot, copies: [] }
      : await startOf(call, source, targetsOf(plan, source, known));
  const { snapshot } = start;
  const workspaces = await createForks(deps, source, plan, { ...start, known });
  const views = [];
  for (const workspace of workspaces) views.push(await viewWorkspace(deps, workspace));
  return { body: { snapshot: snapshot.id, workspaces: views } };
}

/** What the forks begin with. Those with a copy need not wait for the snapshot. */
interface Start {
  snapshot: SnapshotRef;
  copies: VolumeCopyRecord[];
}

/** The forks by the names that they will have, unless somebody takes one of those first. */
function targetsOf({ ids, names }: Plan, source: WorkspaceRecord, known: readonly WorkspaceRecord[]): ForkTarget[] {
  const taken = new Set(known.map(({ name }) => name));
  return ids.map((workspaceId, index) => {
    const workspace = names?.[index] ?? nextFreeName(source.name, taken);
    taken.add(workspace);
    return { workspaceId, workspace };
  });
}

/** One id for each fork, with the time of the first: the last two characters are its number. */
const numberedId = (baseId: string, index: number): string => `${baseId.slice(0, -2)}${String(index).padStart(2, '0')}`;

function namesAsked({ body }: ForkCall): string[] | null {
  const { names, count } = body;
  if (names === undefined) return null;
  const issue = (message: string) =>
    new DevctlError('invalid_request', `names ${message}`, {
      issues: [{ field: 'names', message, got: JSON.stringify(names).slice(0, 80) }],
    });
  if (new Set(names).size !== names.length) throw issue('must be different from each other');
  if (count !== 1 && count !== names.length) throw issue(`must be ${count}, as count says`);
  return names;
}

function assertNamesFree(plan: Plan, known: readonly WorkspaceRecord[]): void {
  const taken = plan.names?.find((name) => known.some((workspace) => workspace.name === name && !plan.ids.includes(workspace.id)));
  if (taken !== undefined) throw new DevctlError('conflict', `there is a workspace ${taken} already`, { hint: 'choose another name' });
}

/**
 * The one that was named, else a checkpoint of the live session, else the head: never a state that is older than what is
 * on the live volume without having been asked for.
 */
async function startOf(call: ForkCall, source: WorkspaceRecord, targets: ForkTarget[]): Promise<Start> {
  const { deps, body } = call;
  if (body.snapshot !== undefined) {
    const own = { workspaceId: source.id, id: body.snapshot };
    const isBorrowed = source.head?.id === body.snapshot && (await deps.store.getSnapshot(source.owner, own)) === null;
    return { snapshot: isBorrowed ? (source.head as SnapshotRef) : own, copies: [] };
  }
  // What is parked and saved needs none.
  if (source.claim !== null && (isUnsaved(source) || source.head === null)) {
    const session = await readSession(call, source.claim.sessionId);
    const ask = { operationId: `${session.id}.fork.${targets[0]?.workspaceId}`, note: null, reason: 'fork' as const, copies: targets };
    const { snapshot, copies } = await checkpoint(call, session, ask);
    return { snapshot: { workspaceId: snapshot.workspaceId, id: snapshot.id }, copies: usable(copies, snapshot, deps) };
  }
  assertSaved(source);
  if (source.head === null)
    throw new DevctlError('wrong_phase', `workspace ${source.name} has no snapshot yet`, { hint: 'run devctl up first' });
  return { snapshot: source.head, copies: [] };
}

/** Copies that have been nobody's for long may be taken for left over any moment. */
const usable = (copies: VolumeCopyRecord[], { createdAt }: SnapshotRecord, { clock, limits }: ApiDeps): VolumeCopyRecord[] =>
  clock.now() - createdAt > limits.orphanGraceMs / 2 ? [] : copies;

/** Makes what is missing of the plan; when that does not work, what this call made is taken back. */
async function createForks(
  deps: ApiDeps,
  source: WorkspaceRecord,
  plan: Plan,
  from: Start & { known: readonly WorkspaceRecord[] },
): Promise<WorkspaceRecord[]> {
  const taken = new Set(from.known.map((workspace) => workspace.name));
  const made: WorkspaceRecord[] = [];
  const result: WorkspaceRecord[] = [];
  try {
    for (const [index, id] of plan.ids.entries()) {
      const before = from.known.find((workspace) => workspace.id === id);
      const copy = from.copies.find(({ workspaceId }) => workspaceId === id);
      const workspace =
        before ??
        (copy === undefined
          ? await createFork(deps, source, { id, name: plan.names?.[index] ?? null, snapshot: from.snapshot, taken })
          : await createForkBeside(deps, source, from.snapshot, copy));
      if (before === undefined) made.push(workspace);
      await holdOn(deps, workspace);
      taken.add(workspace.name);
      result.push(workspace);
    }
    return result;
  } catch (error) {
    for (const workspace of made) await removeFork(deps, workspace);
    throw error;
  }
}

/** A fork with a disk of its own already. The provider has that under this very name, so it gets no other. */
async function createForkBeside(
  deps: ApiDeps,
  source: WorkspaceRecord,
  snapshot: SnapshotRef,
  copy: VolumeCopyRecord,
): Promise<WorkspaceRecord> {
  const { owner } = source;
  const { workspaceId: id, workspace: name } = copy;
  await reserveWorkspace(deps, owner, id);
  const forkOf = { kind: 'fork' as const, workspace: source.name, snapshot };
  const fresh = newWorkspace({ owner, name, id, source: forkOf }, deps.clock.now(), copy);
  const record = inheriting(fresh, source);
  if (await deps.store.createWorkspace(record)) return record;
  const winner = await deps.store.getWorkspace(owner, name);
  if (winner?.id === id) return winner;
  await deps.store.releaseWorkspace(owner, id);
  throw new DevctlError('conflict', `there is a workspace ${name} already`, { hint: 'ask again, or choose another name' });
}

/** What a fork has of the workspace that it began with; the file system of its disks is a copy of that one's. */
const inheriting = (fresh: WorkspaceRecord, { setupAllowed, retention, fileSystem }: WorkspaceRecord): WorkspaceRecord => ({
  ...fresh,
  setupAllowed,
  retention,
  ...(fileSystem !== undefined && { fileSystem }),
});

async function createFork(
  deps: ApiDeps,
  source: WorkspaceRecord,
  fork: { id: string; name: string | null; snapshot: SnapshotRef; taken: Set<string> },
): Promise<WorkspaceRecord> {
  const { id, snapshot } = fork;
  const { owner } = source;
  await reserveWorkspace(deps, owner, id);
  try {
    // The pin comes first: from then on no pruning takes the snapshot away from under the new workspace.
    if (!(await deps.store.pinSnapshot(owner, snapshot, id))) throw await notForkable(deps, owner, snapshot);
    for (let attempt = 0; attempt < deps.limits.casAttempts; attempt += 1) {
      const name = fork.name ?? nextFreeName(source.name, fork.taken);
      const forkOf = { kind: 'fork' as const, workspace: source.name, snapshot };
      const fresh = newWorkspace({ owner, name, id, source: forkOf }, deps.clock.now());
      const record = inheriting(fresh, source);
      if (await deps.store.createWorkspace(record)) return record;
      const winner = await deps.store.getWorkspace(owner, name);
      if (winner?.id === id) return winner;
      if (fork.name !== null) throw new DevctlError('conflict', `there is a workspace ${name} already`);
      fork.taken.add(name);
    }
    throw new DevctlError('conflict', `no free name for a fork of ${source.name} was found`);
  } catch (error) {
    await deps.store.unpinSnapshot(owner, snapshot, id);
    await deps.store.releaseWorkspace(owner, id);
    throw error;
  }
}

/**
 * A repeat is made under the id of the first try, however long ago that was: the reaper may have taken its pin and its place in
 * the quota for left over in the moment before the workspace was there. From then on it leaves them alone.
 * @throws DevctlError not_found: the snapshot is gone, and the workspace with it
 */
async function holdOn(deps: ApiDeps, workspace: WorkspaceRecord): Promise<void> {
  const { owner, id, head, claim } = workspace;
  if (claim !== null || head === null || head.workspaceId === id) return;
  if (!(await deps.store.pinSnapshot(owner, head, id))) {
    await removeFork(deps, workspace);
    throw await notForkable(deps, owner, head);
  }
  await reserveWorkspace(deps, owner, id);
}

async function notForkable(deps: ApiDeps, owner: string, snapshot: SnapshotRef): Promise<DevctlError> {
  const record = await deps.store.getSnapshot(owner, snapshot);
  if (record?.state === 'pending') return new DevctlError('in_use', `${snapshot.id} is still being made: repeat when it is done`);
  return notFound('snapshot', `there is no snapshot ${snapshot.id} to fork`);
}

/** `shop-f1`, `shop-f2` …; a long name is cut so that the number fits. */
function nextFreeName(base: string, taken: ReadonlySet<string>): string {
  for (let number = 1; ; number += 1) {
    const suffix = `-f${number}`;
    const name = `${base.slice(0, NAME_MAX - suffix.length).replace(/-+$/, '')}${suffix}`;
    if (!taken.has(name)) return name;
  }
}

/** Only what nobody has used yet. */
async function removeFork(deps: ApiDeps, workspace: WorkspaceRecord): Promise<void> {
  if (!(await deps.store.deleteWorkspace(workspace))) return;
  if (workspace.head !== null) await deps.store.unpinSnapshot(workspace.owner, workspace.head, workspace.id);
  await deps.store.releaseWorkspace(workspace.owner, workspace.id);
}
