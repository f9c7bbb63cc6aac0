import { beforeEach, describe, expect, it } from 'vitest';
import { Bench, DEVICE } from './bench.ts';
import { textsOf } from './disks.ts';

const GIB = 1024 ** 3;

describe('volumes', () => {
  let bench: Bench;
  beforeEach(() => {
    bench = new Bench();
  });
  const create = async (az = 'us-east-1a', patch = {}) => {
    const made = await bench.run(bench.ec2.createVolume({ AvailabilityZone: az, Size: 10, VolumeType: 'gp3', ...patch }));
    return made.VolumeId ?? '';
  };
  const state = (id: string) => bench.aws.cloud.volumes.get(id)?.state;
  const available = async (id: string) => bench.clock.until(() => state(id) === 'available');

  it('are created within seconds, and gone after they are deleted', async () => {
    const id = await create();
    expect(state(id)).toBe('creating');
    const fromMs = bench.clock.now();
    await available(id);
    expect(bench.clock.now() - fromMs).toBeLessThan(10_000);
    await bench.run(bench.ec2.deleteVolume({ VolumeId: id }));
    await bench.clock.pass(20_000);
    expect(await bench.refused(bench.ec2.deleteVolume({ VolumeId: id }))).toBe('InvalidVolume.NotFound');
    expect(await bench.refused(bench.ec2.describeVolumes({ VolumeIds: [id] }))).toBe('InvalidVolume.NotFound');
  });

  it('are made once for each token, and not with other parameters', async () => {
    const input = { AvailabilityZone: 'us-east-1a', Size: 10, ClientToken: 'one' };
    const [first, second] = await bench.run(Promise.all([bench.ec2.createVolume(input), bench.ec2.createVolume(input)]));
    expect(second.VolumeId).toBe(first.VolumeId);
    expect(await bench.refused(bench.ec2.createVolume({ ...input, Size: 11 }))).toBe('IdempotentParameterMismatch');
    const other = await bench.run(bench.ec2.createVolume({ ...input, ClientToken: 'two' }));
    expect(other.VolumeId).not.toBe(first.VolumeId);
  });

  it('a token of a call that was refused is not used up', async () => {
    const input = { AvailabilityZone: 'us-east-1a', Size: 10, ClientToken: 'one' };
    bench.aws.cloud.pools.quotas.volumeGiB = 5;
    expect(await bench.refused(bench.ec2.createVolume(input))).toBe('VolumeLimitExceeded');
    bench.aws.cloud.pools.quotas.volumeGiB = 50;
    expect((await bench.run(bench.ec2.createVolume(input))).VolumeId).toMatch(/^vol-/);
  });

  it('go on and off instances of their own zone, one at a time', async () => {
    const box = await bench.box();
    const id = await create();
    const attach = { VolumeId: id, InstanceId: box.id, Device: '/dev/sdg' };
    expect(await bench.refused(bench.ec2.attachVolume(attach))).toBe('IncorrectState');
    await available(id);
    expect((await bench.run(bench.ec2.attachVolume(attach))).State).toBe('attaching');
    expect(await bench.refused(bench.ec2.attachVolume(attach))).toBe('VolumeInUse');
    expect(await bench.refused(bench.ec2.deleteVolume({ VolumeId: id }))).toBe('VolumeInUse');
    await bench.clock.until(() => bench.aws.cloud.volumes.get(id)?.attachment?.state === 'attached');
    const instance = (await bench.run(bench.ec2.describeInstances({ InstanceIds: [box.id] }))).Reservations?.[0]?.Instances?.[0];
    expect(instance?.BlockDeviceMappings?.map(({ Ebs }) => Ebs?.VolumeId)).toContain(id);
    expect((await bench.run(bench.ec2.detachVolume({ VolumeId: id }))).State).toBe('detaching');
    await available(id);
    expect(await bench.refused(bench.ec2.detachVolume({ VolumeId: id }))).toBe('IncorrectState');

    const far = await create('us-east-1b');
    await available(far);
    expect(await bench.refused(bench.ec2.attachVolume({ ...attach, VolumeId: far }))).toBe('InvalidVolume.ZoneMismatch');
    expect(await bench.refused(bench.ec2.attachVolume({ ...attach, VolumeId: id, Device: DEVICE }))).toBe('InvalidParameterValue');
  });

  it('stay busy while they are mounted, and lose the page cache when they are taken by force', async () => {
    const box = await bench.box();
    box.machine.write('kept', '1');
    box.machine.flush();
    box.machine.write('lost', '1');
    await bench.run(bench.ec2.detachVolume({ VolumeId: box.volumeId }));
    await bench.clock.pass(600_000);
    expect(bench.aws.cloud.volumes.get(box.volumeId)?.attachment?.state).toBe('detaching');
    await bench.run(bench.ec2.detachVolume({ VolumeId: box.volumeId, Force: true }));
    await available(box.volumeId);
    expect(textsOf(bench.aws.cloud.volumes.get(box.volumeId)?.disk.image.files ?? {})).toEqual({ kept: '1' });
    expect(() => box.machine.write('more', '1')).toThrow(/EIO/);
  });

  it('may hang on their way on', async () => {
    const box = await bench.box();
    const id = await create();
    await available(id);
    bench.aws.cloud.faults.rates.stuckPerAttach = 1;
    await bench.run(bench.ec2.attachVolume({ VolumeId: id, InstanceId: box.id, Device: '/dev/sdg' }));
    await bench.clock.pass(3_600_000);
    expect(bench.aws.cloud.volumes.get(id)?.attachment?.state).toBe('attaching');
    bench.aws.unstick(id);
    expect(bench.aws.cloud.volumes.get(id)?.attachment?.state).toBe('attached');
  });

  it('are copied in their zone at once, as they are on the disk, and a few at a time', async () => {
    const box = await bench.box();
    box.machine.write('flushed', '1');
    box.machine.flush();
    box.machine.write('cached', '1');
    const copy = { SourceVolumeId: box.volumeId, ClientToken: 'copy' };
    const made = await bench.run(bench.ec2.copyVolumes(copy));
    const [volume] = made.Volumes ?? [];
    expect(volume).toMatchObject({ AvailabilityZone: 'us-east-1a', Size: 10, SourceVolumeId: box.volumeId });
    expect(await bench.run(bench.ec2.copyVolumes(copy))).toEqual(made);
    const id = volume?.VolumeId ?? '';
    expect(textsOf(bench.aws.cloud.volumes.get(id)?.disk.image.files ?? {})).toEqual({ flushed: '1' });
    await bench.run(Promise.all([2, 3, 4, 5].map((n) => bench.ec2.copyVolumes({ ...copy, ClientToken: `copy ${n}` }))));
    expect(await bench.refused(bench.ec2.copyVolumes({ ...copy, ClientToken: 'copy 6' }))).toBe('CopyVolumesLimitExceeded');
    expect(await bench.refused(bench.ec2.copyVolumes({ SourceVolumeId: id }))).not.toBe('not refused');
    // 10 GiB at 125 MiB/s
    await bench.clock.pass(90_000);
    expect(await bench.refused(bench.ec2.copyVolumes({ ...copy, ClientToken: 'copy 6' }))).toBe('not refused');
    expect(await bench.refused(bench.ec2.copyVolumes({ ...copy, Size: 5, ClientToken: 'small' }))).toBe('InvalidParameterValue');
  });

  it('of a disabled key never come up', async () => {
    bench.aws.cloud.catalog.disabledKeys.add('key-1');
    const id = await create('us-east-1a', { Encrypted: true, KmsKeyId: 'key-1' });
    await bench.clock.pass(10_000);
    expect(state(id)).toBe('error');
  });

  it('from a snapshot read slowly until they are hydrated, and the paid rate is faster and costs', async () => {
    const files = { big: { text: '', bytes: 4 * GIB, version: 1 } };
    const snapshot = bench.aws.addSnapshot({ volumeSizeGiB: 8, image: { fileSystem: 'workspace', files, damaged: false } });
    const slow = bench.aws.cloud.volumes.get(await create('us-east-1a', { SnapshotId: snapshot.id }));
    const fast = bench.aws.cloud.volumes.get(await create('us-east-1a', { SnapshotId: snapshot.id, VolumeInitializationRate: 300 }));
    expect(slow?.hydratedAtMs).toBeGreaterThan(fast?.hydratedAtMs ?? 0);
    // 8 GiB at 300 MiB/s, whatever is used of them
    expect((fast?.hydratedAtMs ?? 0) - (fast?.createdAtMs ?? 0)).toBeCloseTo((8 * 1024 * 1000) / 300, 0);
    expect(bench.aws.cloud.meter.spentUsd.initialization).toBeCloseTo(8 * 0.0036);
    for (const VolumeInitializationRate of [99, 301])
      expect(await bench.refused(create('us-east-1a', { SnapshotId: snapshot.id, VolumeInitializationRate }))).toBe(
        'InvalidParameterValue',
      );
    expect(await bench.refused(create('us-east-1a', { VolumeInitializationRate: 100 }))).toBe('InvalidParameterCombination');
    bench.aws.cloud.faults.rates.noCapacityPerLaunch = 1;
    const wanted = { SnapshotId: snapshot.id, VolumeInitializationRate: 100 };
    expect(await bench.refused(create('us-east-1a', wanted))).toBe('InsufficientVolumeCapacity');
  });

  it('say no to what cannot be', async () => {
    const inputs = [
      [{ AvailabilityZone: 'us-east-1z', Size: 1 }, 'InvalidZone.NotFound'],
      [{ AvailabilityZone: 'us-east-1a' }, 'MissingParameter'],
      [{ AvailabilityZone: 'us-east-1a', Size: 0 }, 'InvalidParameterValue'],
      [{ AvailabilityZone: 'us-east-1a', SnapshotId: 'snap-0123456789abcdef0' }, 'InvalidSnapshot.NotFound'],
    ] as const;
    for (const [input, code] of inputs) expect(await bench.refused(bench.ec2.createVolume(input))).toBe(code);
    expect(await bench.refused(bench.ec2.deleteVolume({ VolumeId: '../etc' }))).toBe('InvalidParameterValue');
  });
});
