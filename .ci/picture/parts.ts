// How each type of resource is shown: in which group, and what is said of it.
import type { Resource, Template } from '../../launcher/contract/plan-template.ts';
import { allowedBy, allowedTo, mentions, nameOf, textOf } from './names.ts';

export const GROUPS = {
  callers: 'Who calls',
  launcher: 'Launcher',
  state: 'State',
  access: 'Access',
  boxes: 'Boxes and network',
  guardrails: 'Guardrails',
  others: 'Others',
} as const;
export type GroupKey = keyof typeof GROUPS;

export interface Part {
  group: GroupKey;
  /** A few words each. */
  title: string;
  lines: string[];
  /** Resources of the same key are one node. */
  key: string;
}

type PartOf = (resource: Resource, template: Template) => Omit<Part, 'key'> & { key?: string };

const at = (resource: Resource, ...path: string[]): unknown =>
  path.reduce<unknown>((value, name) => (value as Record<string, unknown> | undefined)?.[name], resource.properties);
const listAt = (resource: Resource, ...path: string[]): unknown[] => {
  const value = at(resource, ...path);
  return Array.isArray(value) ? value : [];
};
const countOf = ({ resources }: Template, type: string): number => resources.filter((resource) => resource.type === type).length;
const plural = (count: number, one: string): string => `${count} ${one}${count === 1 ? '' : 's'}`;

type More = (resource: Resource, template: Template) => string[];

/** Of which there are several, told apart by their names. */
const named =
  (group: GroupKey, kind: string, more: More = () => []): PartOf =>
  (resource, template) => ({ group, title: nameOf(resource) ?? kind, lines: [kind, ...more(resource, template)] });

/** Whose name says less than what it is. */
const titled =
  (group: GroupKey, kind: string, more: More = () => []): PartOf =>
  (resource, template) => ({ group, title: kind, lines: [nameOf(resource) ?? '', ...more(resource, template)] });

/** All of a type as one node. */
const together =
  (group: GroupKey, one: string, lines: (all: Resource[], template: Template) => string[]): PartOf =>
  (resource, template) => {
    const all = template.resources.filter(({ type }) => type === resource.type);
    return { group, title: plural(all.length, one), lines: lines(all, template), key: resource.type };
  };

/** Services of the actions, most of them first. */
function servicesOf(statements: ReadonlyArray<{ actions: string[] }>): string {
  const counts = new Map<string, number>();
  for (const action of statements.flatMap(({ actions }) => actions)) {
    const service = action.split(':')[0] as string;
    counts.set(service, (counts.get(service) ?? 0) + 1);
  }
  const names = [...counts].sort(([a, m], [b, n]) => n - m || (a < b ? -1 : 1)).map(([service]) => service);
  return `${names.slice(0, 4).join(', ')}${names.length > 4 ? `, ${names.length - 4}\u00a0more` : ''}`;
}

const role: PartOf = (resource, template) => {
  const profile = template.resources.find(
    ({ type, properties }) => type === 'AWS::IAM::InstanceProfile' && mentions(textOf(properties), resource),
  );
  return {
    group: 'access',
    title: nameOf(resource) ?? 'Role',
    lines: [profile ? 'Role and instance profile' : 'Role', servicesOf(allowedTo(template, resource))],
  };
};

const rule: PartOf = (resource) => {
  const schedule = at(resource, 'ScheduleExpression');
  if (schedule !== undefined)
    return {
      group: 'callers',
      title: textOf(schedule).replace(/^rate\((?:1 )?(.+)\)$/, 'Every $1'),
      lines: ['EventBridge', textOf(at(resource, 'Description'))],
    };
  const details = listAt(resource, 'EventPattern', 'detail-type').map((detail) =>
    textOf(detail).replace(/^(?:EC2|EBS) | (?:Notification|Warning|Recommendation)$/g, ''),
  );
  return {
    group: 'callers',
    title: 'Events of EC2',
    lines: ['EventBridge', ...details],
    key: `events of ${textOf(at(resource, 'Targets'))}`,
  };
};

const policyOf = (resource: Resource): string => servicesOf(allowedBy(resource.properties['PolicyDocument']));

/** Types that are drawn; the order is that within a group. */
const PARTS: Readonly<Record<string, PartOf>> = {
  'AWS::Events::Rule': rule,
  'AWS::Scheduler::Schedule': rule,
  'AWS::Lambda::Url': (resource) => ({
    group: 'launcher',
    title: 'Function URL',
    lines: [
      at(resource, 'AuthType') === 'AWS_IAM' ? 'requests signed with IAM' : 'open to everybody',
      at(resource, 'InvokeMode') === 'RESPONSE_STREAM' ? 'answers streamed' : 'answers in one piece',
    ],
  }),
  'AWS::Lambda::Function': named('launcher', 'Lambda', (resource) => [
    `${listAt(resource, 'Architectures').map(textOf).join() || 'x86_64'}, ${textOf(at(resource, 'MemorySize')) || 128} MiB, at most ${textOf(at(resource, 'Timeout')) || 3} s`,
  ]),
  'AWS::DynamoDB::Table': titled('state', 'DynamoDB table', (resource) => [
    `${at(resource, 'BillingMode') === 'PAY_PER_REQUEST' ? 'on demand' : 'provisioned'}${at(resource, 'PointInTimeRecoverySpecification', 'PointInTimeRecoveryEnabled') === true ? ', point-in-time recovery' : ''}`,
  ]),
  'AWS::SecretsManager::Secret': titled('state', 'Secret'),
  'AWS::S3::Bucket': titled('state', 'Bucket', (resource) => {
    const [first] = listAt(resource, 'LifecycleConfiguration', 'Rules') as Array<{ ExpirationInDays?: number }>;
    return first?.ExpirationInDays === undefined ? [] : [`emptied after ${first.ExpirationInDays} days`];
  }),
  'AWS::SSM::Parameter': titled('state', 'Parameter'),
  'AWS::Logs::LogGroup': together('state', 'log group', (all) => all.map((group) => nameOf(group) ?? group.id)),
  'AWS::SSM::Document': titled('boxes', 'Session document', (resource) =>
    at(resource, 'Content', 'inputs', 'cloudWatchLogGroupName') ? ['what is typed is logged'] : [],
  ),
  'AWS::EC2::LaunchTemplate': titled('boxes', 'Launch template', (resource) => {
    const hops = at(resource, 'LaunchTemplateData', 'MetadataOptions', 'HttpPutResponseHopLimit');
    return [
      `${textOf(at(resource, 'LaunchTemplateData', 'MetadataOptions', 'HttpTokens')) === 'required' ? 'IMDSv2' : 'IMDSv1'}, ${plural(Number(hops ?? 1), 'hop')}`,
    ];
  }),
  'AWS::EC2::SecurityGroup': (resource) => ({
    group: 'boxes',
    title: 'Security group',
    lines: [
      listAt(resource, 'SecurityGroupIngress').length === 0
        ? 'nothing comes in'
        : plural(listAt(resource, 'SecurityGroupIngress').length, 'inbound rule'),
      `out: ${(listAt(resource, 'SecurityGroupEgress') as Array<{ FromPort?: number }>).map(({ FromPort }) => FromPort ?? 'everything').join(', ')}`,
    ],
  }),
  'AWS::EC2::VPC': (_, template) => ({
    group: 'boxes',
    title: 'VPC',
    lines: [
      `${plural(countOf(template, 'AWS::EC2::Subnet'), 'subnet')}, ${plural(countOf(template, 'AWS::EC2::InternetGateway'), 'internet gateway')}`,
      `${plural(countOf(template, 'AWS::EC2::VPCEndpoint'), 'endpoint')}, ${plural(countOf(template, 'AWS::EC2::NatGateway'), 'NAT gateway')}`,
    ],
  }),
  'AWS::CodeBuild::Project': titled('boxes', 'CodeBuild project', () => ['when no machine is to be had']),
  'AWS::CloudWatch::Alarm': together('guardrails', 'alarm', (all) => {
    const prefix = /^[a-z0-9]+-/;
    return [all.map((alarm) => textOf(at(alarm, 'AlarmName')).replace(prefix, '')).join(', ')];
  }),
  'AWS::Budgets::Budget': (resource) => ({
    group: 'guardrails',
    title: `Budget $${textOf(at(resource, 'Budget', 'BudgetLimit', 'Amount'))} a month`,
    lines: [
      (listAt(resource, 'NotificationsWithSubscribers') as Array<{ Notification: { Threshold: number; NotificationType: string } }>)
        .map(({ Notification: notice }) => `${notice.NotificationType === 'FORECASTED' ? 'forecast ' : ''}${notice.Threshold}\u00a0%`)
        .join(', '),
    ],
  }),
  'AWS::SNS::Topic': named('guardrails', 'Topic'),
  'AWS::SQS::Queue': named('guardrails', 'Queue', (resource) => {
    const seconds = Number(at(resource, 'MessageRetentionPeriod') ?? 345_600);
    return [`keeps ${Math.round(seconds / 86_400)} days`];
  }),
  'AWS::CloudWatch::Dashboard': titled('guardrails', 'Dashboard'),
  'AWS::IAM::ManagedPolicy': named('access', 'Policy', (resource) => [policyOf(resource)]),
  'AWS::IAM::Role': role,
};

/** What belongs to another resource and is said there, or only joins two. */
const FOLDED = new Set([
  'AWS::CDK::Metadata',
  'AWS::EC2::InternetGateway',
  'AWS::EC2::Route',
  'AWS::EC2::RouteTable',
  'AWS::EC2::Subnet',
  'AWS::EC2::SubnetRouteTableAssociation',
  'AWS::EC2::VPCEndpoint',
  'AWS::EC2::VPCGatewayAttachment',
  'AWS::IAM::InstanceProfile',
  'AWS::IAM::Policy',
  'AWS::Lambda::EventInvokeConfig',
  'AWS::Lambda::Permission',
  'AWS::S3::BucketPolicy',
  'AWS::SNS::Subscription',
  'AWS::SNS::TopicPolicy',
  'AWS::SQS::QueuePolicy',
]);

const isAttached = ({ type, properties }: Resource): boolean =>
  type === 'AWS::IAM::ManagedPolicy' && Array.isArray(properties['Roles']) && properties['Roles'].length > 0;

/** How a resource is shown; null where another one says it. A type that is not known is shown by its name. */
export function partOf(resource: Resource, template: Template): Part | null {
  if (FOLDED.has(resource.type) || isAttached(resource)) return null;
  const part = PARTS[resource.type]?.(resource, template) ?? { group: 'others' as const, title: resource.id, lines: [resource.type] };
  return { key: resource.id, ...part, lines: part.lines.filter((line) => line !== '') };
}

const ORDER = Object.keys(PARTS);
export const rankOf = (type: string): number => (ORDER.includes(type) ? ORDER.indexOf(type) : ORDER.length);
