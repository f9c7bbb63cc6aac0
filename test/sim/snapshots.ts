import type {
  CreateSnapshotRequest,
  DeleteSnapshotRequest,
  DescribeSnapshotsRequest,
  DescribeSnapshotsResult,
  Snapshot,
} from '@aws-sdk/client-ec2';
import { ACCOUNT, REGION } from './catalog.ts';
import type { Cloud } from './cloud.ts';
import { changedBytes, type DiskImage } from './disks.ts';
import { refusal, required } from './errors.ts';
import { SNAPSHOT_MS_PER_GIB } from './figures.ts';
import { type Fields, matching } from './filters.ts';
import type { SimSnapshot, SimVolume } from './model.ts';
import { tagsFor } from './tags.ts';
import type { Volumes } from './volumes.ts';

const noSnapshot = (id: string): Error => refusal('InvalidSnapshot.NotFound', `The snapshot '${id}' does not exist.`);

const FIELDS: Fields<Snapshot> = {
  'snapshot-id': ({ SnapshotId }) => [SnapshotId],
  'volume-id': ({ VolumeId }) => [VolumeId],
  status: ({ State }) => [State],
  'owner-id': ({ OwnerId }) => [OwnerId],
  description: ({ Description }) => [Description],
  encrypted: ({ Encrypted }) => [String(Encrypted)],
  'volume-size': ({ VolumeSize }) => [String(VolumeSize)],
};

export class Snapshots {
  readonly #cloud: Cloud;
  readonly #volumes: Volumes;
  /** Snapshots that were deleted while they were pending: their uploads go on, and count. */
  readonly #deletedPending: SimSnapshot[] = [];

  constructor(cloud: Cloud, volumes: Volumes) {
    this.#cloud = cloud;
    this.#volumes = volumes;
  }

  /** The point in time is now: what is on the volume, without any machine's page cache. */
  create(input: CreateSnapshotRequest): Snapshot {
    const cloud = this.#cloud;
    const volume = this.#volumes.need(required(input.VolumeId, 'VolumeId'));
    const tags = tagsFor(input.TagSpecifications, 'snapshot', ['snapshot']);
    this.#check(volume);
    const image = volume.disk.capture();
    const nowMs = cloud.clock.now();
    const snapshot: SimSnapshot = {
      id: cloud.id('snap'),
      volumeId: volume.id,
      volumeSizeGiB: volume.sizeGiB,
      ownerId: ACCOUNT,
      shared: false,
      state: 'pending',
      stateMessage: null,
      startedAtMs: nowMs,
      endsAtMs: nowMs + this.#uploadMs(changedBytes(image.files, volume.lastImage.files)),
      completedAtMs: null,
      description: input.Description ?? '',
      encrypted: volume.encrypted,
      kmsKeyId: volume.kmsKeyId,
      tags,
      image,
    };
    volume.lastImage = image;
    volume.snapshotAtMs = nowMs;
    cloud.snapshots.add(snapshot);
    cloud.clock.after(snapshot.endsAtMs - nowMs, () => this.#end(snapshot));
    return cloud.snapshots.view(snapshot);
  }

  delete(input: DeleteSnapshotRequest): object {
    const id = required(input.SnapshotId, 'SnapshotId');
    const snapshot = this.#cloud.snapshots.get(id);
    if (snapshot === undefined || this.#cloud.snapshots.seen(id) === null || snapshot.ownerId !== ACCOUNT) throw noSnapshot(id);
    for (const image of this.#cloud.catalog.images.values())
      if (image.rootSnapshotId === id) throw refusal('InvalidSnapshot.InUse', `The snapshot ${id} is currently in use by ${image.id}`);
    if (snapshot.state === 'pending') this.#deletedPending.push(snapshot);
    this.#cloud.snapshots.remove(id);
    this.#meter();
    return {};
  }

  describe(input: DescribeSnapshotsRequest): DescribeSnapshotsResult {
    const owners = input.OwnerIds?.map((owner) => (owner === 'self' ? ACCOUNT : owner));
    const filter = matching(input.Filters, FIELDS);
    const keep = (view: Snapshot) => this.#isReadable(view) && (owners?.includes(view.OwnerId ?? '') ?? true) && filter(view);
    const { page, next } = this.#cloud.describe(this.#cloud.snapshots, { ...input, ids: input.SnapshotIds }, keep, noSnapshot);
    return { Snapshots: page, ...(next !== undefined && { NextToken: next }) };
  }

  /** One that is there from before, by hand. */
  put(patch: Partial<SimSnapshot> & { image: DiskImage }): SimSnapshot {
    const nowMs = this.#cloud.clock.now();
    const snapshot: SimSnapshot = {
      id: this.#cloud.id('snap'),
      volumeId: 'vol-ffffffff',
      volumeSizeGiB: 8,
      ownerId: ACCOUNT,
      shared: false,
      state: 'completed',
      stateMessage: null,
      startedAtMs: nowMs,
      endsAtMs: nowMs,
      completedAtMs: nowMs,
      description: '',
      encrypted: false,
      kmsKeyId: null,
      tags: {},
      ...patch,
    };
    this.#cloud.snapshots.add(snapshot);
    this.#meter();
    return snapshot;
  }

  #isReadable({ SnapshotId, OwnerId }: Snapshot): boolean {
    return OwnerId === ACCOUNT || this.#cloud.snapshots.get(SnapshotId ?? '')?.shared === true;
  }

  #check(volume: SimVolume): void {
    const { quotas } = this.#cloud.pools;
    const nowMs = this.#cloud.clock.now();
    if (volume.state !== 'available' && volume.state !== 'in-use')
      throw refusal('IncorrectState', `Volume '${volume.id}' is '${volume.state}'`);
    if (nowMs - volume.snapshotAtMs < quotas.snapshotSpacingMs)
      throw refusal(
        'SnapshotCreationPerVolumeRateExceeded',
        'The maximum per volume CreateSnapshot request rate has been exceeded. Use an increasing or variable sleep interval between requests.',
      );
    const all = this.#cloud.snapshots.all().filter(({ ownerId }) => ownerId === ACCOUNT);
    // What ended in error counts until it is deleted, and so does the upload of what was deleted too early.
    const counted = [
      ...all.filter(({ state }) => state === 'pending' || state === 'error'),
      ...this.#deletedPending.filter(({ endsAtMs }) => endsAtMs > nowMs),
    ];
    if (counted.filter(({ volumeId }) => volumeId === volume.id).length >= quotas.pendingSnapshotsPerVolume)
      throw refusal('ConcurrentSnapshotLimitExceeded', 'Maximum allowed in-progress snapshots for a single volume exceeded.');
    if (all.length >= quotas.snapshots)
      throw refusal('SnapshotLimitExceeded', 'You have reached the limit on the number of Amazon EBS snapshots in this Region.');
  }

  #uploadMs(bytes: number): number {
    const slow = this.#cloud.chance('slow snapshots', this.#cloud.faults.rates.slowPerSnapshot) ? 10 : 1;
    return slow * (this.#cloud.took('snapshotBase') + this.#cloud.slow((bytes / 1024 ** 3) * SNAPSHOT_MS_PER_GIB));
  }

  #end(snapshot: SimSnapshot): void {
    if (snapshot.state !== 'pending') return;
    const failed =
      this.#cloud.chance('failed snapshots', this.#cloud.faults.rates.errorPerSnapshot) ||
      (snapshot.kmsKeyId !== null && this.#cloud.catalog.disabledKeys.has(snapshot.kmsKeyId));
    snapshot.state = failed ? 'error' : 'completed';
    if (failed) snapshot.stateMessage = 'An internal error occurred while the snapshot was taken';
    else snapshot.completedAtMs = this.#cloud.clock.now();
    this.#cloud.snapshots.changed(snapshot);
    this.#meter();
    const result = failed ? 'failed' : 'succeeded';
    this.#cloud.emit('EBS Snapshot Notification', 'snapshot', snapshot.id, {
      event: 'createSnapshot',
      result,
      snapshot_id: `arn:aws:ec2::${REGION}:snapshot/${snapshot.id}`,
    });
  }

  /** Blocks that several snapshots have are stored, and paid for, once. */
  #meter(): void {
    const stored = new Map<number, number>();
    for (const { ownerId, state, image } of this.#cloud.snapshots.all())
      if (ownerId === ACCOUNT && state === 'completed')
        for (const { version, bytes } of Object.values(image.files)) stored.set(version, bytes);
    this.#cloud.meter.setSnapshots([...stored.values()].reduce((sum, bytes) => sum + bytes, 0));
  }
}
