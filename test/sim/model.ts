import type { InstanceStateName, SnapshotState, StateReason, VolumeAttachmentState, VolumeState } from '@aws-sdk/client-ec2';
import type { Disk, DiskImage } from './disks.ts';
import type { Power } from './machine.ts';
import type { Tags } from './tags.ts';

export type Market = 'spot' | 'on-demand';

export interface Attachment {
  instanceId: string;
  device: string;
  state: VolumeAttachmentState;
  atMs: number;
  deleteOnTermination: boolean;
  /** It does not come off, whatever becomes of its instance, until it is taken by force. */
  hangs?: boolean;
}

export interface SimVolume {
  id: string;
  az: string;
  sizeGiB: number;
  type: string;
  snapshotId: string | null;
  sourceVolumeId: string | null;
  initializationRate: number | null;
  kmsKeyId: string | null;
  encrypted: boolean;
  state: VolumeState;
  createdAtMs: number;
  tags: Tags;
  attachment: Attachment | null;
  disk: Disk;
  /** Its blocks come from elsewhere until then; 0 for a blank volume. */
  hydratedAtMs: number;
  /** Content of its newest snapshot, or of what it was made from: a snapshot stores what differs. */
  lastImage: DiskImage;
  snapshotAtMs: number;
}

export interface SimSnapshot {
  id: string;
  volumeId: string;
  volumeSizeGiB: number;
  ownerId: string;
  /** Another account's, that this account may restore. */
  shared: boolean;
  state: SnapshotState;
  stateMessage: string | null;
  startedAtMs: number;
  /** When its upload is over, however it ends, and even if it is deleted before. */
  endsAtMs: number;
  completedAtMs: number | null;
  description: string;
  encrypted: boolean;
  kmsKeyId: string | null;
  tags: Tags;
  image: DiskImage;
}

export interface SimInstance {
  id: string;
  reservationId: string;
  imageId: string;
  type: string;
  az: string;
  subnetId: string;
  market: Market;
  spotRequestId: string | null;
  profileArn: string | null;
  userData: string;
  clientToken: string | null;
  shutdownBehavior: 'stop' | 'terminate';
  publicIp: boolean;
  state: InstanceStateName;
  stateReason: StateReason | null;
  transitionReason: string;
  launchedAtMs: number;
  tags: Tags;
  /** The machine while it has power. */
  power: Power | null;
  /** What the metadata service says of an interruption. */
  notice: { action: 'terminate'; atMs: number } | null;
  rebalanceAtMs: number | null;
  /** Raised at each change of power, so that a timer of before knows that it is stale. */
  turn: number;
}

export const STATE_CODES: Readonly<Record<InstanceStateName, number>> = {
  pending: 0,
  running: 16,
  'shutting-down': 32,
  terminated: 48,
  stopping: 64,
  stopped: 80,
};

export interface SimSpotRequest {
  id: string;
  instanceId: string;
  type: string;
  az: string;
  state: 'active' | 'closed';
  statusCode: string;
  createdAtMs: number;
  tags: Tags;
}
