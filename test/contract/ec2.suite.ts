import type { CreateFleetRequest, RunInstancesRequest, TagSpecification } from '@aws-sdk/client-ec2';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Ec2Api, SsmApi } from '../../launcher/providers/ec2/api.ts';

/** Something that says of itself that it is EC2. */
export interface Ec2Subject {
  ec2: Ec2Api;
  ssm: SsmApi;
  /** An image for x86_64. */
  imageId: string;
  /** A subnet in each of two zones. */
  subnets: [{ id: string; az: string }, { id: string; az: string }];
  /** Lets time pass until the look is true. */
  until(look: () => Promise<boolean>): Promise<void>;
  close(): Promise<void>;
}

const NO_VOLUME = 'vol-0123456789abcdef0';
const NO_INSTANCE = 'i-0123456789abcdef0';
const NO_SNAPSHOT = 'snap-0123456789abcdef0';
const DEVICE = '/dev/sdf';

/**
 * What the EC2 provider relies on, asked of every EC2 that there is: the simulated one of the tests, and independent
 * servers. Codes of refusals are the documented ones.
 * @param unlike tests that this one is known to fail, and why; it must fail them, or the entry is to go
 */
export function ec2Suite(name: string, open: () => Promise<Ec2Subject>, unlike: Array<{ reason: string; tests: string[] }> = []): void {
  const run = (title: string, body: () => Promise<void>) => {
    const reason = unlike.find((entry) => entry.tests.includes(title))?.reason;
    if (reason) it.fails(`${title} (not so here: ${reason})`, body);
    else it(title, body);
  };

  describe(`EC2: ${name}`, () => {
    let subject: Ec2Subject;
    let ec2: Ec2Api;
    let names = 0;
    const unique = (word: string) => {
      names += 1;
      return `${word}-${process.pid}-${names}`;
    };
    beforeAll(async () => {
      subject = await open();
      ec2 = subject.ec2;
    });
    afterAll(() => subject?.close());

    const refused = (work: Promise<unknown>): Promise<string> =>
      work.then(
        () => 'not refused',
        (error: Error) => error.name,
      );
    const tags = (ResourceType: TagSpecification['ResourceType'], value: string): TagSpecification => ({
      ResourceType,
      Tags: [
        { Key: 'devctl:op', Value: value },
        { Key: 'devctl:kind', Value: 'suite' },
      ],
    });
    const withTag = (value: string) => [{ Name: 'tag:devctl:op', Values: [value] }];
    const volumeState = async (id: string) => (await ec2.describeVolumes({ VolumeIds: [id] })).Volumes?.[0]?.State;
    const instanceState = async (id: string) => (await instance(id))?.State?.Name;
    const instance = async (id: string) =>
      (await ec2.describeInstances({ InstanceIds: [id] })).Reservations?.flatMap(({ Instances = [] }) => Instances)[0];
    const volume = async (patch = {}) => {
      const made = await ec2.createVolume({ AvailabilityZone: subject.subnets[0].az, Size: 4, VolumeType: 'gp3', ...patch });
      const id = made.VolumeId ?? '';
      await subject.until(async () => (await volumeState(id)) === 'available');
      return id;
    };
    const snapshot = async (volumeId: string, patch = {}) => {
      const id = (await ec2.createSnapshot({ VolumeId: volumeId, ...patch })).SnapshotId ?? '';
      await subject.until(async () => (await ec2.describeSnapshots({ SnapshotIds: [id] })).Snapshots?.[0]?.State === 'completed');
      return id;
    };
    const launch = (patch: Partial<RunInstancesRequest> = {}) =>
      ec2.runInstances({
        ImageId: subject.imageId,
        InstanceType: 't3a.large',
        SubnetId: subject.subnets[0].id,
        MinCount: 1,
        MaxCount: 1,
        ...patch,
      });
    const running = async (patch: Partial<RunInstancesRequest> = {}) => {
      const id = (await launch(patch)).Instances?.[0]?.InstanceId ?? '';
      await subject.until(async () => (await instanceState(id)) === 'running');
      return id;
    };
    const terminated = async (id: string) => {
      await ec2.terminateInstances({ InstanceIds: [id] });
      await subject.until(async () => (await instanceState(id)) === 'terminated');
    };
    const template = async () => {
      const LaunchTemplateName = unique('template');
      const LaunchTemplateData = { ImageId: subject.imageId, InstanceType: 't3a.large' as const };
      return (await ec2.createLaunchTemplate({ LaunchTemplateName, LaunchTemplateData })).LaunchTemplate;
    };
    const fleet = async (patch: Partial<CreateFleetRequest> = {}): Promise<CreateFleetRequest> => ({
      Type: 'instant',
      ClientToken: unique('token'),
      LaunchTemplateConfigs: [
        {
          LaunchTemplateSpecification: { LaunchTemplateId: (await template())?.LaunchTemplateId, Version: '1' },
          Overrides: [{ InstanceType: 't3a.large', SubnetId: subject.subnets[0].id }],
        },
      ],
      TargetCapacitySpecification: { TotalTargetCapacity: 1, DefaultTargetCapacityType: 'spot' },
      ...patch,
    });

    run('a volume is made with its tags, found by them, and gone when it is deleted', async () => {
      const op = unique('op');
      const id = await volume({ TagSpecifications: [tags('volume', op)] });
      const { Volumes = [] } = await ec2.describeVolumes({ Filters: withTag(op) });
      expect(Volumes).toMatchObject([
        { VolumeId: id, Size: 4, VolumeType: 'gp3', AvailabilityZone: subject.subnets[0].az, State: 'available', Encrypted: false },
      ]);
      expect(Object.fromEntries((Volumes[0]?.Tags ?? []).map(({ Key, Value }) => [Key, Value]))).toEqual({
        'devctl:op': op,
        'devctl:kind': 'suite',
      });
      expect(Volumes[0]?.CreateTime).toBeInstanceOf(Date);
      await ec2.deleteVolume({ VolumeId: id });
      await subject.until(async () => ((await ec2.describeVolumes({ Filters: withTag(op) })).Volumes ?? []).length === 0);
      expect(await refused(ec2.describeVolumes({ VolumeIds: [id] }))).toBe('InvalidVolume.NotFound');
      expect(await refused(ec2.deleteVolume({ VolumeId: id }))).toBe('InvalidVolume.NotFound');
    });

    run('what is not there is refused by its own code', async () => {
      const run = { ImageId: subject.imageId, MinCount: 1, MaxCount: 1 };
      const answers = {
        volume: await refused(ec2.describeVolumes({ VolumeIds: [NO_VOLUME] })),
        delete: await refused(ec2.deleteVolume({ VolumeId: NO_VOLUME })),
        snapshotOf: await refused(ec2.createSnapshot({ VolumeId: NO_VOLUME })),
        snapshot: await refused(ec2.describeSnapshots({ SnapshotIds: [NO_SNAPSHOT] })),
        deleteSnapshot: await refused(ec2.deleteSnapshot({ SnapshotId: NO_SNAPSHOT })),
        from: await refused(ec2.createVolume({ AvailabilityZone: subject.subnets[0].az, SnapshotId: NO_SNAPSHOT })),
        instance: await refused(ec2.describeInstances({ InstanceIds: [NO_INSTANCE] })),
        terminate: await refused(ec2.terminateInstances({ InstanceIds: [NO_INSTANCE] })),
        image: await refused(ec2.describeImages({ ImageIds: ['ami-0123456789abcdef0'] })),
        subnet: await refused(ec2.runInstances({ ...run, InstanceType: 't3a.large', SubnetId: 'subnet-0123456789abcdef0' })),
        template: await refused(ec2.describeLaunchTemplates({ LaunchTemplateNames: ['none'] })),
        parameter: await refused(subject.ssm.getParameter({ Name: '/devctl/none' })),
      };
      expect(answers).toEqual({
        volume: 'InvalidVolume.NotFound',
        delete: 'InvalidVolume.NotFound',
        snapshotOf: 'InvalidVolume.NotFound',
        snapshot: 'InvalidSnapshot.NotFound',
        deleteSnapshot: 'InvalidSnapshot.NotFound',
        from: 'InvalidSnapshot.NotFound',
        instance: 'InvalidInstanceID.NotFound',
        terminate: 'InvalidInstanceID.NotFound',
        image: 'InvalidAMIID.NotFound',
        subnet: 'InvalidSubnetID.NotFound',
        template: 'InvalidLaunchTemplateName.NotFoundException',
        parameter: 'ParameterNotFound',
      });
    });

    run('an image that is gone refuses a launch', async () => {
      expect(await refused(launch({ ImageId: 'ami-0123456789abcdef0' }))).toBe('InvalidAMIID.NotFound');
    });

    run('a snapshot is taken of a volume with its tags, found by both, restored, and deleted', async () => {
      const op = unique('op');
      const source = await volume();
      const id = await snapshot(source, { Description: 'of the suite', TagSpecifications: [tags('snapshot', op)] });
      const { Snapshots = [] } = await ec2.describeSnapshots({ OwnerIds: ['self'], Filters: withTag(op) });
      expect(Snapshots).toMatchObject([
        { SnapshotId: id, VolumeId: source, VolumeSize: 4, State: 'completed', Progress: '100%', Description: 'of the suite' },
      ]);
      const byVolume = await ec2.describeSnapshots({ Filters: [{ Name: 'volume-id', Values: [source] }] });
      expect(byVolume.Snapshots?.map(({ SnapshotId }) => SnapshotId)).toEqual([id]);
      const restored = await volume({ Size: undefined, SnapshotId: id });
      const { Volumes = [] } = await ec2.describeVolumes({ VolumeIds: [restored] });
      expect(Volumes).toMatchObject([{ Size: 4, SnapshotId: id }]);
      await ec2.deleteVolume({ VolumeId: source });
      await ec2.deleteSnapshot({ SnapshotId: id });
      expect(await refused(ec2.describeSnapshots({ SnapshotIds: [id] }))).toBe('InvalidSnapshot.NotFound');
      await ec2.deleteVolume({ VolumeId: restored });
    });

    run('a snapshot is pending at first', async () => {
      const source = await volume();
      expect((await ec2.createSnapshot({ VolumeId: source })).State).toBe('pending');
    });

    run('an instance passes from pending to running, is found by its tags, and ends for good', async () => {
      const op = unique('op');
      const made = (await launch({ TagSpecifications: [tags('instance', op)] })).Instances?.[0];
      expect(made?.State).toEqual({ Name: 'pending', Code: 0 });
      const id = made?.InstanceId ?? '';
      await subject.until(async () => (await instanceState(id)) === 'running');
      const filters = [...withTag(op), { Name: 'instance-state-name', Values: ['pending', 'running'] }];
      const { Reservations = [] } = await ec2.describeInstances({ Filters: filters });
      expect(Reservations.flatMap(({ Instances = [] }) => Instances)).toMatchObject([
        {
          InstanceId: id,
          InstanceType: 't3a.large',
          ImageId: subject.imageId,
          SubnetId: subject.subnets[0].id,
          Placement: { AvailabilityZone: subject.subnets[0].az },
        },
      ]);
      const { TerminatingInstances } = await ec2.terminateInstances({ InstanceIds: [id] });
      expect(TerminatingInstances).toMatchObject([
        { InstanceId: id, CurrentState: { Name: 'shutting-down', Code: 32 }, PreviousState: { Name: 'running', Code: 16 } },
      ]);
      await subject.until(async () => (await instanceState(id)) === 'terminated');
      await ec2.terminateInstances({ InstanceIds: [id] });
    });

    const workspace = (patch: object) => [{ DeviceName: DEVICE, Ebs: { VolumeSize: 5, VolumeType: 'gp3' as const, ...patch } }];

    run('a volume that is mapped at launch stays when it is to stay', async () => {
      const op = unique('op');
      const TagSpecifications = [tags('instance', 'other'), tags('volume', op)];
      const id = await running({ BlockDeviceMappings: workspace({ DeleteOnTermination: false }), TagSpecifications });
      const mapped = (await instance(id))?.BlockDeviceMappings?.find(({ DeviceName }) => DeviceName === DEVICE)?.Ebs;
      const kept = mapped?.VolumeId ?? '';
      expect(mapped?.DeleteOnTermination).toBe(false);
      const { Volumes = [] } = await ec2.describeVolumes({ Filters: [...withTag(op), { Name: 'volume-id', Values: [kept] }] });
      expect(Volumes).toMatchObject([{ State: 'in-use', Size: 5, Attachments: [{ InstanceId: id, Device: DEVICE }] }]);
      await terminated(id);
      await subject.until(async () => (await volumeState(kept)) === 'available');
      await ec2.deleteVolume({ VolumeId: kept });
    });

    run('the root volume has the tags of a launch too, and goes with its instance', async () => {
      const op = unique('op');
      const id = await running({ BlockDeviceMappings: workspace({ DeleteOnTermination: true }), TagSpecifications: [tags('volume', op)] });
      const { Volumes = [] } = await ec2.describeVolumes({ Filters: withTag(op) });
      expect(Volumes.map(({ Attachments = [] }) => Attachments[0]?.InstanceId)).toEqual([id, id]);
      await terminated(id);
      await subject.until(async () => ((await ec2.describeVolumes({ Filters: withTag(op) })).Volumes ?? []).length === 0);
    });

    run('a volume goes on and off, and while it is on it is not deleted', async () => {
      const id = await running();
      const disk = await volume();
      await ec2.attachVolume({ VolumeId: disk, InstanceId: id, Device: '/dev/sdg' });
      await subject.until(async () => {
        const { Volumes = [] } = await ec2.describeVolumes({ Filters: [{ Name: 'attachment.instance-id', Values: [id] }] });
        return Volumes.some(({ VolumeId, Attachments = [] }) => VolumeId === disk && Attachments[0]?.State === 'attached');
      });
      expect(await volumeState(disk)).toBe('in-use');
      expect(await refused(ec2.deleteVolume({ VolumeId: disk }))).toBe('VolumeInUse');
      await ec2.detachVolume({ VolumeId: disk, InstanceId: id });
      await subject.until(async () => (await volumeState(disk)) === 'available');
      await ec2.deleteVolume({ VolumeId: disk });
      await terminated(id);
    });

    run('a volume goes to one instance, and only in its zone', async () => {
      const [id, far] = [await running(), await running({ SubnetId: subject.subnets[1].id })];
      const disk = await volume();
      const attach = (InstanceId: string) => ec2.attachVolume({ VolumeId: disk, InstanceId, Device: '/dev/sdg' });
      expect(await refused(attach(far))).toBe('InvalidVolume.ZoneMismatch');
      await attach(id);
      expect(await refused(attach(id))).toBe('VolumeInUse');
    });

    run('what is not attached cannot be taken off', async () => {
      const disk = await volume();
      expect(await refused(ec2.detachVolume({ VolumeId: disk }))).toBe('IncorrectState');
      await ec2.deleteVolume({ VolumeId: disk });
    });

    run('an instance stops and starts again', async () => {
      const id = await running();
      await ec2.stopInstances({ InstanceIds: [id] });
      await subject.until(async () => (await instanceState(id)) === 'stopped');
      await ec2.startInstances({ InstanceIds: [id] });
      await subject.until(async () => (await instanceState(id)) === 'running');
      await terminated(id);
    });

    run('what has ended does not start', async () => {
      const id = await running();
      await terminated(id);
      expect(await refused(ec2.startInstances({ InstanceIds: [id] }))).toBe('IncorrectInstanceState');
    });

    run('an instant fleet gives an instance of its pool, tagged', async () => {
      const op = unique('op');
      const made = await ec2.createFleet(await fleet({ TagSpecifications: [tags('instance', op)] }));
      expect(made.FleetId).toMatch(/^fleet-/);
      expect(made.Errors ?? []).toEqual([]);
      expect(made.Instances).toMatchObject([
        {
          Lifecycle: 'spot',
          InstanceType: 't3a.large',
          InstanceIds: [expect.stringMatching(/^i-/)],
          LaunchTemplateAndOverrides: { Overrides: { InstanceType: 't3a.large', SubnetId: subject.subnets[0].id } },
        },
      ]);
      const id = made.Instances?.[0]?.InstanceIds?.[0] ?? '';
      const found = await instance(id);
      expect(found).toMatchObject({ InstanceLifecycle: 'spot', SubnetId: subject.subnets[0].id });
      expect(found?.Tags).toContainEqual({ Key: 'devctl:op', Value: op });
      await terminated(id);
    });

    run('a spot instance names its request', async () => {
      const id = (await ec2.createFleet(await fleet())).Instances?.[0]?.InstanceIds?.[0] ?? '';
      const SpotInstanceRequestIds = [(await instance(id))?.SpotInstanceRequestId ?? ''];
      const { SpotInstanceRequests = [] } = await ec2.describeSpotInstanceRequests({ SpotInstanceRequestIds });
      expect(SpotInstanceRequests).toMatchObject([{ InstanceId: id, State: 'active' }]);
    });

    run('an on-demand fleet gives an on-demand instance', async () => {
      const TargetCapacitySpecification = { TotalTargetCapacity: 1, DefaultTargetCapacityType: 'on-demand' as const };
      const made = await ec2.createFleet(await fleet({ TargetCapacitySpecification }));
      expect(made.Instances).toMatchObject([{ Lifecycle: 'on-demand' }]);
      const id = made.Instances?.[0]?.InstanceIds?.[0] ?? '';
      expect((await instance(id))?.InstanceLifecycle).toBeUndefined();
      await terminated(id);
    });

    run('the workspace rides on the fleet', async () => {
      const op = unique('op');
      const source = await snapshot(await volume());
      const Ebs = { SnapshotId: source, DeleteOnTermination: false };
      const request = await fleet({ TagSpecifications: [tags('instance', op), tags('volume', op)] });
      for (const config of request.LaunchTemplateConfigs ?? [])
        for (const override of config.Overrides ?? []) override.BlockDeviceMappings = [{ DeviceName: DEVICE, Ebs }];
      const id = (await ec2.createFleet(request)).Instances?.[0]?.InstanceIds?.[0] ?? '';
      await subject.until(async () => (await instanceState(id)) === 'running');
      const { Volumes = [] } = await ec2.describeVolumes({ Filters: [...withTag(op), { Name: 'snapshot-id', Values: [source] }] });
      expect(Volumes).toMatchObject([{ Attachments: [{ InstanceId: id, Device: DEVICE, DeleteOnTermination: false }] }]);
      await terminated(id);
      await subject.until(async () => (await volumeState(Volumes[0]?.VolumeId ?? '')) === 'available');
    });

    run('a token makes one thing, and with other parameters none', async () => {
      const create = { AvailabilityZone: subject.subnets[0].az, Size: 4, ClientToken: unique('token') };
      const [first, second] = [await ec2.createVolume(create), await ec2.createVolume(create)];
      expect(second.VolumeId).toBe(first.VolumeId);
      expect(await refused(ec2.createVolume({ ...create, Size: 5 }))).toBe('IdempotentParameterMismatch');
    });

    run('a token makes one fleet', async () => {
      const request = await fleet();
      const [one, two] = [await ec2.createFleet(request), await ec2.createFleet(request)];
      expect(two.Instances?.[0]?.InstanceIds).toEqual(one.Instances?.[0]?.InstanceIds);
    });

    run('a volume is copied', async () => {
      const source = await volume();
      const { Volumes = [] } = await ec2.copyVolumes({ SourceVolumeId: source });
      expect(Volumes).toMatchObject([{ SourceVolumeId: source, Size: 4 }]);
    });

    run('tags are added and replaced', async () => {
      const id = await volume({ TagSpecifications: [tags('volume', 'first')] });
      await ec2.createTags({
        Resources: [id],
        Tags: [
          { Key: 'devctl:op', Value: 'second' },
          { Key: 'more', Value: '' },
        ],
      });
      const { Volumes = [] } = await ec2.describeVolumes({ VolumeIds: [id] });
      expect(Object.fromEntries((Volumes[0]?.Tags ?? []).map(({ Key, Value }) => [Key, Value]))).toEqual({
        'devctl:op': 'second',
        'devctl:kind': 'suite',
        more: '',
      });
      await ec2.deleteVolume({ VolumeId: id });
    });

    run('tags of what is not there are refused', async () => {
      const Tags = [{ Key: 'k', Value: 'v' }];
      expect(await refused(ec2.createTags({ Resources: [NO_VOLUME], Tags }))).toBe('InvalidVolume.NotFound');
    });

    run('reserved tags are refused', async () => {
      const id = await volume();
      expect(await refused(ec2.createTags({ Resources: [id], Tags: [{ Key: 'aws:k', Value: 'v' }] }))).toBe('InvalidParameterValue');
      await ec2.deleteVolume({ VolumeId: id });
    });

    run('a long list comes in pages, and they are whole together', async () => {
      const op = unique('op');
      const ids: string[] = [];
      for (let n = 0; n < 7; n += 1)
        ids.push((await launch({ TagSpecifications: [tags('instance', op)] })).Instances?.[0]?.InstanceId ?? '');
      const seen: string[] = [];
      let NextToken: string | undefined;
      let pages = 0;
      do {
        const page = await ec2.describeInstances({ Filters: withTag(op), MaxResults: 5, ...(NextToken && { NextToken }) });
        seen.push(...(page.Reservations ?? []).flatMap(({ Instances = [] }) => Instances.map(({ InstanceId }) => InstanceId ?? '')));
        NextToken = page.NextToken;
        pages += 1;
      } while (NextToken !== undefined);
      expect(seen.sort()).toEqual(ids.sort());
      expect(pages).toBeGreaterThan(1);
      await ec2.terminateInstances({ InstanceIds: ids });
    });

    run('a dry run of what may be done says so, and does nothing', async () => {
      const before = (await ec2.describeVolumes({ Filters: withTag('dry') })).Volumes ?? [];
      const create = { AvailabilityZone: subject.subnets[0].az, Size: 4, TagSpecifications: [tags('volume', 'dry')] };
      expect(await refused(ec2.createVolume({ ...create, DryRun: true }))).toBe('DryRunOperation');
      expect((await ec2.describeVolumes({ Filters: withTag('dry') })).Volumes ?? []).toEqual(before);
    });

    run('a launch template has one name, and is found by it', async () => {
      const made = await template();
      const LaunchTemplateName = made?.LaunchTemplateName ?? '';
      expect(made).toMatchObject({ LaunchTemplateId: expect.stringMatching(/^lt-/), DefaultVersionNumber: 1, LatestVersionNumber: 1 });
      const { LaunchTemplates = [] } = await ec2.describeLaunchTemplates({ LaunchTemplateNames: [LaunchTemplateName] });
      expect(LaunchTemplates.map(({ LaunchTemplateId }) => LaunchTemplateId)).toEqual([made?.LaunchTemplateId]);
      const again = ec2.createLaunchTemplate({ LaunchTemplateName, LaunchTemplateData: { ImageId: subject.imageId } });
      expect(await refused(again)).toBe('InvalidLaunchTemplateName.AlreadyExistsException');
    });

    run('images, subnets, types and prices can be looked up', async () => {
      const { Images = [] } = await ec2.describeImages({ ImageIds: [subject.imageId] });
      expect(Images).toMatchObject([{ ImageId: subject.imageId, State: 'available', Architecture: 'x86_64' }]);
      const { Subnets = [] } = await ec2.describeSubnets({ Filters: [{ Name: 'availability-zone', Values: [subject.subnets[1].az] }] });
      expect(Subnets.map(({ SubnetId }) => SubnetId)).toContain(subject.subnets[1].id);
      expect(Subnets[0]?.AvailableIpAddressCount).toBeGreaterThan(0);
      const { InstanceTypes = [] } = await ec2.describeInstanceTypes({ InstanceTypes: ['m8g.large'] });
      expect(InstanceTypes).toMatchObject([
        { InstanceType: 'm8g.large', VCpuInfo: { DefaultVCpus: 2 }, ProcessorInfo: { SupportedArchitectures: ['arm64'] } },
      ]);
      const { InstanceTypeOfferings = [] } = await ec2.describeInstanceTypeOfferings({
        LocationType: 'availability-zone',
        Filters: [{ Name: 'instance-type', Values: ['t3a.large'] }],
      });
      expect(InstanceTypeOfferings.map(({ Location }) => Location)).toContain(subject.subnets[0].az);
    });

    run('a command that was never sent has no invocation', async () => {
      const ask = { CommandId: '00000000-0000-0000-0000-000000000000', InstanceId: NO_INSTANCE };
      expect(await refused(subject.ssm.getCommandInvocation(ask))).toBe('InvocationDoesNotExist');
    });
  });
}
