import type { Names } from '../../../infra/names.ts';
import { ACCOUNT, roleIdOf } from '../who.ts';
import { BOX, madeOurs, ours, type Row, rowsOf, type Things } from './rows.ts';

/** What whoever may start a build may have otherwise, unless the policy says that it is the project's. */
const OVERRIDDEN: Readonly<Record<string, Row['context']>> = {
  'a buildspec': { 'codebuild:source.buildspec': 'true' },
  'a source': { 'codebuild:source': 'true', 'codebuild:source.location': 'https://example.com/x.git' },
  'a second source': { 'codebuild:secondarySources': 'true' },
  'an image': { 'codebuild:environment.image': 'example.com/x' },
  'a type of machine': { 'codebuild:environment.type': 'LINUX_GPU_CONTAINER' },
  'a size of machine': { 'codebuild:environment.computeType': 'BUILD_GENERAL1_2XLARGE' },
  'a fleet': { 'codebuild:environment.fleet.fleetArn': `arn:aws:codebuild:eu-central-1:${ACCOUNT}:fleet/x:1` },
  privileges: { 'codebuild:environment.privilegedMode': 'true' },
  'credentials for images': { 'codebuild:environment.registryCredential': 'true' },
  'a role': { 'codebuild:serviceRole': `arn:aws:iam::${ACCOUNT}:role/Admin` },
  'a key': { 'codebuild:encryptionKey': 'alias/x' },
  artifacts: { 'codebuild:artifacts': 'true' },
  'a log': { 'codebuild:logsConfig': 'true' },
  'a cache': { 'codebuild:cache': 'true' },
};

export function boxRows(names: Names, of: Things, region: string): Row[] {
  const { may, mayNot } = rowsOf('box');
  const byUrl = { 'lambda:InvokedViaFunctionUrl': 'true' };
  const project = of.at('codebuild', `project/${names.buildProject}`);
  const build = { 'codebuild:environment.environmentVariables.name': ['SOURCE_KEY', 'COMMAND'] };
  const sources = `arn:aws:s3:::${names.bucket}/build/`;
  const BOX_ID = `${roleIdOf(names.boxRole)}:${BOX}`;
  const inCluster = { 'ecs:cluster': of.cluster };
  const bySecrets = { 'kms:ViaService': `secretsmanager.${region}.amazonaws.com` };
  return [
    mayNot('re-tags itself as somebody else’s', 'ec2:CreateTags', of.instance, { ...ours(names), 'aws:TagKeys': ['devctl:owner'] }),
    mayNot('takes its tags off', 'ec2:DeleteTags', of.instance, ours(names)),
    mayNot('launches a machine', 'ec2:RunInstances', of.instance, madeOurs(names)),
    mayNot('ends another box', 'ec2:TerminateInstances', of.instance, ours(names)),
    mayNot('attaches the disk of another box', 'ec2:AttachVolume', of.volume, ours(names)),
    mayNot('restores the snapshot of another owner', 'ec2:CreateVolume', of.snapshot, ours(names)),
    mayNot('lists machines', 'ec2:DescribeInstances', '*'),
    may('calls the launcher by its address', 'lambda:InvokeFunctionUrl', of.api, { 'lambda:FunctionUrlAuthType': 'AWS_IAM' }),
    may('calls the launcher by its address, second half', 'lambda:InvokeFunction', of.api, byUrl),
    mayNot('calls the launcher past its address, as whom it likes', 'lambda:InvokeFunction', of.api, {
      'lambda:InvokedViaFunctionUrl': 'false',
    }),
    mayNot('calls the launcher by the API of Lambda', 'lambda:InvokeFunction', of.api),
    mayNot('calls the function of events', 'lambda:InvokeFunction', of.events),
    mayNot('calls the function of events by an address', 'lambda:InvokeFunctionUrl', of.events, {
      'lambda:FunctionUrlAuthType': 'AWS_IAM',
    }),
    mayNot('changes the code of the launcher', 'lambda:UpdateFunctionCode', of.api),
    mayNot('reads the settings of the launcher', 'lambda:GetFunctionConfiguration', of.api),
    mayNot('reads the records of all owners', 'dynamodb:Query', of.table),
    mayNot('writes a record', 'dynamodb:PutItem', of.table),
    mayNot('reads the master secret', 'secretsmanager:GetSecretValue', of.master),
    may('reads a secret of the target', 'secretsmanager:GetSecretValue', of.npm),
    mayNot('reads a secret that was not declared', 'secretsmanager:GetSecretValue', of.at('secretsmanager', 'secret:prod-db-a1B2c3')),
    mayNot('reads a secret whose name begins alike', 'secretsmanager:GetSecretValue', of.at('secretsmanager', 'secret:npm-a1B2c3-d4E5f6')),
    mayNot('changes a secret of the target', 'secretsmanager:PutSecretValue', of.npm),
    mayNot('lists secrets', 'secretsmanager:ListSecrets', '*'),
    // What it may open stands in an encryption context, which the simulator does not know: a test of its own looks at it.
    mayNot('opens by Secrets Manager what is no secret of the target', 'kms:Decrypt', of.key, bySecrets),
    mayNot('opens something with a key of the account', 'kms:Decrypt', of.key),
    mayNot('reads a parameter of the account', 'ssm:GetParameter', of.at('ssm', 'parameter/prod/password')),
    mayNot('publishes an image for others to boot', 'ssm:PutParameter', of.at('ssm', `parameter${names.imageParameters.x86_64}`)),
    may('is reached by Systems Manager', 'ssm:UpdateInstanceInformation', of.instance),
    may('takes part in sessions', 'ssmmessages:OpenDataChannel', '*'),
    may('takes commands', 'ec2messages:GetMessages', '*'),
    mayNot('commands another box', 'ssm:SendCommand', of.instance, { 'ssm:resourceTag/devctl:deployment': names.deployment }),
    mayNot('opens a session on another box', 'ssm:StartSession', of.instance, { 'ssm:resourceTag/devctl:deployment': names.deployment }),
    mayNot('takes over a session on another box', 'ssm:ResumeSession', of.session('bob-0123456789abcdef0')),
    mayNot('reads what a command on another box printed', 'ssm:GetCommandInvocation', '*'),
    may('writes its log', 'logs:PutLogEvents', of.at('logs', `log-group:${names.logGroups.boxes}:log-stream:box/agent/i-1-g1`)),
    mayNot('writes into the log of the launcher', 'logs:PutLogEvents', of.at('logs', `log-group:${names.logGroups.api}:log-stream:x`)),
    mayNot('shortens how long logs are kept', 'logs:PutRetentionPolicy', of.at('logs', `log-group:${names.logGroups.boxes}`)),
    mayNot('reads what others typed', 'logs:GetLogEvents', of.at('logs', `log-group:${names.logGroups.sessions}:log-stream:bob`)),
    may('reads logs of the target', 'logs:FilterLogEvents', of.at('logs', 'log-group:/ecs/generator')),
    mayNot('writes figures of the launcher', 'cloudwatch:PutMetricData', '*', { 'cloudwatch:namespace': names.metrics }),
    may('writes its figures', 'cloudwatch:PutMetricData', '*', { 'cloudwatch:namespace': `devctl/${names.deployment}/box` }),
    may('pushes an image of the target', 'ecr:PutImage', of.at('ecr', 'repository/generator')),
    mayNot('pushes into another repository', 'ecr:PutImage', of.at('ecr', 'repository/prod')),
    mayNot('deletes images of the target', 'ecr:BatchDeleteImage', of.at('ecr', 'repository/generator')),
    may('runs a task of the target', 'ecs:RunTask', of.task, inCluster),
    mayNot('runs a task in another cluster', 'ecs:RunTask', of.task, { 'ecs:cluster': of.at('ecs', 'cluster/prod') }),
    mayNot('runs another task', 'ecs:RunTask', of.at('ecs', 'task-definition/payroll:1'), inCluster),
    mayNot('registers a task of its own', 'ecs:RegisterTaskDefinition', of.task),
    may('passes the role of a task to it', 'iam:PassRole', of.role('generator-task'), { 'iam:PassedToService': 'ecs-tasks.amazonaws.com' }),
    mayNot('passes the role of a task to Lambda', 'iam:PassRole', of.role('generator-task'), {
      'iam:PassedToService': 'lambda.amazonaws.com',
    }),
    mayNot('passes the role of a task to a machine', 'iam:PassRole', of.role('generator-task'), {
      'iam:PassedToService': 'ec2.amazonaws.com',
    }),
    mayNot('passes another role to a task', 'iam:PassRole', of.role('Admin'), { 'iam:PassedToService': 'ecs-tasks.amazonaws.com' }),
    mayNot('passes the launcher’s role to a task', 'iam:PassRole', of.role(names.launcherRole), {
      'iam:PassedToService': 'ecs-tasks.amazonaws.com',
    }),
    mayNot('makes a role', 'iam:CreateRole', of.role('GeneratorDev-Helper'), { 'iam:PermissionsBoundary': of.policy(names.boundary) }),
    mayNot('gives itself a policy', 'iam:AttachRolePolicy', of.role(names.boxRole)),
    mayNot('makes a user', 'iam:CreateUser', `arn:aws:iam::${ACCOUNT}:user/eve`),
    mayNot('makes an access key', 'iam:CreateAccessKey', `arn:aws:iam::${ACCOUNT}:user/alice`),
    mayNot('updates the launcher’s stack', 'cloudformation:UpdateStack', of.at('cloudformation', `stack/${names.stack}/1`)),
    may('builds elsewhere', 'codebuild:StartBuild', project, build),
    mayNot('starts another build', 'codebuild:StartBuild', of.at('codebuild', 'project/release'), build),
    mayNot('builds with a bucket of its own', 'codebuild:StartBuild', project, {
      'codebuild:environment.environmentVariables.name': ['BUCKET', 'SOURCE_KEY', 'COMMAND'],
    }),
    ...Object.entries(OVERRIDDEN).map(([name, context]) =>
      mayNot(`builds with ${name} of its own`, 'codebuild:StartBuild', project, { ...build, ...context }),
    ),
    mayNot('builds many at once', 'codebuild:StartBuildBatch', project),
    mayNot('changes what builds run', 'codebuild:UpdateProject', project),
    may('puts the source of its build', 's3:PutObject', `${sources}${BOX_ID}/source.zip`),
    mayNot('puts the source of another box’s build', 's3:PutObject', `${sources}${BOX_ID.replace('i-0f', 'i-0a')}/source.zip`),
    mayNot('puts the source of a build that nobody owns', 's3:PutObject', `${sources}source.zip`),
    mayNot('puts something elsewhere in the bucket', 's3:PutObject', `arn:aws:s3:::${names.bucket}/logs/${BOX_ID}/source.zip`),
    mayNot('reads the source of another build', 's3:GetObject', `${sources}${BOX_ID.replace('i-0f', 'i-0a')}/source.zip`),
    may('reads what its build said', 'logs:FilterLogEvents', of.at('logs', `log-group:${names.logGroups.build}`)),
    may('deploys by the agent’s own role', 'sts:AssumeRole', of.role(names.cdkRoles.deploy)),
    may('publishes assets by the agent’s own role', 'sts:AssumeRole', of.role(names.cdkRoles.filePublishing)),
    mayNot('deploys by the CDK’s usual bootstrap', 'sts:AssumeRole', of.role(`cdk-hnb659fds-deploy-role-${ACCOUNT}-${region}`)),
    mayNot('looks up by the CDK’s usual bootstrap', 'sts:AssumeRole', of.role(`cdk-hnb659fds-lookup-role-${ACCOUNT}-${region}`)),
    mayNot('becomes CloudFormation', 'sts:AssumeRole', of.role(names.cdkRoles.cfnExec)),
    mayNot('becomes the administrator', 'sts:AssumeRole', of.role(names.adminRole), { 'sts:RoleSessionName': 'i-0123456789abcdef0' }),
    mayNot('becomes the launcher', 'sts:AssumeRole', of.role(names.launcherRole)),
  ];
}
