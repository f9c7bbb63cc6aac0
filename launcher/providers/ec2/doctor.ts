import type { Check } from '../../contract/api.ts';
import { bad, warn } from '../../contract/checks.ts';
import type { Architecture } from '../../contract/fields.ts';
import type { AccountApi, Ec2Api, SsmApi } from './api.ts';
import { clockCheck, credentialsCheck, encryptionCheck, profileCheck, regionCheck, serviceRolesCheck } from './doctor/account.ts';
import { findings } from './doctor/findings.ts';
import { type GroupSettings, groupsCheck } from './doctor/groups.ts';
import { imageCheck } from './doctor/images.ts';
import { publicCheck, type SubnetSettings, subnetsCheck, subnetsOf } from './doctor/network.ts';
import { quotaCheck } from './doctor/quotas.ts';
import { functionCheck, identityCheck, launcherUrlCheck } from './doctor/server.ts';
import type { Time } from './timers.ts';

export interface Ec2CheckSettings extends SubnetSettings, GroupSettings {
  /** An image (`ami-…`), or the parameter of Systems Manager that names one, for each architecture that boxes may have. */
  images: Readonly<Partial<Record<Architecture, string>>>;
  /** Name or address of the instance profile of boxes. */
  instanceProfile: string | null;
  /** The account's issuer of web identity tokens, by which boxes say who they are; null: there are none that do. */
  identityIssuer: string | null;
  /** Where boxes find their launcher. */
  launcherUrl: string;
  /** The Lambda function that is the server; null where this process is. */
  functionName: string | null;
  /** Where credentials are looked for, in words (`credentialSources`). */
  credentialsIn: string;
}

export interface Ec2CheckOptions {
  ec2: Ec2Api;
  ssm: Pick<SsmApi, 'getParameter'>;
  account: AccountApi;
  time: Time;
  settings: Ec2CheckSettings;
}

/**
 * What `doctor` shows of an installation on AWS, each with the command that mends it. It changes nothing, never throws, and
 * has a bound in time; what cannot be looked at says why, and holds up nothing else. The table is looked at by its own adapter.
 */
export async function ec2Checks(options: Ec2CheckOptions): Promise<Check[]> {
  const { account, time, settings } = options;
  const clock = findings('AWS clock', time, () => clockCheck(account, time));
  let usable = true;
  const credentials = await findings('credentials', time, async () => {
    const found = await credentialsCheck(account, settings.credentialsIn);
    usable = found.usable;
    return [found.check];
  });
  const own = [...credentials, ...(await clock), launcherUrlCheck(settings.launcherUrl)];
  if (usable) return [...own, ...(await accountChecks(options))];
  const detail = 'region, quotas, roles, images, network and function are not looked at without credentials';
  return [...own, warn('account', detail, 'mend the credentials first')];
}

async function accountChecks({ ec2, ssm, account, time, settings }: Ec2CheckOptions): Promise<Check[]> {
  const { region, images, functionName, identityIssuer: issuer } = settings;
  const look = (name: string, work: () => Promise<Check[]>) => findings(name, time, work);
  const kinds = Object.entries(images) as [Architecture, string][];
  const subnets = subnetsOf(ec2, settings);
  const all = await Promise.all([
    look('region', () => regionCheck(ec2, region)),
    look('spot quota', () => quotaCheck(account, region, 'spot')),
    look('on-demand quota', () => quotaCheck(account, region, 'on-demand')),
    look('service roles', () => serviceRolesCheck(account)),
    ...(kinds.length === 0 ? [Promise.resolve([bad('image', 'none is given', 'give an image, or the parameter that names one')])] : []),
    ...kinds.map(([arch, source]) => look(`image ${arch}`, () => imageCheck({ ec2, ssm, time, region }, arch, source))),
    look('subnets', async () => subnetsCheck(settings, await subnets)),
    look('public subnets', async () => publicCheck(ec2, region, await subnets)),
    look('no inbound rules', async () => groupsCheck(ec2, settings, await subnets)),
    look('instance profile', () => profileCheck(account, settings.instanceProfile)),
    look('disk encryption', () => encryptionCheck(ec2, region)),
    ...(issuer === null ? [] : [look('box identity', () => identityCheck(account, issuer))]),
    look('function', () => functionCheck(account, region, functionName)),
  ]);
  return all.flat();
}
