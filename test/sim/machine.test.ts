import { describe, expect, it } from 'vitest';
import { Bench, DEVICE } from './bench.ts';
import { SimulatedMachine } from './simulated-machine.ts';

describe('the machine of an instance', () => {
  const restored = (id: string) => ({ BlockDeviceMappings: [{ DeviceName: DEVICE, Ebs: { SnapshotId: id, DeleteOnTermination: false } }] });

  it('comes up with its disk, is made quiet, and opens again', async () => {
    const up: string[] = [];
    const bench = new Bench({ machine: { onUp: (machine) => up.push(machine.host.instanceId) } });
    const box = await bench.box();
    expect(up).toEqual([box.id]);
    box.machine.write('a', '1');
    box.machine.quiesce();
    box.machine.quiesce();
    expect(() => box.machine.write('a', '2')).toThrow(/quiet/);
    box.machine.reopen();
    expect(box.machine.read('a')).toBe('1');
  });

  it('knows itself by its metadata and user data', async () => {
    const bench = new Bench();
    const data = { ImageId: bench.image(), UserData: Buffer.from('hello').toString('base64') };
    const made = await bench.run(bench.ec2.createLaunchTemplate({ LaunchTemplateName: 'other', LaunchTemplateData: data }));
    bench.templateId = made.LaunchTemplate?.LaunchTemplateId ?? '';
    const box = await bench.box({ TagSpecifications: [{ ResourceType: 'instance', Tags: [{ Key: 'k', Value: 'v' }] }] });
    const { host } = box.machine;
    expect([host.userData, host.imds.tags(), host.az, host.instanceId]).toEqual(['hello', { k: 'v' }, 'us-east-1a', box.id]);
  });

  it('thaws by itself, and says so', async () => {
    const bench = new Bench();
    const { machine } = await bench.box();
    machine.freeze(10_000);
    machine.write('a', '1');
    expect(machine.read('a')).toBeNull();
    expect(machine.thaw()).toBe(true);
    expect(machine.read('a')).toBe('1');
    machine.freeze(10_000);
    machine.write('a', '2');
    await bench.clock.pass(10_000);
    expect(machine.read('a')).toBe('2');
    expect(machine.thaw()).toBe(false);
  });

  it('mounts a restored disk slowly, a known one at once, and neither damages nor takes another', async () => {
    const bench = new Bench({ machine: { mountBlocks: 100 } });
    const files = { a: { text: '1', bytes: 1024 ** 3, version: 0 } };
    const image = { fileSystem: 'workspace', files, damaged: false };
    const good = bench.aws.addSnapshot({ image });
    const box = await bench.box({}, restored(good.id));
    expect(box.machine.files()).toEqual({ a: '1' });
    const cold = box.machine.host.disk(DEVICE)?.readMs(100) ?? 0;
    await bench.clock.pass(3_600_000);
    expect([cold > 1000, box.machine.host.disk(DEVICE)?.readMs(100)]).toEqual([true, 0]);

    bench.aws.cloud.pools.quotas.spotVcpus = 64;
    for (const bad of [
      { ...image, damaged: true },
      { ...image, fileSystem: 'of somebody else' },
    ]) {
      const snapshot = bench.aws.addSnapshot({ image: bad });
      const request = await bench.fleet([{ InstanceType: 't3a.large', SubnetId: bench.subnet(), ...restored(snapshot.id) }]);
      const made = await bench.run(bench.ec2.createFleet(request));
      const id = made.Instances?.[0]?.InstanceIds?.[0] ?? '';
      await bench.clock.until(() => (bench.aws.machineOf(id) as SimulatedMachine | null)?.state === 'failed');
    }
    expect(bench.aws.cloud.violations).toEqual([]);
  });

  it('waits for a disk that is attached later', async () => {
    const bench = new Bench();
    const request = await bench.fleet([{ InstanceType: 't3a.large', SubnetId: bench.subnet() }]);
    const config = request.LaunchTemplateConfigs?.[0];
    if (config) config.Overrides = [{ InstanceType: 't3a.large', SubnetId: bench.subnet() }];
    const made = await bench.run(bench.ec2.createFleet(request));
    const id = made.Instances?.[0]?.InstanceIds?.[0] ?? '';
    await bench.clock.until(() => bench.aws.machineOf(id) !== null);
    const machine = bench.aws.machineOf(id) as SimulatedMachine;
    await bench.clock.pass(30_000);
    expect(machine.state).toBe('waiting');
    const volume = await bench.run(bench.ec2.createVolume({ AvailabilityZone: 'us-east-1a', Size: 5 }));
    await bench.clock.pass(10_000);
    await bench.run(bench.ec2.attachVolume({ VolumeId: volume.VolumeId, InstanceId: id, Device: DEVICE }));
    await bench.clock.until(() => machine.state === 'ready');
    expect(machine).toBeInstanceOf(SimulatedMachine);
  });
});
