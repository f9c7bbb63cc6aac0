import { createHash } from 'node:crypto';
import type {
  CreateFleetRequest,
  CreateFleetResult,
  FleetBlockDeviceMappingRequest,
  FleetLaunchTemplateOverridesRequest,
  Instance,
  Tag,
} from '@aws-sdk/client-ec2';
import type { CreateState, Disk } from './launch-state.ts';
import type { Subnet } from './pools.ts';
import type { InstanceType } from './sizes.ts';

/** Where the workspace is on every box. */
export const WORKSPACE_DEVICE = '/dev/sdf';

/** The volume of the workspace that an instance has. */
export const workspaceOf = ({ BlockDeviceMappings: devices = [] }: Instance): string | null =>
  devices.find(({ DeviceName }) => DeviceName === WORKSPACE_DEVICE)?.Ebs?.VolumeId ?? null;

export interface FleetSettings {
  deployment: string;
  overrides: number;
  subnetsOf(az: string): Subnet[];
}

/** What is asked for; `disk` null: no workspace comes with it. */
export type FleetCall = Pick<CreateState, 'operationId' | 'fleet' | 'market' | 'pools' | 'template'> & {
  disk: Disk | null;
  tags: { instance: Tag[]; volume: Tag[] };
};

/** The token of a call that makes something: the same operation, the same thing. */
export const tokenOf = (deployment: string, operationId: string, part: number | string): string =>
  createHash('sha256').update(`${deployment} ${operationId} ${part}`).digest('hex').slice(0, 40);

/** The one call that makes a machine, with its workspace unless that is a volume that is there already. */
export function fleetRequest(state: FleetCall, settings: FleetSettings): CreateFleetRequest {
  const { deployment, overrides, subnetsOf } = settings;
  const { template } = state;
  const machine = { ...blockDevices(state.disk), ...('name' in template && { ImageId: template.imageId }) };
  const named = 'name' in template ? { LaunchTemplateName: template.name } : { LaunchTemplateId: template.id };
  const pools = Object.entries(state.pools).flatMap(([az, types]) =>
    types.flatMap((type) =>
      subnetsOf(az).map(
        ({ id }): FleetLaunchTemplateOverridesRequest => ({ InstanceType: type as InstanceType, SubnetId: id, ...machine }),
      ),
    ),
  );
  return {
    Type: 'instant',
    ClientToken: tokenOf(deployment, state.operationId, state.fleet),
    LaunchTemplateConfigs: [
      {
        LaunchTemplateSpecification: { ...named, Version: template.version },
        Overrides: pools.slice(0, overrides),
      },
    ],
    TargetCapacitySpecification: { TotalTargetCapacity: 1, DefaultTargetCapacityType: state.market },
    ...(state.market === 'spot'
      ? { SpotOptions: { AllocationStrategy: 'price-capacity-optimized' } }
      : { OnDemandOptions: { AllocationStrategy: 'lowest-price' } }),
    TagSpecifications: [
      { ResourceType: 'instance', Tags: state.tags.instance },
      { ResourceType: 'volume', Tags: state.tags.volume },
    ],
  };
}

/** A disk that begins blank or from a snapshot. One from a snapshot is encrypted as that is; AWS refuses to be told so again. */
export const contentOf = (disk: Exclude<Disk, { kind: 'attach' }>): { SnapshotId: string } | { Encrypted: true } =>
  disk.kind === 'snapshot' ? { SnapshotId: disk.snapshotId } : { Encrypted: true };

function blockDevices(disk: Disk | null): { BlockDeviceMappings?: FleetBlockDeviceMappingRequest[] } {
  if (disk === null || disk.kind === 'attach' || (disk.kind === 'snapshot' && disk.loading)) return {};
  const Ebs = { ...contentOf(disk), VolumeSize: disk.gib, VolumeType: 'gp3' as const, DeleteOnTermination: false };
  return { BlockDeviceMappings: [{ DeviceName: WORKSPACE_DEVICE, Ebs }] };
}

export interface PoolError {
  code: string;
  message: string;
  type: string;
  az: string;
}

/** A success may have no instance in it, and says why for each pool. */
export function readFleet(result: CreateFleetResult, azOf: (subnetId: string) => string): { boxId: string | null; errors: PoolError[] } {
  const boxId = result.Instances?.flatMap(({ InstanceIds = [] }) => InstanceIds)[0] ?? null;
  const errors = (result.Errors ?? []).map(({ ErrorCode = '', ErrorMessage = '', LaunchTemplateAndOverrides: pool }) => ({
    code: ErrorCode,
    message: ErrorMessage,
    type: pool?.Overrides?.InstanceType ?? '',
    az: pool?.Overrides?.AvailabilityZone ?? azOf(pool?.Overrides?.SubnetId ?? ''),
  }));
  return { boxId, errors };
}
