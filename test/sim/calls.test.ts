import { beforeEach, describe, expect, it } from 'vitest';
import { Bench, outcomeOf } from './bench.ts';
import { ROUGH } from './faults.ts';

describe('calls', () => {
  let bench: Bench;
  beforeEach(() => {
    bench = new Bench();
  });
  const create = (patch = {}) => bench.ec2.createVolume({ AvailabilityZone: 'us-east-1a', Size: 1, ...patch });
  const made = () => bench.aws.cloud.volumes.all().length;

  it('take time, and are carried out on the way', async () => {
    const fromMs = bench.clock.now();
    const call = create();
    await bench.clock.pass(0);
    expect(made()).toBe(0);
    await bench.run(call);
    expect(bench.clock.now()).toBeGreaterThan(fromMs);
  });

  it('answer at once in a world without slowness', async () => {
    const instant = new Bench({ slowness: 0 });
    const fromMs = instant.clock.now();
    await instant.ec2.createVolume({ AvailabilityZone: 'us-east-1a', Size: 1 });
    expect(instant.clock.now()).toBe(fromMs);
  });

  it('are refused above the rate of their bucket, which fills again', async () => {
    const many = async (count: number, ask: () => Promise<unknown>) => {
      const answers = await bench.run(Promise.all(Array.from({ length: count }, () => outcomeOf(ask()))));
      return answers.filter((answer) => answer === 'RequestLimitExceeded').length;
    };
    const run = () =>
      bench.ec2.runInstances({ ImageId: bench.image(), InstanceType: 't3a.small', SubnetId: bench.subnet(), MinCount: 1, MaxCount: 1 });
    // 5 and 2 a second; all within the few seconds that one call may take
    expect(await many(40, run)).toBeGreaterThan(25);
    // 100 and 20 a second where it is narrow, 50 and 10 where it is not
    expect(await many(120, () => bench.ec2.describeVolumes({ Filters: [{ Name: 'status', Values: ['x'] }] }))).toBeLessThanOrEqual(20);
    expect(await many(120, () => bench.ec2.describeVolumes({}))).toBeGreaterThan(50);
    await bench.clock.pass(60_000);
    expect(await bench.refused(bench.ec2.describeVolumes({}))).toBe('not refused');
  });

  it('are all in the ledger, with their outcome', async () => {
    const { ledger, faults } = bench.aws.cloud;
    await bench.run(create());
    faults.fail('createVolume', { with: 'ServiceUnavailable' });
    await bench.refused(create());
    faults.lose('createVolume');
    await bench.refused(create());
    await bench.run(bench.ec2.describeVolumes({}));
    expect(ledger.of('createVolume').map(({ outcome }) => outcome)).toEqual(['ok', 'ServiceUnavailable', 'lost']);
    expect([ledger.mutating.length, ledger.describing.length]).toEqual([3, 1]);
    for (const { atMs, endedAtMs } of ledger.calls) expect(endedAtMs).toBeGreaterThanOrEqual(atMs);
  });

  it('show a canary in what they were asked, plain or encoded', async () => {
    const data = { ImageId: bench.image(), UserData: Buffer.from('#!/bin/sh\nTOKEN=canary-1').toString('base64') };
    await bench.run(bench.ec2.createLaunchTemplate({ LaunchTemplateName: 'one', LaunchTemplateData: data }));
    await bench.run(create({ TagSpecifications: [{ ResourceType: 'volume', Tags: [{ Key: 'k', Value: 'a canary-2' }] }] }));
    const found = (text: string) => bench.aws.cloud.ledger.withText(text).map(({ op }) => op);
    expect([found('canary-1'), found('canary-2'), found('canary-3')]).toEqual([['createLaunchTemplate'], ['createVolume'], []]);
  });

  it('fail before, or are carried out with no answer', async () => {
    const { faults } = bench.aws.cloud;
    faults.fail('createVolume', { times: 2 });
    expect([await bench.refused(create()), await bench.refused(create()), made()]).toEqual(['InternalError', 'InternalError', 0]);
    faults.lose('createVolume', { how: 'timeout', when: ({ Size }: { Size: number }) => Size === 1 });
    const fromMs = bench.clock.now();
    expect([await bench.refused(create({ Size: 2 })), made()]).toEqual(['not refused', 1]);
    expect([await bench.refused(create()), made()]).toEqual(['TimeoutError', 2]);
    expect(bench.clock.now() - fromMs).toBeGreaterThanOrEqual(20_000);
    faults.loseAnswer(bench.aws.cloud.ledger.calls.length + 2);
    const answers = [await bench.refused(create()), await bench.refused(create()), await bench.refused(create())];
    expect([answers, made()]).toEqual([['not refused', 'Error', 'not refused'], 5]);
  });

  it('may never answer', async () => {
    bench.aws.cloud.faults.hang('createVolume');
    let answered = false;
    void create().finally(() => {
      answered = true;
    });
    await bench.clock.pass(3_600_000);
    expect([answered, made()]).toEqual([false, 0]);
  });

  it('may be stopped before and after the n-th of them', async () => {
    const seen: string[] = [];
    bench.aws.cloud.faults.before(2, ({ op }) => void seen.push(`before ${op} with ${made()}`));
    bench.aws.cloud.faults.after(2, () => {
      seen.push(`after with ${made()}`);
      throw new Error('died');
    });
    await bench.run(create());
    await expect(bench.run(create())).rejects.toThrow('died');
    expect(seen).toEqual(['before createVolume with 1', 'after with 2']);
  });

  it('are refused when the permission is gone, and dry runs do nothing', async () => {
    expect([await bench.refused(create({ DryRun: true })), made()]).toEqual(['DryRunOperation', 0]);
    bench.aws.cloud.faults.denied.add('createVolume');
    expect([await bench.refused(create()), await bench.refused(create({ DryRun: true }))]).toEqual([
      'UnauthorizedOperation',
      'UnauthorizedOperation',
    ]);
    bench.aws.cloud.faults.clear();
    expect(await bench.refused(create())).toBe('not refused');
  });

  it('do not see at once what was made, and may see what is gone', async () => {
    bench.aws.cloud.faults.rates.lagPerLook = 1;
    const id = (await bench.run(create())).VolumeId ?? '';
    const looks = new Set<string>();
    for (let n = 0; n < 30; n += 1) looks.add(await bench.refused(bench.ec2.describeVolumes({ VolumeIds: [id] })));
    expect(looks).toEqual(new Set(['InvalidVolume.NotFound', 'not refused']));
    const fresh = (await bench.run(create())).VolumeId ?? '';
    const named = new Set<string>();
    const tag = () => bench.ec2.createTags({ Resources: [fresh], Tags: [{ Key: 'k', Value: 'v' }] });
    for (let n = 0; n < 30; n += 1) named.add(await bench.refused(tag()));
    expect(named).toEqual(new Set(['InvalidVolume.NotFound', 'not refused']));
    await bench.clock.pass(10_000);
    await bench.run(bench.ec2.deleteVolume({ VolumeId: id }));
    await bench.clock.until(() => bench.aws.cloud.volumes.get(id) === undefined);
    expect(await bench.refused(bench.ec2.describeVolumes({ VolumeIds: [id] }))).toBe('not refused');
    await bench.clock.pass(10_000);
    expect(await bench.refused(bench.ec2.describeVolumes({ VolumeIds: [id] }))).toBe('InvalidVolume.NotFound');
  });

  it('give lists in pages that may be short, and all of them together are whole', async () => {
    const ids: string[] = [];
    for (let n = 0; n < 30; n += 1) ids.push((await bench.run(create())).VolumeId ?? '');
    await bench.clock.pass(10_000);
    bench.aws.cloud.faults.rates.shortPerPage = 0.5;
    const seen: string[] = [];
    const sizes = new Set<number>();
    let NextToken: string | undefined;
    do {
      const page = await bench.run(bench.ec2.describeVolumes({ MaxResults: 5, ...(NextToken && { NextToken }) }));
      sizes.add(page.Volumes?.length ?? 0);
      seen.push(...(page.Volumes ?? []).map(({ VolumeId }) => VolumeId ?? ''));
      NextToken = page.NextToken;
      // Meanwhile something is made and something goes: neither moves the rest.
      if (seen.length === 5) bench.aws.hands.deleteVolume(ids[0] ?? '');
    } while (NextToken !== undefined);
    expect(seen).toEqual(ids);
    expect(Math.max(...sizes)).toBe(5);
    expect(Math.min(...sizes)).toBeLessThan(5);
    expect(await bench.refused(bench.ec2.describeVolumes({ NextToken: 'forged' }))).toBe('InvalidNextToken');
    expect(await bench.refused(bench.ec2.describeVolumes({ VolumeIds: [ids[1] ?? ''], MaxResults: 5 }))).toBe(
      'InvalidParameterCombination',
    );
    expect(await bench.refused(bench.ec2.describeInstances({ MaxResults: 4 }))).toBe('InvalidParameterValue');
  });

  it('filter by tags and fields, with wildcards, and know no other filter', async () => {
    const tagged = (Value: string) => create({ TagSpecifications: [{ ResourceType: 'volume', Tags: [{ Key: 'devctl:ws', Value }] }] });
    const [one, two] = await bench.run(Promise.all([tagged('shop.1'), tagged('shopx1'), create({ Size: 3 })]));
    await bench.clock.pass(10_000);
    const find = async (...Filters: Array<{ Name: string; Values: string[] }>) =>
      (await bench.run(bench.ec2.describeVolumes({ Filters }))).Volumes?.map(({ VolumeId }) => VolumeId);
    expect(await find({ Name: 'tag:devctl:ws', Values: ['shop.1'] })).toEqual([one.VolumeId]);
    expect(new Set(await find({ Name: 'tag:devctl:ws', Values: ['sho*1'] }))).toEqual(new Set([one.VolumeId, two.VolumeId]));
    expect(await find({ Name: 'tag-key', Values: ['devctl:*'] }, { Name: 'size', Values: ['3'] })).toEqual([]);
    expect(await bench.refused(bench.ec2.describeVolumes({ Filters: [{ Name: 'colour', Values: ['x'] }] }))).toBe('InvalidParameterValue');
  });

  it('keep to the rules of tags', async () => {
    const id = (await bench.run(create())).VolumeId ?? '';
    const tag = (Tags: object[], Resources = [id]) => bench.refused(bench.ec2.createTags({ Resources, Tags }));
    const pairs = (count: number) => Array.from({ length: count }, (_, n) => ({ Key: `k${n}`, Value: 'v' }));
    expect(await tag(pairs(51))).toBe('TagLimitExceeded');
    expect(await tag([{ Key: 'k', Value: 'v'.repeat(257) }])).toBe('InvalidParameterValue');
    expect(await tag([{ Key: 'k' }, { Key: 'k' }])).toBe('InvalidParameterValue');
    // All or none.
    expect(await tag([{ Key: 'a', Value: 'b' }], [id, 'vol-0123456789abcdef0'])).toBe('InvalidVolume.NotFound');
    expect(bench.aws.cloud.volumes.get(id)?.tags).toEqual({});
    expect(await tag(pairs(50))).toBe('not refused');
    expect(await tag([{ Key: 'k0', Value: 'w' }])).toBe('not refused');
    expect(bench.aws.cloud.volumes.get(id)?.tags).toMatchObject({ k0: 'w', k49: 'v' });
  });

  it('follow from the seed, each concern by itself', async () => {
    const story = async (seed: number, patch = {}) => {
      const rough = new Bench({ seed });
      rough.aws.cloud.faults.rates = { ...ROUGH, ...patch };
      for (let n = 0; n < 40; n += 1) await rough.refused(rough.ec2.createVolume({ AvailabilityZone: 'us-east-1a', Size: 1 }));
      return rough.aws.cloud.ledger.calls.map(({ outcome, endedAtMs }) => `${outcome} ${endedAtMs}`);
    };
    const first = await story(7);
    expect(await story(7)).toEqual(first);
    expect(await story(8)).not.toEqual(first);
    expect(await story(7, { errorPerSnapshot: 1, lostPerEvent: 1 })).toEqual(first);
    expect(new Set(first.map((line) => line.split(' ')[0])).size).toBeGreaterThan(2);
  });
});
