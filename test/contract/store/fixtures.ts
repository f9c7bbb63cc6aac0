import type {
  IdempotencyRecord,
  PoolBoxRecord,
  SessionEvent,
  SessionRecord,
  SnapshotRecord,
  TokenRecord,
  WorkspaceRecord,
} from '../../../launcher/contract/records.ts';

/** A moment that every fixture agrees on. */
export const T0 = Date.UTC(2026, 1, 3, 14, 0, 0);

const padded = (n: number): string => String(n).padStart(26, '0');

/** Ids that sort by their number. */
export const sessionId = (n: number): string => `ses_${padded(n)}`;
export const workspaceId = (n: number): string => `ws_${padded(n)}`;
export const poolBoxId = (n: number): string => `pool_${padded(n)}`;
export const tokenId = (n: number): string => `tok_${padded(n)}`;

export const aSession = (owner: string, n: number, with_: Partial<SessionRecord> = {}): SessionRecord => ({
  owner,
  id: sessionId(n),
  workspace: 'shop',
  workspaceId: workspaceId(1),
  version: 1,
  phase: 'ready',
  phaseSince: T0,
  desired: 'ready',
  endReason: null,
  generation: 1,
  dueAt: T0 + n,
  size: 'medium',
  policy: 'spot-preferred',
  instanceTypes: [],
  arch: null,
  network: true,
  persistent: false,
  egress: ['packages.example.org'],
  secrets: [{ name: 'NPM_TOKEN', valueFrom: 'arn:aws:secretsmanager:eu-central-1:123456789012:secret:npm-a1B2c3' }],
  awsCredentials: false,
  nextSnapshotAt: null,
  createdAt: T0,
  readyAt: T0 + 900,
  endedAt: null,
  lease: {
    idleTtlMs: 1_800_000,
    maxTtlMs: 43_200_000,
    hardDeadlineMs: T0 + 43_200_000,
    idleDeadlineMs: T0 + 1_800_000,
    observedAtMs: T0,
    evidence: [{ kind: 'cpu', atMs: T0, detail: 'node build.js' }],
    holds: [{ name: 'build', untilMs: T0 + 60_000, createdAt: T0 }],
    warnedForMs: null,
  },
  op: { kind: 'launch', id: 'op_1', attempt: 1, startedAt: T0, notBeforeMs: T0 },
  box: {
    id: 'box_1',
    description: '2 cpu · 4 GiB · bubblewrap',
    volumeId: 'vol_1',
    launchedAt: T0,
    registeredAt: T0,
    heartbeatAt: null,
    tokenHash: 'ab'.repeat(32),
  },
  snapshot: null,
  checkpoint: null,
  save: 'none',
  report: null,
  receipt: null,
  failure: null,
  launchAttempts: 0,
  rescues: 0,
  timings: { requested: T0, ready: T0 + 900 },
  providerState: { cgroup: '/devctl/1', fraction: 0.1, list: [1, null, 'ä\u0000\ud83d'] },
  outbox: [anEvent(1)],
  ...with_,
});

export const anEvent = (n: number, with_: Partial<SessionEvent> = {}): SessionEvent => ({
  id: `${String(n).padStart(10, '0')}.00`,
  atMs: T0 + n,
  type: 'session.ready',
  message: `event ${n}`,
  data: { n },
  ...with_,
});

export const aWorkspace = (owner: string, name: string, with_: Partial<WorkspaceRecord> = {}): WorkspaceRecord => ({
  owner,
  name,
  id: workspaceId(1),
  version: 0,
  createdAt: T0,
  source: { kind: 'git', url: 'https://example.org/shop.git' },
  content: 'present',
  head: { workspaceId: workspaceId(1), id: 'snap_3' },
  headSeq: 3,
  snapshotSeq: 3,
  volume: { id: 'vol_1', epoch: 2, savedEpoch: 1, keepUntil: null },
  claim: { sessionId: sessionId(1), generation: 1 },
  deleting: false,
  quarantined: null,
  setupAllowed: null,
  retention: { keepLast: 10, keepDaily: 7 },
  ...with_,
});

export const aSnapshot = (owner: string, seq: number, with_: Partial<SnapshotRecord> = {}): SnapshotRecord => ({
  owner,
  workspace: 'shop',
  workspaceId: workspaceId(1),
  id: `snap_${seq}`,
  seq,
  parent: seq > 1 ? { workspaceId: workspaceId(1), id: `snap_${seq - 1}` } : null,
  state: 'completed',
  reason: 'down',
  note: null,
  operationId: `op_${seq}`,
  sessionId: sessionId(1),
  volumeId: 'vol_1',
  volumeEpoch: 1,
  clean: true,
  createdAt: T0,
  completedAt: T0 + 5,
  bytes: 193_273_528,
  newBytes: null,
  files: 20_000,
  pins: [],
  ...with_,
});

export const aToken = (owner: string, n: number, with_: Partial<TokenRecord> = {}): TokenRecord => ({
  owner,
  id: tokenId(n),
  name: 'ci',
  scopes: ['read', 'write'],
  secretHash: 'cd'.repeat(32),
  createdAt: T0,
  expiresAt: null,
  revokedAt: null,
  ...with_,
});

export const aPoolBox = (n: number, with_: Partial<PoolBoxRecord> = {}): PoolBoxRecord => ({
  id: poolBoxId(n),
  version: 1,
  phase: 'ready',
  phaseSince: T0,
  createdAt: T0,
  size: 'medium',
  arch: 'x86_64',
  image: 'ami-1',
  boxId: 'i-1',
  place: 'us-east-1a',
  attempt: 1,
  notBeforeMs: T0,
  problem: null,
  claim: null,
  ...with_,
});

export const anIdempotency = (owner: string, key: string, with_: Partial<IdempotencyRecord> = {}): IdempotencyRecord => ({
  owner,
  key,
  bodyHash: 'ef'.repeat(32),
  resourceId: sessionId(1),
  createdAt: T0,
  expiresAt: T0 + 1000,
  ...with_,
});

/** What an export to JSON and back keeps, in `toEqual`'s terms: the reference for what a store must give back. */
export const asStored = <T>(record: T): T => JSON.parse(JSON.stringify(record)) as T;
