import { readFileSync } from 'node:fs';
import * as z from 'zod';
import { ARCHITECTURES, architectureSchema, sizeSchema } from '../launcher/contract/fields.ts';
import { messageOf, valueAt } from '../launcher/contract/issues.ts';
import { POOL_MAX, POOL_WINDOWS_MAX, parsePoolWindow } from '../launcher/contract/pool.ts';
import { reasonOf } from '../launcher/contract/system-errors.ts';

/** The most that a deployment may be let spend in a month. */
export const BUDGET_USD_MAX = 50;
/** AWS Budgets tells at most ten addresses. */
const EMAILS_MAX = 10;
const LIST_MAX = 50;
/** Of the partition `aws`: ARNs of documents, quotas and roles are written for it. China, GovCloud and the isolated ones have others. */
const REGION = /^(?!cn-|us-gov-|us-iso|eu-isoe|eusc-)[a-z]{2}(-[a-z]+)+-\d$/;
/** All settings of a function have 4 KB. */
const SUBNETS_MAX = 12;
const GOT_CHARS = 80;
const ISSUES_MAX = 20;

const text = (pattern: RegExp, example: string) => z.string().regex(pattern, `must look like ${example}`);
const listOf = <T extends z.ZodType>(item: T) => z.array(item).max(LIST_MAX).default([]);
const roleNames = listOf(text(/^[\w+=,.@-]{1,64}$/, 'generator-task: the name of a role, and not its ARN'));

const subnetSchema = z.strictObject({
  id: text(/^subnet-[0-9a-f]{8,17}$/, 'subnet-0123456789abcdef0'),
  az: text(/^[a-z]{2}(-[a-z]+)+-\d[a-z0-9-]*$/, 'eu-central-1a'),
});

const networkSchema = z
  .strictObject({
    /** An existing one; without it the stack makes one. */
    vpcId: text(/^vpc-[0-9a-f]{8,17}$/, 'vpc-0123456789abcdef0').optional(),
    /** Public subnets of the existing one. */
    subnets: z.array(subnetSchema).min(2).max(SUBNETS_MAX).optional(),
    /** Availability zones of a new one, 2 unless given: every region has as many. More zones have more spot machines to choose from. */
    zones: z.int().min(2).max(6).optional(),
  })
  .superRefine(({ vpcId, subnets, zones }, ctx) => {
    const refuse = (field: string, message: string) => ctx.addIssue({ code: 'custom', path: [field], message });
    if (vpcId !== undefined && subnets === undefined) refuse('subnets', 'is missing: name two or more public subnets of that VPC');
    if (vpcId === undefined && subnets !== undefined) refuse('vpcId', 'is missing: name the VPC that the subnets are of');
    if (vpcId !== undefined && zones !== undefined) refuse('zones', 'is for a new VPC: leave it out, or vpcId and subnets');
    if (subnets !== undefined && new Set(subnets.map(({ az }) => az)).size < 2) refuse('subnets', 'must be in two zones or more');
  });

const windowSchema = z.string().superRefine((written, ctx) => {
  const window = parsePoolWindow(written);
  if (typeof window === 'string') ctx.addIssue({ code: 'custom', message: window });
});

/** The project on AWS that boxes work on: what of it they may look at and change. */
const targetSchema = z.strictObject({
  /** Name of the ECS cluster. */
  cluster: text(/^[A-Za-z0-9_-]{1,255}$/, 'generators: the name of a cluster, and not its ARN').optional(),
  /** Of ECR. */
  repositories: listOf(text(/^[a-z0-9]+([._/-]+[a-z0-9]+)*$/, 'team/generator')),
  /** Families. */
  taskDefinitions: listOf(text(/^[A-Za-z0-9_-]{1,255}$/, 'generator: a family, without a revision')),
  taskRoles: roleNames,
  executionRoles: roleNames,
  /** That boxes may read. */
  secrets: listOf(
    text(
      /^arn:aws[a-z-]*:secretsmanager:[a-z0-9-]+:\d{12}:secret:[A-Za-z0-9/_+=.@-]{1,512}$/,
      'arn:aws:secretsmanager:eu-central-1:123456789012:secret:npm-a1B2c3',
    ),
  ),
  /** Of CloudFormation, that boxes may deploy. */
  stacks: listOf(text(/^[A-Za-z][A-Za-z0-9-]{0,127}$/, 'GeneratorDev')),
  logGroups: listOf(text(/^[A-Za-z0-9_/.#-]{1,512}$/, '/ecs/generator')),
});

const concurrency = z.int().min(1).max(1000);

const targetConfigSchema = z.strictObject({
  /** Name of everything that is made. Short, since the names of buckets are made of it. */
  deployment: text(/^[a-z][a-z0-9-]{1,18}[a-z0-9]$/, 'team-a: 3 to 20 small letters, figures and dashes').default('devctl'),
  region: text(REGION, 'eu-central-1: one of the regions of AWS that is not in China, GovCloud or by itself'),
  /** When given, credentials of another account are refused. */
  account: text(/^\d{12}$/, '123456789012').optional(),
  network: networkSchema.prefault({}),
  /** A month of the whole deployment, in dollars. */
  budgetUsd: z.number().min(1).max(BUDGET_USD_MAX).default(BUDGET_USD_MAX),
  /** A month of one owner, in dollars; null: as much as the deployment. */
  ownerBudgetUsd: z.number().min(1).max(BUDGET_USD_MAX).nullable().default(null),
  alertEmails: z
    .array(z.email('must look like team@example.com'))
    .min(1)
    .max(EMAILS_MAX)
    .refine((list) => new Set(list.map((each) => each.toLowerCase())).size === list.length, 'names one twice'),
  target: targetSchema.prefault({}),
  architectures: z
    .array(architectureSchema)
    .min(1)
    .max(ARCHITECTURES.length)
    .refine((list) => new Set(list).size === list.length, 'names one twice')
    .default(['x86_64']),
  /** Size of a new workspace. */
  volumeGiB: z.int().min(1).max(16_384).default(64),
  /** Tag for whoever sweeps the account. */
  ttl: text(/^\d{1,4}[hd]$/, '72h').default('72h'),
  /** Boxes that are kept in reserve, stopped; windows as `--pool-schedule` has them. */
  pool: z
    .strictObject({
      base: z.int().min(0).max(POOL_MAX).default(0),
      windows: z.array(windowSchema).max(POOL_WINDOWS_MAX).default([]),
      boxSize: sizeSchema.default('medium'),
    })
    .optional(),
  /** MiB a second at which disks from snapshots are read in, for which AWS charges. */
  volumeInitializationRate: z.int().min(100).max(300).optional(),
  /** How many of each function run at once: events enough that an interruption does not wait behind looks; null: as many as the account lets, for an account with too few to reserve any. */
  reservedConcurrency: z.strictObject({ api: concurrency, events: concurrency }).nullable().default({ api: 50, events: 20 }),
  fallback: z.strictObject({ codeBuild: z.boolean().default(false) }).prefault({}),
});

/** What one deployment is, and what it may touch: the file that `--config` names. Nothing in it is secret. */
export type TargetConfig = z.output<typeof targetConfigSchema>;
export type TargetConfigInput = z.input<typeof targetConfigSchema>;

/** Whoever reads it is told each field that is wrong, what it was, and what it may be. */
export class ConfigError extends Error {
  override name = 'ConfigError';
  readonly hint: string;
  constructor(message: string, hint: string, options?: ErrorOptions) {
    super(message, options);
    this.hint = hint;
  }
}

const FIELDS = 'docs/DEPLOY.md says what each field is';
const HINT = `docs/target.example.json is a whole one; ${FIELDS}`;

/** @throws ConfigError that names every wrong field */
export function parseTargetConfig(given: unknown, source: string): TargetConfig {
  const result = targetConfigSchema.safeParse(given);
  if (result.success) return result.data;
  const lines = result.error.issues.flatMap((issue) => linesOf(issue, given)).slice(0, ISSUES_MAX);
  throw new ConfigError(`${source}: ${lines.join('; ')}`, HINT);
}

/** @throws ConfigError for a file that cannot be read, is not JSON, or is wrong */
export function readTargetConfig(path: string): TargetConfig {
  let given: unknown;
  try {
    given = JSON.parse(readFileSync(path, 'utf8'));
  } catch (error) {
    const why = error instanceof SyntaxError ? `is not JSON: ${error.message}` : `cannot be read: ${reasonOf(error)}`;
    const isMissing = (error as NodeJS.ErrnoException).code === 'ENOENT';
    throw new ConfigError(`${path} ${why}`, isMissing ? `cp docs/target.example.json ${path}, and mend it: ${FIELDS}` : HINT, {
      cause: error,
    });
  }
  return parseTargetConfig(given, path);
}

function linesOf(issue: z.core.$ZodIssue, given: unknown): string[] {
  const field = issue.path.map(String).join('.');
  if (issue.code === 'unrecognized_keys') {
    const known = knownFields(issue.path);
    return issue.keys.map((key) => `${[...issue.path, key].map(String).join('.')} is not known: use ${known.join(', ')}`);
  }
  const value = valueAt(given, issue.path);
  // A rule over several fields names the one that is missing in words of its own.
  if (value === undefined)
    return [`${field || 'the file'} ${issue.code === 'custom' ? issue.message : `is missing, and ${messageOf(issue)}`}`];
  return [`${field || 'the file'} ${show(value)} ${messageOf(issue)}`];
}

const show = (value: unknown): string => {
  const shown = JSON.stringify(value);
  return shown.length > GOT_CHARS ? `${shown.slice(0, GOT_CHARS)}…` : shown;
};

const OBJECTS: Readonly<Record<string, z.ZodObject>> = {
  '': targetConfigSchema,
  network: networkSchema,
  target: targetSchema,
  pool: targetConfigSchema.shape.pool.unwrap(),
  reservedConcurrency: targetConfigSchema.shape.reservedConcurrency.unwrap().unwrap(),
  fallback: targetConfigSchema.shape.fallback.unwrap(),
};
const knownFields = (path: readonly PropertyKey[]): string[] =>
  Object.keys((path.includes('subnets') ? subnetSchema : OBJECTS[path.map(String).join('.')])?.shape ?? {});
