import { type ChildProcess, spawn } from 'node:child_process';
import {
  CreateLaunchTemplateCommand,
  CreateSnapshotCommand,
  CreateVolumeCommand,
  DescribeImagesCommand,
  DescribeInstancesCommand,
  DescribeLaunchTemplatesCommand,
  DescribeSnapshotsCommand,
  DescribeVolumesCommand,
  EC2Client,
  RunInstancesCommand,
} from '@aws-sdk/client-ec2';
import { afterAll, afterEach, beforeAll, describe, expect, inject, it } from 'vitest';
import { makeNetwork } from './network.ts';

const REGION = 'us-east-1';
const LAUNCHES = ['-t', 'a launched box runs', '--testTimeout', '5000'];

/** The run of `npm run test:live` itself, as a process, against moto in the place of AWS. */
describe('test:live, on moto', () => {
  let ec2: EC2Client;
  let settings: Record<string, string>;
  const running: ChildProcess[] = [];
  beforeAll(async () => {
    ec2 = new EC2Client({ region: REGION, endpoint: inject('motoUrl'), credentials: { accessKeyId: 'test', secretAccessKey: 'test' } });
    settings = {
      DEVCTL_LIVE: '1',
      DEVCTL_LIVE_REGION: REGION,
      DEVCTL_LIVE_SUBNETS: (await makeNetwork(ec2, 8)).subnetIds.join(','),
      DEVCTL_LIVE_IMAGE: await image(),
      DEVCTL_LIVE_SETTLE_SECONDS: '1',
      DEVCTL_LIVE_ENDPOINT: inject('motoUrl'),
      AWS_ACCESS_KEY_ID: 'test',
      AWS_SECRET_ACCESS_KEY: 'test',
    };
  });
  afterEach(() => {
    for (const child of running.splice(0)) child.kill('SIGKILL');
  });
  afterAll(() => ec2?.destroy());

  async function image(): Promise<string> {
    const { Images = [] } = await ec2.send(new DescribeImagesCommand({ Filters: [{ Name: 'architecture', Values: ['x86_64'] }] }));
    return Images[0]?.ImageId ?? '';
  }

  interface Run {
    child: ChildProcess;
    said(): string;
    ended: Promise<number | null>;
  }
  function start(args: string[], patch: Record<string, string | undefined> = {}): Run {
    const env = { PATH: process.env['PATH'], HOME: process.env['HOME'], ...settings, ...patch };
    const child = spawn(process.execPath, ['.ci/ts.mjs', 'test/live/main.ts', ...args], { env, stdio: ['ignore', 'pipe', 'pipe'] });
    running.push(child);
    let text = '';
    const hear = (chunk: Buffer) => {
      text += chunk.toString();
    };
    for (const stream of [child.stdout, child.stderr]) stream?.on('data', hear);
    return { child, said: () => text, ended: new Promise((resolve) => child.on('close', resolve)) };
  }
  const deploymentOf = (text: string) => /^(live-\S+) in /m.exec(text)?.[1] ?? '';

  /** All that carries the tag of a deployment and is not over. */
  async function left(deployment: string): Promise<string[]> {
    const Filters = [{ Name: 'tag:devctl:deployment', Values: [deployment] }];
    const { Reservations = [] } = await ec2.send(new DescribeInstancesCommand({ Filters }));
    const { Volumes = [] } = await ec2.send(new DescribeVolumesCommand({ Filters }));
    const { Snapshots = [] } = await ec2.send(new DescribeSnapshotsCommand({ Filters }));
    const { LaunchTemplates = [] } = await ec2.send(new DescribeLaunchTemplatesCommand({ Filters }));
    const instances = Reservations.flatMap(({ Instances = [] }) => Instances).filter(({ State }) => State?.Name !== 'terminated');
    const ids = [
      ...instances.map(({ InstanceId }) => InstanceId),
      ...Volumes.map(({ VolumeId }) => VolumeId),
      ...Snapshots.map(({ SnapshotId }) => SnapshotId),
      ...LaunchTemplates.map(({ LaunchTemplateId }) => LaunchTemplateId),
    ];
    return ids.map((id = '') => id.split('-')[0] ?? '');
  }
  /** One of each kind. */
  async function leave(deployment: string): Promise<void> {
    const Tags = [{ Key: 'devctl:deployment', Value: deployment }];
    const tagged = <T extends string>(ResourceType: T) => [{ ResourceType, Tags }];
    const { DEVCTL_LIVE_IMAGE: ImageId } = settings;
    await ec2.send(
      new RunInstancesCommand({ ImageId, InstanceType: 't3a.small', MinCount: 1, MaxCount: 1, TagSpecifications: tagged('instance') }),
    );
    const volume = await ec2.send(
      new CreateVolumeCommand({ AvailabilityZone: 'us-east-1a', Size: 4, TagSpecifications: tagged('volume') }),
    );
    await ec2.send(new CreateSnapshotCommand({ VolumeId: volume.VolumeId, TagSpecifications: tagged('snapshot') }));
    const LaunchTemplateData = { ImageId };
    await ec2.send(
      new CreateLaunchTemplateCommand({ LaunchTemplateName: deployment, LaunchTemplateData, TagSpecifications: tagged('launch-template') }),
    );
  }

  it('runs nothing without its flag, and says all that is missing', async () => {
    const { ended, said } = start([], { DEVCTL_LIVE: undefined, DEVCTL_LIVE_SUBNETS: undefined, DEVCTL_LIVE_MAX_USD: 'lots' });
    expect(await ended).toBe(2);
    expect(said().split('\n').slice(0, 4)).toEqual([
      'test:live runs nothing:',
      '  DEVCTL_LIVE must be 1: what is launched costs money',
      '  DEVCTL_LIVE_MAX_USD "lots" is not an amount of dollars',
      expect.stringContaining('DEVCTL_LIVE_SUBNETS is missing'),
    ]);
    expect(said()).not.toMatch(/^\s+at /m);
  });

  it('runs nothing in an account that is not fit for it', async () => {
    const { ended, said } = start([], { DEVCTL_LIVE_SUBNETS: 'subnet-0123456789abcdef0' });
    expect(await ended).toBe(2);
    expect(said()).toContain('error subnets: there is no subnet-0123456789abcdef0 in us-east-1');
    expect(deploymentOf(said())).toBe('');
  });

  it('takes away what a run has left, and nothing else', async () => {
    const [mine, other] = ['live-202611220000-0123ab', 'team'];
    await leave(mine);
    await leave(other);
    const before = await left(other);
    expect((await left(mine)).sort()).toEqual(['i', 'lt', 'snap', 'vol']);
    const { ended, said } = start(['--sweep-only', mine], { DEVCTL_LIVE_SUBNETS: undefined, DEVCTL_LIVE_IMAGE: undefined });
    expect(await ended).toBe(0);
    expect(await left(mine)).toEqual([]);
    expect(said()).toContain(`nothing is left of ${mine}`);
    expect(said().match(/is taken away/g)).toHaveLength(4);
    expect(await left(other)).toEqual(before);
  });

  it.each(['live-production', ''])('does not sweep "%s", which is no live run', async (name) => {
    const { ended, said } = start(['--sweep-only', name]);
    expect(await ended).toBe(2);
    expect(said()).toContain('--sweep-only takes one deployment of a live run');
  });

  // On moto no machine ever has its workspace, so a test that launches one fails in the middle.
  it('sweeps after a test that failed with its machine running', async () => {
    const { ended, said } = start(LAUNCHES);
    expect(await ended).toBe(1);
    expect(said()).toMatch(/1 failed/);
    expect(said()).toMatch(/ {2}i-\w+ is taken away/);
    expect(said()).toMatch(/at most \$0\.0\d\d, if what is left/);
    expect(deploymentOf(said())).not.toBe('');
    expect(await left(deploymentOf(said()))).toEqual([]);
  });

  it('launches nothing that could cost more than the cap', async () => {
    const { ended, said } = start(LAUNCHES, { DEVCTL_LIVE_MAX_USD: '0.01' });
    expect(await ended).toBe(1);
    expect(said()).toMatch(/cost cap: with this createFleet the run could cost \$0\.\d{3}, and DEVCTL_LIVE_MAX_USD is \$0\.010/);
    expect(said()).not.toMatch(/ {2}i-\w+ is taken away/);
    expect(await left(deploymentOf(said()))).toEqual([]);
  });

  it.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const)('sweeps when it is cut off by %s', async (signal, code) => {
    const { child, ended, said } = start(['-t', 'a launched box runs']);
    await expect.poll(async () => (deploymentOf(said()) === '' ? [] : left(deploymentOf(said()))), { timeout: 50_000 }).toContain('i');
    child.kill(signal);
    expect(await ended).toBe(code);
    expect(said()).toMatch(/ {2}i-\w+ is taken away/);
    expect(await left(deploymentOf(said()))).toEqual([]);
  });

  it('runs what moto can', async () => {
    const { ended, said } = start(['-t', 'what is not there is missing']);
    expect(await ended).toBe(0);
    expect(said()).toMatch(/1 passed/);
    expect(await left(deploymentOf(said()))).toEqual([]);
  });
});
