import { inject } from 'vitest';
import { connectAws } from '../../launcher/providers/ec2/sdk-api.ts';
import { type ComputeSubject, computeSuite } from '../contract/compute.suite.ts';
import { ASKED_OF_WHAT_RUNS_THERE, openEc2OverSdk } from '../support/ec2-over-sdk.ts';

const REGION = 'us-east-1';

async function open(): Promise<ComputeSubject> {
  const credentials = { accessKeyId: 'test', secretAccessKey: 'test' };
  const { ec2, close } = connectAws({ region: REGION, endpoint: inject('motoUrl'), credentials });
  const { Images = [] } = await ec2.describeImages({ Filters: [{ Name: 'architecture', Values: ['x86_64'] }] });
  const { Subnets = [] } = await ec2.describeSubnets({ Filters: [{ Name: 'default-for-az', Values: ['true'] }] });
  return openEc2OverSdk({
    ec2,
    close,
    region: REGION,
    deployment: 'moto',
    imageId: Images[0]?.ImageId ?? '',
    subnets: Subnets.map(({ SubnetId: id = '', AvailabilityZone: az = '' }) => ({ id, az })),
    limits: { readLagMs: 500, lookEveryMs: 100, freshMs: 50, lookSoonMs: 50, freshSoonMs: 20 },
    request: { size: 'medium' },
  });
}

computeSuite('EC2, on moto', open, [
  {
    reason: 'its fleets take no block devices: a box never has its workspace',
    tests: [
      'a launched box runs, and ending it is final and repeatable',
      'the same launch, repeated or at the same time, makes one box',
      'an earlier generation can neither see nor end a box',
      'the same snapshot twice is one, and its name is never given to another',
      'everything is listed with its tags, and what is over is not',
    ],
  },
  { reason: 'nothing runs on its instances', tests: ASKED_OF_WHAT_RUNS_THERE },
]);
