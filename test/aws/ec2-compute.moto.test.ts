import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { inject } from 'vitest';
import { makeId } from '../../launcher/contract/fields.ts';
import type { AccessPort } from '../../launcher/ports/access.ts';
import { ComputeError, type ComputePort } from '../../launcher/ports/compute.ts';
import { createEc2Provider, ensureLaunchTemplate } from '../../launcher/providers/ec2/index.ts';
import { connectAws } from '../../launcher/providers/ec2/sdk-api.ts';
import { type ComputeSubject, computeSuite } from '../contract/compute.suite.ts';
import { launchRequestWith } from '../support/launch-request.ts';

const REGION = 'us-east-1';
const random = { bytes: (length: number) => new Uint8Array(randomBytes(length)) };
const time = {
  now: Date.now,
  after(ms: number, run: () => void) {
    const timer = setTimeout(run, ms);
    return () => clearTimeout(timer);
  },
};

const unreachable = async (): Promise<never> => {
  throw new ComputeError('unreachable', 'nothing runs on an instance of moto');
};

async function open(): Promise<ComputeSubject> {
  const credentials = { accessKeyId: 'test', secretAccessKey: 'test' };
  const { ec2, close } = connectAws({ region: REGION, endpoint: inject('motoUrl'), credentials });
  const { Images = [] } = await ec2.describeImages({ Filters: [{ Name: 'architecture', Values: ['x86_64'] }] });
  const { Subnets = [] } = await ec2.describeSubnets({ Filters: [{ Name: 'default-for-az', Values: ['true'] }] });
  const settings = { deployment: 'moto', imageId: Images[0]?.ImageId ?? '', launcherUrl: 'https://devctl.example.com' };
  const provider = createEc2Provider({
    ec2,
    channel: { quiesce: unreachable, freeze: unreachable, thaw: unreachable },
    time,
    random,
    region: REGION,
    deployment: 'moto',
    templates: { x86_64: await ensureLaunchTemplate({ ec2, time, random }, settings) },
    subnets: Subnets.map(({ SubnetId: id = '', AvailabilityZone: az = '' }) => ({ id, az })),
    limits: { readLagMs: 500, lookEveryMs: 100, freshMs: 50 },
  });
  const id = (prefix: 'ws' | 'ses') => makeId(prefix, Date.now(), random.bytes(16));
  return {
    ports: provider as ComputePort & AccessPort,
    request: (patch) => launchRequestWith(id, { size: 'medium', ...patch }),
    ready: async () => {},
    order: () => {},
    write: unreachable,
    read: unreachable,
    shell: unreachable,
    pause: sleep,
    close: async () => close(),
  };
}

computeSuite('EC2, on moto', open, [
  {
    reason: 'its fleets take no block devices: a box never has its workspace',
    tests: [
      'a launched box runs, and ending it is final and repeatable',
      'the same launch, repeated or at the same time, makes one box',
      'another generation can neither see nor end a box',
      'the same snapshot twice is one, and its name is never given to another',
      'everything is listed with its tags, and what is over is not',
    ],
  },
  {
    reason: 'nothing runs on its instances',
    tests: [
      'a volume has one box at a time, and keeps its content',
      'a parked box runs no more, and goes on in the next generation with its disk',
      'a snapshot gives back every byte, name, mode and link',
      'the canary of the report is in what is restored',
      'a disk that is copied with its snapshot is another one, with what was there in that moment',
      'a live box stands still while it is copied, and goes on',
      'boxes made from one snapshot do not know of each other',
      'a quiet box writes nothing, takes no commands, and opens again when it is told',
    ],
  },
]);
