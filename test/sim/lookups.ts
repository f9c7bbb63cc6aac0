import type {
  CreateLaunchTemplateRequest,
  CreateLaunchTemplateResult,
  CreateTagsRequest,
  DescribeImagesRequest,
  DescribeImagesResult,
  DescribeInstanceTypeOfferingsRequest,
  DescribeInstanceTypeOfferingsResult,
  DescribeInstanceTypesRequest,
  DescribeInstanceTypesResult,
  DescribeLaunchTemplatesRequest,
  DescribeLaunchTemplatesResult,
  DescribeSpotPriceHistoryRequest,
  DescribeSpotPriceHistoryResult,
  DescribeSubnetsRequest,
  DescribeSubnetsResult,
  Image,
  InstanceTypeInfo,
  InstanceTypeOffering,
  LaunchTemplate,
  SpotPrice,
  Subnet,
} from '@aws-sdk/client-ec2';
import { ACCOUNT, type SimTemplate, ZONES } from './catalog.ts';
import type { Cloud } from './cloud.ts';
import { refusal, required } from './errors.ts';
import { INSTANCE_TYPES } from './figures.ts';
import { type Fields, matching } from './filters.ts';
import { noInstances } from './instances.ts';
import { pageOf } from './paging.ts';
import { readTags, tagList, tagsFor } from './tags.ts';
import { noVolume } from './volumes.ts';

const IMAGE_FIELDS: Fields<Image> = {
  'image-id': ({ ImageId }) => [ImageId],
  name: ({ Name }) => [Name],
  state: ({ State }) => [State],
  architecture: ({ Architecture }) => [Architecture],
  'owner-id': ({ OwnerId }) => [OwnerId],
};
const SUBNET_FIELDS: Fields<Subnet> = {
  'subnet-id': ({ SubnetId }) => [SubnetId],
  'vpc-id': ({ VpcId }) => [VpcId],
  'availability-zone': ({ AvailabilityZone }) => [AvailabilityZone],
  'default-for-az': ({ DefaultForAz }) => [String(DefaultForAz)],
  state: ({ State }) => [State],
};
const TEMPLATE_FIELDS: Fields<LaunchTemplate> = {
  'launch-template-name': ({ LaunchTemplateName }) => [LaunchTemplateName],
};
const OFFERING_FIELDS: Fields<InstanceTypeOffering & { Tags?: [] }> = {
  'instance-type': ({ InstanceType }) => [InstanceType],
  location: ({ Location }) => [Location],
};
const TYPE_FIELDS: Fields<InstanceTypeInfo & { Tags?: [] }> = {
  'instance-type': ({ InstanceType }) => [InstanceType],
  'processor-info.supported-architecture': ({ ProcessorInfo }) => ProcessorInfo?.SupportedArchitectures ?? [],
};
const PRICE_FIELDS: Fields<SpotPrice & { Tags?: [] }> = {
  'instance-type': ({ InstanceType }) => [InstanceType],
  'availability-zone': ({ AvailabilityZone }) => [AvailabilityZone],
  'product-description': ({ ProductDescription }) => [ProductDescription],
};

type Ask = { MaxResults?: number; NextToken?: string };
type TypeName = NonNullable<InstanceTypeInfo['InstanceType']>;

/** What a launch is put together from: images, networks, templates, types and prices; and tags. */
export class Lookups {
  readonly #cloud: Cloud;

  constructor(cloud: Cloud) {
    this.#cloud = cloud;
  }

  createTags(input: CreateTagsRequest): object {
    const ids = required(input.Resources, 'ResourceId');
    const shelves = { i: this.#cloud.instances, vol: this.#cloud.volumes, snap: this.#cloud.snapshots, sir: this.#cloud.spotRequests };
    const found = ids.map((id) => {
      const shelf = shelves[id.split('-')[0] as keyof typeof shelves] as unknown as Cloud['volumes'] | undefined;
      if (shelf === undefined) throw refusal('InvalidID', `The ID '${id}' is not valid`);
      const resource = shelf.get(id);
      if (resource === undefined || shelf.seen(id) === null) throw notFound(id);
      return { shelf, resource, tags: readTags(input.Tags, resource.tags) };
    });
    for (const { shelf, resource, tags } of found) {
      resource.tags = tags;
      shelf.changed(resource);
    }
    return {};
  }

  createLaunchTemplate(input: CreateLaunchTemplateRequest): CreateLaunchTemplateResult {
    return this.#cloud.tokens.once('createLaunchTemplate', input, () => {
      const { templates } = this.#cloud.catalog;
      const name = required(input.LaunchTemplateName, 'LaunchTemplateName');
      const data = required(input.LaunchTemplateData, 'LaunchTemplateData');
      if ([...templates.values()].some((template) => template.name === name))
        throw refusal('InvalidLaunchTemplateName.AlreadyExistsException', 'Launch template name already in use.');
      const tags = tagsFor(input.TagSpecifications, 'launch-template', ['launch-template']);
      const template: SimTemplate = { id: this.#cloud.id('lt'), name, createdAtMs: this.#cloud.clock.now(), versions: [data], tags };
      templates.set(template.id, template);
      return { output: { LaunchTemplate: templateView(template) } };
    });
  }

  describeLaunchTemplates(input: DescribeLaunchTemplatesRequest): DescribeLaunchTemplatesResult {
    const all = [...this.#cloud.catalog.templates.values()];
    const { LaunchTemplateIds: ids, LaunchTemplateNames: names } = input;
    for (const id of ids ?? [])
      if (!all.some((template) => template.id === id))
        throw refusal('InvalidLaunchTemplateId.NotFound', `The specified launch template, with template ID ${id}, does not exist.`);
    for (const name of names ?? [])
      if (!all.some((template) => template.name === name))
        throw refusal(
          'InvalidLaunchTemplateName.NotFoundException',
          'At least one of the launch templates specified in the request does not exist.',
        );
    const named = all.filter(({ id, name }) => (ids?.includes(id) ?? true) && (names?.includes(name) ?? true)).map(templateView);
    const { page, NextToken } = this.#page(named.filter(matching(input.Filters, TEMPLATE_FIELDS)), input);
    return { LaunchTemplates: page, NextToken };
  }

  describeImages(input: DescribeImagesRequest): DescribeImagesResult {
    const all = [...this.#cloud.catalog.images.values()].map(
      (image): Image => ({
        ImageId: image.id,
        Name: image.name,
        OwnerId: ACCOUNT,
        State: image.state ?? 'available',
        ...(image.deprecatedAtMs !== undefined && { DeprecationTime: new Date(image.deprecatedAtMs).toISOString() }),
        Architecture: image.architecture,
        CreationDate: new Date(image.createdAtMs).toISOString(),
        RootDeviceName: image.rootDevice,
        RootDeviceType: 'ebs',
        BlockDeviceMappings: [{ DeviceName: image.rootDevice, Ebs: { SnapshotId: image.rootSnapshotId, DeleteOnTermination: true } }],
        Tags: tagList(image.tags),
      }),
    );
    const { ImageIds: ids, Owners: owners } = input;
    for (const id of ids ?? [])
      if (!all.some(({ ImageId }) => ImageId === id)) throw refusal('InvalidAMIID.NotFound', `The image id '[${id}]' does not exist`);
    if (owners !== undefined && !owners.includes('self') && !owners.includes(ACCOUNT)) return { Images: [] };
    const named = all.filter(({ ImageId = '' }) => ids?.includes(ImageId) ?? true);
    const { page, NextToken } = this.#page(named.filter(matching(input.Filters, IMAGE_FIELDS)), input);
    return { Images: page, NextToken };
  }

  describeSubnets(input: DescribeSubnetsRequest): DescribeSubnetsResult {
    const all = [...this.#cloud.catalog.subnets.values()].map(
      (subnet): Subnet => ({
        SubnetId: subnet.id,
        VpcId: subnet.vpcId,
        AvailabilityZone: subnet.az,
        AvailableIpAddressCount: subnet.freeAddresses,
        State: 'available',
        DefaultForAz: true,
        MapPublicIpOnLaunch: true,
        OwnerId: ACCOUNT,
        Tags: tagList(subnet.tags),
      }),
    );
    const { SubnetIds: ids } = input;
    for (const id of ids ?? [])
      if (!all.some(({ SubnetId }) => SubnetId === id)) throw refusal('InvalidSubnetID.NotFound', `The subnet ID '${id}' does not exist`);
    const named = all.filter(({ SubnetId = '' }) => ids?.includes(SubnetId) ?? true);
    const { page, NextToken } = this.#page(named.filter(matching(input.Filters, SUBNET_FIELDS)), input);
    return { Subnets: page, NextToken };
  }

  describeInstanceTypes(input: DescribeInstanceTypesRequest): DescribeInstanceTypesResult {
    for (const type of input.InstanceTypes ?? [])
      if (!Object.hasOwn(INSTANCE_TYPES, type))
        throw refusal('InvalidInstanceType', `The following supplied instance types do not exist: [${type}]`);
    const all = Object.entries(INSTANCE_TYPES).map(
      ([type, { vcpus, memoryMiB, architecture }]): InstanceTypeInfo => ({
        InstanceType: type as TypeName,
        CurrentGeneration: true,
        SupportedUsageClasses: ['on-demand', 'spot'],
        VCpuInfo: { DefaultVCpus: vcpus },
        MemoryInfo: { SizeInMiB: memoryMiB },
        ProcessorInfo: { SupportedArchitectures: [architecture] },
      }),
    );
    const named = all.filter(({ InstanceType }) => input.InstanceTypes?.includes(InstanceType as TypeName) ?? true);
    const { page, NextToken } = this.#page(named.filter(matching(input.Filters, TYPE_FIELDS)), input);
    return { InstanceTypes: page, NextToken };
  }

  describeInstanceTypeOfferings(input: DescribeInstanceTypeOfferingsRequest): DescribeInstanceTypeOfferingsResult {
    const zones = input.LocationType === 'availability-zone' ? ZONES : ZONES.slice(0, 1);
    const all = Object.keys(INSTANCE_TYPES).flatMap((type) =>
      zones
        .filter((zone) => this.#cloud.pools.isOffered(type, zone))
        .map((zone): InstanceTypeOffering => {
          const byZone = input.LocationType === 'availability-zone';
          return {
            InstanceType: type as TypeName,
            LocationType: input.LocationType ?? 'region',
            Location: byZone ? zone : zone.slice(0, -1),
          };
        }),
    );
    const { page, NextToken } = this.#page(all.filter(matching(input.Filters, OFFERING_FIELDS)), input);
    return { InstanceTypeOfferings: page, NextToken };
  }

  /** The prices as they are: what they were is not kept. */
  describeSpotPriceHistory(input: DescribeSpotPriceHistoryRequest): DescribeSpotPriceHistoryResult {
    const types = input.InstanceTypes ?? (Object.keys(INSTANCE_TYPES) as TypeName[]);
    const zones = input.AvailabilityZone === undefined ? ZONES : [input.AvailabilityZone];
    const all = types.flatMap((type) =>
      zones
        .filter((zone) => this.#cloud.pools.isOffered(type, zone))
        .map(
          (zone): SpotPrice => ({
            InstanceType: type,
            AvailabilityZone: zone,
            ProductDescription: 'Linux/UNIX',
            SpotPrice: this.#cloud.pools.spotUsdPerHour(type, zone).toFixed(6),
            Timestamp: new Date(this.#cloud.clock.now()),
          }),
        ),
    );
    const products = input.ProductDescriptions ?? ['Linux/UNIX'];
    const kept = all.filter((price) => products.includes(price.ProductDescription ?? '') && matching(input.Filters, PRICE_FIELDS)(price));
    const { page, NextToken } = this.#page(kept, input);
    return { SpotPriceHistory: page, NextToken };
  }

  #page<Item>(items: Item[], ask: Ask): { page: Item[]; NextToken: string | undefined } {
    const short = { perPage: this.#cloud.faults.rates.shortPerPage, dice: this.#cloud.streams.of('pages') };
    const numbered = items.map((item, seq) => ({ item, seq }));
    const { page, next } = pageOf(numbered, ask, short);
    return { page: page.map(({ item }) => item), NextToken: next };
  }
}

function notFound(id: string): Error {
  if (id.startsWith('i-')) return noInstances([id]);
  if (id.startsWith('vol-')) return noVolume(id);
  return refusal(
    id.startsWith('snap-') ? 'InvalidSnapshot.NotFound' : 'InvalidSpotInstanceRequestID.NotFound',
    `The ID '${id}' does not exist`,
  );
}

const templateView = ({ id, name, createdAtMs, versions, tags }: SimTemplate): LaunchTemplate => ({
  LaunchTemplateId: id,
  LaunchTemplateName: name,
  CreateTime: new Date(createdAtMs),
  DefaultVersionNumber: 1,
  LatestVersionNumber: versions.length,
  Tags: tagList(tags),
});
