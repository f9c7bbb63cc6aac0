import { existsSync, readFileSync } from 'node:fs';
import { DevctlError } from '../launcher/contract/errors.ts';
import { imageFileSchema } from '../launcher/contract/image-file.ts';
import { messageOf, valueAt } from '../launcher/contract/issues.ts';
import { type Ec2Settings, readEc2Settings } from '../launcher/serve/ec2-settings.ts';

/** What a bake has to know. */
export type ImageSettings = Pick<
  Ec2Settings,
  'region' | 'deployment' | 'images' | 'subnets' | 'securityGroups' | 'instanceProfileArn' | 'endpoint'
>;

const FILE_HINT = '`npm run deploy` writes dist/deploy/DEPLOYMENT/image.json; for a launcher of your own it is its file, docs/EC2.md';

/** Reads the launcher's file, or that of a deployment. @throws DevctlError invalid_request, with the field */
export function readImageSettings(path: string): ImageSettings {
  const given = deployed(path);
  if (given === null) {
    if (!existsSync(path)) throw new DevctlError('invalid_request', `${path} is not there`, { hint: FILE_HINT });
    return readEc2Settings(path);
  }
  const result = imageFileSchema.safeParse(given);
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
