import { beforeEach, describe, expect, it } from 'vitest';
import { Bench } from './bench.ts';
import { textsOf } from './disks.ts';
import type { AwsEvent } from './events.ts';
import { REASONS } from './instances.ts';

const WARNING = 'EC2 Spot Instance Interruption Warning';

describe('what happens without a call', () => {
  let bench: Bench;
  let events: AwsEvent[];
  beforeEach(() => {
    bench = new Bench();
    events = [];
    bench.aws.cloud.events.subscribe((event) => events.push(event));
  });
  const until = (id: string, state: string) => bench.clock.until(() => bench.aws.cloud.instances.get(id)?.state === state);
  const of = (type: string) => events.filter((event) => event['detail-type'] === type);

  it.each([120_000, 5000, 0])(
    'a spot instance is taken back %i ms after its notice, which the metadata and an event tell of',
    async (warningMs) => {
      const box = await bench.box();
      box.machine.write('a', '1');
      box.machine.flush();
      const { imds } = box.machine.host;
      expect([imds.instanceAction(), imds.rebalance()]).toEqual([null, null]);
      const endsAtMs = bench.clock.now() + warningMs;
      bench.aws.hands.interrupt(box.id, { warningMs, doubled: true });
      expect(imds.instanceAction()).toEqual({ action: 'terminate', time: new Date(endsAtMs).toISOString() });
      await until(box.id, 'shutting-down');
      expect(bench.clock.now()).toBe(endsAtMs);
      await until(box.id, 'terminated');
      expect(of(WARNING).map(({ detail }) => detail)).toEqual(Array(2).fill({ 'instance-id': box.id, 'instance-action': 'terminate' }));
      expect(bench.instance(box.id).stateReason).toEqual(REASONS.spot);
      expect(textsOf(bench.aws.cloud.volumes.get(box.volumeId)?.disk.image.files ?? {})).toEqual({ a: '1' });
      const { SpotInstanceRequests = [] } = await bench.run(
        bench.ec2.describeSpotInstanceRequests({ Filters: [{ Name: 'instance-id', Values: [box.id] }] }),
      );
      expect(SpotInstanceRequests.map(({ Status }) => Status?.Code)).toEqual(['instance-terminated-no-capacity']);
    },
  );

  it('a rebalance recommendation may come, and nothing after it', async () => {
    const box = await bench.box();
    bench.aws.hands.recommendRebalance(box.id);
    await bench.clock.pass(600_000);
    expect(box.machine.host.imds.rebalance()).not.toBeNull();
    expect([of('EC2 Instance Rebalance Recommendation').length, bench.instance(box.id).state]).toEqual([1, 'running']);
  });

  it('events may be lost or come twice', async () => {
    const { rates } = bench.aws.cloud.faults;
    const box = await bench.box();
    await bench.clock.pass(60_000);
    events.length = 0;
    rates.doubledPerEvent = 1;
    bench.aws.hands.recommendRebalance(box.id);
    await bench.clock.pass(60_000);
    expect(events).toHaveLength(2);
    rates.lostPerEvent = 1;
    bench.aws.hands.recommendRebalance(box.id);
    await bench.clock.pass(60_000);
    expect(events).toHaveLength(2);
  });

  it('somebody deletes things in the console', async () => {
    const box = await bench.box();
    bench.aws.hands.terminate(box.id);
    bench.aws.hands.deleteVolume(box.volumeId);
    await bench.clock.pass(600_000);
    expect(await bench.refused(bench.ec2.describeVolumes({ VolumeIds: [box.volumeId] }))).toBe('InvalidVolume.NotFound');
    expect(bench.instance(box.id).state).toBe('terminated');
  });

  it('a file system goes bad, and its snapshot with it or not', async () => {
    const box = await bench.box();
    box.machine.quiesce();
    const { SnapshotId: id = '' } = await bench.run(bench.ec2.createSnapshot({ VolumeId: box.volumeId }));
    bench.aws.hands.damageVolume(box.volumeId);
    expect(bench.aws.cloud.snapshots.get(id)?.image.damaged).toBe(false);
    box.machine.reopen();
    expect([box.machine.state, box.machine.problem]).toEqual(['failed', expect.stringMatching(/EUCLEAN/)]);
    bench.aws.hands.damageSnapshot(id);
    expect(bench.aws.cloud.snapshots.get(id)?.image.damaged).toBe(true);
  });

  it('the price of spot moves, and is paid', async () => {
    await bench.box();
    const price = async () =>
      (await bench.run(bench.ec2.describeSpotPriceHistory({ InstanceTypes: ['t3a.large'], AvailabilityZone: 'us-east-1a' })))
        .SpotPriceHistory?.[0]?.SpotPrice;
    expect(Number(await price())).toBeLessThan(0.0752);
    bench.aws.hands.moveSpotPrice('t3a.large', 'us-east-1a', 0.06);
    const before = bench.aws.cloud.meter.spentUsd.instance;
    await bench.clock.pass(3_600_000);
    expect(await price()).toBe('0.060000');
    expect(bench.aws.cloud.meter.spentUsd.instance - before).toBeCloseTo(0.06, 3);
  });

  it('by the rates, boxes are interrupted and break, and their pools get the machine back', async () => {
    bench.aws.cloud.faults.rates.interruptionPerSpotHour = 60;
    bench.aws.cloud.pools.set({ type: 't3a.large', az: 'us-east-1a', market: 'spot' }, 1);
    const box = await bench.box();
    await until(box.id, 'terminated');
    bench.aws.cloud.faults.clear();
    bench.quiet();
    expect((await bench.box()).id).not.toBe(box.id);
  });
});
