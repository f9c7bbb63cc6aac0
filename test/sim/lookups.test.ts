import { beforeEach, describe, expect, it } from 'vitest';
import { Bench } from './bench.ts';

describe('what a launch is put together from', () => {
  let bench: Bench;
  beforeEach(() => {
    bench = new Bench();
  });

  it('images by owner, tag and id, until one is gone', async () => {
    const image = bench.aws.addImage('arm64', { name: 'devctl-2', tags: { 'devctl:image': '2' } });
    const find = async (input: object) => (await bench.run(bench.ec2.describeImages(input))).Images?.map(({ ImageId }) => ImageId);
    expect(await find({ Owners: ['self'], Filters: [{ Name: 'tag:devctl:image', Values: ['2'] }] })).toEqual([image.id]);
    expect(await find({ Owners: ['amazon'] })).toEqual([]);
    bench.aws.cloud.catalog.images.delete(image.id);
    expect(await bench.refused(bench.ec2.describeImages({ ImageIds: [image.id] }))).toBe('InvalidAMIID.NotFound');
  });

  it('subnets, one in each zone, and what is free in them', async () => {
    await bench.box();
    const { Subnets = [] } = await bench.run(bench.ec2.describeSubnets({}));
    const free = Object.fromEntries(Subnets.map((subnet) => [subnet.AvailabilityZone, subnet.AvailableIpAddressCount]));
    expect(free).toEqual({ 'us-east-1a': 250, 'us-east-1b': 251, 'us-east-1c': 251 });
    bench.aws.cloud.catalog.subnets.clear();
    expect((await bench.run(bench.ec2.describeSubnets({}))).Subnets).toEqual([]);
    const run = { ImageId: bench.image(), InstanceType: 't3a.small', MinCount: 1, MaxCount: 1 } as const;
    expect(await bench.refused(bench.ec2.runInstances(run))).toBe('MissingInput');
  });

  it('types and where they are on offer', async () => {
    bench.aws.cloud.pools.notOffered.add('m8g.large us-east-1c');
    const { InstanceTypes = [] } = await bench.run(bench.ec2.describeInstanceTypes({ InstanceTypes: ['m8g.large'] }));
    expect(InstanceTypes).toMatchObject([{ VCpuInfo: { DefaultVCpus: 2 }, ProcessorInfo: { SupportedArchitectures: ['arm64'] } }]);
    const { InstanceTypeOfferings = [] } = await bench.run(
      bench.ec2.describeInstanceTypeOfferings({
        LocationType: 'availability-zone',
        Filters: [{ Name: 'instance-type', Values: ['m8g.l*'] }],
      }),
    );
    expect(InstanceTypeOfferings.map(({ Location }) => Location)).toEqual(['us-east-1a', 'us-east-1b']);
    expect(await bench.refused(bench.ec2.describeInstanceTypes({ InstanceTypes: ['z9.huge' as 't3a.small'] }))).toBe('InvalidInstanceType');
  });

  it('templates, one for each name', async () => {
    const make = (ClientToken: string) =>
      bench.ec2.createLaunchTemplate({ LaunchTemplateName: 'one', LaunchTemplateData: { ImageId: 'ami-1' }, ClientToken });
    const first = await bench.run(make('token'));
    expect(await bench.run(make('token'))).toEqual(first);
    expect(await bench.refused(make('other'))).toBe('InvalidLaunchTemplateName.AlreadyExistsException');
    const { LaunchTemplates = [] } = await bench.run(bench.ec2.describeLaunchTemplates({ LaunchTemplateNames: ['one'] }));
    expect(LaunchTemplates.map(({ LaunchTemplateId }) => LaunchTemplateId)).toEqual([first.LaunchTemplate?.LaunchTemplateId]);
    const none = bench.ec2.describeLaunchTemplates({ LaunchTemplateNames: ['two'] });
    expect(await bench.refused(none)).toBe('InvalidLaunchTemplateName.NotFoundException');
  });
});

describe('Systems Manager', () => {
  it('reaches a machine once its agent is online, late and never before', async () => {
    const bench = new Bench();
    const run: string[] = [];
    bench.aws.cloud.catalog.parameters.set('/devctl/image', 'ami-1');
    const box = await bench.box();
    Object.assign(box.machine, {
      command: (document: string, parameters: Record<string, string[]>) => {
        run.push(`${document} ${parameters['commands']?.[0]}`);
        return 'done';
      },
    });
    const { ssm } = bench.aws;
    const send = () => ssm.sendCommand({ DocumentName: 'AWS-RunShellScript', InstanceIds: [box.id], Parameters: { commands: ['true'] } });
    const status = async () => (await bench.run(ssm.getConnectionStatus({ Target: box.id }))).Status;
    expect([await status(), await bench.refused(send()), await bench.refused(ssm.startSession({ Target: box.id }))]).toEqual([
      'notconnected',
      'InvalidInstanceId',
      'TargetNotConnected',
    ]);
    await bench.clock.pass(400_000);
    expect(await status()).toBe('connected');
    const { Command } = await bench.run(send());
    await bench.run(send());
    await bench.clock.pass(5000);
    expect(run).toHaveLength(2);
    const answer = await bench.run(ssm.getCommandInvocation({ CommandId: Command?.CommandId, InstanceId: box.id }));
    expect(answer).toMatchObject({ Status: 'Success', ResponseCode: 0, StandardOutputContent: 'done' });
    const other = ssm.getCommandInvocation({ CommandId: Command?.CommandId, InstanceId: 'i-0' });
    expect(await bench.refused(other)).toBe('InvocationDoesNotExist');
    const session = await bench.run(ssm.startSession({ Target: box.id }));
    expect(await bench.run(ssm.terminateSession({ SessionId: session.SessionId }))).toEqual({ SessionId: session.SessionId });
    expect((await bench.run(ssm.getParameter({ Name: '/devctl/image' }))).Parameter?.Value).toBe('ami-1');
    expect(await bench.refused(ssm.getParameter({ Name: '/none' }))).toBe('ParameterNotFound');
  });
});
