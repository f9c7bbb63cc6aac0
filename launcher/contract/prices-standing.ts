/**
 * What a deployment costs although nobody works in it, us-east-1, in micro-dollars (as prices.ts). Every figure is that of the price
 * page which its line names, read where others quote it between 2026-02 and 2026-06. What an account has free is what it has free for
 * ever: what is free in an account's first months is not counted.
 */
export const STANDING_PRICES_AS_OF = '2026-06';

export interface Rate {
  /** What is paid for, as people say it. */
  what: string;
  /** Of one unit, in the plural. */
  unit: string;
  /** Price of so many units for a month. */
  microUsd: number;
  per: number;
  /** Units a month that every account has free. Rates of one `pool` share them. */
  free: number;
  pool?: string;
  /** AWS's price page. */
  page: string;
}

const HOURS = 730;
const MILLION = 1_000_000;
/** A month has 730 hours: 30.4 days. */
const DAYS = HOURS / 24;

const rate = (
  page: string,
  what: string,
  unit: string,
  microUsd: number,
  more: Partial<Pick<Rate, 'per' | 'free' | 'pool'>> = {},
): Rate => ({
  what,
  unit,
  microUsd,
  per: 1,
  free: 0,
  page,
  ...more,
});

const CLOUDWATCH = 'Amazon CloudWatch pricing';
const DYNAMODB = 'Amazon DynamoDB pricing';
const LAMBDA = 'AWS Lambda pricing';
const SECRETS = 'AWS Secrets Manager pricing';
const VPC = 'Amazon VPC pricing';

export const RATES = {
  secret: rate(SECRETS, 'secrets', 'secrets', 400_000),
  secretCall: rate(SECRETS, 'reading secrets', 'calls', 50_000, { per: 10_000 }),
  image: rate('Amazon EBS pricing', 'snapshots of images', 'GiB', 50_000),
  key: rate('AWS KMS pricing', 'customer managed keys', 'keys', MILLION),
  natGateway: rate(VPC, 'NAT gateways', 'gateways', 45_000 * HOURS),
  address: rate(VPC, 'public IPv4 addresses', 'addresses', 5_000 * HOURS),
  endpoint: rate('AWS PrivateLink pricing', 'interface endpoints', 'endpoints in a zone', 10_000 * HOURS),
  alarm: rate(CLOUDWATCH, 'alarms', 'metrics of alarms', 100_000, { free: 10 }),
  fastAlarm: rate(CLOUDWATCH, 'alarms by the second', 'metrics of alarms', 300_000),
  compositeAlarm: rate(CLOUDWATCH, 'composite alarms', 'alarms', 500_000),
  dashboard: rate(CLOUDWATCH, 'dashboards', 'dashboards', 3 * MILLION, { free: 3 }),
  metric: rate(CLOUDWATCH, 'metrics of its own', 'metrics', 300_000, { free: 10 }),
  logs: rate(CLOUDWATCH, 'logs, taken in', 'GB', 500_000, { free: 5, pool: 'logs' }),
  keptLogs: rate(CLOUDWATCH, 'logs, kept', 'GB', 30_000, { free: 5, pool: 'logs' }),
  tableStorage: rate(DYNAMODB, 'the table', 'GB', 250_000, { free: 25 }),
  tableBackup: rate(DYNAMODB, 'point-in-time recovery of the table', 'GB', 200_000),
  tableReads: rate(DYNAMODB, 'reading the table', 'read units', 125_000, { per: MILLION }),
  tableWrites: rate(DYNAMODB, 'writing to the table', 'write units', 625_000, { per: MILLION }),
  reservedReads: rate(DYNAMODB, 'provisioned reads', 'units', 130 * HOURS, { free: 25 }),
  reservedWrites: rate(DYNAMODB, 'provisioned writes', 'units', 650 * HOURS, { free: 25 }),
  calls: rate(LAMBDA, 'calls of functions', 'calls', 200_000, { per: MILLION, free: MILLION }),
  runArm: rate(LAMBDA, 'functions that run (arm64)', 'GB-seconds', 13_333_400, { per: MILLION, free: 400_000, pool: 'run' }),
  runX86: rate(LAMBDA, 'functions that run (x86_64)', 'GB-seconds', 16_666_700, { per: MILLION, free: 400_000, pool: 'run' }),
  readyArm: rate(LAMBDA, 'provisioned concurrency (arm64)', 'GB-seconds', 3_333_400, { per: MILLION }),
  readyX86: rate(LAMBDA, 'provisioned concurrency (x86_64)', 'GB-seconds', 4_166_700, { per: MILLION }),
  queue: rate('Amazon SQS pricing', 'requests to queues', 'requests', 400_000, { per: MILLION, free: MILLION }),
  schedule: rate('Amazon EventBridge pricing', 'schedules of EventBridge Scheduler', 'calls', MILLION, {
    per: MILLION,
    free: 14 * MILLION,
  }),
  actionBudget: rate('AWS Budgets pricing', 'budgets that act', 'budgets', Math.round(100_000 * DAYS), { free: 2 }),
  parameter: rate('AWS Systems Manager pricing', 'advanced parameters', 'parameters', 50_000),
  bucket: rate('Amazon S3 pricing', 'buckets', 'GB', 23_000),
} as const satisfies Record<string, Rate>;

export type RateKey = keyof typeof RATES;

/**
 * What no template says, taken rather too high than too low; reads and writes are measured (test/local/controllers.capacity.test.ts). A `run` is one of the scheduled calls of a function while there is no
 * session, a `heartbeat` what a box says every ten seconds (core/limits.ts, heartbeatMaxMs).
 */
export const ASSUMED = {
  run: { seconds: 2, reads: 12, writes: 1, logBytes: 1_500 },
  /** Figures of its own that the agent of CloudWatch writes in each box (packer/files/etc/devctl/cloudwatch.json). */
  figuresOfBox: 4,
  heartbeat: { perHour: 360, seconds: 0.1, reads: 4, writes: 2, logBytes: 500 },
  tableGB: 0.05,
  bucketGB: 0.1,
  /** Of a function: it reads the secret again each time. */
  coldStartsPerHour: 1,
  /** Requests a month of one event source mapping: five pollers, each with a request that waits 20 s. */
  pollsOfMapping: (5 * HOURS * 3_600) / 20,
} as const;
