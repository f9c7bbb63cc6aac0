import type { Evidence, Lease, SessionRecord, SnapshotRecord, WorkspaceRecord } from '../../../launcher/contract/records.ts';
import { newSession } from '../../../launcher/core/session.ts';
import { newWorkspace } from '../../../launcher/core/workspace.ts';

export const NOW = 1_770_000_000_000;
export const MINUTE_MS = 60_000;
export const HOUR_MS = 60 * MINUTE_MS;
export const SES = `ses_${'0'.repeat(25)}1`;
export const OTHER = `ses_${'0'.repeat(25)}2`;
export const WS = `ws_${'0'.repeat(25)}1`;

export function session(patch: Partial<SessionRecord> = {}): SessionRecord {
  const fresh = newSession(
    {
      owner: 'dev',
      id: SES,
      workspace: 'shop',
      workspaceId: WS,
      size: 'small',
      policy: 'spot-preferred',
      instanceTypes: [],
      arch: null,
      network: true,
      persistent: false,
      secrets: [],
      awsCredentials: false,
      idleTtlMs: 30 * MINUTE_MS,
      maxTtlMs: 12 * HOUR_MS,
    },
    NOW,
  );
  return { ...fresh, outbox: [], ...patch };
}

export const lease = (patch: Partial<Lease> = {}): Lease => ({ ...session().lease, ...patch });

export const box = (patch: Partial<NonNullable<SessionRecord['box']>> = {}): NonNullable<SessionRecord['box']> => ({
  id: 'box_1',
  description: 'a box',
  volumeId: 'vol_1',
  launchedAt: NOW,
  registeredAt: NOW,
  heartbeatAt: NOW,
  tokenHash: 'h',
  ...patch,
});

export const op = (kind: NonNullable<SessionRecord['op']>['kind'], patch: Partial<NonNullable<SessionRecord['op']>> = {}) => ({
  kind,
  id: `op.${kind}`,
  attempt: 1,
  startedAt: NOW,
  notBeforeMs: NOW,
  ...patch,
});

export const ready = (patch: Partial<SessionRecord> = {}): SessionRecord =>
  session({ phase: 'ready', box: box(), readyAt: NOW, dueAt: NOW, ...patch });

export const workspace = (patch: Partial<WorkspaceRecord> = {}): WorkspaceRecord => ({
  ...newWorkspace({ owner: 'dev', name: 'shop', id: WS, source: { kind: 'empty' } }, NOW),
  volume: { id: 'vol_1', epoch: 1, savedEpoch: 0, keepUntil: null },
  claim: { sessionId: SES, generation: 1 },
  ...patch,
});

export const snapshot = (patch: Partial<SnapshotRecord> = {}): SnapshotRecord => ({
  owner: 'dev',
  workspace: 'shop',
  workspaceId: WS,
  id: 'snap_1',
  seq: 1,
  parent: null,
  state: 'completed',
  reason: 'down',
  note: null,
  operationId: 'op.snapshot',
  sessionId: SES,
  volumeId: 'vol_1',
  volumeEpoch: 1,
  clean: true,
  createdAt: NOW,
  completedAt: NOW,
  bytes: 10,
  newBytes: null,
  files: 1,
  pins: [],
  ...patch,
});

export const evidence = (kind: Evidence['kind'], atMs: number): Evidence => ({ kind, atMs, detail: kind });

export const report = {
  stoppedProcesses: ['sh'],
  killedProcesses: [],
  repositories: [],
  files: 1,
  bytes: 1,
  canary: null,
  truncated: false,
  tookMs: 1,
};
