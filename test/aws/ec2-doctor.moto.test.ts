import {
  AuthorizeSecurityGroupIngressCommand,
  CreateSecurityGroupCommand,
  DeleteRouteCommand,
  DisableEbsEncryptionByDefaultCommand,
  EC2Client,
  EnableEbsEncryptionByDefaultCommand,
} from '@aws-sdk/client-ec2';
import { PutParameterCommand, SSMClient } from '@aws-sdk/client-ssm';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { type Ec2CheckSettings, ec2Checks } from '../../launcher/providers/ec2/doctor.ts';
import { connectAws } from '../../launcher/providers/ec2/sdk-api.ts';
import { wallTime } from '../support/ec2-over-sdk.ts';
import { makeNetwork, type Network } from './network.ts';

const REGION = 'us-east-1';
const credentials = { accessKeyId: 'test', secretAccessKey: 'test' };
/** What only sets the stage: IAM by hand, since no client of it is installed. */
async function iam(Action: string, fields: Record<string, string>): Promise<void> {
  const authorization = 'AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/iam/aws4_request, SignedHeaders=host, Signature=none';
  const body = new URLSearchParams({ Action, Version: '2010-05-08', ...fields });
  const { ok, status } = await fetch(inject('motoUrl'), { method: 'POST', headers: { authorization }, body });
  if (!ok) throw new Error(`${Action}: HTTP ${status}`);
}

describe('doctor, over the SDK, on moto', () => {
  let aws: ReturnType<typeof connectAws>;
  let ec2: EC2Client;
  let settings: Ec2CheckSettings;
  let network: Network;
  beforeAll(async () => {
    const connection = { region: REGION, endpoint: inject('motoUrl'), credentials };
    aws = connectAws(connection);
    ec2 = new EC2Client(connection);
    network = await makeNetwork(ec2, 7);
    const { vpcId: VpcId, subnetIds } = network;
    const { GroupId = '' } = await ec2.send(new CreateSecurityGroupCommand({ VpcId, GroupName: 'doctor', Description: 'boxes' }));
    const { Images } = await aws.ec2.describeImages({ Filters: [{ Name: 'architecture', Values: ['x86_64'] }] });
    const Value = Images?.find(({ DeprecationTime: at }) => at === undefined || Date.parse(at) > Date.now())?.ImageId ?? '';
    const ssm = new SSMClient(connection);
    await ssm.send(new PutParameterCommand({ Name: '/devctl/doctor', Value, Type: 'String' }));
    ssm.destroy();
    await ec2.send(new EnableEbsEncryptionByDefaultCommand({}));
    await iam('CreateRole', { RoleName: 'doctor-box', AssumeRolePolicyDocument: '{"Version":"2012-10-17","Statement":[]}' });
    await iam('CreateInstanceProfile', { InstanceProfileName: 'doctor-box' });
    await iam('AddRoleToInstanceProfile', { InstanceProfileName: 'doctor-box', RoleName: 'doctor-box' });
    settings = {
      region: REGION,
      subnetIds,
      securityGroupIds: [GroupId],
      images: { x86_64: '/devctl/doctor' },
      instanceProfile: 'doctor-box',
      identityIssuer: 'http://127.0.0.1:2',
      launcherUrl: 'https://devctl.example.com',
      functionName: null,
      credentialsIn: 'the test',
    };
  });
  afterAll(() => {
    aws?.close();
    ec2?.destroy();
  });
  const look = async (patch: Partial<Ec2CheckSettings> = {}, connection = aws) => {
    const checks = await ec2Checks({ ...connection, time: wallTime, settings: { ...settings, ...patch } });
    return new Map(checks.map((check) => [check.name, check]));
  };

  it('finds everything in order that moto has', async () => {
    const checks = await look();
    // Moto has no quotas of EC2 and no issuer of tokens; the service roles are not there yet.
    const known = ['spot quota', 'on-demand quota', 'service roles', 'box identity'];
    expect([...checks.values()].filter(({ name, level }) => level !== 'ok' && !known.includes(name))).toEqual([]);
    expect(checks.get('credentials')?.detail).toMatch(/^account \d{12} as /);
    expect(checks.get('subnets')?.detail).toMatch(/^2 subnets in us-east-1a, us-east-1b · \d+ free addresses$/);
    expect(checks.get('image x86_64')?.detail).toMatch(/^ami-\w+ of \/devctl\/doctor/);
    expect(checks.get('instance profile')?.detail).toBe('doctor-box with 1 role: doctor-box');
    expect(checks.get('service roles')?.level).toBe('warn');
  });

  it('sees that there is no way out, and a group that is open', async () => {
    await ec2.send(new DeleteRouteCommand({ RouteTableId: network.tableId, DestinationCidrBlock: '0.0.0.0/0' }));
    const GroupId = settings.securityGroupIds[0];
    await ec2.send(new AuthorizeSecurityGroupIngressCommand({ GroupId, IpProtocol: 'tcp', FromPort: 22, ToPort: 22, CidrIp: '0.0.0.0/0' }));
    const checks = await look();
    expect(checks.get('public subnets')).toMatchObject({
      level: 'error',
      fix: expect.stringContaining(`create-route --route-table-id ${network.tableId}`),
    });
    expect(checks.get('no inbound rules')).toMatchObject({ level: 'error', detail: expect.stringContaining('open to the whole internet') });
    await network.open();
    expect((await look()).get('public subnets')?.level).toBe('ok');
  });

  it('sees what is not there', async () => {
    await ec2.send(new DisableEbsEncryptionByDefaultCommand({}));
    const checks = await look({
      subnetIds: ['subnet-0123456789abcdef0'],
      securityGroupIds: ['sg-0123456789abcdef0'],
      images: { x86_64: '/devctl/nothing', arm64: 'ami-0123456789abcdef0' },
      instanceProfile: 'nothing',
      functionName: 'nothing',
    });
    expect([...checks.values()].filter(({ level }) => level === 'error').map(({ name }) => name)).toEqual([
      'image x86_64',
      'image arm64',
      'subnets',
      'no inbound rules',
      'instance profile',
      'box identity',
      'function',
    ]);
    expect(checks.get('disk encryption')?.level).toBe('warn');
  });

  it('finds the service roles once they are there', async () => {
    await iam('CreateRole', { RoleName: 'AWSServiceRoleForEC2Fleet', AssumeRolePolicyDocument: '{"Version":"2012-10-17","Statement":[]}' });
    expect((await look()).get('service roles')?.detail).toContain('AWSServiceRoleForEC2Spot not there');
    await iam('CreateRole', { RoleName: 'AWSServiceRoleForEC2Spot', AssumeRolePolicyDocument: '{"Version":"2012-10-17","Statement":[]}' });
    expect((await look()).get('service roles')?.level).toBe('ok');
  });

  it('says where nobody answers', async () => {
    const nobody = connectAws({ region: REGION, endpoint: 'http://127.0.0.1:2', credentials });
    const checks = await look({}, nobody);
    nobody.close();
    expect([...checks.values()].filter(({ level }) => level === 'ok').map(({ name }) => name)).toEqual(['launcher address', 'function']);
    expect(checks.get('subnets')?.detail).toMatch(/^cannot be looked at: ec2:DescribeSubnets: .*ECONNREFUSED/);
  });
});
