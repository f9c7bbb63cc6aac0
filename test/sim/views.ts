import type { _InstanceType, Instance, Snapshot, SpotInstanceRequest, Volume, VolumeType } from '@aws-sdk/client-ec2';
import { bytesOf } from './disks.ts';
import { INSTANCE_TYPES } from './figures.ts';
import { type Attachment, type SimInstance, type SimSnapshot, type SimSpotRequest, type SimVolume, STATE_CODES } from './model.ts';
import { tagList } from './tags.ts';

/** Resources in the shapes of the SDK. */
export function volumeView(volume: SimVolume): Volume {
  const { attachment } = volume;
  return {
    VolumeId: volume.id,
    AvailabilityZone: volume.az,
    CreateTime: new Date(volume.createdAtMs),
    Size: volume.sizeGiB,
    VolumeType: volume.type as VolumeType,
    Iops: 3000,
    Throughput: 125,
    Encrypted: volume.encrypted,
    ...(volume.kmsKeyId !== null && { KmsKeyId: volume.kmsKeyId }),
    SnapshotId: volume.snapshotId ?? '',
    ...(volume.sourceVolumeId !== null && { SourceVolumeId: volume.sourceVolumeId }),
    ...(volume.initializationRate !== null && { VolumeInitializationRate: volume.initializationRate }),
    State: volume.state,
    MultiAttachEnabled: false,
    Attachments: attachment === null ? [] : [attachmentView(volume.id, attachment)],
    Tags: tagList(volume.tags),
  };
}

export const attachmentView = (volumeId: string, attachment: Attachment) => ({
  VolumeId: volumeId,
  InstanceId: attachment.instanceId,
  Device: attachment.device,
  State: attachment.state,
  AttachTime: new Date(attachment.atMs),
  DeleteOnTermination: attachment.deleteOnTermination,
});

export function snapshotView(snapshot: SimSnapshot): Snapshot {
  return {
    SnapshotId: snapshot.id,
    VolumeId: snapshot.volumeId,
    VolumeSize: snapshot.volumeSizeGiB,
    OwnerId: snapshot.ownerId,
    State: snapshot.state,
    ...(snapshot.stateMessage !== null && { StateMessage: snapshot.stateMessage }),
    StartTime: new Date(snapshot.startedAtMs),
    Progress: snapshot.state === 'completed' ? '100%' : '0%',
    ...(snapshot.completedAtMs !== null && { CompletionTime: new Date(snapshot.completedAtMs) }),
    Description: snapshot.description,
    Encrypted: snapshot.encrypted,
    ...(snapshot.kmsKeyId !== null && { KmsKeyId: snapshot.kmsKeyId }),
    ...(snapshot.state === 'completed' && { FullSnapshotSizeInBytes: bytesOf(snapshot.image.files) }),
    StorageTier: 'standard',
    Tags: tagList(snapshot.tags),
  };
}

export function instanceView(instance: SimInstance, volumes: SimVolume[]): Instance {
  const attached = volumes.flatMap(({ id, attachment }) => (attachment === null ? [] : [{ id, attachment }]));
  return {
    InstanceId: instance.id,
    ImageId: instance.imageId,
    InstanceType: instance.type as _InstanceType,
    Architecture: INSTANCE_TYPES[instance.type]?.architecture ?? 'x86_64',
    State: { Name: instance.state, Code: STATE_CODES[instance.state] },
    ...(instance.stateReason !== null && { StateReason: instance.stateReason }),
    StateTransitionReason: instance.transitionReason,
    LaunchTime: new Date(instance.launchedAtMs),
    Placement: { AvailabilityZone: instance.az, Tenancy: 'default', GroupName: '' },
    SubnetId: instance.subnetId,
    RootDeviceType: 'ebs',
    RootDeviceName: '/dev/xvda',
    EbsOptimized: true,
    ...(instance.market === 'spot' && { InstanceLifecycle: 'spot' as const }),
    ...(instance.spotRequestId !== null && { SpotInstanceRequestId: instance.spotRequestId }),
    ...(instance.clientToken !== null && { ClientToken: instance.clientToken }),
    ...(instance.profileArn !== null && { IamInstanceProfile: { Arn: instance.profileArn } }),
    BlockDeviceMappings: attached.map(({ id, attachment }) => ({
      DeviceName: attachment.device,
      Ebs: {
        VolumeId: id,
        Status: attachment.state === 'busy' ? ('detaching' as const) : attachment.state,
        AttachTime: new Date(attachment.atMs),
        DeleteOnTermination: attachment.deleteOnTermination,
      },
    })),
    Tags: tagList(instance.tags),
  };
}

export const spotRequestView = (request: SimSpotRequest): SpotInstanceRequest => ({
  SpotInstanceRequestId: request.id,
  InstanceId: request.instanceId,
  State: request.state,
  Status: { Code: request.statusCode, Message: request.statusCode },
  Type: 'one-time',
  InstanceInterruptionBehavior: 'terminate',
  LaunchedAvailabilityZone: request.az,
  ProductDescription: 'Linux/UNIX',
  CreateTime: new Date(request.createdAtMs),
  Tags: tagList(request.tags),
});
