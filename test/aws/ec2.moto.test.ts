import { inject } from 'vitest';
import type { Ec2Api } from '../../launcher/providers/ec2/api.ts';
import { connectAws } from '../../launcher/providers/ec2/sdk-api.ts';
import { type Ec2Subject, ec2Suite } from '../contract/ec2.suite.ts';

const LOOKS = 20;
const LOOK_EVERY_MS = 20;

async function imageOf(ec2: Ec2Api): Promise<string> {
  const { Images = [] } = await ec2.describeImages({ Filters: [{ Name: 'architecture', Values: ['x86_64'] }] });
  const [image] = Images.filter(({ RootDeviceType, Platform }) => RootDeviceType === 'ebs' && Platform === undefined);
  return image?.ImageId ?? '';
}

async function subnetOf(ec2: Ec2Api, az: string): Promise<{ id: string; az: string }> {
  const { Subnets = [] } = await ec2.describeSubnets({ Filters: [{ Name: 'availability-zone', Values: [az] }] });
  return { id: Subnets[0]?.SubnetId ?? '', az };
}

const UNLIKE_AWS = [
  { reason: 'it ignores ClientToken', tests: ['a token makes one thing, and with other parameters none', 'a token makes one fleet'] },
  { reason: 'it completes snapshots at once', tests: ['a snapshot is pending at first'] },
  { reason: 'it attaches across zones and twice', tests: ['a volume goes to one instance, and only in its zone'] },
  { reason: 'it has no CopyVolumes', tests: ['a volume is copied'] },
  {
    reason: 'mapped volumes take the place of the root',
    tests: ['the root volume has the tags of a launch too, and goes with its instance'],
  },
  { reason: 'its fleets take no mappings', tests: ['the workspace rides on the fleet'] },
  { reason: 'it answers 500', tests: ['what is not attached cannot be taken off'] },
  { reason: 'it starts what has ended', tests: ['what has ended does not start'] },
  { reason: 'the request cannot be found', tests: ['a spot instance names its request'] },
  { reason: 'it takes them', tests: ['reserved tags are refused'] },
  { reason: 'it says InvalidCommandId', tests: ['a command that was never sent has no invocation'] },
];

async function open(): Promise<Ec2Subject> {
  const credentials = { accessKeyId: 'test', secretAccessKey: 'test' };
  const { ec2, ssm, close } = connectAws({ region: 'us-east-1', endpoint: inject('motoUrl'), credentials });
  return {
    ec2,
    ssm,
    imageId: await imageOf(ec2),
    subnets: [await subnetOf(ec2, 'us-east-1a'), await subnetOf(ec2, 'us-east-1b')],
    until: async (look) => {
      for (let n = 0; n < LOOKS; n += 1) {
        if (await look()) return;
        await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
      }
      throw new Error('moto does not come to it');
    },
    close: async () => close(),
  };
}

ec2Suite('moto, over the SDK', open, UNLIKE_AWS);
