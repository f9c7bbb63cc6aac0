import { readFileSync } from 'node:fs';
import * as z from 'zod';
import { invalid } from '../api/problems.ts';
import { DevctlError } from '../contract/errors.ts';
import { durationSchema } from '../contract/fields.ts';
import { reasonOf } from '../contract/system-errors.ts';

const text = (pattern: RegExp, example: string) => z.string().regex(pattern, `must look like ${example}`);
const imageSchema = text(
  /^(ami-[0-9a-f]{8,17}|\/[\w./-]{1,1000})$/,
  'ami-0123456789abcdef0, or the name of an SSM parameter that holds one',
);

const LOOPBACK = new Set(['127.0.0.1', 'localhost', '[::1]']);
const PORT_MAX = 65_535;
const isPort = (port: number): boolean => port >= 1 && port <= PORT_MAX;

/** Loopback is for trying it out: everywhere else boxes send their tokens there. */
const urlSchema = z
  .url({ protocol: /^https?$/, abort: true })
  .refine((url) => url.startsWith('https://') || LOOPBACK.has(new URL(url).hostname), 'must be https')
  .refine((url) => /^https?:\/\/[^/?#@]+(\/[^?#]*)?$/.test(url), 'must have no password, query or fragment');

/** What `serve --provider ec2` has to know of an account: the file that `--config` names. Nothing in it is secret. */
const ec2SettingsSchema = z.strictObject({
  region: text(/^[a-z]{2}(-[a-z]+)+-\d$/, 'eu-central-1'),
  deployment: text(/^[a-z][a-z0-9-]{0,30}$/, 'team-a').default('devctl'),
  table: text(/^[A-Za-z0-9._-]{3,255}$/, 'devctl').default('devctl'),
  images: z
    .strictObject({ x86_64: imageSchema.optional(), arm64: imageSchema.optional() })
    .refine((images) => Object.keys(images).length > 0, 'name one for x86_64, arm64 or both'),
  subnets: z
    .array(text(/^subnet-[0-9a-f]{8,17}$/, 'subnet-0123456789abcdef0'))
    .min(1)
    .max(50),
  securityGroups: z
    .array(text(/^sg-[0-9a-f]{8,17}$/, 'sg-0123456789abcdef0'))
    .min(1)
    .max(5),
  instanceProfileArn: text(
    /^arn:aws[a-z-]*:iam::\d{12}:instance-profile\/\S{1,600}$/,
    'arn:aws:iam::123456789012:instance-profile/devctl-box',
  ),
  /** Where boxes find this launcher: only `/boxes/*` has to be to be reached there. */
  launcherUrl: urlSchema
    .refine((url) => /^https?:\/\/[^/]+\/?$/.test(url), 'must have no path: boxes call /boxes there')
    // To such an address boxes show the signature of their role, which AWS checks for a launcher in Lambda, and no token.
    .refine((url) => !/\.lambda-url\.[a-z0-9-]+\.on\.aws\/?$/.test(url), 'is a Function URL of Lambda, and this launcher is not in Lambda'),
  /** Where this launcher listens for boxes: whatever gives it the name above passes on to here. */
  boxListen: text(/^(\[[0-9a-f:]+\]|[a-z0-9.-]+):\d{1,5}$/i, '127.0.0.1:7443')
    .refine((address) => isPort(Number(address.slice(address.lastIndexOf(':') + 1))), `needs a port of 1 to ${PORT_MAX}`)
    .default('127.0.0.1:7443'),
  /** The account's issuer of web identity tokens. */
  identityIssuer: urlSchema,
  volumeGiB: z.int().min(1).max(16_384).default(64),
  /** MiB a second at which disks from snapshots are read in, for which AWS charges. */
  volumeInitializationRate: z.int().min(100).max(300).optional(),
  /** Tag on boxes for whoever sweeps the account. */
  ttl: text(/^\d{1,4}[hd]$/, '72h').default('72h'),
  /** How long a box may take from its launch until it registers. */
  bootstrapTimeout: durationSchema(30_000, 3_600_000, '2m').optional(),
  /** How long past its hard limit a box that reaches no launcher goes on, before it is made quiet and ends by itself. */
  hardLimitGrace: durationSchema(10_000, 3_600_000, '10m').optional(),
  /** Another server than that of AWS, for trying it out. */
  endpoint: urlSchema.optional(),
});
export type Ec2Settings = z.output<typeof ec2SettingsSchema>;

/** @throws DevctlError invalid_request, with the field */
export function readEc2Settings(path: string): Ec2Settings {
  const given = readJson(path);
  const result = ec2SettingsSchema.safeParse(given);
  if (result.success) return result.data;
  const { detail, extra } = invalid(result.error, given);
  throw new DevctlError('invalid_request', `${path}: ${detail}`, extra);
}

function readJson(path: string): unknown {
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch (error) {
    const why = error instanceof SyntaxError ? `is not JSON: ${error.message}` : `cannot be read: ${reasonOf(error)}`;
    throw new DevctlError('invalid_request', `${path} ${why}`, { hint: 'see docs/EC2.md for an example', cause: error });
  }
}
