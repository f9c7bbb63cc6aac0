import type { SecurityGroup, Subnet } from '@aws-sdk/client-ec2';
import type { Check } from '../../../contract/api.ts';
import { bad, good, warn } from '../../../contract/checks.ts';
import type { Ec2Api } from '../api.ts';
import { answerPages, awsCommand, several } from './findings.ts';
import { networksOf } from './network.ts';

const EVERYWHERE = '0.0.0.0/0';
const EVERYWHERE_IPV6 = '::/0';

export interface GroupSettings {
  region: string;
  /** Empty: the default group of the network. */
  securityGroupIds: readonly string[];
}

/** Nothing comes in, everything goes out. */
export async function groupsCheck(ec2: Ec2Api, { region, securityGroupIds: ids }: GroupSettings, subnets: Subnet[]): Promise<Check[]> {
  const name = 'no inbound rules';
  const vpcIds = networksOf(subnets);
  const groups = await groupsOf(ec2, ids, vpcIds);
  const words = `ec2 create-security-group --group-name devctl --description "devctl boxes" --vpc-id ${vpcIds[0] ?? 'vpc-…'}`;
  const create = `${awsCommand(region, words)}, then name it in "securityGroups" of the settings`;
  const missing = ids.filter((id) => !groups.some(({ GroupId }) => GroupId === id));
  if (missing.length > 0) return [bad(name, `there is no security group ${missing.join(', ')} in ${region}`, create)];
  const found = groups.flatMap((group) => groupFindings(name, region, group, vpcIds));
  if (found.length === 0) return [good(name, `${groups.map(({ GroupId }) => GroupId).join(', ')}: nothing comes in`)];
  // What everything in the network has by default is not changed for devctl.
  return ids.length > 0 ? found : found.map((check) => ({ ...check, detail: `the default group ${check.detail}`, fix: create }));
}

async function groupsOf(ec2: Ec2Api, ids: readonly string[], vpcIds: string[]): Promise<SecurityGroup[]> {
  if (ids.length === 0 && vpcIds.length === 0) return [];
  const named = [{ Name: 'group-id', Values: [...ids] }];
  const usual = [
    { Name: 'group-name', Values: ['default'] },
    { Name: 'vpc-id', Values: vpcIds },
  ];
  return answerPages('ec2:DescribeSecurityGroups', async (next) => {
    const page = await ec2.describeSecurityGroups({ Filters: ids.length > 0 ? named : usual, ...next });
    return { views: page.SecurityGroups ?? [], next: page.NextToken };
  });
}

function groupFindings(name: string, region: string, group: SecurityGroup, vpcIds: string[]): Check[] {
  const { GroupId: id = '', VpcId = '', IpPermissions: inbound = [], IpPermissionsEgress: outbound = [] } = group;
  const found: Check[] = [];
  if (vpcIds.length > 0 && !vpcIds.includes(VpcId)) {
    const fix = 'name a group and subnets of one network in "securityGroups" and "subnets" of the settings';
    found.push(bad(name, `${id} is of ${VpcId}, and the subnets are of ${vpcIds.join(', ')}`, fix));
  }
  if (outbound.length === 0) {
    const fix = awsCommand(region, `ec2 authorize-security-group-egress --group-id ${id} --protocol -1 --cidr ${EVERYWHERE}`);
    found.push(bad(name, `${id} lets nothing out: a box reaches neither its launcher nor anything else`, fix));
  }
  if (inbound.length > 0) {
    const rules = awsCommand(region, `ec2 describe-security-groups --group-ids ${id} --query 'SecurityGroups[0].IpPermissions'`);
    const fix = awsCommand(region, `ec2 revoke-security-group-ingress --group-id ${id} --ip-permissions "$(${rules})"`);
    const detail = `${id} has ${several(inbound.length, 'inbound rule')}, and boxes need none`;
    found.push(isOpenToAll(inbound) ? bad(name, `${detail}: it is open to the whole internet`, fix) : warn(name, detail, fix));
  }
  return found;
}

const isOpenToAll = (inbound: NonNullable<SecurityGroup['IpPermissions']>): boolean =>
  inbound.some(
    ({ IpRanges = [], Ipv6Ranges = [] }) =>
      IpRanges.some(({ CidrIp }) => CidrIp === EVERYWHERE) || Ipv6Ranges.some(({ CidrIpv6 }) => CidrIpv6 === EVERYWHERE_IPV6),
  );
