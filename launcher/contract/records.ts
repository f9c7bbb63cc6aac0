import * as z from 'zod';
import { ERROR_CODES } from './errors.ts';
import { evidenceKindSchema } from './evidence.ts';
import {
  architectureSchema,
  gitRefSchema,
  gitUrlSchema,
  holdNameSchema,
  instanceTypeSchema,
  ownerSchema,
  policySchema,
  poolBoxIdSchema,
  sessionIdSchema,
  sizeSchema,
  snapshotIdSchema,
  tokenIdSchema,
  workspaceIdSchema,
  workspaceNameSchema,
} from './fields.ts';
import { PHASE_NAMES } from './phases.ts';
import { quiesceReportSchema, receiptSchema } from './receipt.ts';
import { secretSchema } from './secrets.ts';

/**
 * What the store keeps. Times are milliseconds since the epoch. Objects are loose on purpose: a field that an older
 * version does not know is kept when it writes the record back. Their types have only the fields that this version knows:
 * reading others by mistake does not compile.
 */
type Known<T> = { [K in keyof T as string extends K ? never : K]: T[K] };

const timeMs = z.int();
const count = z.int().min(0);

/** A snapshot of any workspace of the same owner. */
export const snapshotRefSchema = z.object({ workspaceId: workspaceIdSchema, id: snapshotIdSchema });
export type SnapshotRef = z.infer<typeof snapshotRefSchema>;

export const sourceSchema = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('empty') }),
  z.object({ kind: z.literal('upload') }),
  z.object({ kind: z.literal('git'), url: gitUrlSchema, ref: gitRefSchema.optional() }),
  z.object({ kind: z.literal('fork'), workspace: workspaceNameSchema, snapshot: snapshotRefSchema }),
]);
export type Source = z.infer<typeof sourceSchema>;

export const retentionSchema = z.object({ keepLast: z.int().min(1), keepDaily: count });
export type Retention = z.infer<typeof retentionSchema>;

export const workspaceRecordSchema = z.looseObject({
  owner: ownerSchema,
  name: workspaceNameSchema,
  /** Never used again, even when the name is: providers keep volumes and snapshots under it. */
  id: workspaceIdSchema,
  version: count,
  createdAt: timeMs,
  source: sourceSchema,
  /** `empty` until the first import or clone has succeeded; an import is refused once it is `present`. */
  content: z.enum(['empty', 'present']),
  /** The newest durable state. Moves only forward in headSeq, by compare-and-set. */
  head: snapshotRefSchema.nullable(),
  headSeq: count,
  /** Last number given to a snapshot of this workspace; numbers are never reused. */
  snapshotSeq: count,
  /** A live disk: while it is there it is the truth, newer than or equal to the head. */
  volume: z
    .looseObject({
      id: z.string(),
      /** Raised at each launch that may write to it. */
      epoch: count,
      /** Epoch whose content is completely in the head; equal to `epoch` when nothing would be lost with the volume. */
      savedEpoch: count,
      keepUntil: timeMs.nullable(),
      /** UUID of the file system that a box has mounted from it; left out until then, and where boxes mount nothing. */
      fileSystem: z.string().optional(),
      /** What is paid for it, GiB; left out where disks cost nothing. */
      gib: count.optional(),
    })
    .nullable(),
  /** The one session that may write, and in which generation. */
  claim: z.object({ sessionId: sessionIdSchema, generation: count }).nullable(),
  /** Set while the workspace is being removed; nothing may claim it any more. */
  deleting: z.boolean(),
  quarantined: z.string().nullable(),
  /** UUID of the file system on its disks and in its snapshots, where boxes mount them: all of them are copies of the first. */
  fileSystem: z.string().optional(),
  /** The restore that moved the head last, so that a repeat of it is known, and no other is taken for it. */
  restoredBy: z.string().optional(),
  /** Whether `.devctl/setup.sh` of this workspace may run; null: its owner has not said, and it does not run. */
  setupAllowed: z.boolean().nullable(),
  retention: retentionSchema,
});
export type WorkspaceRecord = Known<z.infer<typeof workspaceRecordSchema>>;

export const snapshotRecordSchema = z.looseObject({
  owner: ownerSchema,
  workspace: workspaceNameSchema,
  workspaceId: workspaceIdSchema,
  id: snapshotIdSchema,
  seq: z.int().min(1),
  parent: snapshotRefSchema.nullable(),
  /** `deleting` is a tombstone: nothing may pin it any more. */
  state: z.enum(['pending', 'completed', 'error', 'deleting']),
  reason: z.enum(['down', 'checkpoint', 'fork', 'rescue', 'park', 'restore']),
  note: z.string().max(200).nullable(),
  /** Provider call that makes it; a repeat of the same operation finds the same snapshot. */
  operationId: z.string(),
  sessionId: sessionIdSchema.nullable(),
  volumeId: z.string(),
  volumeEpoch: count,
  clean: z.boolean(),
  createdAt: timeMs,
  completedAt: timeMs.nullable(),
  bytes: count.nullable(),
  newBytes: count.nullable(),
  files: count.nullable(),
  /** Workspace ids (forks, restores) whose head is this snapshot: never deleted while there is one. */
  pins: z.array(workspaceIdSchema),
});
export type SnapshotRecord = Known<z.infer<typeof snapshotRecordSchema>>;

export const failureSchema = z.object({ code: z.enum(ERROR_CODES), detail: z.string(), hint: z.string() });
export type Failure = z.infer<typeof failureSchema>;

export const holdSchema = z.object({ name: holdNameSchema, untilMs: timeMs, createdAt: timeMs });
export type Hold = z.infer<typeof holdSchema>;

/** Latest sign of work of one kind. */
export const evidenceSchema = z.object({ kind: evidenceKindSchema, atMs: timeMs, detail: z.string().max(200) });
export type Evidence = z.infer<typeof evidenceSchema>;

export const leaseSchema = z.looseObject({
  idleTtlMs: count,
  maxTtlMs: count,
  hardDeadlineMs: timeMs,
  idleDeadlineMs: timeMs,
  /** Latest evidence that the control plane saw itself: the box's own word counts at most selfReportedMax past it. */
  observedAtMs: timeMs,
  evidence: z.array(evidenceSchema),
  holds: z.array(holdSchema),
  /** The end of the lease that was last warned of; null when none was. */
  warnedForMs: timeMs.nullable(),
});
export type Lease = Known<z.infer<typeof leaseSchema>>;

export const eventSchema = z
  .object({
    /** Sorts as text in the order of happening. */
    id: z.string().regex(/^\d{10}\.\d{2}$/),
    atMs: timeMs,
    type: z
      .string()
      .regex(/^[a-z]+(?:\.[a-z_]+)+$/)
      .meta({ example: 'session.ready' }),
    message: z.string().max(1000).meta({ description: 'One line for people' }),
    data: z.record(z.string(), z.unknown()).optional(),
  })
  .meta({ id: 'Event' });
export type SessionEvent = z.infer<typeof eventSchema>;

/** A workspace that is to begin with what a snapshot of another one has, and the volume of its own that was made for it. */
export const forkTargetSchema = z.object({ workspaceId: workspaceIdSchema, workspace: workspaceNameSchema });
export type ForkTarget = z.infer<typeof forkTargetSchema>;
export const volumeCopySchema = forkTargetSchema.extend({ volumeId: z.string(), volumeGiB: count.optional() });
export type VolumeCopyRecord = z.infer<typeof volumeCopySchema>;

/** What an hour of a box costs, in micro-dollars; rounded to whole ones. */
export const boxPriceSchema = z.looseObject({
  /** The machine with its address and the disk that it starts from. */
  boxMicroUsdPerHour: count,
  /** The disk of its workspace. */
  diskMicroUsdPerHour: count,
  /** It is an estimate: the price of the moment was not known. */
  about: z.boolean(),
});
export type BoxPrice = Known<z.infer<typeof boxPriceSchema>>;

export const boxSchema = z.looseObject({
  id: z.string(),
  /** For people: `2 cpu · 4 GiB · bubblewrap`. */
  description: z.string(),
  volumeId: z.string(),
  launchedAt: timeMs,
  registeredAt: timeMs.nullable(),
  heartbeatAt: timeMs.nullable(),
  /** SHA-256, hex, of the token that this generation's agent shows. */
  tokenHash: z.string(),
  /** Left out where boxes cost nothing. */
  price: boxPriceSchema.optional(),
});
export type BoxRecord = Known<z.infer<typeof boxSchema>>;

/** An operation at the provider that has been decided on and may have been carried out. Saved before the call is made. */
export const operationSchema = z.looseObject({
  kind: z.enum(['launch', 'quiesce', 'snapshot', 'park', 'end']),
  /** Same id, same effect: the provider finds what an earlier call with it made. */
  id: z.string(),
  attempt: z.int().min(1),
  startedAt: timeMs,
  /** Not before this time: back-off after a failure that may pass. */
  notBeforeMs: timeMs,
  /** Of a launch: SHA-256, hex, of the token that the box will show, which may be before the answer of the launch is saved. */
  tokenHash: z.string().optional(),
  /** Of a launch: the volume beside which there is no machine. The one that it then makes elsewhere is another. */
  strandedVolumeId: z.string().optional(),
  /** Of a launch: the box that was stopped and kept, which goes on if it can. */
  parked: z.object({ boxId: z.string(), generation: count, launchedAt: timeMs, box: boxSchema.optional() }).optional(),
  /** Of a launch: the box of the pool that it has claimed; null: it found none. */
  pooled: z.object({ id: poolBoxIdSchema, boxId: z.string() }).nullable().optional(),
});

/** A month of the calendar, UTC. */
export const monthSchema = z
  .string()
  .regex(/^20\d\d-(?:0[1-9]|1[0-2])$/, 'use a month such as 2026-11')
  .meta({ example: '2026-11' });

/** What boxes cost, micro-dollars: the machines, and the disk of the workspace while they ran. */
export const spentSchema = z.looseObject({ boxMicroUsd: count, diskMicroUsd: count, boxMs: count });
export type Spent = Known<z.infer<typeof spentSchema>>;

export const spendSchema = z.looseObject({
  /** Of boxes that are gone, by month. */
  months: z.record(monthSchema, spentSchema),
  /** Since when the box that is there is paid for; null when there is none. */
  sinceMs: timeMs.nullable(),
  /** Some price in it was an estimate. */
  about: z.boolean(),
});
export type Spend = Known<z.infer<typeof spendSchema>>;

/** What a session was told of the budgets of a month. */
const sessionBudgetSchema = z.looseObject({
  month: monthSchema,
  /** The worst of them: 80 % of it is spent, or all of it. */
  level: z.enum(['near', 'spent']).nullable(),
  /** `owner.near`, `deployment.spent`, … and `owner.saved`: the snapshot that is made then. */
  told: z.array(z.string()),
});
export type SessionBudget = Known<z.infer<typeof sessionBudgetSchema>>;

/** How a month's budget stands, of one owner or of all of them. */
export const budgetRecordSchema = z.looseObject({
  /** Null: that of all owners together. */
  owner: ownerSchema.nullable(),
  month: monthSchema,
  /** 0: it is not in the table yet. */
  version: count,
  /** When all of it was counted anew. */
  meteredAt: timeMs,
  /** Until then, micro-dollars. */
  spentMicroUsd: count,
  /** With what is set aside for sessions that have begun. */
  committedMicroUsd: count,
  /** Sessions that were let in since then, `id=micro-dollars`: a set, so that letting in twice is letting in once. */
  admitted: z.array(z.string()),
});
export type BudgetRecord = Known<z.infer<typeof budgetRecordSchema>>;

export const interruptionSchema = z.object({
  /** When the box is taken away. */
  endsAtMs: timeMs,
  /** Where it was heard first. */
  source: z.enum(['box', 'provider', 'user']),
  /** Still to be made quiet and saved; false once that was given up. */
  save: z.boolean(),
});
export type Interruption = z.infer<typeof interruptionSchema>;

export const sessionRecordSchema = z.looseObject({
  owner: ownerSchema,
  id: sessionIdSchema,
  workspace: workspaceNameSchema,
  workspaceId: workspaceIdSchema,
  version: count,
  phase: z.enum(PHASE_NAMES),
  phaseSince: timeMs,
  /** `parked` only of a persistent session, while it is ready, being parked, or parked. */
  desired: z.enum(['ready', 'parked', 'stopped']),
  /** Why it ends: `user`, `idle`, `hard_limit`, `lost`, `failed`. */
  endReason: z.string().nullable(),
  generation: count,
  /** When the controller must look again; null when nothing is due (final phases). */
  dueAt: timeMs.nullable(),
  size: sizeSchema,
  policy: policySchema.default('spot-preferred'),
  /** The box is one of these, whatever the size; none: one of the size. */
  instanceTypes: z.array(instanceTypeSchema).default([]),
  arch: architectureSchema.nullable().default(null),
  network: z.boolean(),
  /** Its box is stopped and kept where that of another session would end. */
  persistent: z.boolean().default(false),
  /** By reference: values are seen by its box only. */
  secrets: z.array(secretSchema).default([]),
  /** Its commands may have the credentials of the box's role. */
  awsCredentials: z.boolean().default(false),
  /** Of a persistent session, when the snapshot of the day is due; null: none was made yet. */
  nextSnapshotAt: timeMs.nullable().default(null),
  createdAt: timeMs,
  readyAt: timeMs.nullable(),
  endedAt: timeMs.nullable(),
  lease: leaseSchema,
  op: operationSchema.nullable(),
  box: boxSchema.nullable(),
  /** The snapshot that this session is making now, for `down` or a checkpoint. */
  snapshot: z
    .object({
      id: snapshotIdSchema,
      operationId: z.string(),
      /** The provider has fixed the point in time: what comes after is not in it, and the box may go. */
      started: z.boolean(),
      /** Volumes with the same content, one for each fork that the checkpoint named. */
      copies: z.array(volumeCopySchema).optional(),
    })
    .nullable(),
  /** A checkpoint that was asked for and is not done. */
  checkpoint: z
    .object({
      operationId: z.string(),
      note: z.string().nullable(),
      reason: z.enum(['checkpoint', 'fork']),
      /** Forks that need not wait for it, where the provider can copy the disk. */
      copies: z.array(forkTargetSchema).optional(),
    })
    .nullable(),
  report: quiesceReportSchema.nullable(),
  /** The box is being taken away by whoever lent it. */
  interruption: interruptionSchema.nullish(),
  /** What its end owes the workspace: nothing, a snapshot of a quiet disk, or one of a disk whose box died. */
  save: z.enum(['none', 'clean', 'crash']),
  receipt: receiptSchema.nullable(),
  failure: failureSchema.nullable(),
  /** Failures in a row of the launch, and boxes lost so far: each has its bound in limits. */
  launchAttempts: count,
  rescues: count,
  /** The last launch was refused for good and made no box: what it claimed to write to is as it was. */
  refused: z.boolean().optional(),
  /** When each phase was entered last, for the step times that `up` and `down` show. */
  timings: z.record(z.string(), timeMs),
  /** Kept for the provider, opaque to everyone else. */
  providerState: z.unknown(),
  /** The latest events, until they are in items of their own. */
  outbox: z.array(eventSchema),
  /** What its boxes cost so far; left out where they cost nothing. */
  spend: spendSchema.optional(),
  budget: sessionBudgetSchema.optional(),
});
export type SessionRecord = Known<z.infer<typeof sessionRecordSchema>>;

/** What a month's entry says of a session that is over: what its boxes cost in that month. */
const sessionChargeSchema = z.looseObject({
  kind: z.literal('session'),
  sessionId: sessionIdSchema,
  spent: spentSchema,
  about: z.boolean(),
});

/** What a workspace keeps, and what that cost in a month until `untilMs`. From then on it costs as `level` says. */
const storageChargeSchema = z.looseObject({
  kind: z.literal('storage'),
  diskMicroUsd: count,
  snapshotMicroUsd: count,
  level: z.object({ diskGiB: count, snapshotBytes: count, about: z.boolean() }),
});

/** An entry of an owner's month: written as a whole, so that writing it twice is writing it once. */
export const chargeRecordSchema = z.intersection(
  z.looseObject({
    owner: ownerSchema,
    month: monthSchema,
    workspace: workspaceNameSchema,
    workspaceId: workspaceIdSchema,
    /** Until when it counts, ms: an entry is never replaced by one that knows less. */
    untilMs: timeMs,
  }),
  z.discriminatedUnion('kind', [sessionChargeSchema, storageChargeSchema]),
);
interface ChargeOf {
  owner: string;
  month: string;
  workspace: string;
  workspaceId: string;
  untilMs: number;
}
export type SessionCharge = ChargeOf & Known<z.infer<typeof sessionChargeSchema>>;
export type StorageCharge = ChargeOf & Known<z.infer<typeof storageChargeSchema>>;
export type ChargeRecord = SessionCharge | StorageCharge;

export const SCOPES = ['read', 'write', 'admin'] as const;
export type Scope = (typeof SCOPES)[number];

export const tokenRecordSchema = z.looseObject({
  owner: ownerSchema,
  id: tokenIdSchema,
  name: z.string().max(100),
  scopes: z.array(z.enum(SCOPES)),
  /** SHA-256, hex, of the secret part: the token itself is shown once and kept nowhere. */
  secretHash: z.string().length(64),
  createdAt: timeMs,
  expiresAt: timeMs.nullable(),
  revokedAt: timeMs.nullable(),
});
export type TokenRecord = Known<z.infer<typeof tokenRecordSchema>>;

export const idempotencyRecordSchema = z.looseObject({
  owner: ownerSchema,
  key: z.string(),
  bodyHash: z.string(),
  /** Id decided before anything was made, so that a repeat makes the same thing. */
  resourceId: z.string(),
  createdAt: timeMs,
  expiresAt: timeMs,
});
export type IdempotencyRecord = Known<z.infer<typeof idempotencyRecordSchema>>;

/** What an owner holds, against the quotas. Sets, not counters: adding twice is adding once. */
export const usageRecordSchema = z.looseObject({
  owner: ownerSchema,
  sessions: z.array(z.string()),
  workspaces: z.array(z.string()),
  /** `workspaceId/snapshotId` of every snapshot whose bytes are counted. */
  snapshots: z.array(z.string()),
  snapshotBytes: count,
});
export type UsageRecord = Known<z.infer<typeof usageRecordSchema>>;

/**
 * `launching`: its machine is asked for; `warming`: that runs for the first time, and is then stopped; `ready`: stopped, for whoever
 * comes; `claimed`: a launch has it, and it belongs to that session from then on; `ending`: nobody wants it.
 */
export const POOL_PHASES = ['launching', 'warming', 'ready', 'claimed', 'ending'] as const;

/** A stopped box in reserve, which belongs to nobody. */
export const poolBoxRecordSchema = z.looseObject({
  id: poolBoxIdSchema,
  version: count,
  phase: z.enum(POOL_PHASES),
  phaseSince: timeMs,
  createdAt: timeMs,
  size: sizeSchema,
  arch: architectureSchema,
  /** What it is started from: a launch that would start from something else does not take it. */
  image: z.string(),
  boxId: z.string().nullable(),
  /** Where it is: only volumes of the same place can be given to it. Null until that is known. */
  place: z.string().nullable(),
  /** Tries to launch it, the present one counted. */
  attempt: z.int().min(1),
  /** Not before this time: a try may still be under way, or has failed. */
  notBeforeMs: timeMs,
  /** Why it does not get on. */
  problem: z.string().max(500).nullable(),
  /** The one launch that may have it. */
  claim: z.object({ owner: ownerSchema, sessionId: sessionIdSchema, generation: count, operationId: z.string() }).nullable(),
});
export type PoolBoxRecord = Known<z.infer<typeof poolBoxRecordSchema>>;
