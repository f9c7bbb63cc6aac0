import { Aws, type aws_iam as iam } from 'aws-cdk-lib';
import type { TargetConfig } from '../config.ts';
import { BUILD_SOURCES, BUILD_VARIABLES, type Names } from '../names.ts';
import { allow, arnsOf, deny, denyElsewhere, invokeApi, secretArn, variable } from './statements.ts';

/** The roles of the CDK that a deploy from a box goes by. That of CloudFormation itself is nobody's to assume. */
export const deployRolesOf = ({ cdkRoles }: Names): string[] => [
  cdkRoles.deploy,
  cdkRoles.filePublishing,
  cdkRoles.imagePublishing,
  cdkRoles.lookup,
];

/**
 * Role of every box, and with `--aws` of whatever runs in it: an agent with a prompt of somebody else included. It speaks to its launcher and to Systems
 * Manager, and works on the target system.
 */
export const boxStatements = (names: Names, config: TargetConfig): iam.PolicyStatement[] => [
  ...invokeApi(names),
  ...systemsManager(),
  ...logs(names, config),
  ...secrets(names, config),
  ...images(names, config),
  ...tasks(names, config),
  ...deploys(names, config),
  ...builds(names, config),
  ...denials(names),
];

/**
 * What Session Manager and commands need of an instance: AmazonSSMManagedInstanceCore without its `ssm:GetParameter` on every parameter of the account,
 * inventory and patches. None of these knows a resource of its own; the credentials of an instance speak for that instance only.
 */
const systemsManager = (): iam.PolicyStatement[] =>
  allow(
    'SystemsManager',
    [
      'ssm:UpdateInstanceInformation',
      'ssmmessages:CreateControlChannel',
      'ssmmessages:CreateDataChannel',
      'ssmmessages:OpenControlChannel',
      'ssmmessages:OpenDataChannel',
      'ec2messages:AcknowledgeMessage',
      'ec2messages:DeleteMessage',
      'ec2messages:FailMessage',
      'ec2messages:GetEndpoint',
      'ec2messages:GetMessages',
      'ec2messages:SendReply',
    ],
    ['*'],
  );

function logs(names: Names, { deployment, target, fallback }: TargetConfig): iam.PolicyStatement[] {
  const { logGroup, logStreams } = arnsOf(names);
  const own = [names.logGroups.boxes, names.logGroups.sessions];
  const readable = [...target.logGroups, ...(fallback.codeBuild ? [names.logGroups.build] : [])].map(logGroup);
  return [
    ...allow('WriteOwnLogs', ['logs:CreateLogStream', 'logs:PutLogEvents'], own.map(logStreams)),
    ...allow(
      'FindOwnLogs',
      ['logs:DescribeLogStreams'],
      own.map(logGroup).flatMap((arn) => [arn, `${arn}:*`]),
    ),
    // The agent of Systems Manager looks for the group before it writes into it.
    ...allow('ListLogGroups', ['logs:DescribeLogGroups'], ['*']),
    ...allow('OwnFigures', ['cloudwatch:PutMetricData'], ['*'], { StringEquals: { 'cloudwatch:namespace': `devctl/${deployment}/box` } }),
    ...allow(
      'ReadLogsOfTheTarget',
      ['logs:DescribeLogStreams', 'logs:FilterLogEvents', 'logs:GetLogEvents', 'logs:StartLiveTail'],
      readable.flatMap((arn) => [arn, `${arn}:*`]),
    ),
  ];
}

function secrets({ account, region }: Names, { target }: TargetConfig): iam.PolicyStatement[] {
  const readable = target.secrets.map(secretArn);
  if (readable.length === 0) return [];
  return [
    ...allow('ReadSecretsOfTheTarget', ['secretsmanager:GetSecretValue'], readable),
    // For secrets with a key of their own: a key opens nothing but these.
    ...allow('OpenSecretsOfTheTarget', ['kms:Decrypt'], [`arn:${Aws.PARTITION}:kms:${region}:${account}:key/*`], {
      StringEquals: { 'kms:ViaService': `secretsmanager.${region}.amazonaws.com` },
      StringLike: { 'kms:EncryptionContext:SecretARN': readable },
    }),
  ];
}

function images(names: Names, { target }: TargetConfig): iam.PolicyStatement[] {
  const repositories = target.repositories.map((name) => arnsOf(names).arn('ecr', `repository/${name}`));
  if (repositories.length === 0) return [];
  return [
    ...allow('LogInToEcr', ['ecr:GetAuthorizationToken'], ['*']),
    ...allow(
      'PullAndPush',
      [
        'ecr:BatchCheckLayerAvailability',
        'ecr:BatchGetImage',
        'ecr:CompleteLayerUpload',
        'ecr:DescribeImages',
        'ecr:DescribeRepositories',
        'ecr:GetDownloadUrlForLayer',
        'ecr:InitiateLayerUpload',
        'ecr:ListImages',
        'ecr:PutImage',
        'ecr:UploadLayerPart',
      ],
      repositories,
    ),
  ];
}

function tasks(names: Names, { target }: TargetConfig): iam.PolicyStatement[] {
  const { cluster, taskDefinitions, taskRoles, executionRoles } = target;
  if (cluster === undefined) return [];
  const { arn, role } = arnsOf(names);
  const clusterArn = arn('ecs', `cluster/${cluster}`);
  const inCluster = { ArnEquals: { 'ecs:cluster': clusterArn } };
  const definitions = taskDefinitions.map((family) => arn('ecs', `task-definition/${family}:*`));
  return [
    ...allow('LookAtTheCluster', ['ecs:DescribeClusters'], [clusterArn]),
    ...allow('LookAtServices', ['ecs:DescribeServices'], [arn('ecs', `service/${cluster}/*`)], inCluster),
    ...allow('LookAtAndStopTasks', ['ecs:DescribeTasks', 'ecs:StopTask'], [arn('ecs', `task/${cluster}/*`)], inCluster),
    ...allow('ListTasks', ['ecs:ListTasks', 'ecs:ListServices'], ['*'], inCluster),
    ...allow('LookAtTaskDefinitions', ['ecs:DescribeTaskDefinition'], ['*']),
    ...allow('RunTasks', ['ecs:RunTask'], definitions, inCluster),
    ...allow('PassRolesToTasks', ['iam:PassRole'], definitions.length === 0 ? [] : [...taskRoles, ...executionRoles].map(role), {
      StringEquals: { 'iam:PassedToService': 'ecs-tasks.amazonaws.com' },
    }),
  ];
}

/** Through the roles of the agent's own qualifier, whose boundary is that of the deployment. */
const deploys = (names: Names, { target }: TargetConfig): iam.PolicyStatement[] =>
  allow('DeployByOwnRoles', ['sts:AssumeRole'], target.stacks.length === 0 ? [] : deployRolesOf(names).map(arnsOf(names).role));

/**
 * What StartBuild could have otherwise than the project: its role, its machine, what it runs and where it writes. A key is there when the request
 * has the field (CodeBuild guide, "Condition keys"). Of how long it may take there is no key: the project's own commands end by themselves.
 */
const OF_THE_PROJECT = [
  ...['artifacts', 'autoRetryLimit', 'cache', 'encryptionKey', 'logsConfig', 'secondaryArtifacts', 'secondarySources', 'serviceRole'],
  ...['source', 'source.auth.resource', 'source.auth.type', 'source.buildspec', 'source.insecureSsl', 'source.location'],
  ...[
    'certificate',
    'computeType',
    'fleet.fleetArn',
    'image',
    'imagePullCredentialsType',
    'privilegedMode',
    'registryCredential',
    'type',
  ].map((of) => `environment.${of}`),
].map((key) => `codebuild:${key}`);

/** A build of a zip that the box has put in its own folder of the bucket, exactly as the project is (infra/stack/fallback.ts). */
function builds(names: Names, { fallback }: TargetConfig): iam.PolicyStatement[] {
  const { arn, bucket } = arnsOf(names);
  const project = fallback.codeBuild ? [arn('codebuild', `project/${names.buildProject}`)] : [];
  const folder = fallback.codeBuild ? [`${bucket(names.bucket)}/${BUILD_SOURCES}${variable('aws:userid')}/*`] : [];
  return [
    ...allow('BuildAsTheProjectSays', ['codebuild:StartBuild'], project, {
      Null: Object.fromEntries(OF_THE_PROJECT.map((key) => [key, 'true'])),
      'ForAllValues:StringEquals': { 'codebuild:environment.environmentVariables.name': BUILD_VARIABLES },
    }),
    ...allow('FollowBuilds', ['codebuild:StopBuild', 'codebuild:BatchGetBuilds'], project),
    ...allow('PutSourcesOfBuilds', ['s3:PutObject'], folder),
  ];
}

/** Whatever else somebody lets this role do, it does none of these. */
function denials(names: Names): iam.PolicyStatement[] {
  const { arn, function: functionArn, role, secret, stack } = arnsOf(names);
  const table = arn('dynamodb', `table/${names.table}`);
  return [
    // Who changes the tags of a machine says whose box it is.
    ...deny('NoVerbOfEc2', ['ec2:*'], ['*']),
    ...deny('NoChangeOfIam', ['iam:Add*', 'iam:Attach*', 'iam:Create*', 'iam:Delete*', 'iam:Put*', 'iam:Set*', 'iam:Update*'], ['*']),
    ...deny('PassRolesToTasksOnly', ['iam:PassRole'], ['*'], {
      StringNotEquals: { 'iam:PassedToService': 'ecs-tasks.amazonaws.com' },
    }),
    denyElsewhere('AssumeNoOtherRole', ['sts:AssumeRole'], deployRolesOf(names).map(role)),
    ...deny('ReachIntoNoBox', ['ssm:SendCommand', 'ssm:StartSession', 'ssm:ResumeSession', 'ssm:TerminateSession'], ['*']),
    ...deny(
      'NothingOfTheLauncher',
      ['cloudformation:*', 'dynamodb:*', 'lambda:*', 'secretsmanager:*'],
      [table, `${table}/*`, secret(names.masterSecret), stack(names.stack), functionArn(names.eventsFunction)],
    ),
  ];
}
