import { DevctlError } from '../contract/errors.ts';
import { formatBytes } from '../contract/units.ts';
import type { ApiDeps } from './deps.ts';

function exceeded(deps: ApiDeps, which: 'sessions' | 'workspaces' | 'bytes'): DevctlError {
  const { liveSessions, workspaces, snapshotBytes } = deps.quotas;
  switch (which) {
    case 'sessions':
      return new DevctlError('quota_exceeded', `you have ${liveSessions} live sessions, which is the most`);
    case 'workspaces':
      return new DevctlError('quota_exceeded', `you have ${workspaces} workspaces, which is the most`);
    case 'bytes':
      return new DevctlError('quota_exceeded', `your snapshots have ${formatBytes(snapshotBytes)}, which is the most`, {
        hint: 'prune snapshots with devctl workspace prune, or delete a workspace',
      });
  }
}

/** Takes one place of the owner's quota; taking it again changes nothing. @throws DevctlError quota_exceeded */
export async function reserveSession(deps: ApiDeps, owner: string, sessionId: string): Promise<void> {
  const result = await deps.store.reserveSession(owner, sessionId, deps.quotas);
  if (result !== 'ok') throw exceeded(deps, result);
}

/** As reserveSession, for a workspace. @throws DevctlError quota_exceeded */
export async function reserveWorkspace(deps: ApiDeps, owner: string, workspaceId: string): Promise<void> {
  const result = await deps.store.reserveWorkspace(owner, workspaceId, deps.quotas);
  if (result !== 'ok') throw exceeded(deps, result);
}
