import { SimulatedMachine } from '../test/sim/simulated-machine.ts';
import type { SimulatedAws } from '../test/sim/world.ts';

/** The SDK's own waiters for EC2 look no sooner than this again, and the one for commands. */
const WAITER_MS = 15_000;
const COMMAND_WAITER_MS = 5000;
const DEVICE = '/dev/sdf';

/**
 * What people write first: each step waits for the one before, as the documentation of each call says.
 * @returns ms of virtual time until the box can be used
 */
export async function byScript(aws: SimulatedAws, volumeGiB: number): Promise<number> {
  const { clock } = aws.cloud;
  const startMs = clock.now();
  await clock.run(steps(aws, volumeGiB));
  return clock.now() - startMs;
}

async function steps(aws: SimulatedAws, volumeGiB: number): Promise<void> {
  const { ec2, ssm, cloud } = aws;
  const subnet = [...cloud.catalog.subnets.values()][0];
  const image = [...cloud.catalog.images.values()].find(({ architecture }) => architecture === 'x86_64');
  const run = { ImageId: image?.id, SubnetId: subnet?.id, InstanceType: 't3a.medium', MinCount: 1, MaxCount: 1 } as const;
  const InstanceId = (await ec2.runInstances({ ...run })).Instances?.[0]?.InstanceId ?? '';
  await waiter(cloud, WAITER_MS, async () => {
    const { Reservations = [] } = await ec2.describeInstances({ InstanceIds: [InstanceId] });
    return Reservations[0]?.Instances?.[0]?.State?.Name === 'running';
  });
  const SnapshotId = cloud.snapshots.all().find(({ state, tags }) => state === 'completed' && tags['devctl:snapshot'] !== undefined)?.id;
  const made = await ec2.createVolume({ AvailabilityZone: subnet?.az, Size: volumeGiB, VolumeType: 'gp3', SnapshotId });
  const VolumeId = made.VolumeId ?? '';
  const isVolume = async (state: string) => (await ec2.describeVolumes({ VolumeIds: [VolumeId] })).Volumes?.[0]?.State === state;
  await waiter(cloud, WAITER_MS, () => isVolume('available'));
  await ec2.attachVolume({ InstanceId, VolumeId, Device: DEVICE });
  await waiter(cloud, WAITER_MS, () => isVolume('in-use'));
  await waiter(cloud, COMMAND_WAITER_MS, async () => (await ssm.getConnectionStatus({ Target: InstanceId })).Status === 'connected');
  const { Command } = await ssm.sendCommand({ InstanceIds: [InstanceId], DocumentName: 'AWS-RunShellScript' });
  const CommandId = Command?.CommandId ?? '';
  await waiter(cloud, COMMAND_WAITER_MS, async () => (await ssm.getCommandInvocation({ CommandId, InstanceId })).Status !== 'Pending');
  await waiter(cloud, COMMAND_WAITER_MS, async () => {
    const machine = aws.machineOf(InstanceId);
    return machine instanceof SimulatedMachine && machine.state === 'ready';
  });
  await ec2.terminateInstances({ InstanceIds: [InstanceId] });
}

/** Looks at once, and then again after each pause. What is not to be seen yet is looked for again. */
async function waiter({ clock }: SimulatedAws['cloud'], pauseMs: number, isThere: () => Promise<boolean>): Promise<void> {
  while (!(await isThere().catch(() => false))) await clock.sleep(pauseMs);
}
