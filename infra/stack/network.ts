import { Fn, Tags } from 'aws-cdk-lib';
import {
  CfnInternetGateway,
  CfnRoute,
  CfnRouteTable,
  CfnSecurityGroup,
  CfnSubnet,
  CfnSubnetRouteTableAssociation,
  CfnVPC,
  CfnVPCEndpoint,
  CfnVPCGatewayAttachment,
} from 'aws-cdk-lib/aws-ec2';
import { Construct } from 'constructs';
import type { TargetConfig } from '../config.ts';
import type { Names } from '../names.ts';

export interface Subnet {
  id: string;
  az: string;
}

const ZONES = 2;
const CIDR = '10.73.0.0/16';
/** Of the third figure, for blocks of /20: 4,091 boxes a zone. */
const SUBNET_STEP = 16;
/** What a developer's box speaks: https, the archives of Debian, git over ssh. Names and time come from the VPC itself, which no group filters. */
const EGRESS_PORTS = [443, 80, 22];

interface NetworkProps {
  names: Names;
  network: TargetConfig['network'];
}

/**
 * Where boxes are: public subnets, since a NAT costs $32 a month and every inbound rule is left out instead. The endpoints of S3
 * and DynamoDB are those that cost nothing.
 */
export class Network extends Construct {
  readonly subnets: Subnet[];
  readonly securityGroupId: string;

  constructor(scope: Construct, id: string, { names, network }: NetworkProps) {
    super(scope, id);
    const { vpcId = this.#vpc(names), subnets } = network;
    this.subnets = subnets ?? this.#subnets(names, vpcId, network.zones ?? ZONES);
    const group = new CfnSecurityGroup(this, 'BoxGroup', {
      groupDescription: `Boxes of ${names.deployment}: nothing comes in`,
      vpcId,
      // An empty list would be the default, which lets everything out.
      securityGroupEgress: EGRESS_PORTS.map((port) => ({
        ipProtocol: 'tcp',
        fromPort: port,
        toPort: port,
        cidrIp: '0.0.0.0/0',
        description: `TCP ${port}`,
      })),
    });
    nameIt(group, `${names.deployment}-box`);
    // A deploy from a box may change groups that are without this tag (infra/access/deploys.ts).
    Tags.of(group).add('devctl:deployment', names.deployment);
    this.securityGroupId = group.attrGroupId;
  }

  #vpc(names: Names): string {
    const vpc = new CfnVPC(this, 'Vpc', { cidrBlock: CIDR, enableDnsHostnames: true, enableDnsSupport: true });
    nameIt(vpc, names.deployment);
    return vpc.ref;
  }

  /** Every one has a way to the internet, and only boxes are ever given an address there: by their launch template. */
  #subnets(names: Names, vpcId: string, zones: number): Subnet[] {
    const gateway = new CfnInternetGateway(this, 'Gateway');
    nameIt(gateway, names.deployment);
    const attached = new CfnVPCGatewayAttachment(this, 'GatewayAttachment', { vpcId, internetGatewayId: gateway.ref });
    const table = new CfnRouteTable(this, 'RouteTable', { vpcId });
    nameIt(table, names.deployment);
    const out = new CfnRoute(this, 'RouteOut', {
      routeTableId: table.ref,
      destinationCidrBlock: '0.0.0.0/0',
      gatewayId: gateway.ref,
    });
    out.addResourceDependency(attached);
    for (const service of ['s3', 'dynamodb'])
      new CfnVPCEndpoint(this, `Endpoint${service}`, {
        vpcId,
        vpcEndpointType: 'Gateway',
        serviceName: `com.amazonaws.${names.region}.${service}`,
        routeTableIds: [table.ref],
      });
    return Array.from({ length: zones }, (_, index) => {
      const subnet = new CfnSubnet(this, `Subnet${index + 1}`, {
        vpcId,
        availabilityZone: Fn.select(index, Fn.getAzs()),
        cidrBlock: `10.73.${index * SUBNET_STEP}.0/20`,
        mapPublicIpOnLaunch: false,
      });
      nameIt(subnet, `${names.deployment}-${index + 1}`);
      new CfnSubnetRouteTableAssociation(this, `Subnet${index + 1}Routes`, {
        subnetId: subnet.ref,
        routeTableId: table.ref,
      });
      return { id: subnet.ref, az: subnet.attrAvailabilityZone };
    });
  }
}

const nameIt = (resource: Construct, name: string): void => Tags.of(resource).add('Name', name);
