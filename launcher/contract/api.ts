import * as z from 'zod';
import { sessionMoneySchema } from './costs.ts';
import { egressSchema } from './egress.ts';
import { ERROR_CODES } from './errors.ts';
import { EVIDENCE_KINDS } from './evidence.ts';
import { execExitSchema, execStartSchema } from './exec-messages.ts';
import {
  architectureSchema,
  durationSchema,
  gitRefSchema,
  gitUrlSchema,
  holdNameSchema,
  INSTANCE_TYPES_MAX,
  instanceTypeSchema,
  isoTimeSchema,
  ownerSchema,
  policySchema,
  sessionIdSchema,
  sizeSchema,
  snapshotIdSchema,
  tokenIdSchema,
  workspaceNameSchema,
} from './fields.ts';
import { PHASE_NAMES } from './phases.ts';
import { receiptSchema } from './receipt.ts';
import { SCOPES, snapshotRefSchema } from './records.ts';
import { secretSchema, secretsSchema } from './secrets.ts';

const SECOND = 1000;
const MINUTE = 60_000;
const HOUR = 3_600_000;
const DAY = 24 * HOUR;

/**
 * Ranges of the two life times. The lower bound of the idle time is low enough for drills; the default is 30 min.
 */
export const IDLE_TTL_RANGE_MS = { min: 5 * SECOND, max: 12 * HOUR, default: HOUR / 2 } as const;
export const MAX_TTL_RANGE_MS = { min: 30 * SECOND, max: 7 * DAY, default: 12 * HOUR } as const;
export const HOLD_RANGE_MS = { min: 10 * SECOND, max: 24 * HOUR } as const;
export const FORK_COUNT_MAX = 20;

const count = z.int().min(0);
const noteSchema = z.string().max(200).meta({ description: 'A note for people', example: 'before the refactoring' });

export const idempotencyKeySchema = z
  .string()
  .regex(/^[\x21-\x7e]{1,128}$/, 'use 1 to 128 printable characters without spaces')
  .meta({ example: '5b0c1c0e-9d3c-4f6e-8f5a-0c8c1d1f2a3b' });

/** `?limit=50&cursor=…` of every list. */
export const pageQuerySchema = z.strictObject({
  limit: z.coerce.number().int().min(1).max(200).default(50),
  cursor: z.string().max(2000).optional(),
});

export const listOf = <T extends z.ZodType>(item: T) =>
  z.object({ items: z.array(item), nextCursor: z.string().nullable().meta({ description: 'Give it as ?cursor= for the next page' }) });

// ---- sessions

const leaseInput = {
  idleTtl: durationSchema(IDLE_TTL_RANGE_MS.min, IDLE_TTL_RANGE_MS.max, '30m').optional(),
  maxTtl: durationSchema(MAX_TTL_RANGE_MS.min, MAX_TTL_RANGE_MS.max, '12h').optional(),
};

export const sourceInputSchema = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('empty') }),
  z.strictObject({ kind: z.literal('upload') }),
  z.strictObject({ kind: z.literal('git'), url: gitUrlSchema, ref: gitRefSchema.optional() }),
]);

export const createSessionSchema = z
  .strictObject({
    workspace: workspaceNameSchema,
    source: sourceInputSchema
      .optional()
      .meta({ description: 'What a new workspace begins with. Ignored when the workspace exists: it is never overwritten' }),
    size: sizeSchema.default('medium'),
    policy: policySchema
      .optional()
      .meta({ description: 'How its machine is bought. Default: spot-preferred; on-demand for a persistent one, which takes no other' }),
    instanceTypes: z
      .array(instanceTypeSchema)
      .min(1)
      .max(INSTANCE_TYPES_MAX)
      .optional()
      .meta({ description: 'The box is one of these, whatever the size. Only where boxes are machines with types' }),
    arch: architectureSchema.optional().meta({ description: "Default: that of the instance types, else the launcher's own" }),
    ...leaseInput,
    network: z.boolean().default(true),
    egress: egressSchema.default(null).meta({
      description: 'Hosts that its workload may reach, and no others; null: all of them. Only where boxes are machines of their own',
    }),
    persistent: z
      .boolean()
      .default(false)
      .meta({ description: 'Its box is on demand, and stopped and kept where another would end; a snapshot is made once a day' }),
    secrets: secretsSchema
      .default([])
      .meta({ description: 'By reference: a command gets those that it names. Only where boxes have a role in an AWS account' }),
    awsCredentials: z
      .boolean()
      .default(false)
      .meta({ description: "Commands have the credentials of the box's role. Only where boxes have one" }),
    allowSetup: z
      .boolean()
      .optional()
      .meta({ description: 'Remember that .devctl/setup.sh of this workspace may run in its boxes, or that it may not' }),
  })
  .meta({ id: 'CreateSession', example: { workspace: 'shop', size: 'medium', idleTtl: '30m' } });
export type CreateSessionInput = z.input<typeof createSessionSchema>;

export const waitQuerySchema = z.strictObject({
  wait: z.enum(['none', 'ready']).default('none'),
  timeout: durationSchema(SECOND, HOUR, '2m').default(120 * SECOND),
});
/** Shorter: while its body waits, a client that has gone is not noticed. */
export const importQuerySchema = waitQuerySchema.extend({
  timeout: durationSchema(SECOND, 120 * SECOND, '2m').default(120 * SECOND),
});
export const downQuerySchema = z.strictObject({
  wait: z.enum(['none', 'quiet', 'stopped']).default('none'),
  timeout: durationSchema(SECOND, HOUR, '2m').default(300 * SECOND),
});

export const parkQuerySchema = z.strictObject({
  wait: z.enum(['none', 'parked']).default('none'),
  timeout: durationSchema(SECOND, HOUR, '2m').default(300 * SECOND),
});

const failureViewSchema = z.object({ code: z.enum(ERROR_CODES), detail: z.string(), hint: z.string() });

export const sessionSchema = z
  .object({
    id: sessionIdSchema,
    workspace: workspaceNameSchema,
    owner: ownerSchema,
    phase: z.enum(PHASE_NAMES),
    desired: z.enum(['ready', 'parked', 'stopped']),
    generation: count,
    size: sizeSchema,
    policy: policySchema,
    instanceTypes: z.array(instanceTypeSchema).meta({ description: 'What was asked for instead of a size' }),
    arch: architectureSchema.nullable().meta({ description: 'null: nothing was asked for' }),
    network: z.boolean(),
    egress: egressSchema,
    persistent: z.boolean(),
    secrets: z.array(secretSchema).meta({ description: 'What its commands may name; never a value' }),
    awsCredentials: z.boolean(),
    provider: z.string(),
    box: z
      .object({
        id: z.string(),
        description: z.string(),
        launchedAt: isoTimeSchema,
        heartbeatAt: isoTimeSchema.nullable(),
        silent: z.boolean().meta({ description: 'Its heartbeats are overdue: it is frozen, overloaded or cut off' }),
      })
      .nullable(),
    lease: z.object({
      idleTtlMs: count,
      maxTtlMs: count,
      endsAt: isoTimeSchema,
      idleEndsAt: isoTimeSchema,
      hardEndsAt: isoTimeSchema,
      holds: z.array(z.object({ name: holdNameSchema, until: isoTimeSchema })),
    }),
    content: z.enum(['empty', 'present']).meta({ description: 'empty until the first import or clone is in' }),
    head: snapshotIdSchema.nullable(),
    createdAt: isoTimeSchema,
    readyAt: isoTimeSchema.nullable(),
    endedAt: isoTimeSchema.nullable(),
    endReason: z.string().nullable(),
    timings: z.record(z.string(), count).meta({ description: 'Milliseconds from creation to each phase' }),
    receipt: receiptSchema.nullable(),
    failure: failureViewSchema.nullable(),
    cost: sessionMoneySchema.nullable().meta({ description: 'null: its boxes cost nothing' }),
    budget: z.enum(['near', 'spent']).nullable().meta({
      description: "What it was told of the month's budgets: 80 % of one is spent, or all of it; null: neither",
    }),
    links: z.object({ self: z.string(), events: z.string(), workspace: z.string() }),
  })
  .meta({ id: 'Session' });
export type Session = z.infer<typeof sessionSchema>;

export const sessionListQuerySchema = pageQuerySchema.extend({
  all: z.enum(['true', 'false']).default('false').meta({ description: 'true: ended sessions too' }),
  workspace: workspaceNameSchema.optional(),
});

export const createHoldSchema = z
  .strictObject({ name: holdNameSchema, for: durationSchema(HOLD_RANGE_MS.min, HOLD_RANGE_MS.max, '2h') })
  .meta({ id: 'CreateHold', example: { name: 'build', for: '2h' } });
export const holdViewSchema = z.object({ name: holdNameSchema, until: isoTimeSchema }).meta({ id: 'Hold' });

export const interruptSchema = z
  .strictObject({
    in: durationSchema(0, 10 * MINUTE, '2m')
      .default(2 * MINUTE)
      .meta({ description: 'Time that the box has left' }),
  })
  .meta({ id: 'Interrupt', example: { in: '2m' } });

export const createSnapshotSchema = z
  .strictObject({ note: noteSchema.optional() })
  .meta({ id: 'CreateSnapshot', example: { note: 'before lunch' } });

export const execRequestSchema = execStartSchema
  .omit({ tty: true })
  .extend({
    argv: execStartSchema.shape.argv.unwrap().min(1),
    stdin: z.string().max(1_000_000).default(''),
    timeout: durationSchema(SECOND, HOUR, '1m').default(60 * SECOND),
  })
  .meta({ id: 'ExecRequest', example: { argv: ['npm', 'test'] } });
/** What somebody wants in a box; `logs` alone is no sign of work. */
export const connectSchema = z
  .strictObject({ purpose: z.enum(['command', 'copy', 'import', 'forward', 'logs']).default('command') })
  .meta({ id: 'Connect', example: { purpose: 'command' } });
export const connectionSchema = z
  .object({
    way: z.literal('session-manager'),
    region: z.string().meta({ example: 'eu-central-1' }),
    instanceId: z.string().meta({ example: 'i-0123456789abcdef0' }),
    document: z.string().meta({ description: 'Session document to start the session with', example: 'AWS-StartPortForwardingSession' }),
    port: z.int().meta({ description: 'Where the agent of the box listens, on its loopback', example: 881 }),
    accessKey: z.string().meta({ description: 'What the agent asks of whoever connects, as a bearer token; it holds for this box alone' }),
    expiresAt: isoTimeSchema.meta({ description: 'By then the box is gone' }),
  })
  .meta({ id: 'Connection' });
export type Connection = z.infer<typeof connectionSchema>;

export const execResultSchema = execExitSchema
  .extend({
    stdout: z.string(),
    stderr: z.string(),
    truncated: z.boolean().meta({ description: 'True when output past 1 MB was left out' }),
    timedOut: z.boolean(),
  })
  .meta({ id: 'ExecResult' });

export const whySchema = z
  .object({
    phase: z.enum(PHASE_NAMES),
    silent: z.boolean().meta({ description: 'The heartbeats of its box are overdue' }),
    since: isoTimeSchema,
    endsAt: isoTimeSchema.nullable(),
    parks: z.boolean().meta({ description: 'What comes then: its box is stopped and kept, instead of saved and let go' }),
    because: z.string().meta({ description: 'Which deadline ends it', example: 'idle 30m after the last evidence' }),
    evidence: z.array(
      z.object({
        kind: z.enum(EVIDENCE_KINDS),
        at: isoTimeSchema,
        detail: z.string(),
        seenBy: z.enum(['launcher', 'box']),
        counts: z.boolean(),
      }),
    ),
    holds: z.array(holdViewSchema),
    idleEndsAt: isoTimeSchema.nullable(),
    hardEndsAt: isoTimeSchema.nullable(),
    selfReportedLimitAt: isoTimeSchema.nullable().meta({ description: "The box's own word moves the idle deadline no further than this" }),
  })
  .meta({ id: 'Why' });
export type Why = z.infer<typeof whySchema>;

export const filesQuerySchema = z.strictObject({
  path: z
    .string()
    .min(1)
    .max(4096)
    .refine((path) => !path.includes('\0'), { message: 'must not have a NUL' })
    .meta({ description: 'In the box: absolute, or relative to /workspace/src', example: 'dist' }),
});
export const logsQuerySchema = z.strictObject({
  follow: z.enum(['true', 'false']).default('false'),
  tail: z.coerce.number().int().min(0).max(10_000).default(200),
});
export const importResultSchema = z.object({ files: count, bytes: count }).meta({ id: 'ImportResult' });

// ---- workspaces and snapshots

export const workspaceSchema = z
  .object({
    name: workspaceNameSchema,
    id: z.string(),
    owner: ownerSchema,
    createdAt: isoTimeSchema,
    content: z.enum(['empty', 'present']),
    source: z.object({ kind: z.enum(['empty', 'upload', 'git', 'fork']), from: z.string().nullable() }),
    head: snapshotIdSchema.nullable(),
    headOf: workspaceNameSchema
      .nullable()
      .meta({ description: 'Set while the head still is a snapshot of the workspace it was forked from' }),
    headAt: isoTimeSchema.nullable(),
    bytes: count.nullable(),
    session: sessionIdSchema.nullable(),
    unsaved: z.boolean().meta({ description: 'True when its live volume has work that is in no snapshot' }),
    setupAllowed: z.boolean().nullable().meta({ description: 'null: nobody has said yet, and the setup script does not run' }),
    quarantined: z.string().nullable(),
    retention: z.object({ keepLast: count, keepDaily: count }),
  })
  .meta({ id: 'Workspace' });
export type Workspace = z.infer<typeof workspaceSchema>;

export const updateWorkspaceSchema = z
  .strictObject({
    setupAllowed: z.boolean().optional(),
    retention: z
      .strictObject({ keepLast: z.int().min(1).max(1000).optional(), keepDaily: z.int().min(0).max(366).optional() })
      .optional()
      .meta({ description: 'What is left out stays as it is' }),
  })
  .meta({ id: 'UpdateWorkspace', example: { retention: { keepLast: 10, keepDaily: 7 } } });
export const deleteWorkspaceQuerySchema = z.strictObject({ force: z.enum(['true', 'false']).default('false') });

export const snapshotSchema = z
  .object({
    id: snapshotIdSchema,
    workspace: workspaceNameSchema,
    parent: snapshotRefSchema.nullable(),
    state: z.enum(['pending', 'completed', 'error', 'deleting']),
    reason: z.string(),
    note: z.string().nullable(),
    clean: z.boolean(),
    createdAt: isoTimeSchema,
    bytes: count.nullable(),
    newBytes: count.nullable(),
    files: count.nullable(),
    isHead: z.boolean(),
  })
  .meta({ id: 'Snapshot' });
export type Snapshot = z.infer<typeof snapshotSchema>;

export const forkSchema = z
  .strictObject({
    count: z.int().min(1).max(FORK_COUNT_MAX).default(1),
    names: z.array(workspaceNameSchema).min(1).max(FORK_COUNT_MAX).optional(),
    snapshot: snapshotIdSchema.optional().meta({ description: 'Default: a checkpoint of the live session, else the head' }),
  })
  .meta({ id: 'Fork', example: { count: 3 } });
export const forkResultSchema = z.object({ snapshot: snapshotIdSchema, workspaces: z.array(workspaceSchema) }).meta({ id: 'ForkResult' });

export const restoreSchema = z
  .strictObject({
    snapshot: snapshotIdSchema,
    force: z
      .boolean()
      .default(false)
      .meta({ description: 'Give up the work on a damaged disk that is in no snapshot. Means nothing where the disk is whole' }),
  })
  .meta({ id: 'Restore', example: { snapshot: 'snap_41' } });

// ---- tokens, launcher

export const createTokenSchema = z
  .strictObject({
    name: z.string().min(1).max(100),
    owner: ownerSchema.optional().meta({ description: 'Another owner than your own needs the scope admin' }),
    scopes: z.array(z.enum(SCOPES)).min(1).default(['read', 'write']),
    expiresIn: durationSchema(60 * SECOND, 366 * DAY, '90d')
      .optional()
      .meta({ description: 'Left out: as long as your own token' }),
  })
  .meta({ id: 'CreateToken', example: { name: 'ci', scopes: ['read'], expiresIn: '30d' } });
export const tokenSchema = z
  .object({
    id: tokenIdSchema,
    name: z.string(),
    owner: ownerSchema,
    scopes: z.array(z.enum(SCOPES)),
    createdAt: isoTimeSchema,
    expiresAt: isoTimeSchema.nullable(),
    revokedAt: isoTimeSchema.nullable(),
  })
  .meta({ id: 'Token' });
export const createdTokenSchema = tokenSchema
  .extend({ token: z.string().meta({ description: 'Shown this once' }) })
  .meta({ id: 'CreatedToken' });
export const whoamiSchema = z
  .object({
    owner: ownerSchema,
    scopes: z.array(z.enum(SCOPES)),
    tokenId: tokenIdSchema.nullable().meta({ description: 'Null for who signs with AWS credentials' }),
    arn: z.string().optional().meta({ description: 'Who AWS says that it is' }),
    reach: z
      .enum(['direct', 'relay'])
      .default('relay')
      .meta({ description: 'relay: terminals and files go through the launcher; direct: the client reaches boxes itself' }),
  })
  .meta({ id: 'WhoAmI' });

export const reapSchema = z.strictObject({ dryRun: z.boolean().default(false) }).meta({ id: 'Reap', example: { dryRun: true } });
export const reapResultSchema = z
  .object({
    dryRun: z.boolean(),
    sessionsLookedAt: count,
    items: z.array(
      z.object({
        kind: z.enum(['box', 'volume', 'snapshot', 'claim', 'usage', 'pin']),
        id: z.string(),
        reason: z.string(),
        action: z.enum(['removed', 'would_remove', 'waiting', 'failed', 'unknown']),
        thing: z
          .object({
            owner: z.string().nullable(),
            workspace: z.string().nullable(),
            createdAt: isoTimeSchema,
            usdPerMonth: z
              .number()
              .min(0)
              .nullable()
              .meta({ description: 'What it costs to keep it; of a snapshot the most that it may be' }),
          })
          .optional()
          .meta({ description: 'Of what the provider lists; records of the table have none' }),
      }),
    ),
    recordsMissing: z
      .boolean()
      .meta({ description: 'There are things that only a lost table would explain: nothing is removed until devctl recover' }),
    complete: z.boolean().meta({ description: 'False when a list could not be read in full: nothing was removed on its word' }),
  })
  .meta({ id: 'ReapResult' });
export type ReapResult = z.infer<typeof reapResultSchema>;

export const recoverSchema = z.strictObject({ dryRun: z.boolean().default(true) }).meta({ id: 'Recover', example: { dryRun: true } });
export const recoverResultSchema = z
  .object({
    dryRun: z.boolean().meta({ description: 'True also when the list was not whole: then nothing is put into the table' }),
    complete: z.boolean(),
    recordsMissing: z.boolean().meta({ description: 'The table still lacks records: nothing is deleted, and no workspace is made' }),
    workspaces: z.array(
      z.object({
        owner: ownerSchema,
        name: workspaceNameSchema,
        head: snapshotIdSchema.nullable(),
        disk: z.string().nullable(),
        session: sessionIdSchema.nullable(),
        snapshots: count,
        quarantined: z.string().nullable(),
      }),
    ),
    snapshots: count,
    left: z
      .array(
        z.object({
          kind: z.enum(['box', 'volume', 'snapshot']),
          id: z.string(),
          owner: z.string().nullable(),
          workspace: z.string().nullable(),
          reason: z.string(),
        }),
      )
      .meta({ description: 'Not brought back, and kept: a person decides' }),
  })
  .meta({ id: 'RecoverResult' });
export type RecoverResult = z.infer<typeof recoverResultSchema>;

const checkSchema = z.object({
  name: z.string(),
  ok: z.boolean(),
  level: z.enum(['ok', 'warn', 'error']),
  detail: z.string(),
  fix: z.string().nullable(),
});
export type Check = z.infer<typeof checkSchema>;
export const infoSchema = z
  .object({
    version: z.string(),
    provider: z.string(),
    isolation: z.string().meta({ description: 'What keeps a box in', example: 'bubblewrap' }),
    startedAt: isoTimeSchema,
    checks: z.array(checkSchema),
  })
  .meta({ id: 'Info' });
export const healthSchema = z
  .object({ status: z.enum(['ok', 'failing']), checks: z.record(z.string(), z.string()) })
  .meta({ id: 'Health' });
