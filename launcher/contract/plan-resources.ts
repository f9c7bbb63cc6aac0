import { firesPerMonth } from './plan-schedule.ts';
import { listAt, numberAt, objectsAt, type Resource, referred, type Template, TemplateError, valueAt } from './plan-template.ts';
import { HOURS_PER_MONTH, IMAGE_GIB } from './prices.ts';
import { ASSUMED, type RateKey } from './prices-standing.ts';

/** So many units a month of something that is paid for, and why, where no template says it. */
export interface Usage {
  rate: RateKey;
  units: number;
  assumed?: string;
}

type UsageOf = (template: Template, resource: Resource) => Usage[];

const once =
  (rate: RateKey, units = 1, assumed?: string): UsageOf =>
  () => [{ rate, units, ...(assumed !== undefined && { assumed }) }];

const isSet = (value: unknown, ...words: unknown[]): boolean => words.includes(value);

/** The function that an ARN in the template means, also through an alias or a version of it. */
function functionOf(template: Template, value: unknown): Resource | undefined {
  const found = referred(template, value);
  if (found?.type === 'AWS::Lambda::Alias' || found?.type === 'AWS::Lambda::Version')
    return referred(template, found.properties['FunctionName']);
  return found?.type === 'AWS::Lambda::Function' ? found : undefined;
}

const gbOf = (template: Template, lambda: Resource): number => numberAt(template, lambda, ['MemorySize'], 128) / 1024;
const isArm = (template: Template, lambda: Resource): boolean => listAt(template, lambda, ['Architectures']).includes('arm64');

interface Work {
  seconds: number;
  reads: number;
  writes: number;
  logBytes: number;
}

/** What so many calls of a function come to, with what each does to the table and the log. */
function callsOf(template: Template, lambda: Resource, count: number, work: Work, assumed: string): Usage[] {
  return [
    { rate: 'calls', units: count },
    { rate: isArm(template, lambda) ? 'runArm' : 'runX86', units: count * work.seconds * gbOf(template, lambda), assumed },
    { rate: 'tableReads', units: count * work.reads, assumed: `${assumed}, ${work.reads} read units` },
    { rate: 'tableWrites', units: count * work.writes, assumed: `${assumed}, ${work.writes} write units` },
    { rate: 'logs', units: (count * work.logBytes) / 1e9, assumed: `${assumed}, ${work.logBytes} bytes` },
    { rate: 'keptLogs', units: (count * work.logBytes) / 1e9, assumed: 'what is written in a month' },
  ];
}

/** The calls that a schedule makes. A target whose work is not known has no price. */
function scheduled(template: Template, resource: Resource, arn: unknown): Usage[] {
  const expression = String(valueAt(template, resource, ['ScheduleExpression']));
  const count = firesPerMonth(expression);
  if (count === null)
    throw new TemplateError(`the schedule of ${resource.id}, ${JSON.stringify(expression.slice(0, 80))}, is not understood`);
  const lambda = functionOf(template, arn);
  if (lambda === undefined)
    throw new TemplateError(`${resource.id} starts by the clock what is no function of this template: its cost is not known`);
  const { run, coldStartsPerHour } = ASSUMED;
  const starts = Math.min(count, coldStartsPerHour * HOURS_PER_MONTH);
  return [
    ...callsOf(template, lambda, count, run, `${run.seconds} s a call`),
    { rate: 'secretCall', units: starts, assumed: `${coldStartsPerHour} cold start an hour` },
  ];
}

const rule: UsageOf = (template, resource) => {
  if (valueAt(template, resource, ['ScheduleExpression']) === undefined || valueAt(template, resource, ['State']) === 'DISABLED') return [];
  return objectsAt(template, resource, ['Targets']).flatMap(({ Arn }) => scheduled(template, resource, Arn));
};

const schedule: UsageOf = (template, resource) => {
  if (valueAt(template, resource, ['State']) === 'DISABLED') return [];
  const calls = scheduled(template, resource, valueAt(template, resource, ['Target', 'Arn']));
  return [...calls, { rate: 'schedule', units: (calls[0] as Usage).units }];
};

/** Provisioned concurrency of an alias or a version, all month. */
const ready: UsageOf = (template, resource) => {
  const count = numberAt(template, resource, ['ProvisionedConcurrencyConfig', 'ProvisionedConcurrentExecutions'], 0);
  if (count === 0) return [];
  const lambda = functionOf(template, valueAt(template, resource, ['FunctionName']));
  if (lambda === undefined) throw new TemplateError(`${resource.id} keeps ready what is no function of this template`);
  return [{ rate: isArm(template, lambda) ? 'readyArm' : 'readyX86', units: count * gbOf(template, lambda) * HOURS_PER_MONTH * 3_600 }];
};

const recovers = ({ PointInTimeRecoverySpecification: recovery }: Readonly<Record<string, unknown>>): boolean =>
  (recovery as { PointInTimeRecoveryEnabled?: unknown } | null | undefined)?.PointInTimeRecoveryEnabled === true;

/** Without a billing mode a table is of provisioned throughput, with its indexes. */
const table: UsageOf = (template, resource) => {
  const assumed = `${ASSUMED.tableGB} GB of records`;
  const replicas = objectsAt(template, resource, ['Replicas']);
  const backups = [resource.properties, ...replicas].filter(recovers).length;
  const usages: Usage[] = [{ rate: 'tableStorage', units: ASSUMED.tableGB * Math.max(1, replicas.length), assumed }];
  if (backups > 0) usages.push({ rate: 'tableBackup', units: backups * ASSUMED.tableGB, assumed });
  if (valueAt(template, resource, ['BillingMode']) === 'PAY_PER_REQUEST') return usages;
  if (resource.type !== 'AWS::DynamoDB::Table') throw new TemplateError(`${resource.id} has provisioned throughput: its cost is not known`);
  for (const { ProvisionedThroughput } of [resource.properties, ...objectsAt(template, resource, ['GlobalSecondaryIndexes'])]) {
    const one = { ...resource, properties: { ProvisionedThroughput } };
    usages.push({ rate: 'reservedReads', units: numberAt(template, one, ['ProvisionedThroughput', 'ReadCapacityUnits'], 0) });
    usages.push({ rate: 'reservedWrites', units: numberAt(template, one, ['ProvisionedThroughput', 'WriteCapacityUnits'], 0) });
  }
  return usages;
};

/** An alarm costs by the metrics that it looks at, and more where it looks more often than once a minute. */
const alarm: UsageOf = (template, resource) => {
  const metrics = objectsAt(template, resource, ['Metrics']).filter(({ MetricStat }) => MetricStat !== undefined);
  const rate = numberAt(template, resource, ['Period'], 60) < 60 ? 'fastAlarm' : 'alarm';
  return [{ rate, units: Math.max(1, metrics.length) }];
};

const endpoint: UsageOf = (template, resource) => {
  const type = valueAt(template, resource, ['VpcEndpointType']) ?? 'Gateway';
  if (type === 'Gateway') return [];
  if (type !== 'Interface') throw new TemplateError(`${resource.id} is a VPC endpoint of a kind whose price is not known`);
  const subnets = valueAt(template, resource, ['SubnetIds']);
  if (subnets !== undefined && !Array.isArray(subnets)) throw new TemplateError(`in how many zones ${resource.id} is cannot be read here`);
  return [{ rate: 'endpoint', units: Math.max(1, subnets?.length ?? 0) }];
};

const mapping: UsageOf = (template, resource) => {
  if (referred(template, valueAt(template, resource, ['EventSourceArn']))?.type !== 'AWS::SQS::Queue')
    throw new TemplateError(`${resource.id} reads what is no queue of this template: its cost is not known`);
  return [{ rate: 'queue', units: ASSUMED.pollsOfMapping, assumed: 'five pollers that wait 20 s each' }];
};

/** What a type of resource costs while nobody works. */
export const PRICED: Readonly<Record<string, UsageOf>> = {
  'AWS::Budgets::BudgetsAction': once('actionBudget'),
  'AWS::CloudWatch::Alarm': alarm,
  'AWS::CloudWatch::CompositeAlarm': once('compositeAlarm'),
  'AWS::CloudWatch::Dashboard': once('dashboard'),
  'AWS::DynamoDB::GlobalTable': table,
  'AWS::DynamoDB::Table': table,
  'AWS::EC2::EIP': once('address'),
  'AWS::EC2::LaunchTemplate': once('image', IMAGE_GIB, `${IMAGE_GIB} GiB of the image of each launch template`),
  'AWS::EC2::NatGateway': once('natGateway'),
  'AWS::EC2::VPCEndpoint': endpoint,
  'AWS::Events::Rule': rule,
  'AWS::KMS::Key': once('key'),
  'AWS::KMS::ReplicaKey': once('key'),
  'AWS::Lambda::Alias': ready,
  'AWS::Lambda::EventSourceMapping': mapping,
  'AWS::Lambda::Version': ready,
  'AWS::S3::Bucket': once('bucket', ASSUMED.bucketGB, `${ASSUMED.bucketGB} GB in each bucket`),
  'AWS::SSM::Parameter': (template, resource) =>
    isSet(valueAt(template, resource, ['Tier']), undefined, 'Standard') ? [] : [{ rate: 'parameter', units: 1 }],
  'AWS::Scheduler::Schedule': schedule,
  'AWS::SecretsManager::Secret': (template, resource) => [
    { rate: 'secret', units: 1 + listAt(template, resource, ['ReplicaRegions']).length },
  ],
};

const PER_CALL = 'paid for by the call, of which there is none at rest';
const BELONGS = 'has no price of its own';

/** What costs nothing while nobody works, and why. */
export const UNPRICED: Readonly<Record<string, string>> = {
  'AWS::Budgets::Budget': 'budgets that only tell are free',
  'AWS::CDK::Metadata': BELONGS,
  'AWS::CloudFormation::CustomResource': BELONGS,
  'AWS::CodeBuild::Project': 'paid for by the minute of a build, of which there is none at rest',
  'AWS::EC2::InternetGateway': BELONGS,
  'AWS::EC2::Route': BELONGS,
  'AWS::EC2::RouteTable': BELONGS,
  'AWS::EC2::SecurityGroup': BELONGS,
  'AWS::EC2::SecurityGroupEgress': BELONGS,
  'AWS::EC2::SecurityGroupIngress': BELONGS,
  'AWS::EC2::Subnet': BELONGS,
  'AWS::EC2::SubnetRouteTableAssociation': BELONGS,
  'AWS::EC2::VPC': BELONGS,
  'AWS::EC2::VPCGatewayAttachment': BELONGS,
  'AWS::IAM::InstanceProfile': 'IAM is free',
  'AWS::IAM::ManagedPolicy': 'IAM is free',
  'AWS::IAM::Policy': 'IAM is free',
  'AWS::IAM::Role': 'IAM is free',
  'AWS::IAM::ServiceLinkedRole': 'IAM is free',
  'AWS::KMS::Alias': BELONGS,
  'AWS::Lambda::EventInvokeConfig': BELONGS,
  'AWS::Lambda::Function': PER_CALL,
  'AWS::Lambda::LayerVersion': BELONGS,
  'AWS::Lambda::Permission': BELONGS,
  'AWS::Lambda::Url': 'paid for with the calls of its function',
  'AWS::Logs::LogGroup': 'paid for by what is written',
  'AWS::Logs::MetricFilter': 'paid for as the metric that it makes',
  'AWS::Logs::QueryDefinition': BELONGS,
  'AWS::ResourceGroups::Group': BELONGS,
  'AWS::S3::BucketPolicy': BELONGS,
  'AWS::SNS::Subscription': PER_CALL,
  'AWS::SNS::Topic': PER_CALL,
  'AWS::SNS::TopicPolicy': BELONGS,
  'AWS::SQS::Queue': PER_CALL,
  'AWS::SQS::QueuePolicy': BELONGS,
  'AWS::SSM::Document': BELONGS,
  'AWS::SecretsManager::ResourcePolicy': BELONGS,
  'AWS::SecretsManager::SecretTargetAttachment': BELONGS,
};

/** What boxes cost the launcher in so many of their hours: calls to the function behind the function URL, and figures in CloudWatch. */
export function heartbeatsOf(template: Template, boxHours: number): Usage[] {
  const url = template.resources.find(({ type }) => type === 'AWS::Lambda::Url');
  const lambda = functionOf(template, url?.properties['TargetFunctionArn']);
  const { heartbeat, figuresOfBox } = ASSUMED;
  if (lambda === undefined || boxHours === 0) return [];
  return [
    ...callsOf(template, lambda, boxHours * heartbeat.perHour, heartbeat, `${heartbeat.seconds} s a heartbeat`),
    // Paid for by the hour in which something writes them.
    { rate: 'metric', units: (figuresOfBox * boxHours) / HOURS_PER_MONTH, assumed: `${figuresOfBox} of each box` },
  ];
}
