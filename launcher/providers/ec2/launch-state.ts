import * as z from 'zod';

const ms = z.number();

/** What a snapshot has is read in at a rate that is paid for: a launch cannot ask for that, only who makes a volume. */
const loadingSchema = z.object({ mibPerSecond: z.int(), dataGiB: z.int() });
export type Loading = z.infer<typeof loadingSchema>;

/** The workspace's disk: made by the launch itself, or attached once the machine runs. */
const diskSchema = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('blank'), gib: z.int() }),
  z.object({ kind: z.literal('snapshot'), snapshotId: z.string(), gib: z.int(), loading: loadingSchema.optional() }),
  z.object({ kind: z.literal('attach'), volumeId: z.string(), loading: loadingSchema.optional() }),
]);
export type Disk = z.infer<typeof diskSchema>;

const triedSchema = z.object({ sinceMs: ms, pools: z.int(), codes: z.record(z.string(), z.int()) });
export type Tried = z.infer<typeof triedSchema>;

const common = {
  v: z.literal(1),
  operationId: z.string(),
  /** Number of the call of CreateFleet: each has a token of its own. */
  fleet: z.int(),
  rung: z.int(),
  disk: diskSchema,
  tried: triedSchema,
};

/** The machine that was parked is about to be started, with the tags of this launch. */
const wakeSchema = z.object({ ...common, step: z.literal('wake'), boxId: z.string() });
export type WakeState = z.infer<typeof wakeSchema>;

/** A box of the pool is about to be this session's. */
const takeSchema = z.object({ ...common, step: z.literal('take'), poolId: z.string(), boxId: z.string(), tries: z.int() });
export type TakeState = z.infer<typeof takeSchema>;

/** Together with the request, all that determines the call: a repeat is made with the same parameters. */
const createSchema = z.object({
  ...common,
  step: z.literal('create'),
  market: z.enum(['spot', 'on-demand']),
  pools: z.record(z.string(), z.array(z.string())),
  template: z.union([
    z.object({ id: z.string(), version: z.string() }),
    z.object({ name: z.string(), version: z.string(), imageId: z.string() }),
  ]),
  plannedAtMs: ms,
});
export type CreateState = z.infer<typeof createSchema>;

/** The machine is on its way, and its zone is where the volume is made that it then gets. */
const volumeSchema = z.object({ ...common, step: z.literal('volume'), boxId: z.string(), launchedAtMs: ms });
export type VolumeState = z.infer<typeof volumeSchema>;

/** The machine is on its way; it and its volume are to be seen together. */
const joinSchema = z.object({ ...common, step: z.literal('join'), boxId: z.string(), launchedAtMs: ms });
export type JoinState = z.infer<typeof joinSchema>;

/** The volume is asked to be attached, or is about to be. */
const attachSchema = z.object({ ...joinSchema.shape, step: z.literal('attach'), attachingSinceMs: ms });
export type AttachState = z.infer<typeof attachSchema>;

export type LaunchState = WakeState | TakeState | CreateState | VolumeState | JoinState | AttachState;

const stateSchema = z.discriminatedUnion('step', [wakeSchema, takeSchema, createSchema, volumeSchema, joinSchema, attachSchema]);

/** The place that this launch has kept; null for one of another launch, or of a form that is not known. */
export function readState(kept: unknown, operationId: string): LaunchState | null {
  const state = stateSchema.safeParse(kept).data ?? null;
  return state?.operationId === operationId ? state : null;
}
