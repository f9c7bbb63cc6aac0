import type { Names } from '../../infra/names.ts';
import { ACCOUNT, roleIdOf, userIdOf } from './account.ts';

/** Who asks. Each is a principal with exactly the policies that a deployment gives it; the setting is in policies.test.ts. */
export type Who =
  | 'launcher'
  | 'box'
  | 'user'
  | 'federated user'
  | 'stranger'
  | 'administrator'
  | 'deploy role'
  | 'look-up role'
  | 'file role'
  | 'CloudFormation'
  | 'role of a stack'
  | 'ec2.amazonaws.com'
  | 'lambda.amazonaws.com'
  | 'member of admins'
  | 'anybody with sts:*';

export interface Row {
  name: string;
  who: Who;
  action: string;
  resource: string;
  context: Record<string, string | string[]>;
  answer: 'allowed' | 'denied';
}

type Context = Row['context'];

const ALICE = userIdOf('alice');
const BOB = userIdOf('bob');
const FEDERATED = `${roleIdOf('people')}:carol@example.com`;

/** ARNs that rows speak of. */
function things(names: Names, region: string) {
  const at = (service: string, of: string) => `arn:aws:${service}:${region}:${ACCOUNT}:${of}`;
  return {
    at,
    instance: at('ec2', 'instance/i-0123456789abcdef0'),
    volume: at('ec2', 'volume/vol-0123456789abcdef0'),
    newVolume: at('ec2', 'volume/new'),
    snapshot: `arn:aws:ec2:${region}::snapshot/snap-0123456789abcdef0`,
    image: `arn:aws:ec2:${region}::image/ami-0123456789abcdef0`,
    template: at('ec2', 'launch-template/lt-0123456789abcdef0'),
    subnet: at('ec2', 'subnet/subnet-0123456789abcdef0'),
    group: at('ec2', 'security-group/sg-0123456789abcdef0'),
    link: at('ec2', 'network-interface/new'),
    role: (name: string) => `arn:aws:iam::${ACCOUNT}:role/${name}`,
    policy: (name: string) => `arn:aws:iam::${ACCOUNT}:policy/${name}`,
    table: at('dynamodb', `table/${names.table}`),
    api: at('lambda', `function:${names.apiFunction}`),
    events: at('lambda', `function:${names.eventsFunction}`),
    master: at('secretsmanager', `secret:${names.masterSecret}-Xy12Zw`),
    npm: at('secretsmanager', 'secret:npm-a1B2c3'),
    /** As the simulator knows documents; AWS's own have no account in their ARN, which a test of its own looks at. */
    forwarding: at('ssm', 'document/AWS-StartPortForwardingSession'),
    awsDocument: (name: string) => at('ssm', `document/${name}`),
    session: (id: string) => at('ssm', `session/${id}`),
    cluster: at('ecs', 'cluster/generators'),
    task: at('ecs', 'task-definition/generator:7'),
    key: at('kms', 'key/11111111-2222-3333-4444-555555555555'),
  };
}

/** Who may do what in an account with the deployment of docs/target.example.json: each row reads as the need, or as the threat. */
export function policyTable(names: Names, region: string): Row[] {
  const of = things(names, region);
  return [
    ...launcherRows(names, of),
    ...boxRows(names, of, region),
    ...peopleRows(names, of),
    ...trustRows(names, of),
    ...deployRows(names, of),
  ];
}

type Things = ReturnType<typeof things>;

const rowsOf = (who: Who) => {
  const row =
    (answer: Row['answer']) =>
    (name: string, action: string, resource: string, context: Context = {}): Row => ({ name, who, action, resource, context, answer });
  return { may: row('allowed'), mayNot: row('denied') };
};

const ours = (names: Names): Context => ({ 'aws:ResourceTag/devctl:deployment': names.deployment });
const others: Context = { 'aws:ResourceTag/devctl:deployment': 'another' };
const madeOurs = (names: Names): Context => ({ 'aws:RequestTag/devctl:deployment': names.deployment });
const image = (names: Names): Context => ({ 'aws:ResourceTag/devctl:image-of': names.deployment, 'ec2:Owner': ACCOUNT });

function launcherRows(names: Names, of: Things): Row[] {
  const { may, mayNot } = rowsOf('launcher');
  const byTemplate = { 'ec2:LaunchTemplate': of.template };
  const [own, made] = [ours(names), madeOurs(names)];
  const role = of.role(names.boxRole);
  return [
    may('launches a machine with its template and tag', 'ec2:RunInstances', of.instance, { ...made, ...byTemplate }),
    mayNot('launches a machine without a template', 'ec2:RunInstances', of.instance, made),
    mayNot('launches a machine without the tag', 'ec2:RunInstances', of.instance, byTemplate),
    mayNot('launches a machine for another deployment', 'ec2:RunInstances', of.instance, {
      ...byTemplate,
      'aws:RequestTag/devctl:deployment': 'another',
    }),
    may('launches from its own template', 'ec2:RunInstances', of.template, { ...own, ...byTemplate }),
    mayNot('launches from a template of another deployment', 'ec2:RunInstances', of.template, { ...others, ...byTemplate }),
    mayNot('launches from a template that nobody tagged', 'ec2:RunInstances', of.template, byTemplate),
    mayNot('makes a fleet from another template', 'ec2:CreateFleet', of.template, others),
    mayNot('makes a template of its own', 'ec2:CreateLaunchTemplate', of.template, made),
    mayNot('changes its template', 'ec2:CreateLaunchTemplateVersion', of.template, own),
    may('launches an image of the deployment', 'ec2:RunInstances', of.image, { ...image(names), ...byTemplate }),
    mayNot('launches an image of another account', 'ec2:RunInstances', of.image, {
      ...image(names),
      ...byTemplate,
      'ec2:Owner': '999999999999',
    }),
    mayNot('launches an image of Amazon', 'ec2:RunInstances', of.image, { ...byTemplate, 'ec2:Owner': 'amazon' }),
    mayNot('launches an image of the account that is none of the deployment', 'ec2:CreateFleet', of.image, { 'ec2:Owner': ACCOUNT }),
    mayNot('launches into a security group that it chose', 'ec2:RunInstances', of.group, {
      ...byTemplate,
      'ec2:IsLaunchTemplateResource': 'false',
    }),
    may('launches into the group of the template', 'ec2:RunInstances', of.group, { ...byTemplate, 'ec2:IsLaunchTemplateResource': 'true' }),
    mayNot('launches with a network link of no template', 'ec2:RunInstances', of.link),
    mayNot('launches with a key pair', 'ec2:RunInstances', of.at('ec2', 'key-pair/mine'), byTemplate),
    mayNot('restores a snapshot of somebody else at launch', 'ec2:RunInstances', of.snapshot, { ...others, ...byTemplate }),
    may('restores its snapshot', 'ec2:CreateVolume', of.snapshot, own),
    mayNot('restores a snapshot that nobody tagged', 'ec2:CreateVolume', of.snapshot),
    mayNot('makes a volume without the tag', 'ec2:CreateVolume', of.newVolume),
    mayNot('makes a copy of a volume without the tag', 'ec2:CopyVolumes', of.newVolume),
    may('ends its machine', 'ec2:TerminateInstances', of.instance, own),
    mayNot('ends a machine of another deployment', 'ec2:TerminateInstances', of.instance, others),
    mayNot('ends a machine that is nobody’s', 'ec2:TerminateInstances', of.instance),
    mayNot('stops a machine of another deployment', 'ec2:StopInstances', of.instance, others),
    mayNot('attaches its volume to a machine of another deployment', 'ec2:AttachVolume', of.instance, others),
    mayNot('attaches a volume of somebody else to its machine', 'ec2:AttachVolume', of.volume, others),
    mayNot('deletes a volume of somebody else', 'ec2:DeleteVolume', of.volume, others),
    mayNot('takes a snapshot of a volume of somebody else', 'ec2:CreateSnapshot', of.volume, others),
    mayNot('deletes the snapshot of an image', 'ec2:DeleteSnapshot', of.snapshot, image(names)),
    mayNot('shares a snapshot with another account', 'ec2:ModifySnapshotAttribute', of.snapshot, own),
    mayNot('gives a running machine another role', 'ec2:AssociateIamInstanceProfile', of.instance, own),
    mayNot('changes the user data of a machine', 'ec2:ModifyInstanceAttribute', of.instance, own),
    may('tags a machine as it is made', 'ec2:CreateTags', of.instance, { ...made, 'ec2:CreateAction': 'CreateFleet' }),
    mayNot('tags a machine of somebody else', 'ec2:CreateTags', of.instance, { ...made, ...others, 'aws:TagKeys': ['devctl:deployment'] }),
    mayNot('tags a machine that is nobody’s as its own', 'ec2:CreateTags', of.instance, { ...made, 'aws:TagKeys': ['devctl:deployment'] }),
    mayNot('tags a volume that is there', 'ec2:CreateTags', of.volume, { ...made, 'aws:TagKeys': ['devctl:deployment'] }),
    mayNot('tags a snapshot that is there', 'ec2:CreateTags', of.snapshot, { ...made, ...own, 'aws:TagKeys': ['devctl:deployment'] }),
    mayNot('tags a foreign launch template as its own', 'ec2:CreateTags', of.template, { ...made, 'aws:TagKeys': ['devctl:deployment'] }),
    may('tags its machine for the session that takes it', 'ec2:CreateTags', of.instance, {
      ...made,
      ...own,
      'aws:TagKeys': ['env', 'owner', 'ttl', 'devctl:deployment', 'devctl:owner', 'devctl:session'],
    }),
    may('tags its machine for its next generation', 'ec2:CreateTags', of.instance, {
      ...own,
      'aws:TagKeys': ['devctl:generation', 'devctl:operation'],
    }),
    mayNot('gives its machine to another deployment', 'ec2:CreateTags', of.instance, {
      ...own,
      'aws:RequestTag/devctl:deployment': 'another',
      'aws:TagKeys': ['devctl:deployment'],
    }),
    mayNot('sets a tag of the account on its machine', 'ec2:CreateTags', of.instance, { ...own, 'aws:TagKeys': ['cost-center'] }),
    mayNot('takes tags off', 'ec2:DeleteTags', of.instance, own),
    may('passes the role of boxes to EC2', 'iam:PassRole', role, { 'iam:PassedToService': 'ec2.amazonaws.com' }),
    mayNot('passes the role of boxes to Lambda', 'iam:PassRole', role, { 'iam:PassedToService': 'lambda.amazonaws.com' }),
    mayNot('passes the administrator’s role to a machine', 'iam:PassRole', of.role(names.adminRole), {
      'iam:PassedToService': 'ec2.amazonaws.com',
    }),
    mayNot('passes a role of the account to a machine', 'iam:PassRole', of.role('Admin'), { 'iam:PassedToService': 'ec2.amazonaws.com' }),
    may('commands its box', 'ssm:SendCommand', of.instance, { 'ssm:resourceTag/devctl:deployment': names.deployment }),
    mayNot('commands a machine of somebody else', 'ssm:SendCommand', of.instance, { 'ssm:resourceTag/devctl:deployment': 'another' }),
    mayNot('commands by another document', 'ssm:SendCommand', of.awsDocument('AWS-RunRemoteScript')),
    mayNot('opens a session on a box', 'ssm:StartSession', of.instance, { 'ssm:resourceTag/devctl:deployment': names.deployment }),
    may('reads which image is published', 'ssm:GetParameter', of.at('ssm', `parameter${names.imageParameters.x86_64}`)),
    mayNot('publishes an image', 'ssm:PutParameter', of.at('ssm', `parameter${names.imageParameters.x86_64}`)),
    mayNot('reads a parameter of the account', 'ssm:GetParameter', of.at('ssm', 'parameter/prod/password')),
    may('writes a record', 'dynamodb:UpdateItem', of.table),
    may('finds what is due', 'dynamodb:Query', `${of.table}/index/due`),
    mayNot('scans the table', 'dynamodb:Scan', of.table),
    mayNot('deletes the table', 'dynamodb:DeleteTable', of.table),
    mayNot('takes off the backups of the table', 'dynamodb:UpdateContinuousBackups', of.table),
    mayNot('reads another table', 'dynamodb:GetItem', of.at('dynamodb', 'table/prod')),
    may('reads the master secret', 'secretsmanager:GetSecretValue', of.master),
    mayNot('reads a secret of the target', 'secretsmanager:GetSecretValue', of.npm),
    mayNot('changes the master secret', 'secretsmanager:PutSecretValue', of.master),
    may('hands work to the other function', 'lambda:InvokeFunction', of.events),
    mayNot('calls another function of the account', 'lambda:InvokeFunction', of.at('lambda', 'function:billing')),
    mayNot('changes its own code', 'lambda:UpdateFunctionCode', of.api),
    mayNot('makes a role', 'iam:CreateRole', of.role('helper')),
    mayNot('gives itself a policy', 'iam:PutRolePolicy', of.role(names.launcherRole)),
    mayNot('assumes the administrator’s role', 'sts:AssumeRole', of.role(names.adminRole), { 'sts:RoleSessionName': names.apiFunction }),
    mayNot('writes into logs of another function', 'logs:PutLogEvents', of.at('logs', 'log-group:/aws/lambda/billing:log-stream:x')),
  ];
}

function boxRows(names: Names, of: Things, region: string): Row[] {
  const { may, mayNot } = rowsOf('box');
  const byUrl = { 'lambda:InvokedViaFunctionUrl': 'true' };
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
    may('builds an image elsewhere', 'codebuild:StartBuild', of.at('codebuild', `project/${names.buildProject}`)),
    mayNot('starts another build', 'codebuild:StartBuild', of.at('codebuild', 'project/release')),
    may('deploys by the agent’s own role', 'sts:AssumeRole', of.role(names.cdkRoles.deploy)),
    may('publishes assets by the agent’s own role', 'sts:AssumeRole', of.role(names.cdkRoles.filePublishing)),
    mayNot('deploys by the CDK’s usual bootstrap', 'sts:AssumeRole', of.role(`cdk-hnb659fds-deploy-role-${ACCOUNT}-${region}`)),
    mayNot('looks up by the CDK’s usual bootstrap', 'sts:AssumeRole', of.role(`cdk-hnb659fds-lookup-role-${ACCOUNT}-${region}`)),
    mayNot('becomes CloudFormation', 'sts:AssumeRole', of.role(names.cdkRoles.cfnExec)),
    mayNot('becomes the administrator', 'sts:AssumeRole', of.role(names.adminRole), { 'sts:RoleSessionName': 'i-0123456789abcdef0' }),
    mayNot('becomes the launcher', 'sts:AssumeRole', of.role(names.launcherRole)),
  ];
}

function peopleRows(names: Names, of: Things): Row[] {
  const { may, mayNot } = rowsOf('user');
  const federated = rowsOf('federated user');
  const stranger = rowsOf('stranger');
  const admin = rowsOf('administrator');
  const checked = { 'ssm:SessionDocumentAccessCheck': 'true' };
  const box = (owner: string, deployment = names.deployment): Context => ({
    'ssm:resourceTag/devctl:owner': owner,
    'ssm:resourceTag/devctl:deployment': deployment,
    ...checked,
  });
  const session = (of: string) => ({ 'ssm:resourceTag/aws:ssmmessages:session-id': of });
  const id = 'bob-0123456789abcdef0';
  return [
    may('calls the launcher', 'lambda:InvokeFunctionUrl', of.api, { 'lambda:FunctionUrlAuthType': 'AWS_IAM' }),
    may('calls the launcher, second half', 'lambda:InvokeFunction', of.api, { 'lambda:InvokedViaFunctionUrl': 'true' }),
    mayNot('calls the launcher past its address, as whom it likes', 'lambda:InvokeFunction', of.api),
    mayNot('calls the function of events', 'lambda:InvokeFunction', of.events),
    may('opens a session on her box', 'ssm:StartSession', of.instance, box(ALICE)),
    may('opens it by port forwarding', 'ssm:StartSession', of.forwarding, checked),
    may('opens it by the deployment’s document', 'ssm:StartSession', of.at('ssm', `document/${names.sessionDocument}`), checked),
    mayNot('opens a session on somebody else’s box', 'ssm:StartSession', of.instance, box(BOB)),
    mayNot('opens a session on a box of the reserve', 'ssm:StartSession', of.instance, {
      'ssm:resourceTag/devctl:deployment': names.deployment,
      ...checked,
    }),
    mayNot('opens a session on a box of another deployment', 'ssm:StartSession', of.instance, box(ALICE, 'another')),
    mayNot('opens a session on a machine that is no box', 'ssm:StartSession', of.instance, checked),
    mayNot('opens a session on her box without a document being looked at', 'ssm:StartSession', of.instance, {
      ...box(ALICE),
      'ssm:SessionDocumentAccessCheck': 'false',
    }),
    mayNot(
      'opens a shell that no document of the deployment is for',
      'ssm:StartSession',
      of.at('ssm', 'document/SSM-SessionManagerRunShell'),
      checked,
    ),
    mayNot(
      'uses her box as a way to another host',
      'ssm:StartSession',
      of.awsDocument('AWS-StartPortForwardingSessionToRemoteHost'),
      checked,
    ),
    mayNot('runs a command as root by a session', 'ssm:StartSession', of.awsDocument('AWS-StartInteractiveCommand'), checked),
    mayNot('sends a command to her box', 'ssm:SendCommand', of.instance, { 'ssm:resourceTag/devctl:owner': ALICE }),
    may('ends her session', 'ssm:TerminateSession', of.session('alice-0123456789abcdef0'), session(ALICE)),
    may(
      'ends her session, tagged with its id',
      'ssm:TerminateSession',
      of.session('alice-0123456789abcdef0'),
      session(`${ALICE}-0123456789abcdef0`),
    ),
    mayNot('ends the session of somebody else', 'ssm:TerminateSession', of.session(id), session(BOB)),
    mayNot('takes over the session of somebody else', 'ssm:ResumeSession', of.session(id), session(BOB)),
    mayNot('takes over a session of somebody of her name', 'ssm:ResumeSession', of.session('alice-0123456789abcdef0'), session(BOB)),
    mayNot('takes over a session that has no tag', 'ssm:ResumeSession', of.session('alice-0123456789abcdef0')),
    mayNot('re-tags a box as hers', 'ec2:CreateTags', of.instance, { ...ours(names), 'aws:TagKeys': ['devctl:owner'] }),
    mayNot('ends a box past the launcher', 'ec2:TerminateInstances', of.instance, ours(names)),
    mayNot('reads the records of all owners', 'dynamodb:Query', of.table),
    mayNot('reads the master secret', 'secretsmanager:GetSecretValue', of.master),
    mayNot('reads a secret of the target', 'secretsmanager:GetSecretValue', of.npm),
    mayNot('becomes the administrator', 'sts:AssumeRole', of.role(names.adminRole), { 'sts:RoleSessionName': 'alice' }),
    mayNot('deploys as an agent', 'sts:AssumeRole', of.role(names.cdkRoles.deploy)),
    federated.may('opens a session on her box', 'ssm:StartSession', of.instance, box(FEDERATED)),
    federated.mayNot(
      'opens a session on the box of another of her role',
      'ssm:StartSession',
      of.instance,
      box(FEDERATED.replace('carol', 'dave')),
    ),
    federated.may('takes up her session', 'ssm:ResumeSession', of.session('carol@example.com-0123'), session(FEDERATED)),
    federated.mayNot(
      'takes over the session of a longer name',
      'ssm:ResumeSession',
      of.session('carol@example.com.au-0123'),
      session(`${FEDERATED}.au`),
    ),
    stranger.mayNot('calls the launcher', 'lambda:InvokeFunctionUrl', of.api, { 'lambda:FunctionUrlAuthType': 'AWS_IAM' }),
    stranger.mayNot('opens a session on a box', 'ssm:StartSession', of.instance, box(userIdOf('stranger'))),
    admin.may('opens a session on any box', 'ssm:StartSession', of.instance, box(BOB)),
    admin.mayNot('opens a session on a box of another deployment', 'ssm:StartSession', of.instance, box(BOB, 'another')),
    admin.mayNot('opens a session without a document being looked at', 'ssm:StartSession', of.instance, {
      ...box(BOB),
      'ssm:SessionDocumentAccessCheck': 'false',
    }),
    admin.mayNot('takes over the session of somebody', 'ssm:ResumeSession', of.session(id), session(BOB)),
    admin.may('reads the log of the launcher', 'logs:FilterLogEvents', of.at('logs', `log-group:${names.logGroups.api}`)),
    admin.mayNot('deletes a log', 'logs:DeleteLogGroup', of.at('logs', `log-group:${names.logGroups.api}`)),
    admin.mayNot('reads the master secret', 'secretsmanager:GetSecretValue', of.master),
    admin.mayNot('changes records by hand', 'dynamodb:PutItem', of.table),
    admin.mayNot('gives somebody a policy', 'iam:AttachRolePolicy', of.role(names.boxRole)),
    admin.mayNot('passes the role of boxes on', 'iam:PassRole', of.role(names.boxRole), { 'iam:PassedToService': 'ec2.amazonaws.com' }),
  ];
}

function trustRows(names: Names, of: Things): Row[] {
  const member = rowsOf('member of admins');
  const anybody = rowsOf('anybody with sts:*');
  const [ec2, lambda] = [rowsOf('ec2.amazonaws.com'), rowsOf('lambda.amazonaws.com')];
  const [admin, box, launcher] = [names.adminRole, names.boxRole, names.launcherRole].map(of.role) as [string, string, string];
  return [
    member.may('becomes the administrator under her name', 'sts:AssumeRole', admin, { 'sts:RoleSessionName': 'alice' }),
    member.mayNot('becomes the administrator under another’s name', 'sts:AssumeRole', admin, { 'sts:RoleSessionName': 'bob' }),
    member.mayNot('becomes a box', 'sts:AssumeRole', box, { 'sts:RoleSessionName': 'i-0123456789abcdef0' }),
    anybody.mayNot('becomes a box, as administrators of the account may try', 'sts:AssumeRole', box, {
      'sts:RoleSessionName': 'i-0123456789abcdef0',
    }),
    anybody.mayNot('becomes the launcher', 'sts:AssumeRole', launcher, { 'sts:RoleSessionName': 'x' }),
    anybody.mayNot('becomes CloudFormation', 'sts:AssumeRole', of.role(names.cdkRoles.cfnExec), { 'sts:RoleSessionName': 'x' }),
    ec2.may('gives a machine the role of boxes', 'sts:AssumeRole', box),
    ec2.mayNot('gives a machine the launcher’s role', 'sts:AssumeRole', launcher),
    ec2.mayNot('gives a machine the administrator’s role', 'sts:AssumeRole', admin),
    lambda.may('gives a function the launcher’s role', 'sts:AssumeRole', launcher),
    lambda.mayNot('gives a function the role of boxes', 'sts:AssumeRole', box),
    lambda.mayNot('gives a function the administrator’s role', 'sts:AssumeRole', admin),
  ];
}

function deployRows(names: Names, of: Things): Row[] {
  const deploy = rowsOf('deploy role');
  const lookup = rowsOf('look-up role');
  const file = rowsOf('file role');
  const { may, mayNot } = rowsOf('CloudFormation');
  const made = rowsOf('role of a stack');
  const stack = (name: string) => of.at('cloudformation', `stack/${name}/1`);
  const bound = { 'iam:PermissionsBoundary': of.policy(names.boundary) };
  const [helper, admins] = [of.role('GeneratorDev-Helper'), of.policy('somebody-else')];
  const toLambda = { 'iam:PassedToService': 'lambda.amazonaws.com' };
  const assets = `arn:aws:s3:::cdk-${names.cdkQualifier}-assets-${ACCOUNT}-${names.region}`;
  return [
    deploy.may('deploys a stack of the target', 'cloudformation:CreateChangeSet', stack('GeneratorDev')),
    deploy.may('hands it to the agent’s CloudFormation', 'iam:PassRole', of.role(names.cdkRoles.cfnExec), {
      'iam:PassedToService': 'cloudformation.amazonaws.com',
    }),
    deploy.mayNot('changes the launcher’s stack, with the role that it was made with', 'cloudformation:UpdateStack', stack(names.stack)),
    deploy.mayNot('changes the launcher’s stack by a change set', 'cloudformation:CreateChangeSet', stack(names.stack)),
    deploy.mayNot('deletes the launcher’s stack', 'cloudformation:DeleteStack', stack(names.stack)),
    deploy.mayNot('takes off its protection', 'cloudformation:UpdateTerminationProtection', stack(names.stack)),
    deploy.mayNot('changes its own bootstrap', 'cloudformation:UpdateStack', stack(names.cdkToolkitStack)),
    deploy.mayNot('changes the CDK’s usual bootstrap', 'cloudformation:UpdateStack', stack('CDKToolkit')),
    deploy.mayNot('deletes another stack', 'cloudformation:DeleteStack', stack('Payroll')),
    deploy.mayNot('hands the administrator’s role to CloudFormation', 'iam:PassRole', of.role('Admin'), {
      'iam:PassedToService': 'cloudformation.amazonaws.com',
    }),
    deploy.mayNot('hands the agent’s CloudFormation to a function', 'iam:PassRole', of.role(names.cdkRoles.cfnExec), toLambda),
    lookup.may('looks up networks', 'ec2:DescribeVpcs', '*'),
    lookup.mayNot('reads the records of all owners', 'dynamodb:Query', of.table),
    lookup.mayNot('reads a table of the account', 'dynamodb:GetItem', of.at('dynamodb', 'table/prod')),
    lookup.mayNot('reads a bucket of the account', 's3:GetObject', 'arn:aws:s3:::payroll/2026.csv'),
    lookup.mayNot('reads a parameter of the account', 'ssm:GetParameter', of.at('ssm', 'parameter/prod/password')),
    lookup.mayNot('reads the settings of the launcher', 'lambda:GetFunction', of.api),
    file.may('publishes an asset', 's3:PutObject', `${assets}/a.zip`, { 'aws:ResourceAccount': ACCOUNT }),
    file.mayNot('puts other code under the launcher', 's3:PutObject', `arn:aws:s3:::${names.assetsBucket}/a.zip`, {
      'aws:ResourceAccount': ACCOUNT,
    }),
    may('makes a role with the boundary', 'iam:CreateRole', helper, bound),
    mayNot('makes a role without the boundary', 'iam:CreateRole', helper),
    mayNot('makes a role with another boundary', 'iam:CreateRole', helper, { 'iam:PermissionsBoundary': admins }),
    mayNot('makes a role that is not the target’s', 'iam:CreateRole', of.role('helper'), bound),
    may('gives its role a policy', 'iam:AttachRolePolicy', helper, bound),
    mayNot('gives a role without the boundary a policy', 'iam:AttachRolePolicy', helper),
    mayNot('gives the role of boxes a policy', 'iam:AttachRolePolicy', of.role(names.boxRole), bound),
    mayNot('gives itself a policy', 'iam:PutRolePolicy', of.role(names.cdkRoles.cfnExec), bound),
    mayNot('takes the boundary off its role', 'iam:DeleteRolePermissionsBoundary', helper),
    mayNot('takes the boundary off itself', 'iam:DeleteRolePermissionsBoundary', of.role(names.cdkRoles.cfnExec)),
    mayNot('puts another boundary on its role', 'iam:PutRolePermissionsBoundary', helper, { 'iam:PermissionsBoundary': admins }),
    mayNot('changes the boundary itself', 'iam:CreatePolicyVersion', of.policy(names.boundary)),
    mayNot('deletes the boundary', 'iam:DeletePolicy', of.policy(names.boundary)),
    mayNot('makes a user', 'iam:CreateUser', `arn:aws:iam::${ACCOUNT}:user/eve`),
    mayNot('lets itself into the administrator’s role', 'iam:UpdateAssumeRolePolicy', of.role(names.adminRole)),
    may('passes its role to a function', 'iam:PassRole', helper, toLambda),
    mayNot('passes its role to a machine', 'iam:PassRole', helper, { 'iam:PassedToService': 'ec2.amazonaws.com' }),
    mayNot('passes the launcher’s role to a function', 'iam:PassRole', of.role(names.launcherRole), toLambda),
    mayNot('passes a role of the account to a function', 'iam:PassRole', of.role('Admin'), toLambda),
    may('makes a function of the target', 'lambda:CreateFunction', of.at('lambda', 'function:GeneratorDev-Fn')),
    mayNot('changes the launcher', 'lambda:UpdateFunctionCode', of.api),
    mayNot('lets the launcher be called by anybody', 'lambda:AddPermission', of.api),
    mayNot('changes another function of the account', 'lambda:UpdateFunctionCode', of.at('lambda', 'function:billing')),
    mayNot('deletes the records', 'dynamodb:DeleteTable', of.table),
    mayNot('reads the master secret', 'secretsmanager:GetSecretValue', of.master),
    mayNot('publishes an image for others to boot', 'ssm:PutParameter', of.at('ssm', `parameter${names.imageParameters.x86_64}`)),
    mayNot('opens the security group of boxes', 'ec2:AuthorizeSecurityGroupIngress', of.group, ours(names)),
    may('opens a security group of the target', 'ec2:AuthorizeSecurityGroupIngress', of.group),
    mayNot('launches a machine', 'ec2:RunInstances', of.instance),
    mayNot('tags a machine', 'ec2:CreateTags', of.instance),
    may('registers a task of the target', 'ecs:RegisterTaskDefinition', of.at('ecs', 'task-definition/generator:8')),
    made.may('writes its own table', 'dynamodb:PutItem', of.at('dynamodb', 'table/GeneratorDev-Jobs')),
    made.mayNot('reads the records of all owners', 'dynamodb:Query', of.table),
    made.mayNot('reads another table', 'dynamodb:Query', of.at('dynamodb', 'table/prod')),
    made.mayNot('reads the master secret', 'secretsmanager:GetSecretValue', of.master),
    made.mayNot('makes a role, even with the boundary', 'iam:CreateRole', helper, bound),
    made.mayNot('makes an access key', 'iam:CreateAccessKey', `arn:aws:iam::${ACCOUNT}:user/alice`),
    made.mayNot('becomes the administrator', 'sts:AssumeRole', of.role(names.adminRole), { 'sts:RoleSessionName': 'x' }),
    made.mayNot('deploys past the agent', 'cloudformation:UpdateStack', stack('GeneratorDev')),
    made.mayNot('commands a box', 'ssm:SendCommand', of.instance),
    made.mayNot('launches a machine', 'ec2:RunInstances', of.instance),
    made.mayNot('calls the launcher as whom it likes', 'lambda:InvokeFunction', of.api),
  ];
}
