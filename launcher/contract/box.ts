import * as z from 'zod';
import { DevctlError } from './errors.ts';
import { EVIDENCE, type EvidenceKind } from './evidence.ts';
import { gitRefSchema, gitUrlSchema, sessionIdSchema } from './fields.ts';
import { secretSchema } from './secrets.ts';

/** Kinds of evidence that a box may speak of. */
const BOX_KINDS = (Object.keys(EVIDENCE) as EvidenceKind[]).filter((kind) => EVIDENCE[kind].seenBy === 'box') as [
  EvidenceKind,
  ...EvidenceKind[],
];

/** Header in which a box that proves itself by its machine names the owner of its session. */
export const BOX_OWNER_HEADER = 'devctl-owner';

const identity = { sessionId: sessionIdSchema, generation: z.int().min(1) };

/** `POST /boxes/disk`: a box that has to mount its workspace itself asks which disk has it. May be repeated. */
export const boxDiskRequestSchema = z.strictObject(identity).meta({ id: 'BoxDiskRequest' });

/** What a box has to know of its disk before it touches one. */
export const boxDiskSchema = z
  .object({
    /** Of the provider: `vol-0123456789abcdef0`. */
    volumeId: z.string(),
    /** UUID of the file system that is on it; null: not known. */
    fileSystem: z.string().nullable(),
    /** Nothing was ever saved of this workspace: a disk without anything on it is its first one, and may be formatted. */
    mayFormat: z.boolean(),
  })
  .meta({ id: 'BoxDisk' });
export type BoxDisk = z.infer<typeof boxDiskSchema>;

/** `POST /boxes/register`: the agent is up and its workspace is mounted. May be repeated. */
export const registerSchema = z
  .strictObject({
    ...identity,
    agentVersion: z.string().max(50),
    bootId: z.string().max(100),
    /** UUID of the file system that the box has mounted; left out where its provider mounts. */
    fileSystem: z.string().max(64).optional(),
  })
  .meta({ id: 'Register' });
export type Register = z.output<typeof registerSchema>;

/** What the launcher wants of a box; the answer to register and to each heartbeat. Level-triggered: the same answer twice is harmless. */
export const ordersSchema = z
  .object({
    /** `work`: be open for commands. `hold`: take no new ones (it is being quiesced). `end`: this generation is over. */
    state: z.enum(['work', 'hold', 'end']),
    /** Fetch this into an empty `/workspace/src`, then report `prepared`. */
    clone: z.object({ url: gitUrlSchema, ref: gitRefSchema.optional() }).nullable(),
    /** The owner allowed `.devctl/setup.sh` to run. */
    runSetup: z.boolean(),
    heartbeatMs: z.int().min(100),
    /** A line to show in every terminal, with an id so that it is shown once. */
    notice: z.object({ id: z.string(), text: z.string().max(500) }).nullable(),
    /** End by itself when the launcher has not answered for so long. A span and no moment: the clock of a box may be wrong. */
    hardLimitInMs: z.int().min(0),
    /** What whoever connects to the box's agent over the network has to show. Left out where only its launcher can connect. */
    accessKey: z.string().min(32).max(200).optional(),
    /** What its commands may name; the box itself fetches a value when it is wanted. Left out: none. */
    secrets: z.array(secretSchema).optional(),
    /** Its commands may have the credentials of the machine's role. Left out: no. */
    awsCredentials: z.boolean().optional(),
  })
  .meta({ id: 'Orders' });
export type Orders = z.infer<typeof ordersSchema>;

/** `POST /boxes/heartbeat`. */
export const heartbeatSchema = z
  .strictObject({
    ...identity,
    state: z.enum(['preparing', 'ready', 'quiesced']),
    /** Set once when preparing did not work; the box stays so that it can be looked into. */
    failure: z
      .strictObject({
        code: z.enum(['source_unavailable', 'setup_failed', 'workspace_quarantined', 'disk_unavailable', 'disk_full']),
        detail: z.string().max(2000),
      })
      .optional(),
    /** What a clone or the setup script has done so far, for the owner's progress line. */
    progress: z.string().max(200).optional(),
    /** The machine told the box that it is taken away in so many ms. */
    interruptionInMs: z.int().min(0).max(600_000).optional(),
    /** `/workspace/src` has files now. */
    contentPresent: z.boolean(),
    /** Each kind at most once: how long ago it was last seen (the box's clock is not trusted), and in a few words what. */
    evidence: z
      .array(z.strictObject({ kind: z.enum(BOX_KINDS), agoMs: z.int().min(0), detail: z.string().max(200) }))
      .max(BOX_KINDS.length),
  })
  .meta({ id: 'Heartbeat' });
export type Heartbeat = z.output<typeof heartbeatSchema>;

/** Refuses the name of a path that leaves the workspace, before anything is opened. */
export function assertRelativePath(path: string): void {
  if (path.startsWith('/') || path.split('/').includes('..') || path.includes('\0')) {
    throw new DevctlError('invalid_archive', `path ${JSON.stringify(path.slice(0, 200))} leaves its folder`);
  }
}
