import { randomBytes } from 'node:crypto';
import { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { type DynamoDBClient, GetItemCommand, PutItemCommand } from '@aws-sdk/client-dynamodb';
import { createApp } from '../launcher/api/app.ts';
import type { ApiDeps } from '../launcher/api/deps.ts';
import { listen } from '../launcher/api/server.ts';
import { mintToken } from '../launcher/api/tokens.ts';
import { NO_POOL } from '../launcher/contract/pool.ts';
import { makeBoxToken } from '../launcher/contract/tokens.ts';
import { createSignals } from '../launcher/controllers/signals.ts';
import { createWorker } from '../launcher/controllers/worker.ts';
import { LIMITS } from '../launcher/core/limits.ts';
import { NO_BUDGETS } from '../launcher/core/statement.ts';
import { openEmbeddedDynamo } from '../launcher/stores/dynamo/embedded.ts';
import { createDynamoStore } from '../launcher/stores/dynamo/store.ts';
import { ensureTable } from '../launcher/stores/dynamo/table.ts';
import { createTelemetry } from '../launcher/telemetry/index.ts';
import { type DryKind, type DryRequests, inParallel } from './dry-protocol.ts';
import { DRY_OFFERS, DryProvider, dryAccess } from './dry-provider.ts';

// A program of its own, so that whoever sends the requests does not share its event loop: API, controllers and the real
// embedded store, over a provider that makes nothing. `dry-server.ts DIR`, spoken to over the channel of its parent.

const TABLE = 'bench';
// A dry box never registers: nobody is to wait for it, and to launch another one, while the bench runs.
const DRY_LIMITS = { ...LIMITS, bootstrapMs: 24 * 3_600_000 };
const READS = new Set(['GetItemCommand', 'QueryCommand']);
const calls = { reads: 0, writes: 0 };

function countCalls(client: DynamoDBClient): void {
  client.middlewareStack.add(
    (next, context) => (args) => {
      calls[READS.has(String((context as { commandName?: string }).commandName)) ? 'reads' : 'writes'] += 1;
      return next(args);
    },
    { step: 'initialize', name: 'countCalls' },
  );
}

async function start(dir: string): Promise<void> {
  const table = await openEmbeddedDynamo({ dir: `${dir}/table` });
  countCalls(table.client);
  await ensureTable(table.client, TABLE);
  const clock = { now: () => Date.now() };
  const random = { bytes: (length: number) => randomBytes(length) };
  const telemetry = createTelemetry({ dir: `${dir}/log`, clock });
  const store = createDynamoStore({ client: table.client, tableName: TABLE, clock, random });
  await store.vouch();
  const signals = createSignals();
  const ledger = { store, clock, signals, telemetry };
  const api: ApiDeps = {
    ...ledger,
    access: dryAccess,
    random,
    limits: DRY_LIMITS,
    quotas: { liveSessions: LIMITS.quotaLiveSessions, workspaces: LIMITS.quotaWorkspaces, snapshotBytes: LIMITS.quotaSnapshotBytes },
    money: { storagePrices: null, budgets: NO_BUDGETS },
    pool: { plan: NO_POOL, port: null },
    config: { version: '0', providerName: 'dry', offers: DRY_OFFERS, isolation: 'none', allowedHosts: [], cursorSecret: 'bench' },
    startedAtMs: clock.now(),
    reap: async (dryRun) => ({ dryRun, sessionsLookedAt: 0, items: [], complete: true, recordsMissing: false }),
    recover: async (dryRun) => ({ dryRun, complete: true, recordsMissing: false, workspaces: [], snapshots: 0, left: [] }),
    checks: async () => [],
    launcherLogs: async () => Readable.from([]),
    metricsText: () => telemetry.metricsText(),
  };
  const compute = new DryProvider();
  const secret = randomBytes(32);
  const worker = createWorker({
    ...ledger,
    compute,
    access: dryAccess,
    limits: DRY_LIMITS,
    budgets: NO_BUDGETS,
    pool: NO_POOL,
    boxToken: ({ owner }) => makeBoxToken(owner, secret),
  });
  const server = await listen(createApp(api), api);
  await worker.start();
  answerWith({
    owners: ({ count }) => owners(api, count),
    raw: ({ kind, count, parallel }) => raw(table.client, kind, count, parallel),
    settle: ({ launches }) => settle(compute, launches),
    calls: async () => {
      const { reads, writes } = calls;
      Object.assign(calls, { reads: 0, writes: 0 });
      return { reads, writes };
    },
  });
  process.once('disconnect', () => void server.close().then(() => process.exit(0)));
  process.send?.({ url: server.url });
}

async function owners(api: ApiDeps, count: number): Promise<{ tokens: string[] }> {
  const tokens: string[] = [];
  for (let index = 0; index < count; index += 1) {
    const owner = `bench-${randomBytes(6).toString('hex')}`;
    tokens.push((await mintToken(api, { owner, name: 'bench', scopes: ['read', 'write'], expiresAtMs: null })).token);
  }
  return { tokens };
}

/** Items of the size that a session's has, with nothing of ours around the SDK. */
function raw(client: DynamoDBClient, kind: 'get' | 'put', count: number, parallel: number) {
  const row = (index: number) => ({ pk: { S: 'raw' }, sk: { S: String(index) } });
  const document = { S: 'x'.repeat(1500) };
  return inParallel(count, parallel, async (index) => {
    if (kind === 'put') await client.send(new PutItemCommand({ TableName: TABLE, Item: { ...row(index), document } }));
    else await client.send(new GetItemCommand({ TableName: TABLE, Key: row(0), ConsistentRead: true }));
  });
}

async function settle(compute: DryProvider, launches: number): Promise<null> {
  while (compute.launches < launches) await sleep(5);
  // The outcome of the last launch is being saved.
  await sleep(50);
  return null;
}

function answerWith(answers: { [Kind in DryKind]: (input: DryRequests[Kind]['input']) => Promise<DryRequests[Kind]['output']> }): void {
  process.on('message', (message: { id: number; kind: DryKind; input: never }) => {
    void answers[message.kind](message.input).then(
      (output) => process.send?.({ id: message.id, output }),
      (error: unknown) => process.send?.({ id: message.id, error: String(error) }),
    );
  });
}

void start(process.argv[2] ?? '').catch((error: unknown) => {
  console.error(error);
  process.exit(1);
});
