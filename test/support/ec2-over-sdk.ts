import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { makeId } from '../../launcher/contract/fields.ts';
import type { AccessPort } from '../../launcher/ports/access.ts';
import { ComputeError, type ComputePort } from '../../launcher/ports/compute.ts';
import type { Ec2Api } from '../../launcher/providers/ec2/api.ts';
import { createEc2Provider, type Ec2ProviderOptions, ensureLaunchTemplate } from '../../launcher/providers/ec2/index.ts';
import type { Time } from '../../launcher/providers/ec2/timers.ts';
import type { ComputeSubject } from '../contract/compute.suite.ts';
import { type LaunchPatch, launchRequestWith } from './launch-request.ts';

export const wallTime: Time = {
  now: Date.now,
  after(ms, run) {
    const timer = setTimeout(run, ms);
    return () => clearTimeout(timer);
  },
};
const random = { bytes: (length: number) => new Uint8Array(randomBytes(length)) };

const unreachable = async (): Promise<never> => {
  throw new ComputeError('unreachable', 'nothing of devctl runs on this instance');
};

export interface Ec2OverSdkOptions extends Pick<Ec2ProviderOptions, 'limits' | 'ttl' | 'volumeGiB'> {
  ec2: Ec2Api;
  region: string;
  deployment: string;
  /** Of x86_64. */
  imageId: string;
  subnets: Ec2ProviderOptions['subnets'];
  securityGroupIds?: string[];
  request?: LaunchPatch;
  close(): void;
}

/** The provider over the SDK, on instances that nothing of devctl runs on. */
export async function openEc2OverSdk(options: Ec2OverSdkOptions): Promise<ComputeSubject> {
  const { ec2, region, deployment, imageId, subnets, securityGroupIds, request: usual, close, ...rest } = options;
  const parts = { ec2, time: wallTime, random };
  const groups = securityGroupIds !== undefined && securityGroupIds.length > 0 ? { securityGroupIds } : {};
  const settings = { deployment, imageId, launcherUrl: 'https://devctl.example.com', ...groups };
  const provider = createEc2Provider({
    ...parts,
    ...rest,
    channel: { quiesce: unreachable, freeze: unreachable, thaw: unreachable },
    region,
    deployment,
    templates: { x86_64: await ensureLaunchTemplate(parts, settings) },
    subnets,
  });
  const id = (prefix: 'ws' | 'ses') => makeId(prefix, Date.now(), random.bytes(16));
  return {
    ports: provider as ComputePort & AccessPort,
    request: (patch) => launchRequestWith(id, { ...usual, ...patch }),
    ready: async () => {},
    order: () => {},
    write: unreachable,
    read: unreachable,
    shell: unreachable,
    pause: sleep,
    close: async () => close(),
  };
}

/** What the compute suite asks of what runs on a box. */
export const ASKED_OF_WHAT_RUNS_THERE = [
  'a volume has one box at a time, and keeps its content',
  'a parked box runs no more, and goes on in the next generation with its disk',
  'a snapshot gives back every byte, name, mode and link',
  'the canary of the report is in what is restored',
  'a disk that is copied with its snapshot is another one, with what was there in that moment',
  'a live box stands still while it is copied, and goes on',
  'boxes made from one snapshot do not know of each other',
  'a quiet box writes nothing, takes no commands, and opens again when it is told',
];
