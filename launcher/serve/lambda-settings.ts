import * as z from 'zod';
import { invalid } from '../api/problems.ts';
import { DevctlError } from '../contract/errors.ts';
import { sizeSchema } from '../contract/fields.ts';
import { POOL_MAX, POOL_WINDOWS_MAX, type PoolWindow, parsePoolWindow } from '../contract/pool.ts';

const text = (pattern: RegExp, example: string) => z.string().regex(pattern, `must look like ${example}`);
const templateName = text(/^[a-zA-Z0-9().\-/_]{3,128}$/, 'devctl-x86_64');
const parameterName = text(/^\/[\w./-]{1,1000}$/, '/devctl/image/x86_64');
const roleName = text(/^[\w+=,.@-]{1,64}$/, 'devctl-box');
const microUsd = z.int().min(0).nullable().default(null);

const windowSchema = z.string().transform((written, ctx): PoolWindow => {
  const window = parsePoolWindow(written);
  if (typeof window !== 'string') return window;
  ctx.addIssue({ code: 'custom', message: window });
  return z.NEVER;
});

/** What the launcher in Lambda has to know of its account, as JSON in the variable DEVCTL_SETTINGS. Nothing in it is secret. */
const lambdaSettingsSchema = z
  .strictObject({
    deployment: text(/^[a-z][a-z0-9-]{0,30}$/, 'team-a'),
    region: text(/^[a-z]{2}(-[a-z]+)+-\d$/, 'eu-central-1'),
    table: text(/^[A-Za-z0-9._-]{3,255}$/, 'devctl'),
    subnets: z
      .array(
        z.strictObject({
          id: text(/^subnet-[0-9a-f]{8,17}$/, 'subnet-0123456789abcdef0'),
          az: text(/^[a-z]{2}(-[a-z]+)+-\d[a-z0-9-]*$/, 'eu-central-1a'),
        }),
      )
      .min(1)
      .max(50),
    /** By name, of the stack: version `$Default`, and without an image. */
    launchTemplates: z.strictObject({ x86_64: templateName.optional(), arm64: templateName.optional() }),
    /** SSM parameters, each with the id of the image that machines of this architecture are started from. */
    imageParameters: z.strictObject({ x86_64: parameterName.optional(), arm64: parameterName.optional() }),
    /** Secret of Secrets Manager that box keys and cursors are derived from. */
    masterSecret: text(
      /^arn:aws[a-z-]*:secretsmanager:[a-z0-9-]+:\d{12}:secret:\S{1,600}$/,
      'arn:aws:secretsmanager:…:secret:devctl/launcher',
    ),
    /** The function that does what requests ask for. */
    eventsFunction: text(/^[A-Za-z0-9_-]{1,64}$/, 'devctl-events'),
    /** Role of the boxes: a session of it is a box. */
    boxRole: roleName,
    /** A session of it has the scope `admin`, which nobody else has. */
    adminRole: roleName,
    volumeGiB: z.int().min(1).max(16_384),
    /** Tag on boxes for whoever sweeps the account. */
    ttl: text(/^\d{1,4}[hd]$/, '72h'),
    /** Micro-dollars a month; null: none. */
    budgets: z.strictObject({ ownerMicroUsd: microUsd, deploymentMicroUsd: microUsd }).prefault({}),
    /** Boxes that are kept in reserve; windows as `--pool-schedule` has them. */
    pool: z
      .strictObject({
        base: z.int().min(0).max(POOL_MAX).default(0),
        windows: z.array(windowSchema).max(POOL_WINDOWS_MAX).default([]),
        boxSize: sizeSchema.default('medium'),
      })
      .prefault({}),
    /** MiB a second at which disks from snapshots are read in, for which AWS charges. */
    volumeInitializationRate: z.int().min(100).max(300).optional(),
    /** Another server than that of AWS, for trying it out. */
    endpoint: z.url({ protocol: /^https?$/ }).optional(),
  })
  .superRefine(({ launchTemplates, imageParameters }, ctx) => {
    const architectures = ['x86_64', 'arm64'] as const;
    if (!architectures.some((arch) => launchTemplates[arch] !== undefined))
      ctx.addIssue({ code: 'custom', path: ['launchTemplates'], message: 'name one for x86_64, arm64 or both' });
    for (const arch of architectures)
      if ((launchTemplates[arch] === undefined) !== (imageParameters[arch] === undefined))
        ctx.addIssue({ code: 'custom', path: ['imageParameters', arch], message: 'needs a launch template and an image parameter, both' });
  });
export type LambdaSettings = z.output<typeof lambdaSettingsSchema>;
/** What a stack writes into DEVCTL_SETTINGS. */
export type LambdaSettingsInput = z.input<typeof lambdaSettingsSchema>;

const VARIABLE = 'DEVCTL_SETTINGS';

/** @throws DevctlError invalid_request, with the field */
export function readLambdaSettings(env: Readonly<Record<string, string | undefined>>): LambdaSettings {
  const other = Object.keys(env).find((name) => name.startsWith('DEVCTL_') && name !== VARIABLE);
  if (other !== undefined) throw new DevctlError('invalid_request', `${other} is not known here: everything is in ${VARIABLE}`);
  const given = parse(env[VARIABLE]);
  const result = lambdaSettingsSchema.safeParse(given);
  if (result.success) return result.data;
  const { detail, extra } = invalid(result.error, given);
  throw new DevctlError('invalid_request', `${VARIABLE}: ${detail}`, extra);
}

function parse(json: string | undefined): unknown {
  try {
    return JSON.parse(json ?? '');
  } catch (error) {
    throw new DevctlError('invalid_request', `${VARIABLE} is not JSON`, { hint: 'deploy the stack again', cause: error });
  }
}
