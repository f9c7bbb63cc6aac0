import * as z from 'zod';

export const SECRETS_MAX = 30;

/** Name of a secret in its session: that of the variable, and of the file in memory. */
export const secretNameSchema = z
  .string()
  .regex(/^[A-Za-z_][A-Za-z0-9_]{0,127}$/, 'use 1 to 128 letters, digits and underscores, not beginning with a digit')
  .meta({ description: 'Name of the variable or file', example: 'NPM_TOKEN' });

/** What a reference says, as a task definition of ECS writes it. */
export interface SecretReference {
  arn: string;
  partition: 'aws' | 'aws-cn' | 'aws-us-gov';
  region: string;
  /** Of a secret that is a JSON object: the one field that is wanted; null: all of it. */
  jsonKey: string | null;
  versionStage: string | null;
  versionId: string | null;
}

const ARN =
  /^arn:(?<partition>aws|aws-cn|aws-us-gov):secretsmanager:(?<region>[a-z]{2}(?:-[a-z]+){1,3}-\d{1,2}):\d{12}:secret:[A-Za-z0-9/_+=.@-]{1,519}$/;
const ARN_PARTS = 7;
const ALL_PARTS = ARN_PARTS + 3;

/** Reads `ARN` or `ARN:json-key:version-stage:version-id`, of which each may be empty; else what is wrong with it. */
export function parseSecretReference(text: string): SecretReference | string {
  const parts = text.split(':');
  const arn = parts.slice(0, ARN_PARTS).join(':');
  const match = ARN.exec(arn);
  if (match === null) return 'is not the ARN of a secret: use arn:aws:secretsmanager:REGION:ACCOUNT:secret:NAME';
  if (parts.length !== ARN_PARTS && parts.length !== ALL_PARTS)
    return 'has not all parts after the ARN: use ARN:json-key:version-stage:version-id, of which each may be empty';
  const [jsonKey = '', versionStage = '', versionId = ''] = parts.slice(ARN_PARTS);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is refused
  if (/[\u0000-\u001f\u007f]/.test(jsonKey)) return 'has a control character in its JSON key: use the name of a field';
  if (!/^[\w/+=.@-]{0,256}$/.test(versionStage)) return 'has no usable version stage: use a label such as AWSCURRENT';
  if (!/^(?:[\w-]{32,64})?$/.test(versionId)) return 'has no usable version id: use its 32 to 64 letters, digits and dashes';
  if (versionStage !== '' && versionId !== '') return 'names a version twice: use its stage or its id';
  return {
    arn,
    partition: match.groups?.['partition'] as SecretReference['partition'],
    region: match.groups?.['region'] as string,
    jsonKey: jsonKey || null,
    versionStage: versionStage || null,
    versionId: versionId || null,
  };
}

const referenceSchema = z
  .string()
  .max(2000)
  .superRefine((text, ctx) => {
    const parsed = parseSecretReference(text);
    if (typeof parsed === 'string') ctx.addIssue({ code: 'custom', message: parsed });
  })
  .meta({
    description: 'ARN of a secret in Secrets Manager, and after it what of it: ARN:json-key:version-stage:version-id. Never a value',
    example: 'arn:aws:secretsmanager:eu-central-1:123456789012:secret:npm-a1B2c3:token::',
  });

/** A secret by reference, in the shape of a task definition of ECS. */
export const secretSchema = z.strictObject({ name: secretNameSchema, valueFrom: referenceSchema }).meta({ id: 'Secret' });
export type Secret = z.output<typeof secretSchema>;

export const secretsSchema = z
  .array(secretSchema)
  .max(SECRETS_MAX)
  .superRefine((secrets, ctx) => {
    const seen = new Set<string>();
    for (const [at, { name }] of secrets.entries()) {
      if (seen.has(name)) ctx.addIssue({ code: 'custom', path: [at, 'name'], message: 'is there twice: use each name once' });
      seen.add(name);
    }
  });

/** Which secrets of its session a command wants. */
export const secretNamesSchema = z.array(secretNameSchema).max(SECRETS_MAX);

/**
 * True for what may be the value of a secret that somebody wrote in the place of its reference: then it is not shown, to nobody.
 * @param path of the refused field
 */
export const mayBeSecret = (path: readonly PropertyKey[]): boolean => /^secret/.test(String(path[0]));
