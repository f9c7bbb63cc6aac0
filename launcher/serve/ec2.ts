import { setTimeout as later } from 'node:timers';
import { PORT_DOCUMENT, pluginCheck } from '../connect/tunnels.ts';
import { AGENT_PORT } from '../contract/agent-config.ts';
import { DevctlError } from '../contract/errors.ts';
import type { Architecture } from '../contract/fields.ts';
import type { Provider } from '../ports/provider.ts';
import type { Ec2Api, SsmApi } from '../providers/ec2/api.ts';
import { credentialSources } from '../providers/ec2/doctor/account.ts';
import { type Ec2CheckSettings, ec2Checks } from '../providers/ec2/doctor.ts';
import { instanceIdentity } from '../providers/ec2/identity.ts';
import { createEc2Provider, type Ec2ProviderOptions, ensureLaunchTemplate } from '../providers/ec2/index.ts';
import { createEc2Reach } from '../providers/ec2/reach.ts';
import { asAwsError } from './aws-errors.ts';
import type { Ec2Settings } from './ec2-settings.ts';
import type { ProviderDeps } from './providers.ts';

const time = {
  now: () => Date.now(),
  after(ms: number, run: () => void) {
    const timer = later(run, ms);
    return () => clearTimeout(timer);
  },
};

/** Boxes in an AWS account, with the credentials that this process finds. @throws DevctlError with what the account lacks */
export async function openEc2({ random, accessKey }: ProviderDeps, settings: Ec2Settings): Promise<Provider> {
  const { connectAws } = await import('../providers/ec2/sdk-api.ts');
  const { region, deployment, endpoint, launcherUrl, identityIssuer, volumeGiB, ttl } = settings;
  const { ec2, ssm, account, close } = connectAws({ region, ...(endpoint && { endpoint }) });
  try {
    const common = { ec2, time, random };
    const subnets = await subnetsOf(ec2, settings);
    const templates = await templatesOf(common, ssm, settings);
    const reach = createEc2Reach({ ssm, time, random, region, agentPort: AGENT_PORT, accessKey, env: process.env });
    const provider = createEc2Provider({
      ...common,
      channel: reach.channel,
      region,
      deployment,
      templates,
      subnets,
      volumeGiB,
      volumeInitializationRate: settings.volumeInitializationRate ?? null,
      ttl,
    });
    return {
      ...provider,
      ...reach.access,
      isolation: 'instance',
      machines: {
        boxIdOf: instanceIdentity({ issuer: identityIssuer, audience: launcherUrl }),
        accessKey,
        sessionManager: { region, agentPort: AGENT_PORT, document: PORT_DOCUMENT },
      },
      doctorChecks: async () => [
        await pluginCheck(process.env),
        ...(await ec2Checks({ ec2, ssm, account, time, settings: checkSettings(settings) })),
      ],
      start: async () => {},
      stop: async () => {
        await reach.close();
        close();
      },
    };
  } catch (error) {
    close();
    throw asAwsError(error, settings);
  }
}

const checkSettings = (settings: Ec2Settings): Ec2CheckSettings => ({
  region: settings.region,
  images: presentOf(settings.images),
  subnetIds: settings.subnets,
  securityGroupIds: settings.securityGroups,
  instanceProfile: settings.instanceProfileArn,
  identityIssuer: settings.identityIssuer,
  launcherUrl: settings.launcherUrl,
  functionName: null,
  credentialsIn: credentialSources(process.env),
});

const presentOf = (images: Ec2Settings['images']): Ec2CheckSettings['images'] =>
  Object.fromEntries(Object.entries(images).filter(([, image]) => image !== undefined));

async function subnetsOf(ec2: Ec2Api, { subnets, region }: Ec2Settings): Promise<{ id: string; az: string }[]> {
  const { Subnets: found = [] } = await ec2.describeSubnets({ Filters: [{ Name: 'subnet-id', Values: subnets }] });
  const missing = subnets.filter((id) => !found.some(({ SubnetId }) => SubnetId === id));
  if (missing.length > 0)
    throw new DevctlError('invalid_request', `subnets: there is no ${missing.join(', ')} in ${region}`, {
      issues: missing.map((got) => ({ field: 'subnets', got, message: `is not in ${region}` })),
    });
  return found.map(({ SubnetId: id = '', AvailabilityZone: az = '' }) => ({ id, az }));
}

async function templatesOf(
  common: Pick<Ec2ProviderOptions, 'ec2' | 'time' | 'random'>,
  ssm: SsmApi,
  { images, deployment, securityGroups, instanceProfileArn, launcherUrl }: Ec2Settings,
): Promise<Ec2ProviderOptions['templates']> {
  const templates: Record<string, Awaited<ReturnType<typeof ensureLaunchTemplate>>> = {};
  for (const [architecture, image] of Object.entries(images) as [Architecture, string | undefined][]) {
    if (image === undefined) continue;
    const imageId = image.startsWith('/') ? await imageOfParameter(ssm, image) : image;
    const settings = { deployment, imageId, securityGroupIds: securityGroups, instanceProfileArn, launcherUrl };
    templates[architecture] = await ensureLaunchTemplate(common, settings);
  }
  return templates;
}

async function imageOfParameter(ssm: SsmApi, name: string): Promise<string> {
  const { Parameter: parameter } = await ssm.getParameter({ Name: name });
  if (parameter?.Value && /^ami-[0-9a-f]{8,17}$/.test(parameter.Value)) return parameter.Value;
  throw new DevctlError('invalid_request', `images: the parameter ${name} holds no image`, { hint: 'bake an image, or name one as ami-…' });
}
