import { Aws, type aws_iam as iam } from 'aws-cdk-lib';
import type { TargetConfig } from '../config.ts';
import type { Names } from '../names.ts';
import { allow, arnsOf, deny } from './statements.ts';
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

/** How the rules of security groups are changed, in the fewest letters: there are few to spare. */
const GROUP_VERBS = ['ec2:*SecurityGroup*gress', 'ec2:DeleteSecurityGroup'];

/** CloudFormation says so itself of what a stack has made, and nobody else can: tags that begin with `aws:` are only for AWS. */
const ofStacks = (stacks: readonly string[]) => ({ StringEquals: { 'aws:ResourceTag/aws:cloudformation:stack-name': stacks } });

/** With its tags at once; a group that is there becomes nobody's by a tag. */
const asMade = { StringEquals: { 'ec2:CreateAction': 'CreateSecurityGroup' } };

const boundTo = (names: Names, operator: 'StringEquals' | 'StringNotEquals') => ({
  [operator]: { 'iam:PermissionsBoundary': arnsOf(names).policy(names.boundary) },
});

/** Characters that a managed policy may have, white space not counted (IAM quotas). */
const MANAGED_POLICY_CHARS = 6144;

/**
 * Statements without their names, which count as well: they stay here, for whoever reads this.
 * @throws Error for a policy that AWS would not take, while nothing is deployed yet
 */
function fitting(what: string, statements: iam.PolicyStatement[]): iam.PolicyStatement[] {
  for (const each of statements) each.sid = undefined;
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
  const { stacks, taskRoles, executionRoles } = config.target;
  const roles = targetRoles(names, config);
  const groups = stacks.length === 0 ? [] : [ec2('security-group')];
  assertApart(names, config);
  return fitting('the policy of deploys from boxes', [
    ...targetStatements(names, config),
    ...allow('BoundRoles', BOUND_VERBS, roles, boundTo(names, 'StringEquals')),
    ...allow('RolesOfTheTarget', FREE_VERBS, roles),
    ...allow('PassRolesOfTheTarget', ['iam:PassRole'], roles, { StringEquals: { 'iam:PassedToService': PASSED_TO } }),
    ...allow('PassRolesOfTasks', ['iam:PassRole'], [...taskRoles, ...executionRoles].map(role), {
      StringEquals: { 'iam:PassedToService': 'ecs-tasks.amazonaws.com' },
    }),
    ...allow('MakeGroups', ['ec2:CreateSecurityGroup'], stacks.length === 0 ? [] : [ec2('security-group'), ec2('vpc')]),
    ...allow('TagNewGroups', ['ec2:CreateTags'], groups, asMade),
    ...allow('ChangeGroups', GROUP_VERBS, groups, ofStacks(stacks)),
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
  const groups = stacks.length === 0 ? [] : [ec2('security-group')];
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
    ...allow(
      'MakeGroups',
      ['ec2:CreateSecurityGroup'],
      stacks.length === 0 ? [] : [ec2('security-group'), ec2('vpc')],
      only(cdkRoles.cfnExec),
    ),
    ...allow('TagNewGroups', ['ec2:CreateTags'], groups, { ...only(cdkRoles.cfnExec), ...asMade }),
    ...allow('ChangeGroups', GROUP_VERBS, groups, { ...only(cdkRoles.cfnExec), ...ofStacks(stacks) }),
    ...deny('BoundRolesOnly', BOUND_VERBS, ['*'], boundTo(names, 'StringNotEquals')),
    ...deny('KeepBoundaries', ['iam:DeleteRolePermissionsBoundary'], ['*']),
  ]);
}
