import { setTimeout as sleep } from 'node:timers/promises';
import {
  DeleteLaunchTemplateCommand,
  DeleteSnapshotCommand,
  DeleteVolumeCommand,
  DescribeInstancesCommand,
  DescribeLaunchTemplatesCommand,
  DescribeSnapshotsCommand,
  DescribeVolumesCommand,
  type EC2Client,
  TerminateInstancesCommand,
} from '@aws-sdk/client-ec2';
import { TAGS } from '../../launcher/providers/ec2/tags.ts';

const LOOK_EVERY_MS = 1000;
/** A machine that will not end may take minutes, and its volumes go after it. */
const SWEEP_MS = 900_000;
const PAGES = 100;

interface Found {
  id: string;
  state: string;
  remove(): Promise<unknown>;
}

/**
 * Takes away all that carries the tag of a deployment, and looks until nothing of it has been seen for a while: describes lag. It
 * uses nothing of what is under test.
 * @returns what is left after all
 */
export async function sweep(client: EC2Client, deployment: string, settleMs: number, say: (line: string) => void): Promise<string[]> {
  const untilMs = Date.now() + SWEEP_MS;
  const said = new Set<string>();
  const sayOnce = (line: string) => {
    if (!said.has(line)) say(line);
    said.add(line);
  };
  let emptySinceMs: number | null = null;
  for (;;) {
    const found = await everything(client, deployment);
    if (found.length === 0) emptySinceMs ??= Date.now();
    else emptySinceMs = null;
    if (emptySinceMs !== null && Date.now() - emptySinceMs >= settleMs) return [];
    if (Date.now() > untilMs) return found.map(({ id, state }) => `${id} (${state})`);
    for (const { id, state, remove } of found) {
      if (state === 'shutting-down' || state === 'deleting') continue;
      await remove().then(
        () => sayOnce(`  ${id} is taken away`),
        // What is still in use goes in a later round.
        (error: Error) => sayOnce(`  ${id}: ${error.name}`),
      );
    }
    await sleep(LOOK_EVERY_MS);
  }
}

async function everything(client: EC2Client, deployment: string): Promise<Found[]> {
  const Filters = [{ Name: `tag:${TAGS.deployment}`, Values: [deployment] }];
  const found: Found[] = [];
  await pages(async (next) => {
    const { Reservations = [], NextToken } = await client.send(new DescribeInstancesCommand({ Filters, ...next }));
    for (const { InstanceId: id = '', State } of Reservations.flatMap(({ Instances = [] }) => Instances))
      if (State?.Name !== 'terminated')
        found.push({ id, state: State?.Name ?? '', remove: () => client.send(new TerminateInstancesCommand({ InstanceIds: [id] })) });
    return NextToken;
  });
  await pages(async (next) => {
    const { Volumes = [], NextToken } = await client.send(new DescribeVolumesCommand({ Filters, ...next }));
    for (const { VolumeId: id = '', State = '' } of Volumes)
      found.push({ id, state: State, remove: () => client.send(new DeleteVolumeCommand({ VolumeId: id })) });
    return NextToken;
  });
  await pages(async (next) => {
    const { Snapshots = [], NextToken } = await client.send(new DescribeSnapshotsCommand({ OwnerIds: ['self'], Filters, ...next }));
    for (const { SnapshotId: id = '', State = '' } of Snapshots)
      found.push({ id, state: State, remove: () => client.send(new DeleteSnapshotCommand({ SnapshotId: id })) });
    return NextToken;
  });
  await pages(async (next) => {
    const { LaunchTemplates = [], NextToken } = await client.send(new DescribeLaunchTemplatesCommand({ Filters, ...next }));
    for (const { LaunchTemplateId: id = '' } of LaunchTemplates)
      found.push({ id, state: 'there', remove: () => client.send(new DeleteLaunchTemplateCommand({ LaunchTemplateId: id })) });
    return NextToken;
  });
  return found;
}

/** A list that does not end is an error: nothing may be taken for gone because it was not looked at. */
async function pages(page: (next: { NextToken?: string }) => Promise<string | undefined>): Promise<void> {
  let next: string | undefined;
  for (let count = 0; count < PAGES; count += 1) {
    next = await page(next ? { NextToken: next } : {});
    if (!next) return;
  }
  throw new Error(`a list has more than ${PAGES} pages`);
}
