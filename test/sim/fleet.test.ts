import type { FleetLaunchTemplateOverridesRequest } from '@aws-sdk/client-ec2';
import { beforeEach, describe, expect, it } from 'vitest';
import { Bench } from './bench.ts';
import { ZONES } from './catalog.ts';

describe('instant fleets', () => {
  let bench: Bench;
  beforeEach(() => {
    bench = new Bench();
    bench.aws.cloud.pools.quotas.spotVcpus = 64;
  });
  const everywhere = (types = ['t3a.large', 'm7a.large']) =>
    types.flatMap((InstanceType) => ZONES.map((az) => ({ InstanceType: InstanceType as 't3a.large', SubnetId: bench.subnet(az) })));
  const create = async (patch = {}, overrides: FleetLaunchTemplateOverridesRequest[] = everywhere()) =>
    bench.run(bench.ec2.createFleet(await bench.fleet(overrides, patch)));

  it('take the cheapest pool that has capacity, and tell why the cheaper ones did not do', async () => {
    const prices = new Map<string, number>();
    for (const { InstanceType: type } of everywhere())
      for (const az of ZONES) prices.set(`${type} ${az}`, bench.aws.cloud.pools.spotUsdPerHour(type, az));
    const order = [...prices].sort((a, b) => a[1] - b[1]).map(([pool]) => pool.split(' ') as [string, string]);
    for (const [type, az] of order.slice(0, 2)) bench.aws.cloud.pools.set({ type, az, market: 'spot' }, 0);
    const { Instances, Errors } = await create();
    expect(Instances).toHaveLength(1);
    expect(Instances?.[0]).toMatchObject({ InstanceType: order[2]?.[0], AvailabilityZone: order[2]?.[1], Lifecycle: 'spot' });
    expect(Errors).toHaveLength(2);
    for (const { ErrorCode } of Errors ?? []) expect(['InsufficientInstanceCapacity', 'UnfulfillableCapacity']).toContain(ErrorCode);
  });

  it('succeed with nothing when no pool has any, and keep to that under the same token', async () => {
    bench.aws.cloud.pools.setAll({ market: 'spot' }, 0, ZONES);
    const request = await bench.fleet(everywhere());
    const first = await bench.run(bench.ec2.createFleet(request));
    expect([first.Instances, first.Errors?.length]).toEqual([[], 6]);
    bench.aws.cloud.pools.setAll({ market: 'spot' }, 9, ZONES);
    expect(await bench.run(bench.ec2.createFleet(request))).toEqual(first);
    expect((await bench.run(bench.ec2.createFleet({ ...request, ClientToken: 'new' }))).Instances).toHaveLength(1);
    const onDemand = { TotalTargetCapacity: 1, DefaultTargetCapacityType: 'on-demand' as const };
    const changed = { ...request, TargetCapacitySpecification: onDemand };
    expect(await bench.refused(bench.ec2.createFleet(changed))).toBe('IdempotentParameterMismatch');
  });

  it('make one box for one token, however often it is asked', async () => {
    const request = await bench.fleet(everywhere());
    const answers = await bench.run(Promise.all([1, 2, 3].map(() => bench.ec2.createFleet(request))));
    expect(new Set(answers.map(({ Instances }) => Instances?.[0]?.InstanceIds?.[0])).size).toBe(1);
    expect(bench.aws.cloud.instances.all()).toHaveLength(1);
  });

  it('stay under the quotas of their market', async () => {
    bench.aws.cloud.pools.quotas.spotVcpus = 3;
    await create();
    const spot = await create();
    expect(new Set(spot.Errors?.map(({ ErrorCode }) => ErrorCode))).toEqual(new Set(['MaxSpotInstanceCountExceeded']));
    bench.aws.cloud.pools.quotas.onDemandVcpus = 0;
    const onDemand = await create({ TargetCapacitySpecification: { TotalTargetCapacity: 1, DefaultTargetCapacityType: 'on-demand' } });
    expect(new Set(onDemand.Errors?.map(({ ErrorCode }) => ErrorCode))).toEqual(new Set(['VcpuLimitExceeded']));
  });

  it('try priorities first on demand, and launch nothing below the least that was asked for', async () => {
    const overrides = [
      { InstanceType: 't3a.large' as const, SubnetId: bench.subnet(), Priority: 2 },
      { InstanceType: 'm7a.large' as const, SubnetId: bench.subnet(), Priority: 1 },
    ];
    const TargetCapacitySpecification = { TotalTargetCapacity: 1, DefaultTargetCapacityType: 'on-demand' as const };
    const OnDemandOptions = { AllocationStrategy: 'prioritized' as const };
    const { Instances } = await create({ TargetCapacitySpecification, OnDemandOptions }, overrides);
    expect(Instances?.[0]).toMatchObject({ InstanceType: 'm7a.large', Lifecycle: 'on-demand' });
    bench.aws.cloud.pools.setAll({}, 0, ZONES);
    const request = await bench.fleet(overrides, { SpotOptions: { MinTargetCapacity: 1 } });
    expect(await bench.refused(bench.ec2.createFleet(request))).toBe('UnfulfillableCapacity');
  });

  it('tell what is wrong with one pool without losing the others', async () => {
    bench.aws.cloud.pools.notOffered.add('t3a.large us-east-1a');
    const full = bench.aws.cloud.catalog.subnets.get(bench.subnet('us-east-1b'));
    if (full) full.freeAddresses = 0;
    const overrides = [...everywhere(['t3a.large']), { InstanceType: 't3a.large' as const, SubnetId: 'subnet-gone' }];
    for (const az of ['us-east-1a', 'us-east-1b', '']) bench.aws.cloud.pools.setSpotPrice('t3a.large', az, 0.001);
    const { Instances, Errors } = await create({}, overrides);
    expect(Instances?.[0]?.AvailabilityZone).toBe('us-east-1c');
    expect(Errors?.map(({ ErrorCode }) => ErrorCode).sort()).toEqual([
      'InsufficientFreeAddressesInSubnet',
      'InvalidSubnetID.NotFound',
      'Unsupported',
    ]);
    const priced = await create({}, [{ InstanceType: 't3a.large', SubnetId: bench.subnet('us-east-1c'), MaxPrice: '0.0001' }]);
    expect(priced.Errors?.map(({ ErrorCode }) => ErrorCode)).toEqual(['SpotMaxPriceTooLow']);
  });

  it('need their template', async () => {
    const request = await bench.fleet(everywhere());
    bench.aws.cloud.catalog.templates.clear();
    expect(await bench.refused(bench.ec2.createFleet(request))).toBe('InvalidLaunchTemplateId.NotFound');
  });

  it('tag what they make', async () => {
    const tags = (ResourceType: 'instance' | 'volume' | 'fleet', Value: string) => ({ ResourceType, Tags: [{ Key: 'devctl:op', Value }] });
    const { Instances } = await create({ TagSpecifications: [tags('instance', 'i'), tags('volume', 'v'), tags('fleet', 'f')] });
    const id = Instances?.[0]?.InstanceIds?.[0] ?? '';
    expect(bench.instance(id).tags).toEqual({ 'devctl:op': 'i' });
    // The root volume is one of its volumes.
    expect(bench.aws.cloud.volumesOf(id).map(({ tags: each }) => each)).toEqual([{ 'devctl:op': 'v' }, { 'devctl:op': 'v' }]);
    const { Volumes = [] } = await bench.run(bench.ec2.describeVolumes({ Filters: [{ Name: 'tag:devctl:op', Values: ['v'] }] }));
    expect(Volumes).toHaveLength(2);
  });
});
