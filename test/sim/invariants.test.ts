import { beforeEach, describe, expect, it } from 'vitest';
import { Bench } from './bench.ts';
import { Invariants } from './invariants.ts';
import type { Tags } from './tags.ts';

const read = (tags: Tags) => (tags['ws'] === undefined ? null : { workspace: tags['ws'], generation: Number(tags['gen']) });

describe('invariants of the world', () => {
  let bench: Bench;
  let invariants: Invariants;
  beforeEach(() => {
    bench = new Bench();
    bench.aws.cloud.pools.quotas.spotVcpus = 64;
    invariants = new Invariants(bench.aws.cloud, read);
  });
  const box = (ws: string, gen: number) => {
    const Tags = [
      { Key: 'ws', Value: ws },
      { Key: 'gen', Value: String(gen) },
    ];
    return bench.box({ TagSpecifications: (['instance', 'volume'] as const).map((ResourceType) => ({ ResourceType, Tags })) });
  };

  it('W: promised bytes are found on a volume, then in a complete snapshot, or they are lost', async () => {
    const { machine, volumeId } = await box('shop', 1);
    machine.write('a', '1');
    invariants.promise('shop', { a: '1' });
    expect(invariants.lostBytes()).toHaveLength(1);
    machine.quiesce();
    expect(invariants.broken()).toEqual([]);
    const tags = { TagSpecifications: [{ ResourceType: 'snapshot' as const, Tags: [{ Key: 'ws', Value: 'shop' }] }] };
    const { SnapshotId: id = '' } = await bench.run(bench.ec2.createSnapshot({ VolumeId: volumeId, ...tags }));
    bench.aws.hands.damageVolume(volumeId);
    // Pending is not yet anything.
    expect(invariants.lostBytes()).toHaveLength(1);
    await bench.clock.until(() => bench.aws.cloud.snapshots.get(id)?.state === 'completed');
    bench.aws.hands.deleteVolume(volumeId);
    expect(invariants.lostBytes()).toEqual([]);
    invariants.promise('shop', { b: '2' });
    expect(invariants.lostBytes()).toEqual([expect.stringMatching(/^W: shop/)]);
    invariants.forget('shop');
    expect(invariants.lostBytes()).toEqual([]);
  });

  it('X: a machine that writes after a later generation, or beside its own, is seen', async () => {
    const write = ({ machine }: Awaited<ReturnType<typeof box>>) => {
      machine.write('a', String(bench.clock.now()));
      machine.flush();
    };
    const first = await box('shop', 1);
    const fork = await box('fork', 1);
    write(first);
    write(fork);
    write(first);
    expect(invariants.broken()).toEqual([]);
    const second = await box('shop', 2);
    write(second);
    expect(invariants.broken()).toEqual([]);
    write(first);
    expect(invariants.broken()).toEqual([expect.stringMatching(/^X: .*generation 1 wrote to shop .*after generation 2/)]);
    write(await box('fork', 1));
    expect(invariants.broken()).toHaveLength(2);
  });

  it('L: what belongs to nobody is found, and what goes with something else is not counted', async () => {
    const { id, volumeId } = await box('shop', 1);
    const left = (owned: string[]) => invariants.leftovers((resource) => owned.includes(resource.id)).map(({ kind }) => kind);
    expect(left([])).toEqual(['instance', 'volume']);
    expect(left([id, volumeId])).toEqual([]);
    await bench.run(bench.ec2.createSnapshot({ VolumeId: volumeId }));
    bench.aws.hands.terminate(id);
    await bench.clock.pass(600_000);
    expect(left([])).toEqual(['volume', 'snapshot']);
    bench.aws.hands.deleteVolume(volumeId);
    for (const { id: snapshot } of invariants.leftovers(({ kind }) => kind !== 'snapshot')) bench.aws.hands.deleteSnapshot(snapshot);
    expect(left([])).toEqual([]);
  });
});
