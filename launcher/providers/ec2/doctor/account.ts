import type { Check } from '../../../contract/api.ts';
import { bad, good, warn } from '../../../contract/checks.ts';
import type { AccountApi, Ec2Api } from '../api.ts';
import { type Refusal, refusalOf } from '../errors.ts';
import type { Time } from '../timers.ts';
import { answer, awsCommand, said, several } from './findings.ts';

/** AWS refuses what is signed five minutes away from its own time. */
const SKEW_ERROR_MS = 240_000;
/** Its answer has whole seconds, and takes its time to come. */
const SKEW_WARN_MS = 5000;

const CREDENTIALS: Readonly<Partial<Record<Refusal, { why: string; fix: string }>>> = {
  no_credentials: { why: 'none were found', fix: 'aws configure sso, then AWS_PROFILE=NAME; on a machine of AWS give it a role' },
  expired_credentials: {
    why: 'they have expired',
    fix: 'aws sso login, or whatever gave them; then devctl serve --stop and the command again',
  },
  unknown_credentials: {
    why: 'AWS does not know them',
    fix: 'aws sts get-caller-identity shows the same; give others, or enable the region',
  },
  clock: { why: 'the clock of this machine is wrong', fix: 'see the check of the AWS clock' },
};

/** Whose credentials these are; `usable` unless AWS, or the lack of any, says that they are not. */
export async function credentialsCheck(account: AccountApi, lookedIn: string): Promise<{ check: Check; usable: boolean }> {
  const name = 'credentials';
  try {
    const { accountId, arn } = await account.callerIdentity();
    return { check: good(name, `account ${accountId} as ${arn.split(':').pop()}`), usable: true };
  } catch (error) {
    const known = CREDENTIALS[refusalOf(error) ?? 'none'];
    if (known) return { check: bad(name, `${known.why} (looked in: ${lookedIn}) · ${said(error)}`, known.fix), usable: false };
    const check = warn(
      name,
      `STS does not say whose they are · ${said(error)}`,
      'see whether this machine reaches AWS (proxy, firewall, DNS)',
    );
    return { check, usable: true };
  }
}

/** Where the SDK looks for credentials, in words: names of settings, and never what is in them. */
export function credentialSources(env: Readonly<Record<string, string | undefined>>): string {
  const profile = env['AWS_PROFILE'];
  if (profile) return `the profile "${profile}" (AWS_PROFILE)`;
  if (env['AWS_ACCESS_KEY_ID']) return 'AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY';
  const roles = ['AWS_WEB_IDENTITY_TOKEN_FILE', 'AWS_CONTAINER_CREDENTIALS_RELATIVE_URI', 'AWS_CONTAINER_CREDENTIALS_FULL_URI'];
  return [...roles.filter((role) => env[role]), 'the profile "default"', 'the role of the machine'].join(', ');
}

export async function clockCheck(account: AccountApi, time: Time): Promise<Check[]> {
  const name = 'AWS clock';
  const beforeMs = time.now();
  const serverMs = await answer('the time of STS', account.serverTime());
  const afterMs = time.now();
  const skewMs = Math.max(0, beforeMs - serverMs - 1000, serverMs - afterMs);
  if (skewMs < SKEW_WARN_MS) return [good(name, 'agrees with this machine')];
  const way = serverMs > afterMs ? 'behind' : 'ahead of';
  const detail = `this machine is ${Math.round(skewMs / 1000)} s ${way} AWS`;
  const fix = 'timedatectl set-ntp true, or: chronyc makestep';
  return [skewMs < SKEW_ERROR_MS ? warn(name, detail, fix) : bad(name, `${detail}, which refuses what is signed at another time`, fix)];
}

export async function regionCheck(ec2: Ec2Api, region: string): Promise<Check[]> {
  const name = 'region';
  const asked = ec2.describeRegions({ AllRegions: true, Filters: [{ Name: 'region-name', Values: [region] }] });
  const { Regions = [] } = await answer('ec2:DescribeRegions', asked);
  const found = Regions.find(({ RegionName }) => RegionName === region);
  if (!found)
    return [
      bad(
        name,
        `AWS has no region ${region}`,
        'name another "region" in the settings: aws ec2 describe-regions --query "Regions[].RegionName"',
      ),
    ];
  if (found.OptInStatus === 'not-opted-in')
    return [bad(name, `${region} is not enabled for this account`, `aws account enable-region --region-name ${region}`)];
  return [good(name, region)];
}

/** Roles that AWS acts with for us. With the right to make them, the first launch does. */
const SERVICE_ROLES = [
  { role: 'AWSServiceRoleForEC2Spot', service: 'spot.amazonaws.com' },
  { role: 'AWSServiceRoleForEC2Fleet', service: 'ec2fleet.amazonaws.com' },
];

export async function serviceRolesCheck(account: AccountApi): Promise<Check[]> {
  const name = 'service roles';
  const there = await Promise.all(SERVICE_ROLES.map(({ role }) => answer('iam:GetRole', account.hasRole(role))));
  const missing = SERVICE_ROLES.filter((_, index) => !there[index]);
  if (missing.length === 0) return [good(name, SERVICE_ROLES.map(({ role }) => role).join(', '))];
  const detail = `${missing.map(({ role }) => role).join(' and ')} not there: a launch needs iam:CreateServiceLinkedRole, or fails`;
  return [
    warn(name, detail, missing.map(({ service }) => `aws iam create-service-linked-role --aws-service-name ${service}`).join(' && ')),
  ];
}

/** @param profile name or address of the instance profile of boxes; null when they have none */
export async function profileCheck(account: AccountApi, profile: string | null): Promise<Check[]> {
  const name = 'instance profile';
  if (profile === null)
    return [
      warn(
        name,
        'none: Session Manager does not reach boxes, and they may do nothing at AWS',
        'give one in which is AmazonSSMManagedInstanceCore',
      ),
    ];
  const plain = profile.split('/').pop() ?? profile;
  const roles = await answer('iam:GetInstanceProfile', account.rolesOfProfile(plain));
  if (roles === null)
    return [bad(name, `there is none of the name ${plain}`, `aws iam create-instance-profile --instance-profile-name ${plain}`)];
  if (roles.length === 0) {
    const fix = `aws iam add-role-to-instance-profile --instance-profile-name ${plain} --role-name ROLE`;
    return [bad(name, `${plain} has no role in it`, fix)];
  }
  return [good(name, `${plain} with ${several(roles.length, 'role')}: ${roles.join(', ')}`)];
}

export async function encryptionCheck(ec2: Ec2Api, region: string): Promise<Check[]> {
  const name = 'disk encryption';
  const { EbsEncryptionByDefault } = await answer('ec2:GetEbsEncryptionByDefault', ec2.getEbsEncryptionByDefault({}));
  if (EbsEncryptionByDefault) return [good(name, 'every disk of the account is encrypted')];
  const detail = 'workspaces are encrypted; the disk that a box starts from is only if its image is';
  return [warn(name, detail, awsCommand(region, 'ec2 enable-ebs-encryption-by-default'))];
}
