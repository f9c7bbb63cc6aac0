import { beforeEach, describe, expect, it } from 'vitest';
import { Bench } from './bench.ts';
import { textsOf } from './disks.ts';
import { REASONS } from './instances.ts';

describe('instances', () => {
  let bench: Bench;
  beforeEach(() => {
    bench = new Bench();
  });
  const onDemand = { TargetCapacitySpecification: { TotalTargetCapacity: 1, DefaultTargetCapacityType: 'on-demand' as const } };
  const until = (id: string, state: string) => bench.clock.until(() => bench.aws.cloud.instances.get(id)?.state === state);
  const run = (patch = {}) =>
    bench.ec2.runInstances({
      ImageId: bench.image(),
      InstanceType: 't3a.large',
      SubnetId: bench.subnet(),
      MinCount: 1,
      MaxCount: 1,
      ClientToken: 'token',
      ...patch,
    });

  it('pass through pending, run, boot, and keep the workspace when they end', async () => {
    const request = await bench.fleet([{ InstanceType: 't3a.large', SubnetId: bench.subnet() }]);
    const made = await bench.run(bench.ec2.createFleet(request));
    const id = made.Instances?.[0]?.InstanceIds?.[0] ?? '';
    expect(bench.instance(id).state).toBe('pending');
    const fromMs = bench.clock.now();
    await until(id, 'running');
    expect(bench.clock.now() - fromMs).toBeGreaterThan(1000);
    expect(bench.aws.machineOf(id)).toBeNull();
    await bench.clock.until(() => bench.aws.machineOf(id) !== null);
    const [root, workspace] = bench.aws.cloud.volumesOf(id);
    await bench.run(bench.ec2.terminateInstances({ InstanceIds: [id] }));
    expect(bench.aws.machineOf(id)).toBeNull();
    expect(bench.instance(id).state).toBe('shutting-down');
    // Until it is terminated nobody else gets the volume.
    expect(workspace?.state).toBe('in-use');
    await until(id, 'terminated');
    expect(workspace?.state).toBe('available');
    expect(root?.state).toBe('deleting');
    await bench.run(bench.ec2.terminateInstances({ InstanceIds: [id] }));
    await bench.clock.pass(3_700_000);
    expect(await bench.refused(bench.ec2.terminateInstances({ InstanceIds: [id] }))).toBe('InvalidInstanceID.NotFound');
  });

  it('terminate all or none', async () => {
    const box = await bench.box();
    const ids = [box.id, 'i-0123456789abcdef0'];
    expect(await bench.refused(bench.ec2.terminateInstances({ InstanceIds: ids }))).toBe('InvalidInstanceID.NotFound');
    expect(bench.instance(box.id).state).toBe('running');
    expect(await bench.refused(bench.ec2.terminateInstances({ InstanceIds: ['box'] }))).toBe('InvalidInstanceID.Malformed');
  });

  it('lose the page cache and nothing else when the hardware dies', async () => {
    const box = await bench.box();
    box.machine.write('flushed', '1');
    box.machine.flush();
    box.machine.write('cached', '1');
    bench.aws.hands.breakInstance(box.id);
    await until(box.id, 'terminated');
    const volume = bench.aws.cloud.volumes.get(box.volumeId);
    expect([volume?.state, textsOf(volume?.disk.image.files ?? {})]).toEqual(['available', { flushed: '1' }]);
    expect(bench.instance(box.id).stateReason).toEqual(REASONS.hardware);
    expect(box.machine.state).toBe('off');
  });

  it('stop and start again, with their volumes, and with a machine that knows nothing', async () => {
    const box = await bench.box(onDemand);
    box.machine.write('a', '1');
    box.machine.quiesce();
    const hourly = bench.aws.cloud.meter.usdPerHour;
    await bench.run(bench.ec2.stopInstances({ InstanceIds: [box.id] }));
    expect(await bench.refused(bench.ec2.startInstances({ InstanceIds: [box.id] }))).toBe('IncorrectInstanceState');
    await until(box.id, 'stopped');
    expect(bench.aws.cloud.meter.usdPerHour).toBeLessThan(hourly);
    expect(bench.aws.cloud.volumes.get(box.volumeId)?.state).toBe('in-use');
    await bench.run(bench.ec2.startInstances({ InstanceIds: [box.id] }));
    await bench.clock.until(() => bench.aws.machineOf(box.id) !== null);
    await bench.clock.pass(10_000);
    const machine = bench.aws.machineOf(box.id) as typeof box.machine;
    expect(machine).not.toBe(box.machine);
    expect(machine.files()).toEqual({ a: '1' });
  });

  it('of the spot market do not stop, and a start may find no capacity', async () => {
    const spot = await bench.box();
    expect(await bench.refused(bench.ec2.stopInstances({ InstanceIds: [spot.id] }))).toBe('UnsupportedOperation');
    const box = await bench.box(onDemand);
    await bench.run(bench.ec2.stopInstances({ InstanceIds: [box.id] }));
    await until(box.id, 'stopped');
    bench.aws.cloud.pools.set({ type: 't3a.large', az: 'us-east-1a', market: 'on-demand' }, 0);
    expect(await bench.refused(bench.ec2.startInstances({ InstanceIds: [box.id] }))).toBe('InsufficientInstanceCapacity');
    expect(bench.instance(box.id).state).toBe('stopped');
  });

  it('shut down from inside the way they were launched to', async () => {
    const box = await bench.box();
    box.machine.host.shutdown();
    await until(box.id, 'terminated');
    expect(bench.instance(box.id).stateReason).toEqual(REASONS.inside);
    const stays = await bench.run(run());
    const id = stays.Instances?.[0]?.InstanceId ?? '';
    await until(id, 'running');
    await bench.clock.until(() => bench.aws.machineOf(id) !== null);
    (bench.aws.machineOf(id) as typeof box.machine).host.shutdown();
    await until(id, 'stopped');
  });

  it('may die before they run, and leave a volume that nobody asked to keep', async () => {
    bench.aws.cloud.faults.rates.deathPerLaunch = 1;
    const request = await bench.fleet([{ InstanceType: 't3a.large', SubnetId: bench.subnet() }]);
    const made = await bench.run(bench.ec2.createFleet(request));
    const id = made.Instances?.[0]?.InstanceIds?.[0] ?? '';
    const [, workspace] = bench.aws.cloud.volumesOf(id);
    await until(id, 'terminated');
    expect(bench.instance(id).stateReason).toEqual(REASONS.launch);
    expect(workspace?.state).toBe('available');
  });

  it('die at launch when the key of a volume cannot be used', async () => {
    bench.aws.cloud.catalog.disabledKeys.add('key-1');
    const image = { fileSystem: 'workspace', files: {}, damaged: false };
    const snapshot = bench.aws.addSnapshot({ encrypted: true, kmsKeyId: 'key-1', image });
    const mapping = { DeviceName: '/dev/sdf', Ebs: { SnapshotId: snapshot.id, DeleteOnTermination: false } };
    const request = await bench.fleet([{ InstanceType: 't3a.large', SubnetId: bench.subnet(), BlockDeviceMappings: [mapping] }]);
    const made = await bench.run(bench.ec2.createFleet(request));
    const id = made.Instances?.[0]?.InstanceIds?.[0] ?? '';
    await until(id, 'terminated');
    expect(bench.instance(id).stateReason?.Code).toBe('Client.InternalError');
    expect(bench.aws.cloud.volumes.all()).toEqual([]);
  });

  describe('by RunInstances', () => {
    it('are one for each token in a zone, and another one in another zone', async () => {
      const [first, second] = await bench.run(Promise.all([run(), run()]));
      const idOf = (reservation: typeof first) => reservation.Instances?.[0]?.InstanceId ?? '';
      expect(idOf(second)).toBe(idOf(first));
      expect(await bench.refused(run({ InstanceType: 'm7a.large' }))).toBe('IdempotentParameterMismatch');
      const elsewhere = await bench.run(run({ SubnetId: bench.subnet('us-east-1b') }));
      expect(idOf(elsewhere)).not.toBe(idOf(first));
      await bench.run(bench.ec2.terminateInstances({ InstanceIds: [idOf(first)] }));
      expect(await bench.refused(run())).toBe('IdempotentInstanceTerminated');
    });

    it('say no to what cannot be', async () => {
      const snapshot = bench.aws.addSnapshot({ volumeSizeGiB: 20, image: { fileSystem: 'workspace', files: {}, damaged: false } });
      const disk = (Ebs: object) => ({ BlockDeviceMappings: [{ DeviceName: '/dev/sdf', Ebs }] });
      const wishes: Array<[object, string]> = [
        [{ ImageId: 'ami-0123456789abcdef0' }, 'InvalidAMIID.NotFound'],
        [{ ImageId: bench.image('arm64') }, 'InvalidParameterValue'],
        [{ SubnetId: 'subnet-0' }, 'InvalidSubnetID.NotFound'],
        [{ InstanceType: 'z9.huge' }, 'InvalidParameterValue'],
        [disk({ SnapshotId: 'snap-0123456789abcdef0' }), 'InvalidSnapshot.NotFound'],
        [disk({ SnapshotId: snapshot.id, VolumeSize: 10 }), 'InvalidBlockDeviceMapping'],
        [disk({ SnapshotId: snapshot.id, Encrypted: true }), 'InvalidBlockDeviceMapping'],
        [disk({}), 'MissingParameter'],
        [{ TagSpecifications: [{ ResourceType: 'instance', Tags: [{ Key: 'aws:x', Value: '' }] }] }, 'InvalidParameterValue'],
      ];
      for (const [index, [wish, code]] of wishes.entries())
        expect([index, await bench.refused(run({ ...wish, ClientToken: `no ${index}` }))]).toEqual([index, code]);
      const subnet = bench.aws.cloud.catalog.subnets.get(bench.subnet());
      if (subnet) subnet.freeAddresses = 0;
      expect(await bench.refused(run({ ClientToken: 'last' }))).toBe('InsufficientFreeAddressesInSubnet');
      // Nothing was made on the way to a no.
      expect([bench.aws.cloud.instances.all(), bench.aws.cloud.volumes.all()]).toEqual([[], []]);
    });
  });
});
