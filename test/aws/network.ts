import {
  AttachInternetGatewayCommand,
  CreateInternetGatewayCommand,
  CreateRouteCommand,
  CreateSubnetCommand,
  CreateVpcCommand,
  DescribeRouteTablesCommand,
  type EC2Client,
} from '@aws-sdk/client-ec2';

export interface Network {
  vpcId: string;
  subnetIds: string[];
  /** The main route table. */
  tableId: string;
  /** Makes the way to the internet gateway. */
  open(): Promise<unknown>;
}

/** A network with a public subnet in each of two zones. @param second second number of its addresses, 0 to 255 */
export async function makeNetwork(ec2: EC2Client, second: number): Promise<Network> {
  const { Vpc } = await ec2.send(new CreateVpcCommand({ CidrBlock: `10.${second}.0.0/16` }));
  const vpcId = Vpc?.VpcId ?? '';
  const subnetIds: string[] = [];
  for (const [index, AvailabilityZone] of ['us-east-1a', 'us-east-1b'].entries()) {
    const CidrBlock = `10.${second}.${index}.0/24`;
    const { Subnet } = await ec2.send(new CreateSubnetCommand({ VpcId: vpcId, AvailabilityZone, CidrBlock }));
    subnetIds.push(Subnet?.SubnetId ?? '');
  }
  const { InternetGateway } = await ec2.send(new CreateInternetGatewayCommand({}));
  const GatewayId = InternetGateway?.InternetGatewayId ?? '';
  await ec2.send(new AttachInternetGatewayCommand({ InternetGatewayId: GatewayId, VpcId: vpcId }));
  const { RouteTables } = await ec2.send(new DescribeRouteTablesCommand({ Filters: [{ Name: 'vpc-id', Values: [vpcId] }] }));
  const tableId = RouteTables?.[0]?.RouteTableId ?? '';
  const open = () => ec2.send(new CreateRouteCommand({ RouteTableId: tableId, GatewayId, DestinationCidrBlock: '0.0.0.0/0' }));
  await open();
  return { vpcId, subnetIds, tableId, open };
}
