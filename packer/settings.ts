import { readFileSync } from 'node:fs';
import * as z from 'zod';
import { DevctlError } from '../launcher/contract/errors.ts';
import { messageOf, valueAt } from '../launcher/contract/issues.ts';
import { type Ec2Settings, readEc2Settings } from '../launcher/serve/ec2-settings.ts';

/** What a bake has to know. */
export type ImageSettings = Pick<
  Ec2Settings,
  'region' | 'deployment' | 'images' | 'subnets' | 'securityGroups' | 'instanceProfileArn' | 'endpoint'
>;

const text = (pattern: RegExp, example: string) => z.string().regex(pattern, `must look like ${example}`);
const parameter = text(/^\/[\w./-]{1,1000}$/, '/devctl/image/x86_64');

/** What `npm run deploy` writes of a launcher in Lambda, which has no file of its own. */
const deployedSchema = z.strictObject({
  deployedImages: z.literal(1),
  region: text(/^[a-z]{2}(-[a-z]+)+-\d$/, 'eu-central-1'),
  deployment: text(/^[a-z][a-z0-9-]{0,30}$/, 'team-a'),
  images: z.strictObject({ x86_64: parameter.optional(), arm64: parameter.optional() }),
  subnets: z.array(text(/^subnet-[0-9a-f]{8,17}$/, 'subnet-0123456789abcdef0')).min(1),
  securityGroups: z.array(text(/^sg-[0-9a-f]{8,17}$/, 'sg-0123456789abcdef0')).min(1),
  instanceProfileArn: text(
    /^arn:aws[a-z-]*:iam::\d{12}:instance-profile\/\S{1,600}$/,
    'arn:aws:iam::123456789012:instance-profile/devctl-box',
  ),
});

/** Reads the launcher's file, or that of a deployment. @throws DevctlError invalid_request, with the field */
export function readImageSettings(path: string): ImageSettings {
  const given = deployed(path);
  if (given === null) return readEc2Settings(path);
  const result = deployedSchema.safeParse(given);
  if (result.success) return result.data;
  const lines = result.error.issues.map(
    (issue) => `${issue.path.join('.')} ${JSON.stringify(valueAt(given, issue.path))} ${messageOf(issue)}`,
  );
  throw new DevctlError('invalid_request', `${path}: ${lines.join('; ')}`, { hint: 'npm run deploy writes it: run that again' });
}

/** Null for any other file, and for one that cannot be read: the launcher's own reader says why. */
function deployed(path: string): object | null {
  try {
    const parsed: unknown = JSON.parse(readFileSync(path, 'utf8'));
    return typeof parsed === 'object' && parsed !== null && 'deployedImages' in parsed ? parsed : null;
  } catch {
    return null;
  }
}
