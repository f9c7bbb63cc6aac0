import { beforeEach, describe, expect, it } from 'vitest';
import type { Ec2Api } from '../../../launcher/providers/ec2/api.ts';
import { CostCap } from '../../live/cap.ts';

const HOUR_MS = 3_600_000;

describe('the cost cap of a live run', () => {
  let nowMs: number;
  let launched: number;
  /** Launches what it is asked for, until it is told otherwise. */
  let answer: (n: number) => string[];
  beforeEach(() => {
    nowMs = 0;
    launched = 0;
    answer = (n) => [`i-${n}`];
  });
  const aws = {
    createFleet: async () => {
      launched += 1;
      return { Instances: [{ InstanceIds: answer(launched) }] };
    },
    terminateInstances: async () => ({}),
    startInstances: async () => ({}),
    createSnapshot: async () => ({}),
  } as unknown as Ec2Api;
  const capped = (capUsd: number) => {
    const cap = new CostCap({ capMicroUsd: capUsd * 1e6, region: 'us-east-1', now: () => nowMs, untilMs: HOUR_MS });
    return { cap, ec2: cap.guard(aws) };
  };
  const fleet = (...types: Array<'t3a.small' | 't3a.medium' | 't3a.large'>) => ({
    TargetCapacitySpecification: { TotalTargetCapacity: 1 },
    LaunchTemplateConfigs: [
      { Overrides: types.map((InstanceType) => ({ InstanceType, BlockDeviceMappings: [{ Ebs: { VolumeSize: 73 } }] })) },
    ],
  });
  // Of the price table: $.0752 for the hour, $.005 for the address, 12 GiB to start from, 73 GiB of workspace.
  const DEAREST = 75_200 + 5000 + 1315 + 8000;

  it('counts the dearest machine that a call may give, on demand, until the end of the run', async () => {
    const { cap, ec2 } = capped(1);
    await ec2.createFleet(fleet('t3a.small', 't3a.large', 't3a.medium'));
    expect(cap.committedMicroUsd).toBe(DEAREST);
  });

  it('makes no call that could go over it, and nothing after that', async () => {
    const { ec2 } = capped(0.1);
    await ec2.createFleet(fleet('t3a.large'));
    await expect(ec2.createFleet(fleet('t3a.large'))).rejects.toThrow(/^cost cap: with this createFleet the run could cost \$0\.179/);
    await expect(ec2.createFleet(fleet('t3a.small'))).rejects.toThrow(/^cost cap/);
    await expect(ec2.createSnapshot({ VolumeId: 'vol-1' })).rejects.toThrow(/^cost cap/);
    expect(launched).toBe(1);
  });

  it('a machine that ended costs what it ran, a minute at least, and its volume goes on', async () => {
    const { cap, ec2 } = capped(1);
    await ec2.createFleet(fleet('t3a.large'));
    await ec2.terminateInstances({ InstanceIds: ['i-1'] });
    expect(cap.committedMicroUsd).toBeCloseTo((DEAREST - 8000) / 60 + 8000, 0);
    nowMs = HOUR_MS / 2;
    await ec2.terminateInstances({ InstanceIds: ['i-1'] });
    expect(cap.committedMicroUsd).toBeCloseTo((DEAREST - 8000) / 60 + 8000, 0);
  });

  it('a call that gave no machine costs nothing, one whose answer was lost costs all, one that was repeated costs once', async () => {
    const { cap, ec2 } = capped(1);
    answer = () => [];
    await ec2.createFleet(fleet('t3a.large'));
    expect(cap.committedMicroUsd).toBe(0);
    answer = () => ['i-same'];
    await ec2.createFleet(fleet('t3a.large'));
    await ec2.createFleet(fleet('t3a.large'));
    expect(cap.committedMicroUsd).toBe(DEAREST);
    answer = () => {
      throw new Error('socket hang up');
    };
    await expect(ec2.createFleet(fleet('t3a.large'))).rejects.toThrow('socket hang up');
    expect(cap.committedMicroUsd).toBe(2 * DEAREST);
  });

  it('what has no price here is not called', async () => {
    const { ec2 } = capped(1);
    await expect(ec2.runInstances({ MinCount: 1, MaxCount: 1 })).rejects.toThrow('runInstances is not among what a live run may do');
    await expect(ec2.startInstances({ InstanceIds: ['i-9'] })).rejects.toThrow('i-9 was not launched by this run');
  });
});
