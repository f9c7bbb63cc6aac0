import { beforeEach, describe, expect, it } from 'vitest';
import { Ec2Bench } from './ec2-bench.ts';
import { IMAGE_PARAMETERS, stackOn, stackTemplates } from './ec2-subject.ts';

const MINUTE_MS = 60_000;

describe('a stack whose templates have no image, on EC2', () => {
  let bench: Ec2Bench;
  beforeEach(async () => {
    bench = await Ec2Bench.open();
    await stackOn(bench.aws);
    bench.provider = bench.another({ templates: stackTemplates(bench.aws) });
  });
  const imageOf = (boxId: string): string => bench.aws.cloud.instances.get(boxId)?.imageId ?? '';
  const fleets = () => bench.aws.cloud.ledger.of('createFleet').map(({ input }) => input as Record<string, unknown>);
  const looks = () => bench.aws.cloud.ledger.of('getParameter').length;
  const bake = () => {
    const { id } = bench.aws.addImage('x86_64');
    bench.aws.cloud.catalog.parameters.set(IMAGE_PARAMETERS.x86_64, id);
    return id;
  };

  it('machines are launched by its name, from the image that the parameter of their architecture has', async () => {
    for (const arch of ['arm64', 'x86_64'] as const) {
      const up = await bench.bring(bench.request({ arch }));
      expect(imageOf(up.boxId)).toBe(bench.aws.cloud.catalog.parameters.get(IMAGE_PARAMETERS[arch]));
      await bench.ready(up.box);
    }
    expect(fleets()[0]).toMatchObject({
      LaunchTemplateConfigs: [{ LaunchTemplateSpecification: { LaunchTemplateName: 'test-arm64', Version: '$Default' } }],
    });
    expect(bench.provider.offers.architectures).toEqual(['x86_64', 'arm64']);
  });

  it('a new image is launched from within five minutes, and asked for no oftener', async () => {
    const before = imageOf((await bench.bring(bench.request())).boxId);
    await bench.bring(bench.request());
    expect(looks()).toBe(1);
    const baked = bake();
    expect(imageOf((await bench.bring(bench.request())).boxId)).toBe(before);
    await bench.clock.pass(5 * MINUTE_MS);
    expect(imageOf((await bench.bring(bench.request())).boxId)).toBe(baked);
    expect(looks()).toBe(2);
  });

  it('a launch that is repeated by a launcher that has started since is the same call, whatever the parameter says by then', async () => {
    const request = bench.request();
    const planned = await bench.provider.launch(request);
    if (!planned.underway) throw new Error('a plan calls nothing');
    await bench.provider.launch({ ...request, providerState: planned.providerState });
    bake();
    bench.provider = bench.another({ templates: stackTemplates(bench.aws) });
    await bench.provider.launch({ ...request, providerState: JSON.parse(JSON.stringify(planned.providerState)) });
    const [first, second] = fleets();
    expect(second).toEqual(first);
    expect(bench.alive()).toHaveLength(1);
  });

  it('while the parameter cannot be read, the image is what it was; a launcher that knows none says so', async () => {
    const before = imageOf((await bench.bring(bench.request())).boxId);
    bench.aws.cloud.catalog.parameters.delete(IMAGE_PARAMETERS.x86_64);
    await bench.clock.pass(5 * MINUTE_MS);
    expect(imageOf((await bench.bring(bench.request())).boxId)).toBe(before);
    bench.provider = bench.another({ templates: stackTemplates(bench.aws) });
    await expect(bench.bring(bench.request())).rejects.toThrow(/parameter|ParameterNotFound/i);
    bench.aws.cloud.catalog.parameters.set(IMAGE_PARAMETERS.x86_64, 'none');
    await expect(bench.bring(bench.request())).rejects.toThrow('the parameter /test/image/x86_64 holds no image');
  });

  it('boxes of the pool are of it, and are known to be old once there is another image', async () => {
    const { pool } = bench.provider;
    if (pool === null) throw new Error('there is no pool');
    const kind = await bench.clock.run(pool.kind());
    const filled = pool.fill({ id: 'pool_01k2m3n4p5q6r7s8t9v0wxyz12', attempt: 1, size: 'small', arch: kind.arch });
    const { boxId } = await bench.clock.run(filled);
    expect(kind.image).toBe(`${imageOf(boxId)} test-x86_64`);
    const baked = bake();
    await bench.clock.pass(5 * MINUTE_MS);
    expect((await bench.clock.run(pool.kind())).image).toBe(`${baked} test-x86_64`);
  });
});
