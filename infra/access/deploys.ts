import { Aws, type aws_iam as iam } from 'aws-cdk-lib';
import type { TargetConfig } from '../config.ts';
import type { Names } from '../names.ts';
import { allow, arnsOf, deny, TAGGED } from './statements.ts';
import { assertApart, ownResources, targetRoles, targetStatements } from './target.ts';

/** Services that a role of the target may be for. */
const PASSED_TO = ['ecs-tasks.amazonaws.com', 'lambda.amazonaws.com', 'events.amazonaws.com'];

/** Verbs that make or change a role, and know its permissions boundary (Service Authorization Reference, AWS IAM). */
const BOUND_VERBS = [
  'iam:AttachRolePolicy',
  'iam:CreateRole',
  'iam:DeleteRolePolicy',
  'iam:DetachRolePolicy',
  'iam:PutRolePermissionsBoundary',
  'iam:PutRolePolicy',
  'iam:UpdateAssumeRolePolicy',
];
const FREE_VERBS = ['iam:DeleteRole', 'iam:Get*', 'iam:List*', 'iam:TagRole', 'iam:UntagRole', 'iam:UpdateRole'];

/** How security groups are made and changed: those of the target's own tasks. */
const GROUP_VERBS = [
  'ec2:AuthorizeSecurityGroupEgress',
  'ec2:AuthorizeSecurityGroupIngress',
  'ec2:CreateTags',
  'ec2:DeleteSecurityGroup',
  'ec2:RevokeSecurityGroupEgress',
  'ec2:RevokeSecurityGroupIngress',
];

const boundTo = (names: Names, operator: 'StringEquals' | 'StringNotEquals') => ({
  [operator]: { 'iam:PermissionsBoundary': arnsOf(names).policy(names.boundary) },
});

/** Characters that a managed policy may have, white space not counted (IAM quotas). */
const MANAGED_POLICY_CHARS = 6144;

/** @throws Error for a policy that AWS would not take, while nothing is deployed yet */
function fitting(what: string, statements: iam.PolicyStatement[]): iam.PolicyStatement[] {
  const Statement = statements.map((each) => each.toStatementJson());
  const text = JSON.stringify({ Version: '2012-10-17', Statement }).replaceAll(/\$\{Token\[AWS\.Partition\.\d+\]\}/g, 'aws');
  if (text.length <= MANAGED_POLICY_CHARS) return statements;
  throw new Error(
    `target: ${what} has ${text.length} characters, and AWS takes ${MANAGED_POLICY_CHARS}: name fewer stacks, log groups or repositories`,
  );
}

/** What CloudFormation does for a deploy from a box: managed policy of the role `cfn-exec` of the agent's qualifier. */
export function cdkExecutionStatements(names: Names, config: TargetConfig): iam.PolicyStatement[] {
  const { ec2, role } = arnsOf(names);
  const { taskRoles, executionRoles } = config.target;
  const roles = targetRoles(names, config);
  assertApart(names, config);
  return fitting('the policy of deploys from boxes', [
    ...targetStatements(names, config),
    ...allow('BoundRoles', BOUND_VERBS, roles, boundTo(names, 'StringEquals')),
    ...allow('RolesOfTheTarget', FREE_VERBS, roles),
    ...allow('PassRolesOfTheTarget', ['iam:PassRole'], roles, { StringEquals: { 'iam:PassedToService': PASSED_TO } }),
    ...allow('PassRolesOfTasks', ['iam:PassRole'], [...taskRoles, ...executionRoles].map(role), {
      StringEquals: { 'iam:PassedToService': 'ecs-tasks.amazonaws.com' },
    }),
    ...allow('MakeGroups', ['ec2:CreateSecurityGroup'], [ec2('security-group'), ec2('vpc')]),
    ...allow('ChangeGroups', GROUP_VERBS, [ec2('security-group')], { Null: { [`aws:ResourceTag/${TAGGED.deployment}`]: 'true' } }),
    ...deny('KeepBoundaries', ['iam:DeleteRolePermissionsBoundary'], ['*']),
    ...deny('NothingOfTheDeployment', ['*'], [...ownResources(names), role('cdk-*')]),
  ]);
}

/**
 * Permissions boundary of all roles of the agent's qualifier and of every role that a deploy from a box makes. The CDK's own roles can more than their work
 * needs: that for deploys changes every stack of the account, with the role that the stack was made with; that for look-ups reads every table.
 */
export function boundaryStatements(names: Names, config: TargetConfig): iam.PolicyStatement[] {
  const { ec2, role, stack } = arnsOf(names);
  const { cdkRoles } = names;
  const only = (of: string) => ({ ArnEquals: { 'aws:PrincipalArn': role(of) } });
  const { stacks, taskRoles, executionRoles } = config.target;
  assertApart(names, config);
  return fitting('the permissions boundary', [
    ...targetStatements(names, config),
    ...allow('Messages', ['sts:GetCallerIdentity', 'ssmmessages:*'], ['*']),
    ...allow('Deploys', ['cloudformation:*'], stacks.map(stack), only(cdkRoles.deploy)),
    ...allow('LookAtTemplates', ['cloudformation:GetTemplateSummary', 'cloudformation:ValidateTemplate'], ['*'], only(cdkRoles.deploy)),
    ...allow('HandOver', ['iam:PassRole'], stacks.length === 0 ? [] : [role(cdkRoles.cfnExec)], {
      ...only(cdkRoles.deploy),
      StringEquals: { 'iam:PassedToService': 'cloudformation.amazonaws.com' },
    }),
    ...allow('LookUp', ['ssm:GetParameter*'], [`arn:${Aws.PARTITION}:ssm:${names.region}::parameter/aws/service/*`]),
    ...allow('Roles', ['iam:*'], [...targetRoles(names, config), ...[...taskRoles, ...executionRoles].map(role)], only(cdkRoles.cfnExec)),
    ...allow('Groups', ['ec2:CreateSecurityGroup', ...GROUP_VERBS], [ec2('security-group'), ec2('vpc')], only(cdkRoles.cfnExec)),
    ...deny('BoundRolesOnly', BOUND_VERBS, ['*'], boundTo(names, 'StringNotEquals')),
    ...deny('KeepBoundaries', ['iam:DeleteRolePermissionsBoundary'], ['*']),
  ]);
}
