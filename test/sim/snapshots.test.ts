import { beforeEach, describe, expect, it } from 'vitest';
import { Bench, type Box } from './bench.ts';
import { textsOf } from './disks.ts';

const GIB = 1024 ** 3;

describe('snapshots', () => {
  let bench: Bench;
  let box: Box;
  beforeEach(async () => {
    bench = new Bench();
    box = await bench.box();
  });
  const take = async () => (await bench.run(bench.ec2.createSnapshot({ VolumeId: box.volumeId }))).SnapshotId ?? '';
  const get = (id: string) => bench.aws.cloud.snapshots.get(id);
  const over = async (id: string) => bench.clock.until(() => get(id)?.state !== 'pending');
  const content = (id: string) => textsOf(get(id)?.image.files ?? {});

  it('have what was on the volume when they were asked for, and nothing of the page cache', async () => {
    box.machine.write('a', '1');
    box.machine.flush();
    box.machine.write('a', '2');
    const id = await take();
    box.machine.flush();
    await over(id);
    expect(get(id)?.state).toBe('completed');
    expect(content(id)).toEqual({ a: '1' });
  });

  it('take longer for more that is new, and only for that', async () => {
    const tookMs = async () => {
      const id = await take();
      const { startedAtMs = 0, endsAtMs = 0 } = get(id) ?? {};
      await over(id);
      await bench.clock.pass(15_000);
      return endsAtMs - startedAtMs;
    };
    box.machine.write('big', '', 40 * GIB);
    box.machine.flush();
    const full = await tookMs();
    const unchanged = await tookMs();
    expect(full).toBeGreaterThan(40 * 12_000);
    expect(unchanged).toBeLessThan(130_000);
    // Two snapshots, one copy of the blocks.
    expect(bench.aws.cloud.meter.spentUsd.snapshot).toBeGreaterThan(0);
    const before = bench.aws.cloud.meter.usdPerHour;
    await tookMs();
    expect(bench.aws.cloud.meter.usdPerHour).toBeCloseTo(before, 10);
  });

  it('are spaced, and only a few of one volume may be pending, failed, or deleted too early', async () => {
    const first = await take();
    expect(await bench.refused(take())).toBe('SnapshotCreationPerVolumeRateExceeded');
    await over(first);
    bench.aws.cloud.faults.rates.errorPerSnapshot = 1;
    for (let n = 0; n < 5; n += 1) {
      await bench.clock.pass(15_000);
      const failed = await take();
      await over(failed);
      expect(get(failed)?.state).toBe('error');
      if (n === 4) {
        await bench.clock.pass(15_000);
        expect(await bench.refused(take())).toBe('ConcurrentSnapshotLimitExceeded');
        await bench.run(bench.ec2.deleteSnapshot({ SnapshotId: failed }));
        expect(await bench.refused(take())).toBe('not refused');
      }
    }
  });

  it('that are pending can neither be restored nor launched from, and then can', async () => {
    box.machine.write('a', '1');
    box.machine.flush();
    const id = await take();
    const restore = { AvailabilityZone: 'us-east-1b', SnapshotId: id };
    expect(await bench.refused(bench.ec2.createVolume(restore))).toBe('IncorrectState');
    const mapping = { DeviceName: '/dev/sdf', Ebs: { SnapshotId: id, DeleteOnTermination: false } };
    const launch = await bench.fleet([{ InstanceType: 't3a.large', SubnetId: bench.subnet('us-east-1b'), BlockDeviceMappings: [mapping] }]);
    const { Instances, Errors } = await bench.run(bench.ec2.createFleet(launch));
    expect([Instances, Errors?.map(({ ErrorCode }) => ErrorCode)]).toEqual([[], ['IncorrectState']]);
    await over(id);
    const next = await bench.box({}, { SubnetId: bench.subnet('us-east-1b'), BlockDeviceMappings: [mapping] });
    expect(next.machine.files()).toEqual({ a: '1' });
  });

  it('end in error when their volume is deleted before they are complete', async () => {
    box.machine.quiesce();
    const id = await take();
    bench.aws.hands.deleteVolume(box.volumeId);
    await bench.clock.pass(3_600_000);
    expect(get(id)?.state).toBe('error');
  });

  it('of another account are not to be seen, unless they are shared', async () => {
    const image = { fileSystem: 'workspace', files: {}, damaged: false };
    const foreign = bench.aws.addSnapshot({ ownerId: '999999999999', image });
    const shared = bench.aws.addSnapshot({ ownerId: '999999999999', shared: true, image });
    const list = async (input: object) =>
      (await bench.run(bench.ec2.describeSnapshots(input))).Snapshots?.map(({ SnapshotId }) => SnapshotId) ?? [];
    expect(await list({})).not.toContain(foreign.id);
    expect(await list({})).toContain(shared.id);
    expect(await list({ OwnerIds: ['self'] })).not.toContain(shared.id);
    const restore = (id: string) => bench.ec2.createVolume({ AvailabilityZone: 'us-east-1a', SnapshotId: id });
    expect(await bench.refused(restore(foreign.id))).toBe('InvalidSnapshot.NotFound');
    expect(await bench.refused(restore(shared.id))).toBe('not refused');
    expect(await bench.refused(bench.ec2.deleteSnapshot({ SnapshotId: shared.id }))).toBe('InvalidSnapshot.NotFound');
  });

  it('of an image stay, and others go', async () => {
    const root = [...bench.aws.cloud.catalog.images.values()][0]?.rootSnapshotId;
    expect(await bench.refused(bench.ec2.deleteSnapshot({ SnapshotId: root }))).toBe('InvalidSnapshot.InUse');
    const id = await take();
    await over(id);
    await bench.run(bench.ec2.deleteSnapshot({ SnapshotId: id }));
    expect(await bench.refused(bench.ec2.deleteSnapshot({ SnapshotId: id }))).toBe('InvalidSnapshot.NotFound');
  });

  it('twice without a token are two', async () => {
    bench.aws.cloud.faults.lose('createSnapshot');
    await bench.refused(take());
    await bench.clock.pass(15_000);
    await take();
    const { Snapshots = [] } = await bench.run(bench.ec2.describeSnapshots({ Filters: [{ Name: 'volume-id', Values: [box.volumeId] }] }));
    expect(Snapshots).toHaveLength(2);
  });
});
