import type { Names } from '../../../infra/names.ts';
import { ACCOUNT } from '../who.ts';
import { ours, type Row, rowsOf, type Things } from './rows.ts';

export function deployRows(names: Names, of: Things): Row[] {
  const deploy = rowsOf('deploy role');
  const lookup = rowsOf('look-up role');
  const file = rowsOf('file role');
  const { may, mayNot } = rowsOf('CloudFormation');
  const made = rowsOf('role of a stack');
  const stack = (name: string) => of.at('cloudformation', `stack/${name}/1`);
  const bound = { 'iam:PermissionsBoundary': of.policy(names.boundary) };
  const [helper, admins] = [of.role('GeneratorDev-Helper'), of.policy('somebody-else')];
  const groupOf = (name: string) => ({ 'aws:ResourceTag/aws:cloudformation:stack-name': name });
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
    mayNot('opens the security group of boxes', 'ec2:AuthorizeSecurityGroupIngress', of.group, { ...ours(names), ...groupOf(names.stack) }),
    mayNot('opens a security group that nobody tagged', 'ec2:AuthorizeSecurityGroupIngress', of.group),
    mayNot('opens a security group of another stack', 'ec2:AuthorizeSecurityGroupIngress', of.group, groupOf('Payroll')),
    mayNot('opens the way out of a security group of another stack', 'ec2:AuthorizeSecurityGroupEgress', of.group, groupOf('Payroll')),
    mayNot('closes a security group of another stack', 'ec2:RevokeSecurityGroupIngress', of.group, groupOf('Payroll')),
    mayNot('deletes a security group of another stack', 'ec2:DeleteSecurityGroup', of.group, groupOf('Payroll')),
    may('opens a security group of the target', 'ec2:AuthorizeSecurityGroupIngress', of.group, groupOf('GeneratorDev')),
    may('deletes a security group of the target', 'ec2:DeleteSecurityGroup', of.group, groupOf('GeneratorDev')),
    may('makes a security group', 'ec2:CreateSecurityGroup', of.group),
    may('tags a security group as it is made', 'ec2:CreateTags', of.group, { 'ec2:CreateAction': 'CreateSecurityGroup' }),
    mayNot('tags a security group that is there', 'ec2:CreateTags', of.group, { 'aws:TagKeys': ['devctl:deployment'] }),
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
    made.mayNot('opens a security group', 'ec2:AuthorizeSecurityGroupIngress', of.group, groupOf('GeneratorDev')),
    made.mayNot('launches a machine', 'ec2:RunInstances', of.instance),
    made.mayNot('calls the launcher as whom it likes', 'lambda:InvokeFunction', of.api),
  ];
}
