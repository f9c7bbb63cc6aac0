import type { Names } from '../../../infra/names.ts';
import { userIdOf } from '../who.ts';
import { ALICE, BOB, type Context, FEDERATED, ours, type Row, rowsOf, type Things } from './rows.ts';

export function peopleRows(names: Names, of: Things): Row[] {
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
    federated.mayNot(
      'takes over the session of a name with hers and a dash before it',
      'ssm:ResumeSession',
      of.session('carol@example.com-smith-0123'),
      session(`${FEDERATED}-smith`),
    ),
    federated.mayNot(
      'ends the session of a name with hers and a dash before it',
      'ssm:TerminateSession',
      of.session('carol@example.com-smith-0123'),
      session(`${FEDERATED}-smith`),
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

export function trustRows(names: Names, of: Things): Row[] {
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
