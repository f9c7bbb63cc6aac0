import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { DescribeTableCommand, DynamoDBClient } from '@aws-sdk/client-dynamodb';
import {
  CreateVolumeCommand,
  DescribeImagesCommand,
  DescribeInstancesCommand,
  DescribeLaunchTemplatesCommand,
  DescribeLaunchTemplateVersionsCommand,
  DescribeSecurityGroupsCommand,
  DescribeSubnetsCommand,
  EC2Client,
  RunInstancesCommand,
} from '@aws-sdk/client-ec2';
import { GetFunctionCommand, LambdaClient } from '@aws-sdk/client-lambda';
import { PutParameterCommand, SSMClient } from '@aws-sdk/client-ssm';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { query, textIn, textsIn } from '../../infra/commands/query.ts';
import { namesOf } from '../../infra/names.ts';
import { tableDefinition } from '../../launcher/stores/dynamo/table.ts';
import { readImageSettings } from '../../packer/settings.ts';
import { type MotoGaps, startMotoGaps } from './moto-gaps.ts';

const REGION = 'eu-central-1';
const ACCOUNT = '123456789012';
const credentials = { accessKeyId: 'test', secretAccessKey: 'test' };
const root = fileURLToPath(new URL('../..', import.meta.url));
/** The CDK's command line starts five times. */
const DEPLOY_MS = 300_000;
const names = namesOf('infra-a', { account: ACCOUNT, region: REGION });

interface Said {
  code: number;
  stdout: string;
  stderr: string;
}

describe('the commands that deploy, with the CDK, on moto', () => {
  let gaps: MotoGaps;
  let home: string;
  let config: string;
  let ec2: EC2Client;
  let ssm: SSMClient;
  let dynamo: DynamoDBClient;
  let lambda: LambdaClient;

  beforeAll(async () => {
    gaps = await startMotoGaps(inject('motoUrl'), names.stack);
    home = mkdtempSync(join(tmpdir(), 'devctl-deploy-'));
    config = file('target.json', {});
    const connection = { region: REGION, endpoint: inject('motoUrl'), credentials };
    ec2 = new EC2Client(connection);
    ssm = new SSMClient(connection);
    dynamo = new DynamoDBClient(connection);
    lambda = new LambdaClient(connection);
  });
  afterAll(async () => {
    for (const client of [ec2, ssm, dynamo, lambda]) client?.destroy();
    await gaps?.close();
    if (home) rmSync(home, { recursive: true, force: true });
  });

  const file = (name: string, change: object): string => {
    const path = join(home, name);
    const whole = {
      deployment: names.deployment,
      region: REGION,
      alertEmails: ['team@example.com'],
      target: { stacks: ['GeneratorDev'] },
      reservedConcurrency: null,
      ...change,
    };
    writeFileSync(path, JSON.stringify(whole));
    return path;
  };

  function command(words: string[], env: Record<string, string> = {}): Promise<Said> {
    const surroundings = {
      PATH: process.env['PATH'] ?? '',
      HOME: home,
      DEVCTL_HOME: join(home, 'devctl'),
      AWS_ENDPOINT_URL: gaps.url,
      // Where moto knows a bucket in a path.
      AWS_ENDPOINT_URL_S3_FOR_CLOUDFORMATION: gaps.url.replace('127.0.0.1', 'localhost'),
      AWS_ACCESS_KEY_ID: 'test',
      AWS_SECRET_ACCESS_KEY: 'test',
      ...env,
    };
    return new Promise((resolve) => {
      execFile(
        process.execPath,
        ['.ci/ts.mjs', 'infra/main.ts', ...words],
        { cwd: root, env: surroundings, maxBuffer: 16e6 },
        (error, stdout, stderr) => resolve({ code: typeof error?.code === 'number' ? error.code : error ? 1 : 0, stdout, stderr }),
      );
    });
  }

  const options = () => ({ credentials: async () => credentials, region: REGION, endpoint: inject('motoUrl') });
  const iam = (form: Record<string, string>): Promise<string> => query(options(), 'iam', form);

  it('what is wrong is said before anything is made, with the next step', { timeout: DEPLOY_MS }, async () => {
    const wrong = await command(['deploy', '--config', file('wrong.json', { budgetUsd: 400 }), '--yes']);
    expect(wrong).toMatchObject({ code: 1, stdout: '' });
    expect(wrong.stderr).toMatch(/wrong\.json: budgetUsd 400 must be at most 50\n {2}docs\/target\.example\.json/);
    const missing = await command(['deploy', '--config', join(home, 'none.json')]);
    expect(missing.stderr).toMatch(
      /none\.json cannot be read: no such file or folder\n {2}cp docs\/target\.example\.json \/\S+none\.json, and mend it/,
    );
    const typo = await command(['deploy', '--profil', 'x']);
    expect(typo).toEqual({
      code: 2,
      stdout: '',
      stderr: 'error: no flag --profil: did you mean --profile?\n  see npm run deploy -- --help\n',
    });
    const other = await command(['deploy', '--config', file('other.json', { account: '999999999999' }), '--yes']);
    expect(other.code).toBe(1);
    expect(other.stderr).toContain(`these credentials are of account ${ACCOUNT}`);
    const profile = await command(['deploy', '--config', config, '--profile', 'nobody', '--yes'], {
      AWS_ACCESS_KEY_ID: '',
      AWS_SECRET_ACCESS_KEY: '',
    });
    expect(profile.code).toBe(1);
    expect(profile.stderr).toMatch(/profile nobody gives no credentials: .*\n {2}aws sso login --profile nobody/);
    const nobody = await command(['deploy', '--config', config]);
    expect(nobody.stderr).toContain('nothing was done: there is no terminal to ask at\n  say --yes');
    await expect(dynamo.send(new DescribeTableCommand({ TableName: names.table }))).rejects.toThrow(/not found/i);
  });

  it('the template can be had without an account', { timeout: DEPLOY_MS }, async () => {
    const said = await command(['deploy', '--config', config, '--template-only'], {
      AWS_ENDPOINT_URL: 'http://127.0.0.1:1',
      AWS_ACCESS_KEY_ID: '',
    });
    expect(said.code).toBe(0);
    const { Resources } = JSON.parse(said.stdout) as { Resources: Record<string, { Type: string }> };
    expect(Object.values(Resources).map(({ Type }) => Type)).toContain('AWS::Lambda::Url');
    expect(said.stdout).not.toContain(ACCOUNT);
  });

  it('what would be made can be seen before', { timeout: DEPLOY_MS }, async () => {
    const { code, stderr } = await command(['deploy', '--config', config, '--dry-run']);
    expect(code, stderr).toBe(0);
    expect(stderr).toMatch(/\[\+\] AWS::Lambda::Url /);
    expect(stderr).toContain(`Stack ${names.assetsStack}`);
    await expect(dynamo.send(new DescribeTableCommand({ TableName: names.table }))).rejects.toThrow(/not found/i);
  });

  it('deploys from nothing, and says what it made, what it costs and what is next', { timeout: DEPLOY_MS }, async () => {
    const { code, stderr, stdout } = await command(['deploy', '--config', config, '--yes']);
    expect(code, stderr).toBe(0);
    expect(stdout).toBe('');
    expect(stderr).toMatch(
      /costs \$\d\.\d\d a month while nobody uses it \(secrets \$0\.40, snapshots of images \$0\.40, the rest \$0\.1\d\)/,
    );
    expect(stderr).toContain(`devctl cost --plan --template dist/deploy/${names.deployment}/${names.deployment}.template.json`);
    expect(stderr).toContain('deployed: https://moto.lambda-url.eu-central-1.on.aws/');
    const imageFile = `dist/deploy/${names.deployment}/image.json`;
    expect(stderr).toContain(
      `no image for x86_64 is published, and no box can start: npm run image -- bake --arch x86_64 --config ${imageFile}\n`,
    );
    expect(readImageSettings(join(root, imageFile))).toMatchObject({
      deployment: names.deployment,
      images: { x86_64: names.imageParameters.x86_64 },
    });
    expect(stderr).not.toContain('was not written');
    expect(JSON.parse(readFileSync(join(home, 'devctl/contexts.json'), 'utf8'))).toMatchObject({
      contexts: { [names.deployment]: { url: 'https://moto.lambda-url.eu-central-1.on.aws' } },
    });
    expect(stderr).toContain(`next: devctl context use ${names.deployment}, then devctl up`);
    console.info(`moto lacks, and nothing is claimed of: ${[...gaps.lacking].join(', ')}`);
    const docs = readFileSync(join(root, 'docs/DEPLOY.md'), 'utf8');
    for (const lacking of gaps.lacking) expect(docs).toContain(lacking);
  });

  it('what a bake reads stays there when somebody only looks', { timeout: DEPLOY_MS }, async () => {
    const { code, stderr } = await command(['deploy', '--config', config, '--dry-run']);
    expect(code, stderr).toBe(0);
    expect(existsSync(join(root, 'dist/deploy', names.deployment, 'image.json'))).toBe(true);
    const gone = await command(['destroy', '--config', config, '--dry-run']);
    expect(gone.code, gone.stderr).toBe(0);
    expect(gone.stderr).toContain(`would go: the stacks ${names.stack} and ${names.cdkToolkitStack}`);
    expect(gone.stderr).toContain(`table ${names.table}`);
    expect(gone.stderr).not.toContain('would be refused');
  });

  it('what moto made is what the launcher expects', async () => {
    const { Table: table } = await dynamo.send(new DescribeTableCommand({ TableName: names.table }));
    const definition = tableDefinition(names.table);
    expect(table?.KeySchema).toEqual(definition.KeySchema);
    expect(table?.GlobalSecondaryIndexes?.map(({ IndexName, KeySchema, Projection }) => ({ IndexName, KeySchema, Projection }))).toEqual(
      definition.GlobalSecondaryIndexes,
    );
    expect(table?.DeletionProtectionEnabled).toBe(true);
    const mine = [{ Name: 'tag:Name', Values: [`${names.deployment}-1`, `${names.deployment}-2`] }];
    const { Subnets: subnets = [] } = await ec2.send(new DescribeSubnetsCommand({ Filters: mine }));
    expect(new Set(subnets.map(({ AvailabilityZone: az }) => az)).size).toBe(2);
    const { SecurityGroups: [group] = [] } = await ec2.send(
      new DescribeSecurityGroupsCommand({ Filters: [{ Name: 'tag:Name', Values: [`${names.deployment}-box`] }] }),
    );
    expect(group?.IpPermissions).toEqual([]);
    expect(group?.VpcId).toBe(subnets[0]?.VpcId);
    for (const name of [names.apiFunction, names.eventsFunction]) {
      const { Configuration: made } = await lambda.send(new GetFunctionCommand({ FunctionName: name }));
      const { DEVCTL_SETTINGS: settings = '{}' } = made?.Environment?.Variables ?? {};
      expect(
        JSON.parse(settings)
          .subnets.map(({ id }: { id: string }) => id)
          .sort(),
      ).toEqual(subnets.map(({ SubnetId: id }) => id).sort());
    }
    for (const role of [names.launcherRole, names.boxRole, names.adminRole])
      expect(textIn(await iam({ Action: 'GetRole', RoleName: role }), 'RoleName')).toBe(role);
  });

  it('boxes start from the newest version of their template', async () => {
    const { LaunchTemplates: [template] = [] } = await ec2.send(
      new DescribeLaunchTemplatesCommand({ LaunchTemplateNames: [names.launchTemplates.x86_64] }),
    );
    expect(template?.DefaultVersionNumber).toBe(template?.LatestVersionNumber);
    const { LaunchTemplateVersions: [version] = [] } = await ec2.send(
      new DescribeLaunchTemplateVersionsCommand({ LaunchTemplateName: names.launchTemplates.x86_64, Versions: ['$Default'] }),
    );
    const data = version?.LaunchTemplateData;
    expect(data?.MetadataOptions?.HttpTokens).toBe('required');
    expect(data?.ImageId).toBeUndefined();
    expect(JSON.parse(Buffer.from(data?.UserData ?? '', 'base64').toString())).toEqual({
      devctl: 1,
      deployment: names.deployment,
      launcherUrl: 'https://moto.lambda-url.eu-central-1.on.aws/',
    });
  });

  it('every role for deploys from boxes has the boundary', async () => {
    for (const role of Object.values(names.cdkRoles)) {
      const xml = await iam({ Action: 'GetRole', RoleName: role });
      expect(textIn(xml, 'PermissionsBoundaryArn'), role).toBe(`arn:aws:iam::${ACCOUNT}:policy/${names.boundary}`);
    }
  });

  it('is taken out again, the toolkit of boxes first, as far as moto deletes', { timeout: DEPLOY_MS }, async () => {
    const { code, stderr } = await command(['destroy', '--config', config, '--yes']);
    expect(stderr).toContain(`deleting stack ${names.cdkToolkitStack}\n`);
    // moto deletes what a stack has in no order; the end of it is tried below, with a stack that has no network.
    const inMoto = /vpc-\w+ has dependencies and cannot be deleted|must detach all policies first/;
    expect({ code, stderr }).toEqual({ code: 1, stderr: expect.stringMatching(inMoto) });
    for (const role of Object.values(names.cdkRoles))
      await expect(iam({ Action: 'GetRole', RoleName: role })).rejects.toMatchObject({ code: 'NoSuchEntity' });
    expect(gaps.answered.at(-1)?.get('EnableTerminationProtection')).toBe('false');
    const { Table: table } = await dynamo.send(new DescribeTableCommand({ TableName: names.table }));
    expect(table?.DeletionProtectionEnabled).toBe(true);
  });

  // moto can make no second change set, so this one has no bootstrap, whose own would be one.
  it('again changes nothing, and takes the image that was published meanwhile', { timeout: DEPLOY_MS }, async () => {
    const third = namesOf('infra-c', { account: ACCOUNT, region: REGION });
    const own = await startMotoGaps(inject('motoUrl'), third.stack);
    const env = { AWS_ENDPOINT_URL: own.url, AWS_ENDPOINT_URL_S3_FOR_CLOUDFORMATION: own.url.replace('127.0.0.1', 'localhost') };
    const words = ['deploy', '--config', file('third.json', { deployment: third.deployment, target: {} }), '--yes'];
    try {
      const first = await command(words, env);
      expect(first.code, first.stderr).toBe(0);
      expect(first.stderr).toContain('boxes may deploy no stack');
      await ssm.send(new PutParameterCommand({ Name: third.imageParameters.x86_64, Value: 'ami-0123456789abcdef0', Type: 'String' }));
      const { code, stderr } = await command(words, env);
      expect(code, stderr).toBe(0);
      expect(stderr).toContain(`${third.stack} (no changes)`);
      expect(stderr).toContain('boxes of x86_64 boot ami-0123456789abcdef0');
    } finally {
      await own.close();
    }
  });
});

describe('the command that destroys, on moto', () => {
  const gone = namesOf('infra-b', { account: ACCOUNT, region: REGION });
  let gaps: MotoGaps;
  let home: string;
  let ec2: EC2Client;
  beforeAll(async () => {
    gaps = await startMotoGaps(inject('motoUrl'), gone.stack);
    home = mkdtempSync(join(tmpdir(), 'devctl-destroy-'));
    ec2 = new EC2Client({ region: REGION, endpoint: inject('motoUrl'), credentials });
    writeFileSync(
      join(home, 'target.json'),
      JSON.stringify({ deployment: gone.deployment, region: REGION, alertEmails: ['team@example.com'], reservedConcurrency: null }),
    );
    const document = { Version: '2012-10-17', Statement: [{ Effect: 'Allow', Action: 's3:GetObject', Resource: '*' }] };
    // moto cannot take a VPC away that was made by a stack: one policy stands for all.
    const TemplateBody = JSON.stringify({
      Resources: {
        Boundary: { Type: 'AWS::IAM::ManagedPolicy', Properties: { ManagedPolicyName: gone.boundary, PolicyDocument: document } },
      },
    });
    await query(options(), 'cloudformation', { Action: 'CreateStack', StackName: gone.stack, TemplateBody });
  });
  afterAll(async () => {
    ec2?.destroy();
    await gaps?.close();
    if (home) rmSync(home, { recursive: true, force: true });
  });
  const options = () => ({ credentials: async () => credentials, region: REGION, endpoint: inject('motoUrl') });

  function destroy(...words: string[]): Promise<Said> {
    const env = {
      PATH: process.env['PATH'] ?? '',
      HOME: home,
      AWS_ENDPOINT_URL: gaps.url,
      AWS_ACCESS_KEY_ID: 'test',
      AWS_SECRET_ACCESS_KEY: 'test',
    };
    return new Promise((resolve) => {
      execFile(
        process.execPath,
        ['.ci/ts.mjs', 'infra/main.ts', 'destroy', '--config', join(home, 'target.json'), ...words],
        { cwd: root, env },
        (error, stdout, stderr) => resolve({ code: typeof error?.code === 'number' ? error.code : error ? 1 : 0, stdout, stderr }),
      );
    });
  }
  const policies = async () =>
    textsIn(await query(options(), 'iam', { Action: 'ListPolicies', Scope: 'Local', MaxItems: '1000' }), 'PolicyName');

  it('refuses while machines are there, and ends them when told; disks stay, and what they cost is told', {
    timeout: DEPLOY_MS,
  }, async () => {
    const Tags = [{ Key: 'devctl:deployment', Value: gone.deployment }];
    const { Images: [image] = [] } = await ec2.send(new DescribeImagesCommand({ Owners: ['amazon'] }));
    const { Instances: [box] = [] } = await ec2.send(
      new RunInstancesCommand({
        ImageId: image?.ImageId,
        MinCount: 1,
        MaxCount: 1,
        TagSpecifications: [{ ResourceType: 'instance', Tags }],
      }),
    );
    await ec2.send(
      new CreateVolumeCommand({ AvailabilityZone: `${REGION}a`, Size: 64, TagSpecifications: [{ ResourceType: 'volume', Tags }] }),
    );
    const { Instances: [reserve] = [] } = await ec2.send(
      new RunInstancesCommand({
        ImageId: image?.ImageId,
        MinCount: 1,
        MaxCount: 1,
        TagSpecifications: [{ ResourceType: 'instance', Tags: [...Tags, { Key: 'devctl:pool', Value: 'pb_1' }] }],
      }),
    );
    const looked = await destroy('--dry-run');
    expect(looked.code, looked.stderr).toBe(0);
    expect(looked.stderr).toContain(`would be refused: 1 machine is there: ${box?.InstanceId}\n  devctl down`);
    const refused = await destroy('--yes');
    expect(refused.code).toBe(1);
    expect(refused.stderr).toContain(`1 machine is there: ${box?.InstanceId}`);
    expect(refused.stderr).toContain('--end-boxes');
    expect(await policies()).toContain(gone.boundary);

    const { code, stderr } = await destroy('--yes', '--end-boxes');
    expect(code, stderr).toBe(0);
    const { Reservations: [{ Instances: [ended] = [] } = {}] = [] } = await ec2.send(
      new DescribeInstancesCommand({ InstanceIds: [box?.InstanceId ?? ''] }),
    );
    expect(ended?.State?.Name).toBe('terminated');
    expect(stderr).toContain(`${reserve?.InstanceId}`);
    await expect(query(options(), 'cloudformation', { Action: 'DescribeStacks', StackName: gone.stack })).rejects.toMatchObject({
      code: 'ValidationError',
    });
    expect(gaps.answered.map((form) => form.get('EnableTerminationProtection'))).toEqual(['false']);
    expect(stderr).toContain('1 volume of workspaces, 64 GiB: $5.12');
    expect(stderr).toContain(`table ${gone.table}`);
  });

  it('refuses while roles that deploys from boxes have made hold the boundary', { timeout: DEPLOY_MS }, async () => {
    // Of a boundary moto does not know where it is used.
    const roles = ['GeneratorDev-TaskRole', gone.cdkRoles.deploy].map((name) => `<member><RoleName>${name}</RoleName></member>`).join('');
    const ListEntitiesForPolicy = `<ListEntitiesForPolicyResponse><ListEntitiesForPolicyResult><PolicyRoles>${roles}</PolicyRoles></ListEntitiesForPolicyResult></ListEntitiesForPolicyResponse>`;
    await gaps.close();
    gaps = await startMotoGaps(inject('motoUrl'), gone.stack, { ListEntitiesForPolicy });
    const { code, stderr } = await destroy('--yes');
    expect(code).toBe(1);
    expect(stderr).toContain(`deploys from boxes have made roles with the boundary ${gone.boundary}: GeneratorDev-TaskRole\n`);
    expect(stderr).toContain('delete the stacks that they are of first');
    const [asked] = gaps.answered;
    expect(asked?.get('PolicyUsageFilter')).toBe('PermissionsBoundary');
    expect(asked?.get('PolicyArn')).toBe(`arn:aws:iam::${ACCOUNT}:policy/${gone.boundary}`);
    const docs = readFileSync(join(root, 'docs/DEPLOY.md'), 'utf8');
    for (const lacking of gaps.lacking) expect(docs).toContain(lacking);
  });
});
