import { AGENT_PORT } from '../../contract/agent-config.ts';
import type { Ec2Api, SsmApi } from '../../providers/ec2/api.ts';
import { createFunctionApi, type FunctionApi } from '../../providers/ec2/function-api.ts';
import { createEc2Reach, type Ec2Reach, type ReachOptions } from '../../providers/ec2/reach.ts';
import type { Time } from '../../providers/ec2/timers.ts';
import type { Table } from '../../stores/dynamo/aws.ts';
import { createDynamoClient } from '../../stores/dynamo/client.ts';
import type { LambdaSettings } from '../lambda-settings.ts';

/** Everything outside that the launcher in Lambda talks to. */
export interface Surroundings {
  ec2: Ec2Api;
  ssm: SsmApi;
  functions: FunctionApi;
  dynamo: Table['client'];
  /** Way into boxes. */
  reach(options: Pick<ReachOptions, 'random' | 'accessKey'>): Ec2Reach;
  time: Time;
  /** One line of the log. */
  write(line: string): void;
}

const time: Time = {
  now: () => Date.now(),
  after(ms, run) {
    const timer = setTimeout(run, ms);
    return () => clearTimeout(timer);
  },
};

/** With the credentials of the function's role. The SDK of EC2 is loaded when it is first used, which few requests do. */
export function surroundingsOf({ region, endpoint }: LambdaSettings): Surroundings {
  const connection = { region, ...(endpoint !== undefined && { endpoint }) };
  const dynamo = createDynamoClient(connection);
  let aws: Promise<{ ec2: Ec2Api; ssm: SsmApi }> | undefined;
  const load = async () => {
    aws ??= import('../../providers/ec2/sdk-api.ts').then(({ connectAws }) => connectAws(connection));
    return aws;
  };
  const ssm = lazily(async () => (await load()).ssm);
  const { credentials, sha256 } = dynamo.config;
  return {
    ec2: lazily(async () => (await load()).ec2),
    ssm,
    functions: createFunctionApi({ ...connection, credentials, sha256 }),
    dynamo,
    reach: (options) => createEc2Reach({ ...options, ssm, time, region, agentPort: AGENT_PORT, env: process.env }),
    time,
    write: (line) => void process.stdout.write(`${line}\n`),
  };
}

type Methods = Record<PropertyKey, (input: unknown) => Promise<unknown>>;

/** An interface whose methods are there at once, and what is behind them once one is called. */
function lazily<Api extends Ec2Api | SsmApi>(load: () => Promise<Api>): Api {
  const methods: Methods = {};
  return new Proxy({} as Api, {
    get(_, name) {
      // Whoever awaits it must not take it for a promise.
      if (name === 'then') return undefined;
      methods[name] ??= async (input) => ((await load()) as unknown as Methods)[name]?.(input);
      return methods[name];
    },
  });
}
