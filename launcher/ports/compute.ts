import type { Architecture, Policy, Size } from '../contract/fields.ts';
import type { QuiesceReport } from '../contract/receipt.ts';
import type { BoxPrice, SnapshotRef } from '../contract/records.ts';

/** What a failed provider call means for the caller. Vendor error names are read in one file per provider and end here. */
export type ComputeErrorKind =
  /** May pass by itself: repeat with back-off. */
  | 'transient'
  /** Something it needs is still in use (a volume being copied): repeat soon, without counting it as a failure. */
  | 'busy'
  /** No machine of this class is to be had now. */
  | 'capacity'
  /** None is to be had where the volume is, and only there; elsewhere there may be one, from a snapshot of it. */
  | 'stranded'
  /** The box does not answer. */
  | 'unreachable'
  /** No space for the data. */
  | 'disk_full'
  /** Source, volume or snapshot is not there. */
  | 'missing'
  /** What was asked for is not to be had from this provider. */
  | 'unsupported'
  /** Repeating is of no use. */
  | 'fatal';

export class ComputeError extends Error {
  override readonly name = 'ComputeError';
  /** What to do next, for a person; where the kind alone says less. */
  readonly hint: string | undefined;
  constructor(
    readonly kind: ComputeErrorKind,
    message: string,
    options: { cause?: unknown; hint?: string | undefined } = {},
  ) {
    super(message, options);
    this.hint = options.hint;
  }
}

/** Whose box, volume or snapshot it is: kept with the resource, so that its record can be found from the resource alone. */
export interface ResourceTags {
  owner: string;
  workspace: string;
  workspaceId: string;
  sessionId: string | null;
  generation: number | null;
  operationId: string;
}

/**
 * Where the disk of a new box comes from. A volume whose whole content is in a snapshot (`saved`) may be left alone, and the box
 * be given a new volume from that snapshot, where there is no machine beside the old one.
 */
export type VolumeSource =
  | { kind: 'blank' }
  | { kind: 'snapshot'; snapshot: SnapshotRef }
  | { kind: 'volume'; volumeId: string; saved: SnapshotRef | null };

export interface LaunchRequest {
  tags: ResourceTags & { sessionId: string; generation: number };
  source: VolumeSource;
  size: Size;
  /** How the machine is bought; a provider without a market does not look at it. */
  policy: Policy;
  /** The machine is one of these, whatever the size; none: one of the size. */
  instanceTypes: readonly string[];
  /** Null: as the provider has it. */
  arch: Architecture | null;
  network: boolean;
  /** Its box is to be parked where that of another session ends. Only noted with the box. */
  persistent: boolean;
  /**
   * The box of an earlier generation that was parked with the volume of `source`: it goes on as the box of this one if it can;
   * else it is let go, and another one gets the volume. Null: there is none.
   */
  parked: BoxRef | null;
  /**
   * A box of the pool that this launch has claimed: it becomes the box of this session if it can; else it is let go, and another
   * one is launched. Null: there is none.
   */
  pooled: { id: string; boxId: string } | null;
  /**
   * Plain text of this generation's box token. The provider hands it to the box and writes it nowhere else; where a box proves
   * by its machine's own identity who it is, it goes nowhere.
   */
  boxToken: string;
  /** What the last step of this session's launches asked to be kept; null at first. */
  providerState: unknown;
}

/** What may be asked of a provider's boxes, so that the rest is refused before anything is recorded. */
export interface BoxOffers {
  /** Of the machines; the first where nothing is asked for. */
  readonly architectures: readonly [Architecture, ...Architecture[]];
  /** Machines come by the name of their type, too. */
  readonly instanceTypes: boolean;
  /** Boxes have a role in an AWS account: with it they read secrets, and lend its credentials. */
  readonly awsRole: boolean;
  /** Boxes keep their workload to the hosts that a session names. */
  readonly egress: boolean;
}

/** A launch that takes several steps: its state is saved, then it is called again with it. */
export interface LaunchUnderway {
  underway: true;
  providerState: unknown;
  /** The soonest that the next step is of use, ms from now. */
  retryAfterMs: number;
  /** What was done or has failed, for people: one line each, an event of the session. */
  notes: string[];
}

export interface LaunchResult {
  underway?: never;
  boxId: string;
  volumeId: string;
  /** One line for people: `2 cpu · 4 GiB · bubblewrap`. */
  description: string;
  /** What an hour of it costs; left out where boxes cost nothing. */
  price?: BoxPrice;
  /** What is paid for the volume, GiB; left out where disks cost nothing. */
  volumeGiB?: number;
  providerState?: unknown;
}

/** What it costs to keep things, micro-dollars. */
export interface StoragePrices {
  diskMicroUsdPerGiBMonth: number;
  snapshotMicroUsdPerGiBMonth: number;
}

/**
 * `parked`: it is stopped, nothing in it runs, and a launch may let it go on. `unknown`: the provider could not tell. Never a reason
 * to destroy anything.
 */
export type BoxState = 'pending' | 'running' | 'parked' | 'gone' | 'unknown';

export interface BoxRef {
  boxId: string;
  sessionId: string;
  generation: number;
  /** When it was launched, ms since the epoch, where that is known: a provider may not see yet what is new. */
  launchedAtMs?: number;
}

/** A stopped box in reserve: it belongs to nobody, and has no workspace. */
export interface PoolBoxRef {
  /** Of its record; what the provider has carries it. */
  id: string;
  /** Null while it is not known whether there is a machine. */
  boxId: string | null;
  launchedAtMs?: number;
}

export interface PoolFillRequest {
  id: string;
  /** Number of the try: each may be made once. What an earlier one has made is found first. */
  attempt: number;
  size: Size;
  arch: Architecture;
}

/**
 * Boxes that run once and are then stopped, for launches that come later. Methods throw as those of ComputePort, and may be
 * repeated. They touch only what is the pool's: a box that a launch has taken is `gone` to them.
 */
export interface PoolPort {
  /** What a box that is made now would be. `image`: what it starts from, to be compared and shown. */
  kind(): Promise<{ arch: Architecture; image: string }>;
  /** What one costs while it is stopped. */
  readonly microUsdPerMonth: number;
  /** Starts the machine of a box. @throws capacity, unsupported, transient, fatal */
  fill(request: PoolFillRequest): Promise<{ boxId: string }>;
  observe(box: PoolBoxRef): Promise<{ state: BoxState; place: string | null }>;
  /** Stops it: `observe` says `parked` in the end. @throws busy, transient, fatal */
  park(box: PoolBoxRef): Promise<void>;
  end(box: PoolBoxRef): Promise<void>;
  /** Where a volume is; null while that cannot be told. A box of another place cannot have it. */
  placeOf(volumeId: string): Promise<string | null>;
}

export interface SnapshotRequest {
  tags: ResourceTags;
  /** The id to make it under: `ref` and `tags.operationId` together are idempotent. */
  ref: SnapshotRef;
  volumeId: string;
  /** The box that is using the volume, when it is live and not quiesced: it is frozen while the point in time is taken. */
  liveBox: BoxRef | null;
  parent: SnapshotRef | null;
  /**
   * Workspaces that are to begin with this very point in time, each with a volume of its own, which needs no waiting for the
   * snapshot. All of them get one or none does; a provider whose snapshots are quick makes none.
   */
  copies?: readonly ResourceTags[];
}

/** A volume with what a snapshot has, tagged as one of its own workspace. */
export interface VolumeCopy {
  workspaceId: string;
  workspace: string;
  volumeId: string;
  /** What is paid for it, GiB; left out where disks cost nothing. */
  volumeGiB?: number;
}

export interface SnapshotStatus {
  state: 'pending' | 'completed' | 'error' | 'absent';
  /** Size of the whole tree, bytes; null until known. */
  bytes: number | null;
  /** What this snapshot added on disk, bytes; null where the provider cannot tell. */
  newBytes: number | null;
  files: number | null;
  detail?: string;
  /** Of `snapshot`, where copies were asked for: those that were made. */
  copies?: VolumeCopy[];
  /** Why there are none, for people. */
  noCopies?: string;
}

/** What a session that is rebuilt from its box would else have to guess. */
export interface BoxWish {
  policy?: Policy;
  network?: boolean;
  persistent?: boolean;
}

export interface ListedResource {
  kind: 'box' | 'volume' | 'snapshot';
  /** boxId, volumeId or snapshot ref as `workspaceId/snap_N`. */
  id: string;
  /** Null when the resource carries no readable tags: it is reported and left alone. */
  tags: ResourceTags | null;
  createdAtMs: number;
  bytes: number | null;
  /** Of a box: the volume under /workspace, null where that cannot be told. */
  volumeId?: string | null;
  /** Of a box: its class, null where that cannot be told. */
  size?: Size | null;
  /** Of a box: what its session asked for, as far as that is kept with it. */
  wish?: BoxWish;
  /** Of a box: it is stopped, and kept. */
  parked?: boolean;
  /** Of a box of the pool, which has no tags of an owner: the id of its record. */
  poolId?: string;
  /** Of a snapshot. */
  parent?: SnapshotRef | null;
  state?: 'pending' | 'completed' | 'error';
  /** What it costs to keep, micro-dollars a month; null where that is not known, left out where nothing costs anything. */
  microUsdPerMonth?: number | null;
}

export interface ResourceList {
  items: ListedResource[];
  /** False when any part could not be read: then nothing may be deleted on the word of this list. */
  complete: boolean;
}

/**
 * Boxes and workspaces, as the controllers see them. Every method may throw ComputeError and no other error on purpose.
 * Every method may be repeated: with the same operation id it finds what the first call made.
 */
export interface ComputePort {
  readonly name: string;
  readonly offers: BoxOffers;
  /** Null: neither boxes nor what they keep cost anything here. */
  readonly storagePrices: StoragePrices | null;
  /** Null: no boxes can be kept in reserve here. */
  readonly pool: PoolPort | null;

  /**
   * Starts a box with its volume under /workspace. Returns as soon as the box is on its way; it registers by itself. A provider
   * that needs several steps does one of them, and is called again. `capacity`, `disk_full` and `unsupported` say for certain that no box of this
   * operation has ever had the volume that the source names.
   * @throws capacity, stranded, busy (volume still in use), missing (source gone), disk_full, unsupported, transient, fatal
   */
  launch(request: LaunchRequest): Promise<LaunchResult | LaunchUnderway>;

  /** State of a box. Never throws `missing`: a box that is not there is `gone`. */
  observe(box: BoxRef): Promise<BoxState>;

  /**
   * Stops every writer in the box, flushes its disk and reports what was found. After it the box takes no commands
   * until its launcher tells it to work again. Repeating returns the first report.
   * @throws unreachable, transient
   */
  quiesce(box: BoxRef, operationId: string): Promise<QuiesceReport>;

  /**
   * Takes a snapshot of a volume. Returns when the point in time is fixed: what is written after it is not in it.
   * Atomic: until its state is `completed` it cannot be restored, and a crash leaves nothing that could be.
   * @throws disk_full, missing, unreachable (a live box that could not be frozen: no snapshot was made), transient, fatal
   */
  snapshot(request: SnapshotRequest): Promise<SnapshotStatus>;

  /** State of a snapshot; `absent` when the provider has none with this ref. @throws transient */
  observeSnapshot(ref: SnapshotRef): Promise<SnapshotStatus>;

  /**
   * Stops a quiet box, whose disk stays. A provider that can keep the machine too keeps it: then `observe` says `parked` in the end, else
   * `gone`. Repeating, or parking a box that is gone, is fine.
   * @throws busy (it cannot be stopped yet), transient, unsupported, fatal
   */
  park(box: BoxRef): Promise<void>;

  /** Lets the box go, with every process in it. Its volume stays. Repeating, or ending a box that is gone, is fine. @throws transient */
  end(box: BoxRef): Promise<void>;

  /** Deletes a volume. The caller has made sure that the head has its content. Repeating is fine. @throws busy, transient */
  dropVolume(volumeId: string): Promise<void>;

  /** Deletes a snapshot. Others that were made from it stay whole. Repeating is fine. @throws busy, transient */
  dropSnapshot(ref: SnapshotRef): Promise<void>;

  /** Everything that this deployment owns at the provider, or what of it carries the tag of one session. */
  list(of?: { sessionId: string }): Promise<ResourceList>;
}
