import { beforeEach, describe, expect, it } from 'vitest';
import { EC2_LIMITS } from '../../launcher/providers/ec2/limits.ts';
import { Ec2Bench, type Up } from './ec2-bench.ts';

describe('a volume that hangs on its way off a box', () => {
  let bench: Ec2Bench;
  let first: Up;
  beforeEach(async () => {
    bench = await Ec2Bench.open();
    first = await bench.bring(bench.request());
    const machine = await bench.ready(first.box);
    machine.write('a', '1');
    machine.flush();
  });
  const attachment = () => bench.aws.cloud.volumes.get(first.volumeId)?.attachment;
  const detaches = () =>
    bench.aws.cloud.ledger.of('detachVolume').map(({ input, atMs }) => ({ atMs, force: (input as { Force?: boolean }).Force === true }));
  const hanging = async () => {
    await bench.clock.until(() => attachment()?.hangs === true, 600_000);
    bench.aws.cloud.faults.rates.stuckPerDetach = 0;
    bench.aws.cloud.faults.rates.stuckPerEnd = 0;
  };

  it.each(['stuckPerDetach', 'stuckPerEnd'] as const)(
    'after its box has ended (%s) is taken by force after a minute, and the next box has every byte',
    async (rate) => {
      bench.aws.cloud.faults.rates[rate] = 1;
      if (rate === 'stuckPerDetach') await bench.provider.quiesce(first.box, 'quiet');
      await bench.provider.end(first.box);
      await hanging();
      const sinceMs = bench.clock.now();
      const second = await bench.bring(bench.next(first));
      expect(second.volumeId).toBe(first.volumeId);
      expect((await bench.ready(second.box)).files()).toEqual({ a: '1' });
      const forced = detaches().filter(({ force }) => force);
      expect(forced).toHaveLength(1);
      expect((forced[0]?.atMs ?? 0) - sinceMs).toBeGreaterThanOrEqual(EC2_LIMITS.detachMs);
      expect((forced[0]?.atMs ?? 0) - sinceMs).toBeLessThan(EC2_LIMITS.detachMs + 20_000);
      expect(bench.aws.cloud.violations).toEqual([]);
    },
  );

  it('comes off by itself when it does within the minute: nothing is forced', async () => {
    bench.aws.cloud.faults.rates.stuckPerEnd = 1;
    await bench.provider.end(first.box);
    await hanging();
    bench.clock.after(EC2_LIMITS.detachMs / 2, () => bench.aws.unstick(first.volumeId));
    const second = await bench.bring(bench.next(first));
    expect((await bench.ready(second.box)).files()).toEqual({ a: '1' });
    expect(detaches().filter(({ force }) => force)).toEqual([]);
  });

  it('is never taken by force from a box that runs', async () => {
    bench.aws.cloud.faults.rates.stuckPerDetach = 1;
    await bench.clock.run(bench.aws.ec2.detachVolume({ VolumeId: first.volumeId }));
    await hanging();
    await expect(bench.clock.run(Promise.race([bench.bring(bench.next(first)), bench.clock.sleep(300_000)]))).resolves.toBeUndefined();
    expect(detaches().filter(({ force }) => force)).toEqual([]);
    expect((await bench.ready(first.box)).read('a')).toBe('1');
  });

  it('of a workspace that is gone is freed by force as well, and deleted', async () => {
    bench.aws.cloud.faults.rates.stuckPerEnd = 1;
    await bench.provider.end(first.box);
    await hanging();
    const tries: string[] = [];
    for (let n = 0; n < 10 && tries.at(-1) !== 'gone'; n += 1) {
      tries.push(
        await bench.provider.dropVolume(first.volumeId).then(
          () => 'gone',
          (error: { kind: string }) => error.kind,
        ),
      );
      await bench.clock.pass(30_000);
    }
    expect(tries.slice(0, -1).every((kind) => kind === 'busy')).toBe(true);
    expect(tries.at(-1)).toBe('gone');
  });
});
