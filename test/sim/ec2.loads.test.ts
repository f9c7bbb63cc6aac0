import { beforeEach, describe, expect, it } from 'vitest';
import type { LaunchUnderway } from '../../launcher/ports/compute.ts';
import { Ec2Bench } from './ec2-bench.ts';

describe('a disk that is read in at a rate that is paid for', () => {
  let bench: Ec2Bench;
  let source: { kind: 'snapshot'; snapshot: { workspaceId: string; id: string } };
  let workspaceId: string;
  beforeEach(async () => {
    bench = await Ec2Bench.open();
    bench.aws.cloud.faults.rates.lagPerLook = 0;
    const up = await bench.bring(bench.request());
    const machine = await bench.ready(up.box);
    machine.write('a', '1');
    machine.flush();
    const request = bench.snapshotRequest(up);
    await bench.provider.snapshot(request);
    await bench.clock.until(() => bench.aws.cloud.snapshots.all().every(({ state }) => state === 'completed'), 600_000);
    await bench.provider.end(up.box);
    await bench.clock.pass(200_000);
    workspaceId = request.ref.workspaceId;
    source = { kind: 'snapshot', snapshot: request.ref };
    bench.provider = bench.another({ volumeInitializationRate: 200 });
  });
  const request = () => bench.request({ source, tags: { workspaceId } });
  const volume = (id: string) => bench.aws.cloud.volumes.get(id);
  const restored = () =>
    bench.aws.cloud.volumes.all().filter(({ snapshotId, attachment }) => snapshotId !== null && attachment?.device !== '/dev/xvda');

  it('is asked for at that rate, says what it costs at most, and has what the snapshot has', async () => {
    const calls = bench.aws.cloud.ledger.mutating.length;
    const up = await bench.bring(request());
    expect(up.description).toMatch(/ · disk read in at 200 MiB\/s for \$0\.\d\d at most$/);
    expect(up.notes).toContainEqual(expect.stringContaining('200 MiB/s'));
    expect(volume(up.volumeId)).toMatchObject({ initializationRate: 200, sizeGiB: 10, type: 'gp3' });
    expect((await bench.ready(up.box)).read('a')).toBe('1');
    expect(bench.aws.cloud.ledger.mutating.length - calls).toBe(3);
    const listed = await bench.provider.list();
    expect(listed.items.find(({ id }) => id === up.volumeId)?.tags).toMatchObject({ workspaceId });
  });

  it.each([
    ['InsufficientVolumeCapacity', 'there is no capacity for it'],
    ['UnsupportedOperation', 'it is not to be had there'],
    ['VolumeInitializationRateLimitExceeded', 'a quota of it is used up'],
  ])('is read in as it is used after %s: %s, and the launch says so', async (code) => {
    bench.aws.cloud.faults.fail('createVolume', { with: code });
    const up = await bench.bring(request());
    expect(up.description).not.toContain('MiB/s');
    expect(up.notes).toContainEqual(expect.stringMatching(`read in as it is used: ${code}`));
    expect(volume(up.volumeId)?.initializationRate).toBeNull();
    expect((await bench.ready(up.box)).read('a')).toBe('1');
    expect(bench.calls('createVolume')).toBe(2);
  });

  it('is made once when the answer is lost, and by a launcher that comes after one that died', async () => {
    bench.aws.cloud.faults.lose('createVolume');
    const ask = request();
    let state: unknown = null;
    const steps: string[] = [];
    for (;;) {
      try {
        // Each step by another launcher, which remembers nothing.
        const answer = await bench.another({ volumeInitializationRate: 200 }).launch({ ...ask, providerState: state });
        if (!answer.underway) break;
        state = (answer as LaunchUnderway).providerState;
        steps.push((state as { step: string }).step);
      } catch (error) {
        expect((error as { kind: string }).kind).toBe('transient');
      }
      await bench.clock.pass(1000);
    }
    expect(steps).toContain('volume');
    expect(restored()).toHaveLength(1);
    expect(bench.alive()).toHaveLength(1);
  });

  it('is found with its machine when the state of the launch was lost', async () => {
    const ask = request();
    const plan = (await bench.provider.launch({ ...ask, providerState: null })) as LaunchUnderway;
    await bench.provider.launch({ ...ask, providerState: plan.providerState });
    const up = await bench.bring(ask);
    expect(bench.alive()).toHaveLength(1);
    expect((await bench.ready(up.box)).read('a')).toBe('1');
  });

  it('leaves no machine behind when no volume may be made at all', async () => {
    bench.aws.cloud.faults.denied.add('createVolume');
    await expect(bench.bring(request())).rejects.toMatchObject({ kind: 'fatal' });
    expect(bench.alive()).toEqual([]);
    bench.aws.cloud.faults.clear();
    bench.aws.cloud.faults.fail('createVolume', { with: 'VolumeLimitExceeded' });
    await expect(bench.bring(request())).rejects.toMatchObject({ kind: 'disk_full' });
    expect(bench.alive()).toEqual([]);
  });

  it('comes to the next box when its machine ends on the way', async () => {
    const ask = request();
    let state: unknown = null;
    for (let step = ''; step !== 'join'; step = (state as { step: string }).step) {
      state = ((await bench.provider.launch({ ...ask, providerState: state })) as LaunchUnderway).providerState;
      await bench.clock.pass(200);
    }
    for (const id of bench.alive()) bench.aws.hands.breakInstance(id);
    const left = await bench.bring({ ...ask, providerState: state });
    const up = await bench.bring(bench.next(left));
    expect(up.volumeId).toBe(left.volumeId);
    expect((await bench.ready(up.box)).read('a')).toBe('1');
  });

  it('is no matter of a new workspace, nor of a volume that is there', async () => {
    const fresh = await bench.bring(bench.request());
    expect(fresh.description).not.toContain('MiB/s');
    expect(bench.calls('createVolume')).toBe(0);
  });
});
