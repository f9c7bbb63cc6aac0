import { beforeEach, describe, expect, it } from 'vitest';
import { ARCHITECTURES, POLICIES, SIZES, type Size } from '../../launcher/contract/fields.ts';
import { ZONES } from './catalog.ts';
import { Ec2Bench } from './ec2-bench.ts';
import { INSTANCE_TYPES } from './figures.ts';

describe('the machine that was asked for, on EC2', () => {
  let bench: Ec2Bench;
  beforeEach(async () => {
    bench = await Ec2Bench.open();
    bench.aws.cloud.pools.quotas.onDemandVcpus = 256;
  });
  const typeOf = (boxId: string): string => bench.aws.cloud.instances.get(boxId)?.type ?? '';
  const fleets = () => bench.aws.cloud.ledger.of('createFleet').map(({ input }) => JSON.stringify(input));

  for (const arch of ARCHITECTURES)
    for (const size of Object.keys(SIZES) as Size[])
      it(`is of the class ${size} and ${arch}, by every policy`, async () => {
        for (const policy of POLICIES) {
          const up = await bench.bring(bench.request({ size, arch, policy }));
          const { architecture, memoryMiB } = INSTANCE_TYPES[typeOf(up.boxId)] ?? {};
          expect(architecture).toBe(arch);
          expect(memoryMiB).toBeGreaterThanOrEqual(SIZES[size].memoryMiB);
          expect(up.description).toContain(policy === 'on-demand' ? 'on-demand' : 'spot');
          expect(bench.aws.cloud.catalog.images.get(bench.aws.cloud.instances.get(up.boxId)?.imageId ?? '')?.architecture).toBe(arch);
        }
      });

  it('is one of the types, whatever the size, with the image that they need', async () => {
    const up = await bench.bring(bench.request({ size: 'small', instanceTypes: ['m8g.xlarge', 'm7g.xlarge'] }));
    expect(['m8g.xlarge', 'm7g.xlarge']).toContain(typeOf(up.boxId));
    await bench.ready(up.box);
    for (const input of fleets()) expect(input).not.toMatch(/t4g|c8g|\.small/);
    const other = await bench.bring(bench.request({ instanceTypes: ['t3a.xlarge'], policy: 'on-demand' }));
    expect([typeOf(other.boxId), other.description.includes('on-demand')]).toEqual(['t3a.xlarge', true]);
  });

  it.each([
    [{ instanceTypes: ['z9.huge'] }, 'there is no instance type z9.huge in us-east-1'],
    [{ instanceTypes: ['t3a.large', 'z9.huge'] }, 'there is no instance type z9.huge in us-east-1'],
    [{ instanceTypes: ['t3a.large', 'm8g.large'] }, 't3a.large, m8g.large have no architecture in common'],
    [{ instanceTypes: ['m8g.large'], arch: 'x86_64' as const }, 'instance type m8g.large is arm64, not x86_64'],
  ])('%j is told, and nothing is made', async (wish, words) => {
    await expect(bench.bring(bench.request(wish))).rejects.toMatchObject({ kind: 'unsupported', message: expect.stringContaining(words) });
    expect([fleets(), bench.alive(), bench.aws.cloud.volumes.all()]).toEqual([[], [], []]);
  });

  it('a type that is nowhere on offer, and an architecture without an image, are told', async () => {
    for (const az of ZONES) bench.aws.cloud.pools.notOffered.add(`m7a.large ${az}`);
    await expect(bench.bring(bench.request({ instanceTypes: ['m7a.large'] }))).rejects.toMatchObject({
      kind: 'unsupported',
      message: 'no machine of m7a.large is on offer in us-east-1a, us-east-1b, us-east-1c',
    });
    bench.provider = bench.another({
      templates: { x86_64: { id: 'lt-00000000000000000', version: '1', imageId: 'ami-00000000000000000' } },
    });
    expect(bench.provider.offers).toEqual({ architectures: ['x86_64'], instanceTypes: true, awsRole: true });
    for (const wish of [{ arch: 'arm64' as const }, { instanceTypes: ['m8g.large'] }])
      await expect(bench.bring(bench.request(wish))).rejects.toMatchObject({
        kind: 'unsupported',
        message: 'there is no image for arm64 here, only for x86_64',
      });
  });

  it.each([
    { policy: 'spot' as const, markets: ['spot', 'spot'], kind: 'capacity' },
    { policy: 'spot-preferred' as const, markets: ['spot', 'spot', 'on-demand', 'on-demand'], kind: 'capacity' },
    { policy: 'on-demand' as const, markets: ['on-demand', 'on-demand'], kind: 'capacity' },
  ])('without any machine $policy asks for $markets, in this order, and no more', async ({ policy, markets, kind }) => {
    bench.aws.cloud.pools.setAll({}, 0, ZONES);
    bench.aws.cloud.faults.clear();
    // The image is new: it is to be seen everywhere by then.
    await bench.clock.pass(30_000);
    await expect(bench.bring(bench.request({ policy }))).rejects.toMatchObject({ kind });
    const asked = bench.aws.cloud.ledger.of('createFleet').map(({ input }) => {
      const { TargetCapacitySpecification: target } = input as { TargetCapacitySpecification: { DefaultTargetCapacityType: string } };
      return target.DefaultTargetCapacityType;
    });
    expect(asked).toEqual(markets);
  });

  it('without spot machines of a type it is that type on demand, and under spot it is none', async () => {
    bench.aws.cloud.pools.setAll({ market: 'spot', type: 'm7a.large' }, 0, ZONES);
    const wish = { instanceTypes: ['m7a.large'] };
    await expect(bench.bring(bench.request({ ...wish, policy: 'spot' }))).rejects.toMatchObject({ kind: 'capacity' });
    const up = await bench.bring(bench.request(wish));
    expect([typeOf(up.boxId), up.description.includes('on-demand')]).toEqual(['m7a.large', true]);
  });
});
