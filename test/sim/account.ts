import { ACCOUNT } from './catalog.ts';
import type { Cloud } from './cloud.ts';
import { refusal } from './errors.ts';

/** The account around EC2, set by hand: who calls, what was granted, which roles there are. */
export class Account {
  readonly arn = `arn:aws:sts::${ACCOUNT}:assumed-role/dev/someone`;
  /** What is wrong with the credentials, as AWS says it. */
  credentials: 'fine' | 'ExpiredToken' | 'InvalidClientTokenId' = 'fine';
  readonly roles = new Set(['AWSServiceRoleForEC2Spot', 'AWSServiceRoleForEC2Fleet']);
  /** Roles in each instance profile. */
  readonly profiles = new Map<string, string[]>([['devctl-box', ['devctl-box']]]);
  readonly functions = new Map<string, { state: string; update: string; reason: string | null }>();
  /** What its issuer of tokens calls itself. */
  issuer = 'https://issuer.example.com';
  /** How far the clock of AWS is ahead of that of the caller. */
  aheadMs = 0;
  readonly #cloud: Cloud;

  constructor(cloud: Cloud) {
    this.#cloud = cloud;
  }

  callerIdentity(): { accountId: string; arn: string } {
    if (this.credentials !== 'fine') throw refusal(this.credentials, 'The security token included in the request is not good');
    return { accountId: ACCOUNT, arn: this.arn };
  }

  ec2Quota(code: string): number {
    const { spotVcpus, onDemandVcpus } = this.#cloud.pools.quotas;
    const value = { 'L-34B43A08': spotVcpus, 'L-1216C47A': onDemandVcpus }[code];
    if (value === undefined) throw refusal('NoSuchResourceException', `No quota ${code}`);
    return value;
  }

  hasRole(name: string): boolean {
    return this.roles.has(name);
  }

  rolesOfProfile(name: string): string[] | null {
    return this.profiles.get(name) ?? null;
  }

  functionState(name: string): { state: string; update: string; reason: string | null } | null {
    return this.functions.get(name) ?? null;
  }

  issuerAt(): string {
    return this.issuer;
  }

  /** To the second, as a Date header is. */
  serverTime(): number {
    return Math.floor((this.#cloud.clock.now() + this.aheadMs) / 1000) * 1000;
  }
}
