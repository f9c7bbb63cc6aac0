import type { Ec2Api, SsmApi } from '../../launcher/providers/ec2/api.ts';
import { ec2Suite } from '../contract/ec2.suite.ts';
import { Bench } from './bench.ts';

/** Time passes while a call is under way, and only then. */
function moving<T extends Ec2Api | SsmApi>(bench: Bench, api: T): T {
  return new Proxy(api, {
    get: (target, property) => {
      const call = Reflect.get(target, property) as (input: object) => Promise<unknown>;
      return (input: object) => bench.run(call(input));
    },
  });
}

ec2Suite('the simulated one', async () => {
  const bench = new Bench();
  bench.aws.cloud.pools.quotas.spotVcpus = 64;
  bench.aws.cloud.pools.quotas.onDemandVcpus = 64;
  return {
    ec2: moving(bench, bench.ec2),
    ssm: moving(bench, bench.aws.ssm),
    imageId: bench.image(),
    subnets: [
      { id: bench.subnet('us-east-1a'), az: 'us-east-1a' },
      { id: bench.subnet('us-east-1b'), az: 'us-east-1b' },
    ],
    until: async (look) => {
      for (let seconds = 0; seconds < 600; seconds += 1) {
        if (await look()) return;
        await bench.clock.pass(1000);
      }
      throw new Error('it does not come about in ten minutes');
    },
    close: async () => {},
  };
});
