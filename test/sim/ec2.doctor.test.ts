import { beforeEach, describe, expect, it } from 'vitest';
import type { Check } from '../../launcher/contract/api.ts';
import { type Ec2CheckSettings, ec2Checks } from '../../launcher/providers/ec2/doctor.ts';
import { Bench } from './bench.ts';
import { BOX_GROUP } from './catalog.ts';
import { refusal } from './errors.ts';

const SECRET = 'AKIAIOSFODNN7EXAMPLE';

describe('doctor on EC2', () => {
  let bench: Bench;
  beforeEach(() => {
    bench = new Bench();
    Object.assign(bench.aws.cloud.pools.quotas, { spotVcpus: 64, onDemandVcpus: 64 });
    bench.aws.cloud.catalog.parameters.set('/devctl/image/x86_64', bench.image());
  });
  const settings = (patch: Partial<Ec2CheckSettings> = {}): Ec2CheckSettings => ({
    region: bench.aws.region,
    subnetIds: [...bench.aws.cloud.catalog.subnets.keys()],
    securityGroupIds: [BOX_GROUP],
    images: { x86_64: '/devctl/image/x86_64' },
    instanceProfile: 'arn:aws:iam::123456789012:instance-profile/devctl-box',
    identityIssuer: 'https://issuer.example.com',
    launcherUrl: 'https://devctl.example.com',
    functionName: null,
    credentialsIn: 'the profile "dev" (AWS_PROFILE)',
    ...patch,
  });
  const look = (patch: Partial<Ec2CheckSettings> = {}): Promise<Check[]> => {
    const { ec2, ssm, accountApi: account } = bench.aws;
    return bench.run(ec2Checks({ ec2, ssm, account, time: bench.clock, settings: settings(patch) }));
  };
  /** What is not good, and nothing else. */
  const found = async (patch: Partial<Ec2CheckSettings> = {}) =>
    (await look(patch)).filter(({ level }) => level !== 'ok').map(({ name, level, detail, fix }) => ({ name, level, detail, fix }));
  const one = async (patch: Partial<Ec2CheckSettings> = {}) => {
    const all = await found(patch);
    expect(all).toHaveLength(1);
    return all[0] as (typeof all)[number];
  };
  const catalog = () => bench.aws.cloud.catalog;

  it('finds nothing in an account where everything is as it should be, and changes nothing there', async () => {
    const checks = await look();
    expect(checks.filter(({ level }) => level !== 'ok')).toEqual([]);
    expect(checks.map(({ name }) => name)).toEqual([
      'credentials',
      'AWS clock',
      'launcher address',
      'region',
      'spot quota',
      'on-demand quota',
      'service roles',
      'image x86_64',
      'subnets',
      'public subnets',
      'no inbound rules',
      'instance profile',
      'disk encryption',
      'box identity',
      'function',
    ]);
    expect(checks[0]?.detail).toBe('account 123456789012 as assumed-role/dev/someone');
    expect(bench.aws.cloud.ledger.calls.filter(({ op }) => /^(create|start|run|delete|terminate|attach|send)/.test(op))).toEqual([]);
  });

  it('credentials that are over are named with where they were looked for, and nothing else is asked', async () => {
    bench.aws.account.credentials = 'ExpiredToken';
    const [credentials, rest, ...others] = await found();
    expect(others).toEqual([]);
    expect(credentials).toMatchObject({ name: 'credentials', level: 'error', fix: expect.stringContaining('aws sso login') });
    expect(credentials?.detail).toContain('they have expired (looked in: the profile "dev" (AWS_PROFILE))');
    expect(rest).toMatchObject({ name: 'account', level: 'warn' });
    expect(bench.aws.cloud.ledger.of('describeSubnets')).toEqual([]);
  });

  it('credentials that AWS does not know, and none at all', async () => {
    bench.aws.account.credentials = 'InvalidClientTokenId';
    expect((await found())[0]?.detail).toContain('AWS does not know them');
    const none = Object.assign(new Error('Could not load credentials from any providers'), { name: 'CredentialsProviderError' });
    bench.aws.cloud.faults.fail('callerIdentity', { with: none });
    expect((await found())[0]).toMatchObject({
      detail: expect.stringContaining('none were found'),
      fix: expect.stringContaining('AWS_PROFILE'),
    });
  });

  it('a clock that AWS does not accept, and one that is a little off', async () => {
    bench.aws.account.aheadMs = 600_000;
    expect(await one()).toMatchObject({ name: 'AWS clock', level: 'error', detail: expect.stringMatching(/(599|600) s behind AWS/) });
    bench.aws.account.aheadMs = -20_000;
    expect(await one()).toMatchObject({ name: 'AWS clock', level: 'warn', detail: expect.stringMatching(/(18|19|20) s ahead of AWS/) });
    bench.aws.cloud.faults.fail('callerIdentity', {
      with: refusal('SignatureDoesNotMatch', 'Signature expired: 20260101T000000Z is now earlier'),
    });
    expect((await found())[0]?.detail).toContain('the clock of this machine is wrong');
  });

  it('a region that is not there, or not enabled', async () => {
    catalog().regions[bench.aws.region] = 'not-opted-in';
    expect(await one()).toMatchObject({ name: 'region', level: 'error', fix: 'aws account enable-region --region-name us-east-1' });
    delete catalog().regions[bench.aws.region];
    expect((await one()).detail).toBe('AWS has no region us-east-1');
  });

  it('quotas, by what fits into them', async () => {
    const { quotas } = bench.aws.cloud.pools;
    quotas.spotVcpus = 5;
    expect(await one()).toEqual({
      name: 'spot quota',
      level: 'warn',
      detail: '5 vCPU: 2 boxes of small or medium, or 1 of large; none of xlarge',
      fix: 'aws service-quotas request-service-quota-increase --service-code ec2 --quota-code L-34B43A08 --desired-value 64 --region us-east-1',
    });
    quotas.spotVcpus = 64;
    quotas.onDemandVcpus = 0;
    expect(await one()).toMatchObject({ name: 'on-demand quota', level: 'error', detail: '0 vCPU: no box of any size' });
    quotas.onDemandVcpus = 8;
    const enough = (await look()).find(({ name }) => name === 'on-demand quota');
    expect(enough?.detail).toBe('8 vCPU: 4 boxes of small or medium, or 2 of large, or 1 of xlarge');
  });

  it('service roles that the first launch would have to make', async () => {
    bench.aws.account.roles.delete('AWSServiceRoleForEC2Spot');
    expect(await one()).toMatchObject({
      name: 'service roles',
      level: 'warn',
      fix: 'aws iam create-service-linked-role --aws-service-name spot.amazonaws.com',
    });
  });

  it('an image: no parameter, gone, of the other architecture, not ready, deprecated', async () => {
    const image = async (source: string) => one({ images: { x86_64: source } });
    expect((await image('/devctl/none')).detail).toBe('there is no parameter /devctl/none');
    expect((await image('ami-0')).detail).toBe('there is no image ami-0 in us-east-1, or not for this account');
    expect((await image(bench.image('arm64'))).detail).toMatch(/is of arm64$/);
    const known = catalog().images.get(bench.image());
    Object.assign(known ?? {}, { state: 'disabled' });
    expect(await image(bench.image())).toMatchObject({ level: 'error', detail: expect.stringMatching(/is disabled$/) });
    Object.assign(known ?? {}, { state: 'available', deprecatedAtMs: bench.clock.now() - 1 });
    expect(await image('/devctl/image/x86_64')).toMatchObject({
      level: 'warn',
      fix: 'aws ssm put-parameter --name /devctl/image/x86_64 --type String --overwrite --value ami-… --region us-east-1',
    });
    expect((await one({ images: {} })).detail).toBe('none is given');
  });

  it('subnets: not there, none by default, one zone, no free addresses', async () => {
    const [a = '', b = '', c = ''] = catalog().subnets.keys();
    expect((await one({ subnetIds: [a, b, 'subnet-0'] })).detail).toBe('there is no subnet-0 in us-east-1');
    expect(await one({ subnetIds: [a] })).toMatchObject({ level: 'warn', detail: expect.stringContaining('one zone alone') });
    for (const id of [a, b, c]) Object.assign(catalog().subnets.get(id) ?? {}, { freeAddresses: 0 });
    expect(await one()).toMatchObject({ level: 'error', detail: expect.stringContaining('0 free addresses') });
    Object.assign(catalog().subnets.get(a) ?? {}, { freeAddresses: 15 });
    expect(await one()).toMatchObject({ level: 'warn', detail: expect.stringContaining('15 free addresses') });
    catalog().subnets.clear();
    expect(await one({ subnetIds: [] })).toMatchObject({ name: 'subnets', fix: expect.stringContaining('ec2 create-default-vpc') });
  });

  it('subnets that are not public: their own table goes before the main one, and a route may lead nowhere', async () => {
    const [a = '', b = ''] = catalog().subnets.keys();
    const own = { RouteTableId: 'rtb-2', VpcId: 'vpc-00000000000000001', Associations: [{ SubnetId: b, Main: false }] };
    const to = { DestinationCidrBlock: '0.0.0.0/0' };
    catalog().routeTables.unshift({ ...own, Routes: [{ ...to, NatGatewayId: 'nat-1', State: 'active' }] });
    expect(await one()).toMatchObject({ name: 'public subnets', level: 'warn', detail: expect.stringMatching(new RegExp(`^${b}: .*NAT`)) });
    catalog().routeTables[0] = { ...own, Routes: [] };
    expect(await one()).toMatchObject({
      level: 'error',
      detail: expect.stringMatching(new RegExp(`^${b}: no way`)),
      fix: 'aws ec2 create-route --route-table-id rtb-2 --destination-cidr-block 0.0.0.0/0 --gateway-id igw-… --region us-east-1',
    });
    expect(await found({ subnetIds: [a] })).toMatchObject([{ name: 'subnets' }]);
    catalog().routeTables[0] = { ...own, Routes: [{ ...to, GatewayId: 'igw-gone', State: 'blackhole' }] };
    expect((await one()).detail).toContain('no way to an internet gateway');
  });

  it('security groups: the default one, open ones, ones that let nothing out, of another network, not there', async () => {
    expect(await one({ securityGroupIds: [] })).toMatchObject({
      name: 'no inbound rules',
      level: 'warn',
      detail: expect.stringContaining('the default group sg-00000000000000001 has 1 inbound rule'),
      fix: expect.stringContaining('ec2 create-security-group'),
    });
    const group = catalog().securityGroups[1] ?? {};
    group.IpPermissions = [{ IpProtocol: 'tcp', FromPort: 22, ToPort: 22, Ipv6Ranges: [{ CidrIpv6: '::/0' }] }];
    expect(await one()).toMatchObject({
      level: 'error',
      fix: expect.stringContaining(`revoke-security-group-ingress --group-id ${BOX_GROUP}`),
    });
    group.IpPermissions = [];
    group.IpPermissionsEgress = [];
    expect(await one()).toMatchObject({ level: 'error', fix: expect.stringContaining('authorize-security-group-egress') });
    group.VpcId = 'vpc-2';
    expect((await found()).map(({ detail }) => detail)).toEqual([
      `${BOX_GROUP} is of vpc-2, and the subnets are of vpc-00000000000000001`,
      expect.stringContaining('lets nothing out'),
    ]);
    expect((await one({ securityGroupIds: ['sg-0'] })).detail).toBe('there is no security group sg-0 in us-east-1');
  });

  it('an instance profile: none, not there, empty', async () => {
    expect(await one({ instanceProfile: null })).toMatchObject({ name: 'instance profile', level: 'warn' });
    bench.aws.account.profiles.set('devctl-box', []);
    expect((await one()).fix).toContain('aws iam add-role-to-instance-profile --instance-profile-name devctl-box');
    bench.aws.account.profiles.clear();
    expect((await one()).fix).toContain('aws iam create-instance-profile --instance-profile-name devctl-box');
  });

  it('disks that are not encrypted by default', async () => {
    catalog().encryptsByDefault = false;
    expect(await one()).toMatchObject({
      name: 'disk encryption',
      level: 'warn',
      fix: 'aws ec2 enable-ebs-encryption-by-default --region us-east-1',
    });
  });

  it('an issuer that no box is believed by: of another name, or not there', async () => {
    bench.aws.account.issuer = 'https://issuer.example.com/';
    expect(await one()).toMatchObject({
      name: 'box identity',
      level: 'error',
      detail: 'https://issuer.example.com calls itself https://issuer.example.com/, so no box can register',
    });
    bench.aws.cloud.faults.fail('issuerAt', { with: new Error('issuer.example.com answered HTTP 404') });
    expect(await one()).toMatchObject({ level: 'error', detail: expect.stringContaining('answered HTTP 404') });
  });

  it('a function: not there, failed, on its way', async () => {
    expect((await one({ functionName: 'devctl' })).detail).toBe('there is no function devctl in us-east-1');
    const { functions } = bench.aws.account;
    functions.set('devctl', { state: 'Failed', update: 'Successful', reason: 'InvalidImage' });
    expect(await one({ functionName: 'devctl' })).toMatchObject({
      level: 'error',
      detail: 'devctl is Failed, its last update Successful: InvalidImage',
    });
    functions.set('devctl', { state: 'Active', update: 'InProgress', reason: null });
    expect(await one({ functionName: 'devctl' })).toMatchObject({ level: 'warn' });
    functions.set('devctl', { state: 'Active', update: 'Successful', reason: null });
    expect(await found({ functionName: 'devctl' })).toEqual([]);
  });

  it.each([
    ['http://127.0.0.1:8080', 'error'],
    ['https://localhost', 'error'],
    ['https://[::1]:8443', 'error'],
    ['http://devctl.example.com', 'error'],
    ['devctl', 'error'],
    ['https://10.0.3.4', 'warn'],
    ['https://192.0.2.7:8443', 'ok'],
  ])('the address %s of the launcher is %s', async (launcherUrl, level) => {
    expect((await look({ launcherUrl })).find(({ name }) => name === 'launcher address')?.level).toBe(level);
  });

  it('an address with a password in it is shown without', async () => {
    const checks = await look({ launcherUrl: 'http://me:hunter2@10.0.0.1/x?token=abcdef' });
    expect(JSON.stringify(checks)).not.toMatch(/hunter2|abcdef/);
  });

  it('what may not be looked at names the permission, and holds up nothing else', async () => {
    for (const op of ['describeSubnets', 'ec2Quota', 'hasRole', 'describeImages']) bench.aws.cloud.faults.denied.add(op);
    expect((await found()).map(({ name, level, detail }) => `${level} ${name}: ${detail}`)).toEqual([
      'warn spot quota: cannot be looked at: servicequotas:GetServiceQuota is not allowed',
      'warn on-demand quota: cannot be looked at: servicequotas:GetServiceQuota is not allowed',
      'warn service roles: cannot be looked at: iam:GetRole is not allowed',
      'warn image x86_64: cannot be looked at: ec2:DescribeImages is not allowed',
      'warn subnets: cannot be looked at: ec2:DescribeSubnets is not allowed',
      'warn public subnets: cannot be looked at: ec2:DescribeSubnets is not allowed',
      'warn no inbound rules: cannot be looked at: ec2:DescribeSubnets is not allowed',
    ]);
  });

  it('a call that never answers is given up, and what AWS says is shown without secrets, on one line', async () => {
    bench.aws.cloud.faults.hang('describeRegions');
    bench.aws.cloud.faults.fail('getEbsEncryptionByDefault', { with: refusal('Odd', `the key ${SECRET}\nis ${'long '.repeat(500)}`) });
    const fromMs = bench.clock.now();
    const checks = await found();
    expect(bench.clock.now() - fromMs).toBeLessThan(25_000);
    expect(checks.map(({ name }) => name)).toEqual(['region', 'disk encryption']);
    expect(checks[0]?.detail).toContain('no answer within 9 s');
    expect(checks[1]?.detail).not.toContain(SECRET);
    expect(checks[1]?.detail).not.toContain('\n');
    expect(checks[1]?.detail.length).toBeLessThan(400);
  });
});
