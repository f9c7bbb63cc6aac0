import type { RequestLaunchTemplateData, RouteTable, SecurityGroup } from '@aws-sdk/client-ec2';
import type { Tags } from './tags.ts';

export const ACCOUNT = '123456789012';
export const REGION = 'us-east-1';
export const ZONES = ['us-east-1a', 'us-east-1b', 'us-east-1c'] as const;

const VPC = 'vpc-00000000000000001';
const DEFAULT_GROUP = 'sg-00000000000000001';
export const BOX_GROUP = 'sg-00000000000000002';

export interface SimImage {
  id: string;
  name: string;
  architecture: 'x86_64' | 'arm64';
  rootDevice: string;
  rootSnapshotId: string;
  createdAtMs: number;
  /** @default available */
  state?: 'available' | 'pending' | 'disabled';
  deprecatedAtMs?: number;
  tags: Tags;
}

export interface SimSubnet {
  id: string;
  vpcId: string;
  az: string;
  freeAddresses: number;
  tags: Tags;
}

export interface SimTemplate {
  id: string;
  name: string;
  createdAtMs: number;
  /** Version n is at n − 1. */
  versions: RequestLaunchTemplateData[];
  tags: Tags;
}

/** What is there before anything is launched. A test takes from it, and puts back, by hand. */
export class Catalog {
  readonly images = new Map<string, SimImage>();
  readonly subnets = new Map<string, SimSubnet>();
  readonly templates = new Map<string, SimTemplate>();
  /** Customer keys that are disabled or denied now. */
  readonly disabledKeys = new Set<string>();
  /** Parameters of Systems Manager. */
  readonly parameters = new Map<string, string>();

  routeTables: RouteTable[] = [];
  securityGroups: SecurityGroup[] = [];
  /** Each with what the account has to say to it. */
  readonly regions: Record<string, 'opt-in-not-required' | 'opted-in' | 'not-opted-in'> = { [REGION]: 'opt-in-not-required' };
  encryptsByDefault = true;

  /** A default network: one subnet in every zone, a way out, and two groups: that of the network, and one that lets nothing in. */
  addNetwork(tags: Tags = {}): void {
    const out = [{ IpProtocol: '-1', IpRanges: [{ CidrIp: '0.0.0.0/0' }] }];
    const friends = [{ IpProtocol: '-1', UserIdGroupPairs: [{ GroupId: DEFAULT_GROUP }] }];
    this.routeTables = [
      {
        RouteTableId: 'rtb-00000000000000001',
        VpcId: VPC,
        Associations: [{ Main: true }],
        Routes: [
          { DestinationCidrBlock: '172.31.0.0/16', GatewayId: 'local', State: 'active' },
          { DestinationCidrBlock: '0.0.0.0/0', GatewayId: 'igw-00000000000000001', State: 'active' },
        ],
      },
    ];
    this.securityGroups = [
      { GroupId: DEFAULT_GROUP, GroupName: 'default', VpcId: VPC, IpPermissions: friends, IpPermissionsEgress: out },
      { GroupId: BOX_GROUP, GroupName: 'devctl', VpcId: VPC, IpPermissions: [], IpPermissionsEgress: out },
    ];
    for (const az of ZONES) {
      const id = `subnet-${az.slice(-1).repeat(17)}`;
      this.subnets.set(id, { id, vpcId: VPC, az, freeAddresses: 251, tags });
    }
  }
}
