import { beforeEach, describe, expect, it } from 'vitest';
import { Ec2Bench, type Up } from './ec2-bench.ts';

describe('snapshots, lists and looks on EC2', () => {
  let bench: Ec2Bench;
  beforeEach(async () => {
    bench = await Ec2Bench.open();
  });

  it('21: a snapshot whose answer is lost is found by its operation, also by a launcher that knows nothing of it', async () => {
    const up = await bench.bring(bench.request());
    await bench.ready(up.box);
    await bench.clock.pass(10_000);
    const asked = bench.snapshotRequest(up);
    bench.aws.cloud.faults.lose('createSnapshot');
    await expect(bench.provider.snapshot(asked)).rejects.toMatchObject({ kind: 'transient' });
    bench.provider = bench.another();
    await bench.clock.pass(6000);
    expect(await bench.provider.snapshot(asked)).toMatchObject({ state: expect.stringMatching(/pending|completed/) });
    expect(bench.calls('createSnapshot')).toBe(1);
  });

  it('21: one that was made twice is kept once', async () => {
    const up = await bench.bring(bench.request());
    await bench.ready(up.box);
    await bench.clock.pass(10_000);
    const asked = bench.snapshotRequest(up);
    await bench.provider.snapshot(asked);
    const [first] = bench.aws.cloud.snapshots.all().filter(({ tags }) => tags['devctl:snapshot'] !== undefined);
    if (first === undefined) throw new Error('no snapshot');
    const second = bench.aws.addSnapshot({ image: first.image, tags: first.tags, startedAtMs: first.startedAtMs + 20_000 });
    await bench.clock.pass(300_000);
    expect(await bench.provider.observeSnapshot(asked.ref)).toMatchObject({ state: 'completed' });
    expect(bench.aws.cloud.snapshots.get(first.id)).toBeDefined();
    expect(bench.aws.cloud.snapshots.get(second.id)).toBeUndefined();
  });

  it('19: of a live box that does not stand still there is no snapshot', async () => {
    const up = await bench.bring(bench.request());
    const machine = await bench.ready(up.box);
    await bench.clock.pass(10_000);
    bench.channel.deaf.add(up.boxId);
    await expect(bench.provider.snapshot({ ...bench.snapshotRequest(up), liveBox: up.box })).rejects.toMatchObject({ kind: 'unreachable' });
    expect(bench.calls('createSnapshot')).toBe(0);
    bench.channel.deaf.clear();
    bench.aws.cloud.faults.lose('createSnapshot');
    await expect(bench.provider.snapshot({ ...bench.snapshotRequest(up), liveBox: up.box })).rejects.toMatchObject({ kind: 'transient' });
    machine.write('a', '1');
    expect(machine.read('a')).toBe('1');
  });

  it('31: a list that could not be read in full says so, and pages that are short or empty are followed', async () => {
    for (let n = 0; n < 5; n += 1) await bench.bring(bench.request());
    await bench.clock.pass(10_000);
    bench.aws.cloud.faults.rates.shortPerPage = 0.9;
    const whole = await bench.provider.list();
    expect([whole.complete, whole.items.length]).toEqual([true, 10]);
    bench.aws.cloud.faults.fail('describeVolumes', { times: 10 });
    expect(await bench.provider.list()).toMatchObject({ complete: false });
  });

  it('36: many who look go together, and a storm of refusals does not make more of them', async () => {
    const ups: Up[] = [];
    for (let n = 0; n < 20; n += 1) ups.push(await bench.bring(bench.request()));
    await bench.clock.pass(10_000);
    const before = bench.aws.cloud.ledger.calls.length;
    const looks = async () => Promise.all(ups.map(({ box }) => bench.provider.observe(box)));
    expect(await looks()).toEqual(ups.map(() => 'running'));
    bench.aws.cloud.faults.rates.shortPerPage = 0;
    expect(bench.aws.cloud.ledger.calls.length - before).toBeLessThan(10);
    const stormMs = bench.clock.now();
    bench.aws.cloud.faults.rates.throttledPerCall = 1;
    for (let n = 0; n < 20; n += 1) await looks().catch(() => {});
    const tries = bench.aws.cloud.ledger.calls.filter(({ atMs }) => atMs >= stormMs).length;
    // The retries that were in reserve, and no more.
    expect(tries).toBeLessThanOrEqual(20 + 20);
  });

  it('threat 14: what carries forged or half the tags is listed and belongs to nobody', async () => {
    const up = await bench.bring(bench.request());
    await bench.clock.pass(10_000);
    const instance = bench.aws.cloud.instances.get(up.boxId);
    if (instance === undefined) throw new Error('no instance');
    const forgeries: Array<Record<string, string>> = [
      { 'devctl:owner': 'somebody-else' },
      { 'devctl:generation': 'x' },
      { 'devctl:workspace-id': 'ws' },
      { 'devctl:owner-hash': '' },
    ];
    for (const forged of forgeries) {
      const { tags } = instance;
      instance.tags = { ...tags, ...forged };
      bench.aws.cloud.instances.changed(instance);
      await bench.clock.pass(10_000);
      const { items } = await bench.provider.list();
      expect(items.find(({ kind }) => kind === 'box')).toMatchObject({ id: up.boxId, tags: null });
      await bench.provider.end(up.box);
      expect(bench.alive()).toEqual([up.boxId]);
      instance.tags = tags;
    }
  });
});
