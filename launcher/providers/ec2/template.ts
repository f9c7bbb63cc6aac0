import { createHash } from 'node:crypto';
import type { CreateLaunchTemplateRequest, RequestLaunchTemplateData } from '@aws-sdk/client-ec2';
import type { BoxUserData } from '../../contract/agent-config.ts';
import { ComputeError } from '../../ports/compute.ts';
import type { Calls } from './calls.ts';
import { TAGS } from './tags.ts';

/** What machines are started by, and from which image: one that is known by its name has none, and is told it in each call. */
export type LaunchTemplate = ({ id: string } | { name: string }) & { version: string; imageId: string };

export interface TemplateSettings {
  deployment: string;
  imageId: string;
  instanceProfileArn?: string;
  securityGroupIds?: string[];
  /** Where the box finds its launcher: an address and never a secret. */
  launcherUrl: string;
}

/** What every box of a deployment has in common. */
export function templateData(settings: TemplateSettings): RequestLaunchTemplateData {
  const { deployment, imageId, instanceProfileArn, securityGroupIds, launcherUrl } = settings;
  return {
    ImageId: imageId,
    InstanceInitiatedShutdownBehavior: 'terminate',
    // One hop: a container on the box does not reach the metadata service.
    MetadataOptions: { HttpEndpoint: 'enabled', HttpTokens: 'required', HttpPutResponseHopLimit: 1, InstanceMetadataTags: 'enabled' },
    NetworkInterfaces: [{ DeviceIndex: 0, AssociatePublicIpAddress: true, ...(securityGroupIds && { Groups: securityGroupIds }) }],
    ...(instanceProfileArn && { IamInstanceProfile: { Arn: instanceProfileArn } }),
    UserData: Buffer.from(JSON.stringify({ devctl: 1, deployment, launcherUrl } satisfies BoxUserData)).toString('base64'),
  };
}

/** The template with these settings, made where there is none. Its name says what is in it, so it is never changed. */
export async function ensureTemplate(calls: Calls, settings: TemplateSettings): Promise<LaunchTemplate> {
  const data = templateData(settings);
  const hash = createHash('sha256').update(JSON.stringify(data)).digest('hex').slice(0, 16);
  const name = `devctl-${settings.deployment}-${hash}`;
  const { imageId } = settings;
  const known = await find(calls, name);
  if (known !== null) return { id: known, version: '1', imageId };
  const ask: CreateLaunchTemplateRequest = {
    LaunchTemplateName: name,
    LaunchTemplateData: data,
    ClientToken: hash,
    TagSpecifications: [{ ResourceType: 'launch-template', Tags: [{ Key: TAGS.deployment, Value: settings.deployment }] }],
  };
  const { LaunchTemplate: made } = await calls.make('createLaunchTemplate', ask);
  if (!made?.LaunchTemplateId) throw new ComputeError('fatal', `launch template ${name} was not made`);
  return { id: made.LaunchTemplateId, version: '1', imageId };
}

async function find(calls: Calls, name: string): Promise<string | null> {
  const { LaunchTemplates: found = [] } = await calls.make('describeLaunchTemplates', {
    Filters: [{ Name: 'launch-template-name', Values: [name] }],
  });
  return found[0]?.LaunchTemplateId ?? null;
}
