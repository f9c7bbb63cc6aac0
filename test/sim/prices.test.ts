import { describe, expect, it } from 'vitest';
import { Bench } from './bench.ts';

const HOUR_MS = 3_600_000;

describe('the meter', () => {
  it('charges instances while they run, and volumes while they are there', async () => {
    const bench = new Bench();
    const { meter } = bench.aws.cloud;
    const box = await bench.box({ TargetCapacitySpecification: { TotalTargetCapacity: 1, DefaultTargetCapacityType: 'on-demand' } });
    const before = meter.spentUsd;
    await bench.clock.pass(10 * HOUR_MS);
    const after = meter.spentUsd;
    // t3a.large on demand, a root of 8 GiB and a workspace of 10
    expect(after.instance - before.instance).toBeCloseTo(0.752, 6);
    expect(after.volume - before.volume).toBeCloseTo((18 * 0.08 * 10) / 730, 6);
    expect(after.publicIp).toBe(0);
    await bench.run(bench.ec2.terminateInstances({ InstanceIds: [box.id] }));
    const ended = meter.spentUsd.instance;
    await bench.clock.pass(HOUR_MS);
    expect(meter.spentUsd.instance).toBe(ended);
    // The root is gone; the workspace is kept, and paid for.
    expect(meter.usdPerHour).toBeCloseTo((10 * 0.08) / 730, 9);
    await bench.run(bench.ec2.deleteVolume({ VolumeId: box.volumeId }));
    expect(meter.usdPerHour).toBe(0);
  });

  it('charges a public address, and spot less than on demand', async () => {
    const bench = new Bench();
    const data = { ImageId: bench.image(), NetworkInterfaces: [{ DeviceIndex: 0, AssociatePublicIpAddress: true }] };
    const made = await bench.run(bench.ec2.createLaunchTemplate({ LaunchTemplateName: 'public', LaunchTemplateData: data }));
    bench.templateId = made.LaunchTemplate?.LaunchTemplateId ?? '';
    await bench.box();
    const before = bench.aws.cloud.meter.spentUsd;
    await bench.clock.pass(HOUR_MS);
    const after = bench.aws.cloud.meter.spentUsd;
    expect(after.publicIp - before.publicIp).toBeCloseTo(0.005, 9);
    expect(after.instance - before.instance).toBeLessThan(0.0752 / 2);
    expect(after.total).toBeCloseTo(after.instance + after.volume + after.publicIp + after.snapshot + after.initialization, 9);
  });
});
