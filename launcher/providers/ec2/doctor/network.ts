import type { RouteTable, Subnet } from '@aws-sdk/client-ec2';
import type { Check } from '../../../contract/api.ts';
import { bad, good, warn } from '../../../contract/checks.ts';
import type { Ec2Api } from '../api.ts';
import { answerPages, awsCommand, several } from './findings.ts';

const EVERYWHERE = '0.0.0.0/0';
/** Fewer free addresses are said before there are none. */
const FEW_ADDRESSES = 16;

export interface SubnetSettings {
  region: string;
  /** Empty: those of the default network. */
  subnetIds: readonly string[];
}

/** By a filter, so that one that is not there does not hide the others. */
export function subnetsOf(ec2: Ec2Api, { subnetIds: ids }: SubnetSettings): Promise<Subnet[]> {
  const filter = ids.length > 0 ? { Name: 'subnet-id', Values: [...ids] } : { Name: 'default-for-az', Values: ['true'] };
  return answerPages('ec2:DescribeSubnets', async (next) => {
    const page = await ec2.describeSubnets({ Filters: [filter], ...next });
    return { views: page.Subnets ?? [], next: page.NextToken };
  });
}

export const networksOf = (subnets: Subnet[]): string[] => [...new Set(subnets.map(({ VpcId = '' }) => VpcId))];

export function subnetsCheck({ region, subnetIds }: SubnetSettings, subnets: Subnet[]): Check[] {
  const name = 'subnets';
  const others = `in "subnets" of the settings: ${awsCommand(region, "ec2 describe-subnets --query 'Subnets[].[SubnetId,AvailabilityZone]'")}`;
  if (subnets.length === 0 && subnetIds.length === 0)
    return [
      bad(name, `${region} has no default network`, `${awsCommand(region, 'ec2 create-default-vpc')}, or name subnets in the settings`),
    ];
  const missing = subnetIds.filter((id) => !subnets.some(({ SubnetId }) => SubnetId === id));
  if (missing.length > 0) return [bad(name, `there is no ${missing.join(', ')} in ${region}`, `name others ${others}`)];
  const zones = [...new Set(subnets.map(({ AvailabilityZone = '' }) => AvailabilityZone))].sort();
  const free = subnets.reduce((sum, { AvailableIpAddressCount = 0 }) => sum + AvailableIpAddressCount, 0);
  const detail = `${several(subnets.length, 'subnet')} in ${zones.join(', ')} · ${several(free, 'free address', 'free addresses')}`;
  const create = awsCommand(region, `ec2 create-subnet --vpc-id ${subnets[0]?.VpcId} --cidr-block CIDR`);
  if (free === 0) return [bad(name, `${detail}: no box can be launched`, create)];
  if (free < FEW_ADDRESSES) return [warn(name, detail, create)];
  if (zones.length < 2)
    return [warn(name, `${detail}: in one zone alone, spot machines are had less often`, `name one of another zone ${others}`)];
  return [good(name, detail)];
}

interface WayOut {
  kind: 'gateway' | 'nat' | 'none';
  subnetId: string;
  tableId: string;
}

/** Public is what leads to an internet gateway: the launch itself gives each box an address, whatever the subnet says. */
export async function publicCheck(ec2: Ec2Api, region: string, subnets: Subnet[]): Promise<Check[]> {
  const name = 'public subnets';
  const vpcIds = networksOf(subnets);
  if (vpcIds.length === 0) return [];
  const tables = await answerPages('ec2:DescribeRouteTables', async (next) => {
    const page = await ec2.describeRouteTables({ Filters: [{ Name: 'vpc-id', Values: vpcIds }], ...next });
    return { views: page.RouteTables ?? [], next: page.NextToken };
  });
  const ways = subnets.map((subnet) => wayOut(subnet, tables));
  const of = (wanted: WayOut['kind']) => ways.filter(({ kind }) => kind === wanted);
  const namesOf = (some: WayOut[]) => some.map(({ subnetId }) => subnetId).join(', ');
  const fix = (verb: 'create' | 'replace', some: WayOut[]) => {
    const target = `--route-table-id ${some[0]?.tableId} --destination-cidr-block ${EVERYWHERE} --gateway-id igw-…`;
    return awsCommand(region, `ec2 ${verb}-route ${target}`);
  };
  const closed = of('none');
  if (closed.length > 0)
    return [bad(name, `${namesOf(closed)}: no way to an internet gateway, so a box there reaches nothing`, fix('create', closed))];
  const nats = of('nat');
  if (nats.length > 0)
    return [
      warn(name, `${namesOf(nats)}: through a NAT gateway, which costs by the hour and the GB; boxes need none`, fix('replace', nats)),
    ];
  return [good(name, 'all lead to an internet gateway')];
}

/** The table of a subnet is the one that names it, else the main one of its network. */
function wayOut({ SubnetId: subnetId = '', VpcId }: Subnet, tables: RouteTable[]): WayOut {
  const own = tables.find(({ Associations = [] }) => Associations.some((link) => link.SubnetId === subnetId));
  const main = tables.find((table) => table.VpcId === VpcId && table.Associations?.some(({ Main }) => Main));
  const { RouteTableId: tableId = 'rtb-…', Routes = [] } = own ?? main ?? {};
  // A route whose gateway is gone is still there, and leads nowhere.
  const route = Routes.find(({ DestinationCidrBlock: to, State }) => to === EVERYWHERE && State !== 'blackhole');
  const kind = route?.GatewayId?.startsWith('igw-') ? 'gateway' : route?.NatGatewayId ? 'nat' : 'none';
  return { kind, subnetId, tableId };
}
