import { Aws, type aws_iam as iam } from 'aws-cdk-lib';
import type { TargetConfig } from '../config.ts';
import type { Names } from '../names.ts';
import { allow, arnsOf, secretArn } from './statements.ts';

/** What a target system is made of, besides roles and networks. */
const SERVICES = [
  'cloudwatch',
  'dynamodb',
  'ecr',
  'ecs',
  'elasticloadbalancing',
  'events',
  'lambda',
  'logs',
  's3',
  'secretsmanager',
  'sns',
  'sqs',
];
const VERBS = [...SERVICES.map((service) => `${service}:*`), 'ssm:*Parameter*'];

/** Verbs of those services, and reads of networks, that know no resource. */
const LOOKS = [
  'cloudwatch:PutMetricData',
  'ec2:Describe*',
  'ecr:GetAuthorizationToken',
  'ecs:DeregisterTaskDefinition',
  'ecs:DescribeTaskDefinition',
  'elasticloadbalancing:Describe*',
  'logs:DescribeLogGroups',
  'xray:PutTraceSegments',
];

/** Resources of the target: what the file names, and what begins with the name of one of its stacks, as the CDK and CloudFormation call things. */
function resources(names: Names, { target }: TargetConfig): string[] {
  const { arn, bucket } = arnsOf(names);
  const ofStack = (stack: string) => [
    arn('cloudwatch', `alarm:${stack}-*`),
    arn('dynamodb', `table/${stack}-*`),
    arn('ecs', `task-definition/${stack}*`),
    // CloudFormation keeps the first letters of the stack in these short names.
    arn('elasticloadbalancing', `*/${stack.slice(0, 5)}*`),
    arn('events', `rule/${stack}-*`),
    arn('lambda', `function:${stack}-*`),
    arn('logs', `log-group:${stack}-*`),
    arn('logs', `log-group:/aws/lambda/${stack}-*`),
    arn('secretsmanager', `secret:${stack}-*`),
    arn('sns', `${stack}-*`),
    arn('sqs', `${stack}-*`),
    arn('ssm', `parameter/${stack}/*`),
    bucket(`${stack.toLowerCase()}-*`),
  ];
  return [
    ...target.stacks.flatMap(ofStack),
    ...(target.cluster === undefined ? [] : [`cluster/${target.cluster}`, `*/${target.cluster}/*`].map((of) => arn('ecs', of))),
    ...target.taskDefinitions.map((family) => arn('ecs', `task-definition/${family}:*`)),
    ...target.logGroups.flatMap((name) => [arn('logs', `log-group:${name}`), arn('logs', `log-group:${name}:*`)]),
    ...target.repositories.map((name) => arn('ecr', `repository/${name}`)),
    // Assets of deploys: code of functions, images, templates.
    bucket(`cdk-${names.cdkQualifier}-assets-${names.account}-${names.region}*`),
    arn('ecr', `repository/cdk-${names.cdkQualifier}-container-assets-${names.account}-${names.region}`),
    arn('ssm', `parameter/cdk-bootstrap/${names.cdkQualifier}/version`),
  ];
}

/** Everything of the target system, and nothing beside it. */
export const targetStatements = (names: Names, config: TargetConfig): iam.PolicyStatement[] => [
  ...allow('Target', VERBS, resources(names, config)),
  ...allow('TargetSecrets', ['secretsmanager:GetSecretValue'], config.target.secrets.map(secretArn)),
  ...allow('Looks', LOOKS, ['*']),
];

/** Roles that a stack of the target makes. */
export const targetRoles = (names: Names, { target }: TargetConfig): string[] =>
  target.stacks.map((stack) => arnsOf(names).role(`${stack}-*`));

/** What is the deployment's own: no deploy from a box comes near it, whatever the stacks of the target are called. */
export function ownResources(names: Names): string[] {
  const { arn, bucket, function: functionArn, logGroup, parameter, policy, role, secret, stack } = arnsOf(names);
  const d = names.deployment;
  return [
    ...[names.boxRole, names.launcherRole, names.adminRole, names.buildRole].map(role),
    ...[names.userPolicy, names.adminPolicy, names.boundary, names.cdkExecutionPolicy].map(policy),
    functionArn(names.apiFunction),
    functionArn(names.eventsFunction),
    arn('dynamodb', `table/${names.table}`),
    arn('dynamodb', `table/${names.table}/*`),
    secret(names.masterSecret),
    ...[names.stack, names.assetsStack, names.cdkToolkitStack].map(stack),
    ...[names.bucket, names.assetsBucket].flatMap((name) => [bucket(name), `${bucket(name)}/*`]),
    ...[names.logGroups.api, names.logGroups.events].map((name) => `${logGroup(name)}*`),
    `${logGroup(`/devctl/${d}`)}/*`,
    parameter(`/${d}/image/*`),
    ...Object.values(names.deadLetters).map((name) => arn('sqs', name)),
    `arn:${Aws.PARTITION}:iam::${names.account}:instance-profile/${names.instanceProfile}`,
  ];
}
