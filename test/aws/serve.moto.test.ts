import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CreateSecurityGroupCommand, EC2Client } from '@aws-sdk/client-ec2';
import { afterAll, beforeAll, describe, expect, inject, it, vi } from 'vitest';
import { parseServeArgs } from '../../launcher/serve/config.ts';
import { openHome } from '../../launcher/serve/home.ts';
import { assembleAtHome, type HomeParts } from '../../launcher/serve/home-parts.ts';
import { makeNetwork } from './network.ts';

const REGION = 'us-east-1';

describe('serve --provider ec2, on moto', () => {
  let dir: string;
  let parts: HomeParts;
  beforeAll(async () => {
    vi.stubEnv('AWS_ACCESS_KEY_ID', 'test');
    vi.stubEnv('AWS_SECRET_ACCESS_KEY', 'never-shown');
    dir = mkdtempSync(join(tmpdir(), 'devctl-moto-'));
    const endpoint = inject('motoUrl');
    const ec2 = new EC2Client({ region: REGION, endpoint });
    const { vpcId: VpcId, subnetIds } = await makeNetwork(ec2, 11);
    const group = await ec2.send(new CreateSecurityGroupCommand({ VpcId, GroupName: 'serve', Description: 'boxes' }));
    ec2.destroy();
    const settings = {
      region: REGION,
      endpoint,
      images: { x86_64: 'ami-03cf127a' },
      subnets: subnetIds,
      securityGroups: [group.GroupId],
      instanceProfileArn: 'arn:aws:iam::123456789012:instance-profile/none-of-it',
      launcherUrl: 'https://devctl.example.com',
      identityIssuer: 'http://127.0.0.1:2',
    };
    const file = join(dir, 'ec2.json');
    writeFileSync(file, JSON.stringify(settings));
    const home = join(dir, 'home');
    parts = await assembleAtHome(parseServeArgs(['--home', home, '--provider', 'ec2', '--config', file], {}), openHome(home));
  });
  afterAll(async () => {
    await parts?.close();
    rmSync(dir, { recursive: true, force: true });
    vi.unstubAllEnvs();
  });

  it('doctor looks at the account with the settings of the launcher', async () => {
    const checks = await parts.api.checks();
    const levels = Object.fromEntries(checks.map(({ name, level }) => [name, level]));
    expect(levels).toMatchObject({
      table: 'ok',
      'table expiry': 'ok',
      'table backups': 'ok',
      credentials: 'ok',
      'launcher address': 'ok',
      region: 'ok',
      'image x86_64': 'ok',
      subnets: 'ok',
      'public subnets': 'ok',
      'no inbound rules': 'ok',
      'instance profile': 'error',
      function: 'ok',
    });
    expect(JSON.stringify(checks)).not.toContain('never-shown');
  });
});
