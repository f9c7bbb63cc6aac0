import type { RequestLaunchTemplateData } from '@aws-sdk/client-ec2';
import type { Tags } from './tags.ts';

export const ACCOUNT = '123456789012';
export const REGION = 'us-east-1';
export const ZONES = ['us-east-1a', 'us-east-1b', 'us-east-1c'] as const;

export interface SimImage {
  id: string;
  name: string;
  architecture: 'x86_64' | 'arm64';
  rootDevice: string;
  rootSnapshotId: string;
  createdAtMs: number;
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

  /** A default network: one subnet in every zone. */
  addNetwork(tags: Tags = {}): void {
    for (const az of ZONES) {
      const id = `subnet-${az.slice(-1).repeat(17)}`;
      this.subnets.set(id, { id, vpcId: 'vpc-00000000000000001', az, freeAddresses: 251, tags });
    }
  }
}
