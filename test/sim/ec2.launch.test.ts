import { beforeEach, describe, expect, it } from 'vitest';
import type { ComputeError, LaunchUnderway } from '../../launcher/ports/compute.ts';
import { ZONES } from './catalog.ts';
import { Ec2Bench } from './ec2-bench.ts';

describe('launches on EC2', () => {
  let bench: Ec2Bench;
  beforeEach(async () => {
    bench = await Ec2Bench.open();
  });
  const nothing = (market?: 'spot' | 'on-demand') => bench.aws.cloud.pools.setAll(market ? { market } : {}, 0, ZONES);

  it('5: no capacity anywhere is told after a bounded number of calls, with nothing made', async () => {
    nothing();
    await expect(bench.bring(bench.request())).rejects.toMatchObject({
      kind: 'capacity',
      message: expect.stringMatching(/no machine in \d+ pools within/),
    });
    expect(bench.calls('createFleet')).toBeLessThanOrEqual(6);
    expect(bench.alive()).toEqual([]);
    // Pools that were empty a moment ago are not asked again, and later they are.
    await expect(bench.bring(bench.request())).rejects.toMatchObject({ kind: 'capacity' });
    expect(bench.calls('createFleet')).toBeLessThanOrEqual(6);
    bench.aws.cloud.pools.setAll({}, 10, ZONES);
    await bench.clock.pass(180_000);
    await bench.bring(bench.request());
  });

  it('5: without spot machines it is one on demand, unless the policy says otherwise, and each step is told', async () => {
    nothing('spot');
    const up = await bench.bring(bench.request());
    expect(up.description).toMatch(/^\S+ on-demand · us-east-1[abc] · \$\d\.\d{3}\/h$/);
    expect(up.notes.join('\n')).toMatch(/us-east-1\w spot: (InsufficientInstanceCapacity|UnfulfillableCapacity)/);
    await expect(bench.bring(bench.request({ policy: 'spot' }))).rejects.toMatchObject({ kind: 'capacity' });
  });

  it('has the spot price of the moment, and where that cannot be asked the usual one, which is "about"', async () => {
    await bench.bring(bench.request());
    const known = await bench.bring(bench.request());
    expect(known).toMatchObject({ volumeGiB: 10, price: { about: false, diskMicroUsdPerHour: 1096 } });
    const [, shown] = /\$(\d\.\d{3})\/h$/.exec(known.description) ?? [];
    // The address is half a cent, the machine's own disk 12 GiB.
    expect((known.price?.boxMicroUsdPerHour ?? 0) / 1e6 - Number(shown)).toBeCloseTo(0.005 + (12 * 0.08) / 730, 3);
    bench.aws.cloud.faults.denied.add('describeSpotPriceHistory');
    bench.provider = bench.another();
    const unknown = await bench.bring(bench.request());
    expect(unknown.price?.about).toBe(true);
    expect(unknown.description).toMatch(/ · about \$\d\.\d{3}\/h$/);
  });

  it('has the spot price of a type that no class has, too: those who begin together ask once', async () => {
    const wish = { instanceTypes: ['m6g.medium'], policy: 'spot' as const };
    for (const az of ZONES) bench.aws.hands.moveSpotPrice('m6g.medium', az, 0.061);
    const ups = await Promise.all(Array.from({ length: 8 }, () => bench.bring(bench.request(wish))));
    for (const { price, description } of ups) {
      expect(price?.about).toBe(false);
      expect(description).toMatch(/^m6g\.medium spot .* \$0\.061\/h$/);
    }
    const asked = () => bench.aws.cloud.ledger.of('describeSpotPriceHistory').map(({ input }) => JSON.stringify(input));
    const of = asked().filter((input) => input.includes('"m6g.medium"'));
    expect([of.length > 0, new Set(of).size]).toEqual([true, of.length]);
    expect(of[0]).toContain('"InstanceTypes":["m6g.medium"]');
    const before = asked().length;
    await bench.bring(bench.request(wish));
    expect(asked()).toHaveLength(before);
  });

  it('5: a quota of the spot market leads to one on demand at once', async () => {
    bench.aws.cloud.pools.quotas.spotVcpus = 0;
    expect((await bench.bring(bench.request())).description).toContain('on-demand');
    expect(bench.calls('createFleet')).toBe(2);
    bench.aws.cloud.pools.quotas.onDemandVcpus = 0;
    await expect(bench.bring(bench.request())).rejects.toMatchObject({
      kind: 'capacity',
      message: expect.stringContaining('VcpuLimitExceeded'),
    });
  });

  it('asks once what is on offer for all who begin together, and looks once for all who wait', async () => {
    const ups = await Promise.all(Array.from({ length: 20 }, () => bench.bring(bench.request())));
    await Promise.all(ups.map(({ box }) => bench.ready(box)));
    const pages = new Set(bench.aws.cloud.ledger.of('describeInstanceTypeOfferings').map(({ input }) => JSON.stringify(input)));
    expect(bench.calls('describeInstanceTypeOfferings')).toBe(pages.size);
    expect(bench.calls('createFleet')).toBe(20);
    expect(bench.calls('describeInstances')).toBeLessThan(10);
  });

  it('when more begin than AWS takes calls for, all get their machine, and none is told that it failed', async () => {
    const outcomes = new Set<string>();
    const { provider } = bench;
    bench.provider = {
      ...provider,
      launch: (request) =>
        provider.launch(request).catch((error: ComputeError) => {
          outcomes.add(error.kind);
          throw error;
        }),
    };
    for (const subnet of bench.aws.cloud.catalog.subnets.values()) subnet.freeAddresses = 1000;
    Object.assign(bench.aws.cloud.pools.quotas, { spotVcpus: 1000, onDemandVcpus: 1000 });
    bench.aws.cloud.pools.setAll({}, 1000, ZONES);
    await Promise.all(Array.from({ length: 150 }, () => bench.bring(bench.request())));
    expect([...outcomes]).toEqual([]);
    expect(bench.calls('createFleet')).toBe(150);
    expect(bench.aws.cloud.ledger.of('createFleet').every(({ outcome }) => outcome === 'ok')).toBe(true);
    expect(bench.alive()).toHaveLength(150);
  });

  it('3, 8: an answer that is lost, and a launcher that dies over it, make one machine', async () => {
    const request = bench.request();
    const plan = (await bench.provider.launch(request)) as LaunchUnderway;
    bench.aws.cloud.faults.lose('createFleet', { times: 4 });
    await expect(bench.provider.launch({ ...request, providerState: plan.providerState })).rejects.toMatchObject({ kind: 'transient' });
    bench.aws.cloud.faults.clear();
    bench.provider = bench.another();
    const up = await bench.bring({ ...request, providerState: plan.providerState });
    expect(bench.alive()).toEqual([up.boxId]);
  });

  it('4: a repeat with other parameters takes what the first one made', async () => {
    const request = bench.request();
    const first = await bench.bring(request);
    bench.provider = bench.another();
    bench.aws.cloud.pools.notOffered.add('t3a.medium us-east-1a');
    const second = await bench.bring(request);
    expect([second.boxId, second.volumeId]).toEqual([first.boxId, first.volumeId]);
    expect(bench.alive()).toEqual([first.boxId]);
  });

  it('6: a machine that is not to be seen is waited for, and not launched again', async () => {
    bench.aws.cloud.faults.rates.lagPerLook = 1;
    const up = await bench.bring(bench.request());
    expect(bench.calls('createFleet')).toBe(1);
    bench.provider = bench.another();
    bench.aws.cloud.instances.remove(up.boxId);
    expect(await bench.provider.observe({ ...up.box, launchedAtMs: bench.clock.now() })).toBe('pending');
    expect(await bench.provider.observe({ ...up.box, launchedAtMs: bench.clock.now() - 600_000 })).toBe('gone');
  });

  it('7: a machine that dies on its way leaves its volume, which the next one takes', async () => {
    bench.aws.cloud.faults.rates.deathPerLaunch = 1;
    const dead = await bench.bring(bench.request());
    await bench.clock.until(() => bench.alive().length === 0);
    await bench.clock.pass(10_000);
    expect(await bench.provider.observe(dead.box)).toBe('gone');
    bench.aws.cloud.faults.rates.deathPerLaunch = 0;
    const next = await bench.bring(bench.next(dead));
    expect(next.volumeId).toBe(dead.volumeId);
    expect((await bench.ready(next.box)).files()).toEqual({});
  });

  it('9: a box for a volume is in its zone', async () => {
    for (const az of ZONES) {
      bench.aws.cloud.pools.setAll({}, 0, ZONES);
      bench.aws.cloud.pools.setAll({ az }, 10, ZONES);
      bench.provider = bench.another();
      const first = await bench.bring(bench.request());
      await bench.end(first.box);
      bench.aws.cloud.pools.setAll({}, 10, ZONES);
      const next = await bench.bring(bench.next(first));
      expect(bench.aws.cloud.instances.get(next.boxId)?.az).toBe(az);
    }
  });

  it('10: an attach whose answer is lost is seen on the volume; by somebody else it is the end', async () => {
    const first = await bench.bring(bench.request());
    await bench.provider.end(first.box);
    bench.aws.cloud.faults.lose('attachVolume');
    const second = await bench.bring(bench.next(first));
    expect(bench.aws.cloud.volumes.get(first.volumeId)?.attachment).toMatchObject({
      instanceId: second.boxId,
      state: 'attached',
      deleteOnTermination: false,
    });
    await bench.provider.end(second.box);
    const other = await bench.bring(bench.request());
    await bench.ready(other.box);
    let stolen = false;
    const steal = async () => {
      const volume = bench.aws.cloud.volumes.get(first.volumeId);
      if (stolen || volume?.attachment !== null) return;
      stolen = true;
      volume.attachment = {
        instanceId: other.boxId,
        device: '/dev/sdz',
        state: 'attached',
        atMs: bench.clock.now(),
        deleteOnTermination: false,
      };
      bench.aws.cloud.volumes.changed(volume);
    };
    const cancel = bench.clock.every(200, () => void steal());
    await expect(bench.bring(bench.next(second))).rejects.toMatchObject({ kind: expect.stringMatching(/busy|fatal/) });
    cancel();
  });

  it('11: what hangs on its way on or off has a time-out, and is taken by force only from a box that has ended', async () => {
    const { faults, ledger } = bench.aws.cloud;
    const first = await bench.bring(bench.request());
    await bench.provider.end(first.box);
    faults.rates.stuckPerAttach = 1;
    const stuck = await bench.bring(bench.next(first));
    expect(await bench.provider.observe(stuck.box)).toBe('gone');
    faults.rates.stuckPerAttach = 0;
    faults.rates.stuckPerDetach = 1;
    bench.aws.cloud.instances.changed(bench.aws.cloud.instances.get(stuck.boxId) as never);
    const third = await bench.bring(bench.next(stuck));
    expect(third.volumeId).toBe(first.volumeId);
    for (const { input } of ledger.of('detachVolume')) {
      const { Force: force, InstanceId: id = '' } = input as { Force?: boolean; InstanceId?: string };
      if (force) expect(['shutting-down', 'terminated', undefined]).toContain(bench.aws.cloud.instances.get(id)?.state);
    }
    expect((await bench.ready(third.box)).files()).toEqual({});
  });

  it('a volume with no machine beside it is stranded, and one that is saved goes elsewhere', async () => {
    const first = await bench.bring(bench.request());
    const machine = await bench.ready(first.box);
    machine.write('a', '1');
    await bench.provider.quiesce(first.box, 'q');
    const asked = bench.snapshotRequest(first);
    await bench.provider.snapshot(asked);
    await bench.provider.end(first.box);
    const az = bench.aws.cloud.volumes.get(first.volumeId)?.az ?? '';
    bench.aws.cloud.pools.setAll({ az }, 0, ZONES);
    await expect(bench.bring(bench.next(first))).rejects.toMatchObject({ kind: 'stranded' });
    const next = await bench.bring(bench.next(first, asked.ref));
    expect(next.volumeId).not.toBe(first.volumeId);
    expect((await bench.ready(next.box)).files()).toEqual({ a: '1' });
  });

  it('41: a key that cannot be used, and a permission that is gone, are told and not tried for ever', async () => {
    bench.aws.cloud.faults.denied.add('createFleet');
    await expect(bench.bring(bench.request())).rejects.toMatchObject({
      kind: 'fatal',
      message: expect.stringContaining('UnauthorizedOperation'),
    });
    expect(bench.alive()).toEqual([]);
  });

  it('41: credentials that ran out on the way are no end of a launch: it goes on when they are renewed', async () => {
    const request = bench.request();
    bench.aws.cloud.faults.fail('createFleet', { with: 'RequestExpired' });
    await bench.bring(request);
    expect(bench.aws.cloud.ledger.of('createFleet').map(({ outcome }) => outcome)).toEqual(['RequestExpired', 'ok']);
    expect(bench.alive()).toHaveLength(1);
  });

  it('threat 16: neither the token of a box nor anything secret is in a call', async () => {
    await bench.bring(bench.request());
    expect(bench.aws.cloud.ledger.withText('box-token-canary')).toEqual([]);
  });
});
