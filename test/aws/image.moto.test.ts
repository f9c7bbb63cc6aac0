import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import {
  CreateImageCommand,
  CreateLaunchTemplateCommand,
  CreateSnapshotCommand,
  CreateTagsCommand,
  CreateVolumeCommand,
  DescribeImagesCommand,
  DescribeSnapshotsCommand,
  EC2Client,
  RunInstancesCommand,
  StopInstancesCommand,
  TerminateInstancesCommand,
} from '@aws-sdk/client-ec2';
import { GetParameterCommand, SSMClient } from '@aws-sdk/client-ssm';
import { afterAll, beforeAll, beforeEach, describe, expect, inject, it, vi } from 'vitest';
import { imageCommand } from '../../packer/command.ts';
import { IMAGE_OF, Images } from '../../packer/images.ts';

const REGION = 'us-east-1';
const credentials = { accessKeyId: 'test', secretAccessKey: 'test' };
const root = fileURLToPath(new URL('../..', import.meta.url));
const DAY_MS = 24 * 3_600_000;

describe('images, over the SDK, on moto', () => {
  let ec2: EC2Client;
  let ssm: SSMClient;
  let deployment: string;
  let count = 0;
  let made = 0;
  let nowMs: number;
  beforeAll(() => {
    const connection = { region: REGION, endpoint: inject('motoUrl'), credentials };
    ec2 = new EC2Client(connection);
    ssm = new SSMClient(connection);
  });
  afterAll(() => {
    ec2?.destroy();
    ssm?.destroy();
  });
  beforeEach(() => {
    count += 1;
    deployment = `image-${count}`;
    nowMs = Date.now();
  });

  const parameter = () => `/devctl/${deployment}/x86_64`;
  const images = () => new Images({ ec2, ssm, deployment, arch: 'x86_64', parameter: parameter(), now: () => nowMs });
  const tagged = (id: string) =>
    ec2.send(
      new CreateTagsCommand({
        Resources: [id],
        Tags: [
          { Key: IMAGE_OF, Value: deployment },
          { Key: 'env', Value: 'dev' },
        ],
      }),
    );
  const run = async (ImageId: string) => {
    const { Instances } = await ec2.send(new RunInstancesCommand({ ImageId, MinCount: 1, MaxCount: 1, InstanceType: 't3.medium' }));
    return Instances?.[0]?.InstanceId ?? '';
  };

  async function snapshot(): Promise<string> {
    const { VolumeId } = await ec2.send(new CreateVolumeCommand({ AvailabilityZone: `${REGION}a`, Size: 12, Encrypted: true }));
    const { SnapshotId = '' } = await ec2.send(new CreateSnapshotCommand({ VolumeId }));
    await tagged(SnapshotId);
    return SnapshotId;
  }

  /** A machine of each architecture that images are taken of, as Packer does. */
  const machines = new Map<string, Promise<string>>();
  const machineOf = (architecture: string) => {
    const machine = machines.get(architecture) ?? startMachine(architecture);
    machines.set(architecture, machine);
    return machine;
  };
  async function startMachine(architecture: string): Promise<string> {
    const { Images: found = [] } = await ec2.send(
      new DescribeImagesCommand({ Filters: [{ Name: 'architecture', Values: [architecture] }] }),
    );
    return run(found.find(({ Tags = [] }) => !Tags.some(({ Key }) => Key === IMAGE_OF))?.ImageId ?? '');
  }

  /** As Packer leaves it: an image with a snapshot of its own, both tagged. */
  async function baked(Architecture: 'x86_64' | 'arm64' = 'x86_64'): Promise<{ id: string; snapshotId: string }> {
    const InstanceId = await machineOf(Architecture);
    made += 1;
    const { ImageId: id = '' } = await ec2.send(new CreateImageCommand({ InstanceId, Name: `devctl-${deployment}-${made}` }));
    const { Images: found = [] } = await ec2.send(new DescribeImagesCommand({ ImageIds: [id] }));
    const snapshotId = found[0]?.BlockDeviceMappings?.[0]?.Ebs?.SnapshotId ?? '';
    await tagged(snapshotId);
    await tagged(id);
    return { id, snapshotId };
  }

  const bakedTimes = async (times: number) => {
    const made: string[] = [];
    for (let index = 0; index < times; index += 1) made.push((await baked()).id);
    return newestFirst(made);
  };
  async function newestFirst(ids: string[]): Promise<string[]> {
    const { Images: found = [] } = await ec2.send(new DescribeImagesCommand({ ImageIds: ids }));
    const dated = found.map(({ ImageId: id = '', CreationDate: at = '' }) => ({ id, at }));
    return dated.sort((a, b) => b.at.localeCompare(a.at) || b.id.localeCompare(a.id)).map(({ id }) => id);
  }
  const left = async () => {
    const { Images: found = [] } = await ec2.send(
      new DescribeImagesCommand({ Owners: ['self'], Filters: [{ Name: `tag:${IMAGE_OF}`, Values: [deployment] }] }),
    );
    return found.map(({ ImageId }) => ImageId).sort();
  };
  const snapshotsLeft = async () => {
    const { Snapshots: found = [] } = await ec2.send(
      new DescribeSnapshotsCommand({ OwnerIds: ['self'], Filters: [{ Name: `tag:${IMAGE_OF}`, Values: [deployment] }] }),
    );
    return found.length;
  };

  it('publishes an image where the launcher reads it, twice as once, and tells the one before', async () => {
    const [first, second] = [await baked(), await baked()];
    expect(await images().published()).toBeNull();
    expect(await images().publish(first.id)).toBeNull();
    expect(await images().publish(first.id)).toBe(first.id);
    expect(await images().publish(second.id)).toBe(first.id);
    const { Parameter } = await ssm.send(new GetParameterCommand({ Name: parameter() }));
    expect(Parameter).toMatchObject({ Value: second.id, Type: 'String' });
  });

  it('refuses an image that no box should boot, and says all that is wrong', async () => {
    const arm = await baked('arm64');
    await expect(images().publish(arm.id)).rejects.toThrow('it is of arm64, and not of x86_64');
    await expect(images().publish('ami-0123456789abcdef0')).rejects.toThrow(/ami-0123456789abcdef0/);
    const { ImageId: foreign = '' } = await ec2.send(
      new CreateImageCommand({ InstanceId: await machineOf('x86_64'), Name: `foreign-${count}` }),
    );
    await expect(images().publish(foreign)).rejects.toThrow(`its tag ${IMAGE_OF} is missing, and not ${deployment}`);
    expect(await images().published()).toBeNull();
  });

  it('keeps the newest, the published one and those of the other architecture; the rest goes with its snapshots', async () => {
    const ids = await bakedTimes(5);
    const arm = await baked('arm64');
    const oldest = ids.at(-1) ?? '';
    await images().publish(oldest);
    const { removed, spared, strays } = await images().prune(2);
    expect({ removed, spared, strays }).toEqual({ removed: ids.slice(2, 4), spared: [], strays: [] });
    expect(await left()).toEqual([...ids.slice(0, 2), oldest, arm.id].sort());
    expect(await snapshotsLeft()).toBe(4);
    expect((await images().prune(2)).removed).toEqual([]);
  });

  it('spares what an instance was started from, also one that is stopped, until it is gone', async () => {
    const [newest = '', running = '', pooled = ''] = await bakedTimes(3);
    const [box, reserve] = [await run(running), await run(pooled)];
    await ec2.send(new StopInstancesCommand({ InstanceIds: [reserve] }));
    await images().publish(newest);
    const { removed, spared } = await images().prune(1);
    expect(removed).toEqual([]);
    expect(spared).toEqual([
      { id: running, why: `${box} was started from it` },
      { id: pooled, why: `${reserve} was started from it` },
    ]);
    await ec2.send(new TerminateInstancesCommand({ InstanceIds: [box, reserve] }));
    expect((await images().prune(1)).removed).toEqual([running, pooled]);
  });

  it('spares what a launch template of the deployment names, until templates are to be forgotten', async () => {
    const [newest = '', old = ''] = await bakedTimes(2);
    await images().publish(newest);
    const template = (name: string, owner: string) =>
      ec2.send(
        new CreateLaunchTemplateCommand({
          LaunchTemplateName: name,
          LaunchTemplateData: { ImageId: old },
          TagSpecifications: [{ ResourceType: 'launch-template', Tags: [{ Key: 'devctl:deployment', Value: owner }] }],
        }),
      );
    await template(`devctl-${deployment}`, deployment);
    expect(await images().prune(1)).toMatchObject({
      removed: [],
      spared: [{ id: old, why: `launch template devctl-${deployment} names it` }],
    });
    expect(await images().prune(1, true)).toMatchObject({ removed: [old], spared: [] });
    expect(await left()).toEqual([newest]);
  });

  it('removes snapshots that an end in between has left, and not those of a bake that runs', async () => {
    await baked();
    await snapshot();
    expect((await images().prune(1)).strays).toEqual([]);
    nowMs += 2 * DAY_MS;
    expect((await images().prune(1)).strays).toHaveLength(1);
    expect(await snapshotsLeft()).toBe(1);
  });

  it('leaves alone what is of another deployment, or of nobody', async () => {
    await baked();
    deployment = `${deployment}-other`;
    const theirs = await bakedTimes(2);
    deployment = deployment.replace('-other', '');
    const { ImageId: nobodys } = await ec2.send(new CreateImageCommand({ InstanceId: await machineOf('x86_64'), Name: `nobody-${count}` }));
    nowMs += 2 * DAY_MS;
    expect(await images().prune(1)).toEqual({ removed: [], spared: [], strays: [] });
    const { Images: found = [] } = await ec2.send(new DescribeImagesCommand({ ImageIds: [...theirs, nobodys ?? ''] }));
    expect(found).toHaveLength(3);
  });
});

describe('npm run image', () => {
  let dir: string;
  beforeAll(() => {
    dir = mkdtempSync(join(tmpdir(), 'devctl-image-'));
  });
  afterAll(() => rmSync(dir, { recursive: true, force: true }));

  const settings = (patch: object = {}) => {
    const file = join(dir, 'ec2.json');
    const images = { x86_64: '/devctl/command/x86_64', arm64: 'ami-0123456789abcdef0' };
    writeFileSync(
      file,
      JSON.stringify({
        region: REGION,
        images,
        subnets: ['subnet-0123456789abcdef0'],
        securityGroups: ['sg-0123456789abcdef0'],
        instanceProfileArn: 'arn:aws:iam::123456789012:instance-profile/devctl-box',
        launcherUrl: 'https://boxes.example.com',
        identityIssuer: 'https://issuer.example.com',
        endpoint: inject('motoUrl'),
        ...patch,
      }),
    );
    return file;
  };
  const known = { AWS_ACCESS_KEY_ID: 'test', AWS_SECRET_ACCESS_KEY: 'test' };
  beforeAll(() => {
    for (const [name, value] of Object.entries(known)) vi.stubEnv(name, value);
  });
  afterAll(() => vi.unstubAllEnvs());
  const image = async (words: string[], env: Record<string, string> = {}) => {
    const said: string[] = [];
    const code = await imageCommand(words, { say: (line) => said.push(line), root, env });
    return { code, said: said.join('\n') };
  };
  const asProcess = (words: string[]) =>
    new Promise<{ code: number; said: string }>((resolve) => {
      const env = { PATH: process.env['PATH'], HOME: dir, AWS_EC2_METADATA_DISABLED: 'true' };
      execFile(process.execPath, ['.ci/ts.mjs', 'packer/main.ts', ...words], { cwd: root, env }, (error, stdout, stderr) =>
        resolve({ code: error === null ? 0 : Number(error.code), said: stdout + stderr }),
      );
    });

  it('names what is wrong with its words', async () => {
    const wrong: [string[], RegExp][] = [
      [[], /^image: no verb$/m],
      [['burn', '--config', settings()], /^image: no verb burn$/m],
      [['prune'], /--config FILE is missing/],
      [['prune', '--config', settings(), '--keep', '0'], /--keep is 1 to 1000, and not 0/],
      [['prune', '--config', settings(), '--arch', 'mips'], /--arch is x86_64 or arm64, and not mips/],
      [['publish', 'latest', '--config', settings()], /publish takes one image, ami-…/],
      [['prune', '--config', settings(), '--arch', 'arm64'], /`images.arm64` has to name a parameter/],
    ];
    for (const [words, expected] of wrong) {
      const { code, said } = await image(words);
      expect(said).toMatch(expected);
      expect(said).toContain('usage: npm run image');
      expect(code).toBe(2);
    }
  });

  it('says that there are no credentials, before anything else is tried', async () => {
    const { code, said } = await asProcess(['prune', '--config', settings()]);
    expect({ code, said }).toEqual({ code: 1, said: expect.stringContaining('image: there are no AWS credentials') });
  });

  it('does not begin to bake where a tool is missing, and names each', async () => {
    const { code, said } = await image(['bake', '--config', settings()], { PATH: '/nonexistent' });
    expect(code).toBe(1);
    expect(said).toContain('nothing is baked:');
    expect(said).toContain('packer is not installed');
    expect(said).toContain('session-manager-plugin is not installed');
  });

  it('says what is wrong with the file, and where nothing is to be done', async () => {
    const { code, said } = await image(['prune', '--config', settings({ region: 'moon' })]);
    expect({ code, said }).toEqual({ code: 1, said: expect.stringMatching(/region/) });
    expect(await image(['prune', '--config', settings()])).toEqual({ code: 0, said: expect.stringContaining('nothing to prune') });
  });
});
