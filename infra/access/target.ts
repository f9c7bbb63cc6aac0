import type { aws_iam as iam } from 'aws-cdk-lib';
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

/** What a deploy from a box comes near to in no case, should somebody widen what it may. */
export function ownResources(names: Names): string[] {
  const { arn, bucket, function: functionArn, role, secret } = arnsOf(names);
  const table = arn('dynamodb', `table/${names.table}`);
  return [
    ...[names.boxRole, names.launcherRole, names.adminRole, names.buildRole].map(role),
    table,
    `${table}/*`,
    secret(names.masterSecret),
    functionArn(names.apiFunction),
    functionArn(names.eventsFunction),
    `${bucket(names.assetsBucket)}/*`,
  ];
}

/** @throws Error when things of a target's stack are called as things of the deployment, or of a CDK, are: no policy could tell them apart */
export function assertApart(names: Names, { target }: TargetConfig): void {
  const own = [
    names.stack,
    names.apiFunction,
    names.assetsStack,
    names.cdkToolkitStack,
    names.cdkRoles.deploy,
    'CDKToolkit',
    'aws-service-role',
  ];
  for (const stack of target.stacks) {
    const like = own.find((name) => `${name}-`.toLowerCase().startsWith(`${stack}-`.toLowerCase()));
    if (like !== undefined)
      throw new Error(`target.stacks: ${stack} would also be the beginning of ${like}, which is not the target's: call it otherwise`);
  }
}
