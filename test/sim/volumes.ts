import type {
  CopyVolumesRequest,
  CopyVolumesResult,
  CreateVolumeRequest,
  DeleteVolumeRequest,
  DescribeVolumesRequest,
  DescribeVolumesResult,
  Volume,
} from '@aws-sdk/client-ec2';
import { ACCOUNT, ZONES } from './catalog.ts';
import type { Cloud } from './cloud.ts';
import { BLANK, type DiskImage } from './disks.ts';
import { refusal, required } from './errors.ts';
import { COPY_MIB_S, LAZY_HYDRATION_MIB_S, STORAGE_PRICES } from './figures.ts';
import { type Fields, matching } from './filters.ts';
import type { SimSnapshot, SimVolume } from './model.ts';
import { tagsFor } from './tags.ts';

const MAX_GIB = 65_536;

export const noVolume = (id: string): Error => refusal('InvalidVolume.NotFound', `The volume '${id}' does not exist.`);
const noSnapshot = (id: string): Error => refusal('InvalidSnapshot.NotFound', `The snapshot '${id}' does not exist.`);

const FIELDS: Fields<Volume> = {
  'volume-id': ({ VolumeId }) => [VolumeId],
  status: ({ State }) => [State],
  'availability-zone': ({ AvailabilityZone }) => [AvailabilityZone],
  'snapshot-id': ({ SnapshotId }) => [SnapshotId],
  'volume-type': ({ VolumeType }) => [VolumeType],
  size: ({ Size }) => [String(Size)],
  encrypted: ({ Encrypted }) => [String(Encrypted)],
  'attachment.instance-id': ({ Attachments = [] }) => Attachments.map(({ InstanceId }) => InstanceId),
  'attachment.status': ({ Attachments = [] }) => Attachments.map(({ State }) => State),
  'attachment.device': ({ Attachments = [] }) => Attachments.map(({ Device }) => Device),
  'attachment.delete-on-termination': ({ Attachments = [] }) => Attachments.map(({ DeleteOnTermination }) => String(DeleteOnTermination)),
};

/** What a new volume is made of. */
export interface VolumePlan {
  az: string;
  sizeGiB: number;
  type: string;
  snapshot: SimSnapshot | null;
  initializationRate: number | null;
  encrypted: boolean;
  kmsKeyId: string | null;
}

interface Wanted {
  SnapshotId?: string;
  Size?: number;
  VolumeType?: string;
  Encrypted?: boolean;
  KmsKeyId?: string;
  VolumeInitializationRate?: number;
}

export class Volumes {
  readonly #cloud: Cloud;

  constructor(cloud: Cloud) {
    this.#cloud = cloud;
  }

  create(input: CreateVolumeRequest): Volume {
    const az = required(input.AvailabilityZone, 'AvailabilityZone');
    return this.#cloud.tokens.once('createVolume', input, () => {
      if (!(ZONES as readonly string[]).includes(az)) throw refusal('InvalidZone.NotFound', `The zone '${az}' does not exist.`);
      const tags = tagsFor(input.TagSpecifications, 'volume', ['volume']);
      const volume = this.make(this.plan(az, input), tags);
      this.#settle(volume);
      return { output: this.#cloud.volumes.view(volume) };
    });
  }

  copy(input: CopyVolumesRequest): CopyVolumesResult {
    const source = this.need(required(input.SourceVolumeId, 'SourceVolumeId'));
    return this.#cloud.tokens.once('copyVolumes', input, () => {
      if (!['available', 'in-use'].includes(source.state))
        throw refusal('IncorrectState', `The volume '${source.id}' is '${source.state}'`);
      this.#checkCopies(source);
      const sizeGiB = input.Size ?? source.sizeGiB;
      if (sizeGiB < source.sizeGiB)
        throw refusal(
          'InvalidParameterValue',
          `Volume of size ${sizeGiB}GB is smaller than volume '${source.id}', expect size >= ${source.sizeGiB}GB`,
        );
      const plan: VolumePlan = {
        az: source.az,
        sizeGiB,
        type: input.VolumeType ?? source.type,
        snapshot: null,
        initializationRate: null,
        encrypted: source.encrypted || input.Encrypted === true,
        kmsKeyId: input.KmsKeyId ?? source.kmsKeyId,
      };
      const copy = this.make(plan, tagsFor(input.TagSpecifications, 'volume', ['volume']), source.disk.capture());
      copy.sourceVolumeId = source.id;
      copy.hydratedAtMs = this.#cloud.clock.now() + this.#cloud.slow((source.sizeGiB * 1024 * 1000) / COPY_MIB_S);
      this.#cloud.volumes.changed(copy);
      this.#settle(copy);
      return { output: { Volumes: [this.#cloud.volumes.view(copy)] } };
    });
  }

  delete(input: DeleteVolumeRequest): object {
    const volume = this.need(required(input.VolumeId, 'VolumeId'));
    if (volume.state === 'deleting') return {};
    if (volume.attachment !== null)
      throw refusal('VolumeInUse', `Volume ${volume.id} is currently attached to ${volume.attachment.instanceId}`);
    if (volume.state === 'creating') throw refusal('IncorrectState', `The volume '${volume.id}' is 'creating'`);
    this.discard(volume);
    return {};
  }

  describe(input: DescribeVolumesRequest): DescribeVolumesResult {
    const { page, next } = this.#cloud.describe(
      this.#cloud.volumes,
      { ...input, ids: input.VolumeIds },
      matching(input.Filters, FIELDS),
      noVolume,
    );
    return { Volumes: page, ...(next !== undefined && { NextToken: next }) };
  }

  /** The volume itself, if the operation that names it sees it. */
  need(id: string): SimVolume {
    const volume = this.#cloud.volumes.get(id);
    if (!/^vol-[0-9a-f]{8,17}$/.test(id))
      throw refusal('InvalidParameterValue', `Value (${id}) for parameter volumeId is invalid. Expected: 'vol-...'.`);
    if (volume === undefined || this.#cloud.volumes.seen(id) === null) throw noVolume(id);
    return volume;
  }

  /** @throws for what cannot be made */
  plan(az: string, wanted: Wanted): VolumePlan {
    const snapshot = wanted.SnapshotId === undefined ? null : this.#source(wanted.SnapshotId);
    const sizeGiB = wanted.Size ?? snapshot?.volumeSizeGiB;
    if (sizeGiB === undefined) throw refusal('MissingParameter', 'The request must contain the parameter size or snapshotId');
    if (sizeGiB < 1 || sizeGiB > MAX_GIB) throw refusal('InvalidParameterValue', `Volume size ${sizeGiB} is out of range [1-${MAX_GIB}]`);
    if (snapshot !== null && sizeGiB < snapshot.volumeSizeGiB)
      throw refusal(
        'InvalidBlockDeviceMapping',
        `Volume of size ${sizeGiB}GB is smaller than snapshot '${snapshot.id}', expect size >= ${snapshot.volumeSizeGiB}GB`,
      );
    this.#checkRate(wanted.VolumeInitializationRate, snapshot);
    return {
      az,
      sizeGiB,
      type: wanted.VolumeType ?? 'gp2',
      snapshot,
      initializationRate: wanted.VolumeInitializationRate ?? null,
      encrypted: wanted.Encrypted === true || snapshot?.encrypted === true || wanted.KmsKeyId !== undefined,
      kmsKeyId: wanted.KmsKeyId ?? snapshot?.kmsKeyId ?? null,
    };
  }

  /** @throws VolumeLimitExceeded */
  checkSpace(plans: VolumePlan[]): void {
    const used = this.#cloud.volumes.all().reduce((sum, volume) => sum + volume.sizeGiB, 0);
    const wanted = plans.reduce((sum, plan) => sum + plan.sizeGiB, 0);
    if (used + wanted > this.#cloud.pools.quotas.volumeGiB)
      throw refusal('VolumeLimitExceeded', 'You have exceeded the limit of volume storage for this volume type in this Region.');
  }

  /** A volume that is being created, with what the snapshot has. */
  make(plan: VolumePlan, tags: SimVolume['tags'], image: DiskImage = plan.snapshot?.image ?? BLANK): SimVolume {
    this.checkSpace([plan]);
    const cloud = this.#cloud;
    const id = cloud.id('vol');
    const nowMs = cloud.clock.now();
    const volume: SimVolume = {
      id,
      az: plan.az,
      sizeGiB: plan.sizeGiB,
      type: plan.type,
      snapshotId: plan.snapshot?.id ?? null,
      sourceVolumeId: null,
      initializationRate: plan.initializationRate,
      kmsKeyId: plan.kmsKeyId,
      encrypted: plan.encrypted,
      state: 'creating',
      createdAtMs: nowMs,
      tags,
      attachment: null,
      disk: cloud.disk(id, image),
      hydratedAtMs: plan.snapshot === null ? 0 : nowMs + cloud.slow(hydrationMs(plan)),
      lastImage: image,
      snapshotAtMs: Number.NEGATIVE_INFINITY,
    };
    cloud.volumes.add(volume);
    cloud.meter.setVolume(id, volume.sizeGiB);
    if (plan.initializationRate !== null && plan.snapshot !== null)
      cloud.meter.once('initialization', plan.snapshot.volumeSizeGiB * STORAGE_PRICES.initializationUsdPerGiB);
    return volume;
  }

  /** Gone for good, with its bytes. Snapshots of it that are not complete never will be: AWS promises nothing of them. */
  discard(volume: SimVolume): void {
    const cloud = this.#cloud;
    volume.state = 'deleting';
    cloud.volumes.changed(volume);
    for (const snapshot of cloud.snapshots.all())
      if (snapshot.volumeId === volume.id && snapshot.state === 'pending') {
        snapshot.state = 'error';
        snapshot.stateMessage = 'The volume was deleted while the snapshot was pending';
        cloud.snapshots.changed(snapshot);
      }
    cloud.meter.set('volume', volume.id, 0);
    cloud.after('deleteVolume', () => cloud.volumes.remove(volume.id));
  }

  #source(id: string): SimSnapshot {
    const { snapshots } = this.#cloud;
    const snapshot = snapshots.get(id);
    if (snapshot === undefined || snapshots.seen(id) === null) throw noSnapshot(id);
    if (snapshot.ownerId !== ACCOUNT && !snapshot.shared) throw noSnapshot(id);
    if (snapshot.state !== 'completed') throw refusal('IncorrectState', `Snapshot '${id}' is not 'completed'.`);
    return snapshot;
  }

  #checkRate(rate: number | undefined, snapshot: SimSnapshot | null): void {
    if (rate === undefined) return;
    if (snapshot === null)
      throw refusal('InvalidParameterCombination', 'VolumeInitializationRate can only be specified for volumes created from a snapshot');
    if (rate < 100 || rate > 300) throw refusal('InvalidParameterValue', `VolumeInitializationRate ${rate} is out of range [100-300]`);
    if (this.#cloud.chance('initialization', this.#cloud.faults.rates.noCapacityPerLaunch))
      throw refusal('InsufficientVolumeCapacity', 'There is not enough capacity to initialize the volume at the requested rate.');
  }

  #checkCopies(source: SimVolume): void {
    const nowMs = this.#cloud.clock.now();
    const running = this.#cloud.volumes.all().filter((volume) => volume.sourceVolumeId !== null && volume.hydratedAtMs > nowMs);
    if (running.length >= this.#cloud.pools.quotas.copiesAtOnce)
      throw refusal('CopyVolumesLimitExceeded', 'You have reached the limit of concurrent volume copies.');
    if (source.sourceVolumeId !== null && source.hydratedAtMs > nowMs)
      throw refusal('IncorrectState', `The volume '${source.id}' is still being copied`);
  }

  /** Creating, then available; or in error, when its key cannot be used. */
  #settle(volume: SimVolume): void {
    const cloud = this.#cloud;
    cloud.after('createVolume', () => {
      if (volume.state !== 'creating') return;
      volume.state = volume.kmsKeyId !== null && cloud.catalog.disabledKeys.has(volume.kmsKeyId) ? 'error' : 'available';
      cloud.volumes.changed(volume);
    });
  }
}

function hydrationMs({ snapshot, initializationRate }: VolumePlan): number {
  const usedMiB = Object.values(snapshot?.image.files ?? {}).reduce((sum, file) => sum + file.bytes, 0) / 1024 ** 2;
  const wholeMiB = (snapshot?.volumeSizeGiB ?? 0) * 1024;
  return initializationRate === null ? (usedMiB / LAZY_HYDRATION_MIB_S) * 1000 : (wholeMiB / initializationRate) * 1000;
}
