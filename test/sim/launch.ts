import type {
  BlockDeviceMapping,
  EbsBlockDevice,
  RequestLaunchTemplateData,
  Reservation,
  RunInstancesRequest,
  StateReason,
  TagSpecification,
} from '@aws-sdk/client-ec2';
import type { Attachments } from './attach.ts';
import { ACCOUNT, type SimImage, type SimSubnet, type SimTemplate } from './catalog.ts';
import type { Cloud } from './cloud.ts';
import { refusal, required, unsupportedHere } from './errors.ts';
import { type Instances, REASONS } from './instances.ts';
import type { Market, SimInstance } from './model.ts';
import { type Tags, tagsFor } from './tags.ts';
import type { VolumePlan, Volumes } from './volumes.ts';

/** What a launch makes and may tag. */
const MADE = ['instance', 'volume', 'network-interface', 'spot-instances-request', 'fleet'];

interface Mapping {
  DeviceName?: string;
  Ebs?: EbsBlockDevice;
}

/** One instance as it is wanted, wherever the wish comes from. */
export interface LaunchWish {
  imageId: string;
  type: string;
  subnetId: string | undefined;
  az: string | undefined;
  market: Market;
  mappings: Mapping[];
  tagSpecifications: TagSpecification[];
  userData: string;
  profile: string | null;
  clientToken: string | null;
  shutdownBehavior: 'stop' | 'terminate';
  publicIp: boolean;
}

interface PlannedVolume {
  device: string;
  plan: VolumePlan;
  deleteOnTermination: boolean;
}

interface TemplateRef {
  LaunchTemplateId?: string;
  LaunchTemplateName?: string;
  Version?: string;
}

export class Launches {
  readonly #cloud: Cloud;
  readonly #volumes: Volumes;
  readonly #attachments: Attachments;
  readonly #instances: Instances;

  constructor(cloud: Cloud, volumes: Volumes, attachments: Attachments, instances: Instances) {
    this.#cloud = cloud;
    this.#volumes = volumes;
    this.#attachments = attachments;
    this.#instances = instances;
  }

  /** The token counts in one zone: the same one with a subnet of another makes a second instance. */
  run(input: RunInstancesRequest): Reservation {
    if (input.MinCount !== 1 || input.MaxCount !== 1) throw unsupportedHere('RunInstances of more than one');
    const template = input.LaunchTemplate === undefined ? {} : this.template(input.LaunchTemplate).data;
    const subnetId = input.SubnetId ?? template.NetworkInterfaces?.[0]?.SubnetId;
    const az = this.#cloud.catalog.subnets.get(subnetId ?? '')?.az ?? input.Placement?.AvailabilityZone ?? 'any';
    return this.#cloud.tokens.once(`runInstances ${az}`, input, () => {
      const spot = input.InstanceMarketOptions?.MarketType === 'spot' || template.InstanceMarketOptions?.MarketType === 'spot';
      const { mappings, ...rest } = wishOf(template);
      const instance = this.launch({
        ...rest,
        imageId: input.ImageId ?? rest.imageId,
        type: input.InstanceType ?? rest.type,
        subnetId,
        az: input.Placement?.AvailabilityZone,
        market: spot ? 'spot' : 'on-demand',
        mappings: merged(mappings, input.BlockDeviceMappings),
        tagSpecifications: [...rest.tagSpecifications, ...(input.TagSpecifications ?? [])],
        userData: input.UserData ?? rest.userData,
        profile: input.IamInstanceProfile?.Arn ?? input.IamInstanceProfile?.Name ?? rest.profile,
        clientToken: input.ClientToken ?? null,
        shutdownBehavior: input.InstanceInitiatedShutdownBehavior ?? rest.shutdownBehavior,
      });
      return { output: this.#reservation(instance), again: () => this.#again(instance) };
    });
  }

  /** @throws what AWS says when it cannot be; then nothing was made */
  launch(wish: LaunchWish): SimInstance {
    const cloud = this.#cloud;
    const image = this.#image(wish);
    const subnet = this.#subnet(wish);
    const planned = this.#plan(wish, image, subnet.az);
    const tags = (type: string) => tagsFor(wish.tagSpecifications, type, MADE);
    const instanceTags = tags('instance');
    const volumeTags = tags('volume');
    if (subnet.freeAddresses <= 0)
      throw refusal(
        'InsufficientFreeAddressesInSubnet',
        `There are not enough free addresses in subnet '${subnet.id}' to satisfy the requested number of instances.`,
      );
    this.#volumes.checkSpace(planned.map(({ plan }) => plan));
    const id = cloud.id('i');
    cloud.pools.take(id, { type: wish.type, az: subnet.az, market: wish.market }, cloud.faults.rates.noCapacityPerLaunch);
    subnet.freeAddresses -= 1;
    const instance = this.#instance(id, wish, subnet, instanceTags);
    cloud.instances.add(instance);
    const doom = this.#doom(planned);
    if (doom !== REASONS.key) this.#addVolumes(instance, planned, volumeTags);
    this.#instances.begin(instance, doom);
    return instance;
  }

  /** @throws when there is no such template or version */
  template({ LaunchTemplateId: id, LaunchTemplateName: name, Version = '$Default' }: TemplateRef): {
    template: SimTemplate;
    data: RequestLaunchTemplateData;
  } {
    const template = [...this.#cloud.catalog.templates.values()].find((each) => each.id === id || each.name === name);
    if (template === undefined)
      throw id === undefined
        ? refusal(
            'InvalidLaunchTemplateName.NotFoundException',
            `The specified launch template, with template name ${name}, does not exist.`,
          )
        : refusal('InvalidLaunchTemplateId.NotFound', `The specified launch template, with template ID ${id}, does not exist.`);
    const number = Version === '$Default' ? 1 : Version === '$Latest' ? template.versions.length : Number(Version);
    const data = template.versions[number - 1];
    if (data === undefined)
      throw refusal(
        'InvalidLaunchTemplateId.VersionNotFound',
        `Could not find the specified version ${Version} for the launch template with ID ${template.id}.`,
      );
    return { template, data };
  }

  #reservation(instance: SimInstance): Reservation {
    return {
      ReservationId: instance.reservationId,
      OwnerId: ACCOUNT,
      Groups: [],
      Instances: [this.#cloud.instances.view(instance)],
    };
  }

  #again(instance: SimInstance): Reservation {
    if (instance.state === 'shutting-down' || instance.state === 'terminated')
      throw refusal(
        'IdempotentInstanceTerminated',
        'The request to launch an instance uses the same client token as a previous request for which the instance has been terminated.',
      );
    return this.#reservation(instance);
  }

  #image({ imageId, type }: LaunchWish): SimImage {
    const image = this.#cloud.catalog.images.get(imageId);
    if (image === undefined) throw refusal('InvalidAMIID.NotFound', `The image id '[${imageId}]' does not exist`);
    const { architecture } = this.#cloud.pools.figures(type);
    if (architecture !== image.architecture)
      throw refusal(
        'InvalidParameterValue',
        `The architecture '${architecture}' of the specified instance type does not match the architecture '${image.architecture}' of the specified AMI. Specify an instance type and an AMI that have matching architectures, and try again.`,
      );
    return image;
  }

  #subnet({ subnetId, az }: LaunchWish): SimSubnet {
    const { subnets } = this.#cloud.catalog;
    if (subnetId !== undefined) {
      const subnet = subnets.get(subnetId);
      if (subnet === undefined) throw refusal('InvalidSubnetID.NotFound', `The subnet ID '${subnetId}' does not exist`);
      return subnet;
    }
    const subnet = [...subnets.values()].find((each) => az === undefined || each.az === az);
    if (subnet === undefined)
      throw refusal('MissingInput', `No subnets found for the default VPC 'vpc-00000000000000001'. Please specify a subnet.`);
    return subnet;
  }

  #plan({ mappings }: LaunchWish, image: SimImage, az: string): PlannedVolume[] {
    const root = { DeviceName: image.rootDevice, Ebs: { SnapshotId: image.rootSnapshotId, VolumeType: 'gp3', DeleteOnTermination: true } };
    return merged([root as Mapping], mappings).map(({ DeviceName, Ebs }) => {
      const device = required(DeviceName, 'DeviceName');
      if (Ebs === undefined) throw unsupportedHere('a block device that is not EBS');
      if (Ebs.SnapshotId !== undefined && Ebs.Encrypted !== undefined)
        throw refusal(
          'InvalidBlockDeviceMapping',
          `the encrypted flag cannot be specified since device ${device} has a snapshot specified.`,
        );
      const { VolumeSize, ...wanted } = Ebs;
      // For a volume of a mapping the default is true, unlike for one that is attached later.
      const plan = this.#volumes.plan(az, { ...wanted, ...(VolumeSize !== undefined && { Size: VolumeSize }) });
      return { device, plan, deleteOnTermination: Ebs.DeleteOnTermination ?? true };
    });
  }

  #instance(id: string, wish: LaunchWish, subnet: SimSubnet, tags: Tags): SimInstance {
    const spotRequestId = wish.market === 'spot' ? this.#spotRequest(id, wish, subnet) : null;
    return {
      id,
      reservationId: this.#cloud.id('r'),
      imageId: wish.imageId,
      type: wish.type,
      az: subnet.az,
      subnetId: subnet.id,
      market: wish.market,
      spotRequestId,
      profileArn: wish.profile,
      userData: Buffer.from(wish.userData, 'base64').toString('utf8'),
      clientToken: wish.clientToken,
      shutdownBehavior: wish.shutdownBehavior,
      publicIp: wish.publicIp,
      state: 'pending',
      stateReason: null,
      transitionReason: '',
      launchedAtMs: this.#cloud.clock.now(),
      tags,
      power: null,
      notice: null,
      rebalanceAtMs: null,
      turn: 0,
    };
  }

  #spotRequest(instanceId: string, wish: LaunchWish, subnet: SimSubnet): string {
    const id = this.#cloud.id('sir');
    this.#cloud.spotRequests.add({
      id,
      instanceId,
      type: wish.type,
      az: subnet.az,
      state: 'active',
      statusCode: 'fulfilled',
      createdAtMs: this.#cloud.clock.now(),
      tags: tagsFor(wish.tagSpecifications, 'spot-instances-request', MADE),
    });
    return id;
  }

  #addVolumes(instance: SimInstance, planned: PlannedVolume[], tags: Tags): void {
    for (const { device, plan, deleteOnTermination } of planned) {
      const volume = this.#volumes.make(plan, tags);
      this.#attachments.put(volume, instance, device, deleteOnTermination, true);
    }
  }

  /** Why this instance will never run, though its launch was accepted. */
  #doom(planned: PlannedVolume[]): StateReason | null {
    const { catalog, faults } = this.#cloud;
    if (planned.some(({ plan }) => plan.kmsKeyId !== null && catalog.disabledKeys.has(plan.kmsKeyId))) return REASONS.key;
    return this.#cloud.chance('deaths at launch', faults.rates.deathPerLaunch) ? REASONS.launch : null;
  }
}

/** Later mappings replace earlier ones of the same device. */
function merged(...lists: Array<ReadonlyArray<Mapping | BlockDeviceMapping> | undefined>): Mapping[] {
  const byDevice = new Map<string | undefined, Mapping>();
  for (const list of lists) for (const mapping of list ?? []) byDevice.set(mapping.DeviceName, mapping);
  return [...byDevice.values()];
}

/** What a launch template says, with everything that it leaves open still open. */
export function wishOf(data: RequestLaunchTemplateData): LaunchWish {
  const network = data.NetworkInterfaces?.[0];
  return {
    imageId: data.ImageId ?? '',
    type: data.InstanceType ?? 'm1.small',
    subnetId: network?.SubnetId,
    az: data.Placement?.AvailabilityZone,
    market: 'on-demand',
    mappings: (data.BlockDeviceMappings ?? []) as Mapping[],
    tagSpecifications: (data.TagSpecifications ?? []) as TagSpecification[],
    userData: data.UserData ?? '',
    profile: data.IamInstanceProfile?.Arn ?? data.IamInstanceProfile?.Name ?? null,
    clientToken: null,
    shutdownBehavior: data.InstanceInitiatedShutdownBehavior ?? 'stop',
    publicIp: network?.AssociatePublicIpAddress ?? false,
  };
}

export { merged as mergeMappings };
