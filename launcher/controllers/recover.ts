import type { RecoverResult } from '../contract/api.ts';
import { type Found, type KnownOf, type Recovered, recoveryOf } from '../core/recover.ts';
import type { ListedResource } from '../ports/compute.ts';
import { boxTokenHash, type ControllerDeps } from './deps.ts';
import { compareRecords, listAll, recordsOf } from './reaper.ts';

const NO_QUOTA = { liveSessions: 1e9, workspaces: 1e9, snapshotBytes: Number.MAX_SAFE_INTEGER };

/**
 * Rebuilds what the table lacks from the tags of what the provider has. Each record is put only where there is none, so it may be
 * repeated after a crash, and changes nothing that is known. A list that is not whole is only shown: a disk that is missing
 * in it could be the newer one.
 */
export async function recover(deps: ControllerDeps, options: { dryRun: boolean }): Promise<RecoverResult> {
  const { items, complete } = await listAll(deps);
  const plans = await plansOf(deps, items);
  if (complete && !options.dryRun) for (const plan of plans) await apply(deps, plan);
  const { vouches } = complete ? await compareRecords(deps, options) : { vouches: false };
  const unreadable = items.filter(({ tags, poolId }) => tags === null && poolId === undefined);
  return {
    dryRun: options.dryRun || !complete,
    complete,
    recordsMissing: !vouches,
    workspaces: plans.flatMap((plan) => (plan.workspace === null ? [] : [shown(plan, plan.workspace)])),
    snapshots: plans.reduce((sum, { snapshots }) => sum + snapshots.length, 0),
    left: [
      ...plans.flatMap(({ left }) => left),
      ...unreadable.map(({ kind, id }) => ({ kind, id, owner: null, workspace: null, reason: 'its tags cannot be read' })),
    ],
  };
}

const shown = ({ session, snapshots }: Recovered, { owner, name, head, volume, quarantined }: NonNullable<Recovered['workspace']>) => ({
  owner,
  name,
  head: head?.id ?? null,
  disk: volume?.id ?? null,
  session: session?.id ?? null,
  snapshots: snapshots.length,
  quarantined,
});

async function plansOf(deps: ControllerDeps, items: readonly ListedResource[]): Promise<Recovered[]> {
  const groups = new Map<string, [Found, ...Found[]]>();
  const newest = new Map<string, string>();
  for (const item of items) {
    if (item.tags === null) continue;
    const { owner, workspace, workspaceId } = item.tags;
    const found: Found = { ...item, tags: item.tags };
    const group = groups.get(`${owner} ${workspaceId}`);
    if (group === undefined) groups.set(`${owner} ${workspaceId}`, [found]);
    else group.push(found);
    // Ids sort by their time: a name is given again only after the workspace that had it was deleted.
    if (workspaceId > (newest.get(`${owner} ${workspace}`) ?? '')) newest.set(`${owner} ${workspace}`, workspaceId);
  }
  const plans: Recovered[] = [];
  for (const group of groups.values()) {
    const { owner, workspace, workspaceId } = group[0].tags;
    const known = await knownOf(deps, group);
    if (known !== null) plans.push(recoveryOf(group, known, newest.get(`${owner} ${workspace}`) === workspaceId, deps.clock.now()));
  }
  return plans;
}

/** Null when one of the records cannot be read: then there is one, and it is left alone. */
async function knownOf(deps: ControllerDeps, group: readonly Found[]): Promise<KnownOf | null> {
  const sessions = new Set<string>();
  const snapshots = new Set<string>();
  let workspace: KnownOf['workspace'] = null;
  for (const found of group) {
    const records = await recordsOf(deps, found);
    if (records === null) return null;
    workspace = records.workspace;
    if (records.session !== null) sessions.add(records.session.id);
    if (records.snapshot !== null) snapshots.add(found.id);
  }
  return { workspace, sessions, snapshots };
}

/** Snapshots, then the workspace with its claim, then the session that has it: a crash in between is mended by a repeat. */
async function apply(deps: ControllerDeps, { snapshots, workspace, session }: Recovered): Promise<void> {
  const { store } = deps;
  for (const snapshot of snapshots) {
    const { owner, workspaceId, id, bytes } = snapshot;
    await store.createSnapshot(snapshot);
    if (bytes !== null) await store.addSnapshotBytes(owner, { workspaceId, id }, bytes);
  }
  if (workspace !== null) {
    await store.reserveWorkspace(workspace.owner, workspace.id, NO_QUOTA);
    await store.createWorkspace(workspace);
  }
  if (session === null) return;
  await store.reserveSession(session.owner, session.id, NO_QUOTA);
  await store.createSession({ ...session, box: session.box && { ...session.box, tokenHash: boxTokenHash(deps, session) } });
  deps.signals.poke(session);
}
