import { aws_iam as iam } from 'aws-cdk-lib';
import type { Names } from '../names.ts';
import { deployRolesOf } from './box.ts';
import { arnsOf, variable } from './statements.ts';

/** Who may take the launcher's role: functions, and nobody else. */
export const launcherTrust = (): iam.IPrincipal => new iam.ServicePrincipal('lambda.amazonaws.com');

/** Who may take the role of boxes: machines, and nobody else. AWS names the session by the machine, so a box is who its session says. */
export const boxTrust = (): iam.IPrincipal => new iam.ServicePrincipal('ec2.amazonaws.com');

/**
 * Who may take the administrator's role, as far as their own policies let them: people of the account. A user's session has the user's name, so that
 * logs say who it was; somebody who comes from another role, as from IAM Identity Center, has no user name to compare, and CloudTrail has theirs.
 */
export const adminTrust = (): iam.IPrincipal =>
  new iam.CompositePrincipal(
    new iam.PrincipalWithConditions(new iam.AccountRootPrincipal(), {
      StringEquals: { 'sts:RoleSessionName': variable('aws:username') },
    }),
    new iam.PrincipalWithConditions(new iam.AccountRootPrincipal(), {
      StringEquals: { 'aws:PrincipalType': 'AssumedRole' },
    }),
  );

/** Roles of the deployment itself, which stay out whatever somebody lets them do: to be added to the trust policy of the administrator's role. */
export const adminTrustDenials = (names: Names): iam.PolicyStatement[] => [
  new iam.PolicyStatement({
    sid: 'NoRoleOfTheDeployment',
    effect: iam.Effect.DENY,
    principals: [new iam.AnyPrincipal()],
    actions: ['sts:AssumeRole'],
    conditions: {
      ArnEquals: {
        'aws:PrincipalArn': [names.boxRole, names.launcherRole, names.buildRole, names.cdkRoles.cfnExec, ...deployRolesOf(names)].map(
          arnsOf(names).role,
        ),
      },
    },
  }),
];
