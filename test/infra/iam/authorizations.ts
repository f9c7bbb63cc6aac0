import type {
  AttachVolumeRequest,
  CopyVolumesRequest,
  CreateFleetRequest,
  CreateSnapshotRequest,
  CreateTagsRequest,
  CreateVolumeRequest,
  DeleteSnapshotRequest,
  DeleteVolumeRequest,
  DetachVolumeRequest,
  Tag,
  TagSpecification,
  TerminateInstancesRequest,
} from '@aws-sdk/client-ec2';
import type { GetParameterRequest, SendCommandRequest } from '@aws-sdk/client-ssm';
import type { Names } from '../../../infra/names.ts';
import type { Cloud } from '../../sim/cloud.ts';
import type { Tags } from '../../sim/tags.ts';

/** One thing that IAM is asked before a call is carried out. */
export interface Authorization {
  action: string;
  resource: string;
  context: Record<string, string | string[]>;
}

type Context = Authorization['context'];

/** What is looked at has no resource. */
const LOOKS = /^(describe|getEbs)/;

/**
 * Which authorizations a call of EC2 or Systems Manager is made of: one for each resource that it touches or makes, with the tags that this has now or is to
 * have, and one for the tags themselves. Source: the Service Authorization Reference of Amazon EC2 and of AWS Systems Manager, and "Tag resources on
 * creation" and "Launch templates" in the guide of EC2.
 */
export class Authorizations {
  readonly #cloud: Cloud;
  readonly #names: Names;
  readonly #templateTags: TagSpecification[];

  /** @param templateTags that the stack's launch templates give to what is launched, besides those of the call */
  constructor(cloud: Cloud, names: Names, templateTags: TagSpecification[]) {
    this.#cloud = cloud;
    this.#names = names;
    this.#templateTags = templateTags;
  }

  /** @throws Error for a call that nobody said this of */
  of(op: string, input: unknown): Authorization[] {
    if (LOOKS.test(op)) return [{ action: actionOf(op), resource: '*', context: {} }];
    const known = this.#calls[op];
    if (known === undefined) throw new Error(`nobody has said what ${op} is authorized by`);
    return known(input as never);
  }

  readonly #calls: Readonly<Record<string, (input: never) => Authorization[]>> = {
    createFleet: (input: CreateFleetRequest) => this.#fleet(input),
    startInstances: (input: TerminateInstancesRequest) => this.#instances('ec2:StartInstances', input),
    stopInstances: (input: TerminateInstancesRequest) => this.#instances('ec2:StopInstances', input),
    terminateInstances: (input: TerminateInstancesRequest) => this.#instances('ec2:TerminateInstances', input),
    createVolume: ({ SnapshotId, TagSpecifications }: CreateVolumeRequest) => [
      ...(SnapshotId ? this.#snapshot('ec2:CreateVolume', SnapshotId) : []),
      ...this.#made('ec2:CreateVolume', 'volume', TagSpecifications),
    ],
    copyVolumes: ({ SourceVolumeId, TagSpecifications }: CopyVolumesRequest) => [
      // AWS gives no tags of what is copied.
      { action: 'ec2:CopyVolumes', resource: this.#arn('volume', SourceVolumeId), context: {} },
      ...this.#made('ec2:CopyVolumes', 'volume', TagSpecifications),
    ],
    attachVolume: (input: AttachVolumeRequest) => this.#attachment('ec2:AttachVolume', input),
    detachVolume: (input: DetachVolumeRequest) => this.#attachment('ec2:DetachVolume', input),
    deleteVolume: ({ VolumeId }: DeleteVolumeRequest) => this.#volume('ec2:DeleteVolume', VolumeId),
    createSnapshot: ({ VolumeId, TagSpecifications }: CreateSnapshotRequest) => [
      ...this.#volume('ec2:CreateSnapshot', VolumeId),
      ...this.#made('ec2:CreateSnapshot', 'snapshot', TagSpecifications),
    ],
    deleteSnapshot: ({ SnapshotId }: DeleteSnapshotRequest) => this.#snapshot('ec2:DeleteSnapshot', SnapshotId),
    createTags: ({ Resources = [], Tags }: CreateTagsRequest) =>
      Resources.flatMap((id) => this.#instance('ec2:CreateTags', id)).map((each) => ({
        ...each,
        context: { ...each.context, ...asked(Tags) },
      })),
    sendCommand: ({ InstanceIds = [], DocumentName }: SendCommandRequest) => [
      { action: 'ssm:SendCommand', resource: this.#at('ssm', `document/${DocumentName}`), context: {} },
      ...InstanceIds.map((id) => ({
        action: 'ssm:SendCommand',
        resource: this.#arn('instance', id),
        context: tagsOf(this.#cloud.instances.get(id)?.tags, 'ssm:resourceTag/'),
      })),
    ],
    getCommandInvocation: () => [{ action: 'ssm:GetCommandInvocation', resource: '*', context: {} }],
    getParameter: ({ Name }: GetParameterRequest) => [
      { action: 'ssm:GetParameter', resource: this.#at('ssm', `parameter${Name}`), context: {} },
    ],
  };

  /** CreateFleet itself, and for each of its pools RunInstances, since an instant fleet launches at once and as the caller. */
  #fleet(input: CreateFleetRequest): Authorization[] {
    const specifications = [...this.#templateTags, ...(input.TagSpecifications ?? [])];
    const context = (type: string) => asked(tagsFor(specifications, type));
    const tagged = [...new Set(specifications.flatMap(({ ResourceType }) => ResourceType ?? []))];
    const isSpot = input.TargetCapacitySpecification?.DefaultTargetCapacityType === 'spot';
    const [config] = input.LaunchTemplateConfigs ?? [];
    const { LaunchTemplateId: id, LaunchTemplateName: name } = config?.LaunchTemplateSpecification ?? {};
    const template = [...this.#cloud.catalog.templates.values()].find((each) => each.id === id || each.name === name);
    const own = tagsOf(template?.tags);
    const byTemplate = { 'ec2:LaunchTemplate': this.#arn('launch-template', template?.id) };
    const fleet = (resource: string, of: Context = {}) => ({ action: 'ec2:CreateFleet', resource, context: of });
    const run = (resource: string, of: Context = {}) => ({ action: 'ec2:RunInstances', resource, context: { ...of, ...byTemplate } });
    const pools = (config?.Overrides ?? []).flatMap((override) => {
      const imageId = override.ImageId ?? template?.versions[0]?.ImageId ?? '';
      // As the stack's templates have no image, the override of a deployed launcher names it.
      const image = { ...tagsOf(this.#cloud.catalog.images.get(imageId)?.tags), 'ec2:Owner': this.#names.account };
      const imageArn = `arn:aws:ec2:${this.#names.region}::image/${imageId}`;
      const snapshots = (override.BlockDeviceMappings ?? []).flatMap(({ Ebs }) => Ebs?.SnapshotId ?? []);
      return [
        fleet(imageArn, image),
        fleet(this.#arn('subnet', override.SubnetId)),
        run(imageArn, image),
        run(this.#arn('subnet', override.SubnetId)),
        ...snapshots.flatMap((each) => this.#snapshot('', each)).map(({ resource, context: tags }) => run(resource, tags)),
      ];
    });
    return [
      fleet(this.#arn('fleet', 'new')),
      fleet(this.#arn('instance', 'new'), context('instance')),
      fleet(this.#arn('volume', 'new'), context('volume')),
      fleet(this.#arn('launch-template', template?.id), own),
      run(this.#arn('instance', 'new'), context('instance')),
      run(this.#arn('volume', 'new'), context('volume')),
      run(this.#arn('network-interface', 'new'), context('network-interface')),
      run(this.#arn('security-group', 'sg-00000000000000002'), { 'ec2:IsLaunchTemplateResource': 'true' }),
      run(this.#arn('launch-template', template?.id), own),
      ...(isSpot ? [{ action: 'ec2:RunInstances', resource: this.#arn('spot-instances-request', 'new'), context: {} }] : []),
      ...pools,
      ...['CreateFleet', 'RunInstances'].flatMap((by) => tagged.map((type) => this.#tagged(type, by, tagsFor(specifications, type)))),
      {
        action: 'iam:PassRole',
        resource: `arn:aws:iam::${this.#names.account}:role/${this.#names.boxRole}`,
        context: { 'iam:PassedToService': 'ec2.amazonaws.com' },
      },
    ];
  }

  #instances(action: string, { InstanceIds = [] }: TerminateInstancesRequest): Authorization[] {
    return InstanceIds.flatMap((id) => this.#instance(action, id));
  }

  #attachment(
    action: string,
    { VolumeId, InstanceId }: { VolumeId?: string | undefined; InstanceId?: string | undefined },
  ): Authorization[] {
    return [...this.#volume(action, VolumeId), ...this.#instance(action, InstanceId)];
  }

  /** What is not there is not authorized: AWS says that there is none. */
  #there = (action: string, type: string, id: string, found: { tags: Tags } | undefined): Authorization[] =>
    found === undefined ? [] : [{ action, resource: this.#arn(type, id), context: tagsOf(found.tags) }];

  #instance = (action: string, id = '') => this.#there(action, 'instance', id, this.#cloud.instances.get(id));
  #volume = (action: string, id = '') => this.#there(action, 'volume', id, this.#cloud.volumes.get(id));
  #snapshot = (action: string, id = '') => this.#there(action, 'snapshot', id, this.#cloud.snapshots.get(id));

  /** Something new, and its tags. */
  #made(action: string, type: string, specifications: TagSpecification[] | undefined): Authorization[] {
    const tags = tagsFor(specifications, type);
    const by = action.split(':')[1] ?? '';
    return [{ action, resource: this.#arn(type, 'new'), context: asked(tags) }, this.#tagged(type, by, tags)];
  }

  #tagged = (type: string, by: string, tags: Tag[]): Authorization => ({
    action: 'ec2:CreateTags',
    resource: this.#arn(type, 'new'),
    context: { ...asked(tags), 'ec2:CreateAction': by },
  });

  #at = (service: string, of: string): string => `arn:aws:${service}:${this.#names.region}:${this.#names.account}:${of}`;

  #arn(type: string, id = 'missing'): string {
    const hasAccount = type !== 'snapshot';
    return `arn:aws:ec2:${this.#names.region}:${hasAccount ? this.#names.account : ''}:${type}/${id}`;
  }
}

const actionOf = (op: string): string => `ec2:${op.slice(0, 1).toUpperCase()}${op.slice(1)}`;

const tagsOf = (tags: Tags = {}, prefix = 'aws:ResourceTag/'): Context =>
  Object.fromEntries(Object.entries(tags).map(([key, value]) => [`${prefix}${key}`, value]));

const asked = (tags: Tag[] = []): Context => ({
  ...Object.fromEntries(tags.map(({ Key, Value = '' }) => [`aws:RequestTag/${Key}`, Value])),
  ...(tags.length > 0 && { 'aws:TagKeys': tags.flatMap(({ Key }) => Key ?? []) }),
});

const tagsFor = (specifications: TagSpecification[] = [], type: string): Tag[] =>
  specifications.filter(({ ResourceType }) => ResourceType === type).flatMap(({ Tags = [] }) => Tags);
