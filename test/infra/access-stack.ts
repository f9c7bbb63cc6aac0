import { App, aws_iam as iam, Stack } from 'aws-cdk-lib';
import { Template as Synthesized } from 'aws-cdk-lib/assertions';
import { boxStatements } from '../../infra/access/box.ts';
import { boundaryStatements, cdkExecutionStatements } from '../../infra/access/deploys.ts';
import { launcherStatements } from '../../infra/access/launcher.ts';
import { adminRoleStatements, adminStatements, userStatements } from '../../infra/access/people.ts';
import { adminTrust, adminTrustDenials, boxTrust, launcherTrust } from '../../infra/access/trust.ts';
import type { TargetConfig } from '../../infra/config.ts';
import { namesOf } from '../../infra/names.ts';
import type { Template } from './iam/resolve.ts';

export function stackTemplate(config: TargetConfig, account: string): Template {
  const names = namesOf(config.deployment, { account, region: config.region });
  const stack = new Stack(new App(), 'devctl', { env: { account, region: config.region } });
  const role = (name: string, assumedBy: iam.IPrincipal, statements: iam.PolicyStatement[]) => {
    const made = new iam.Role(stack, name, { roleName: name, assumedBy });
    for (const statement of statements) made.addToPolicy(statement);
    return made;
  };
  role(names.launcherRole, launcherTrust(), launcherStatements(names));
  role(names.boxRole, boxTrust(), boxStatements(names, config));
  role(names.adminRole, adminTrust(), adminRoleStatements(names)).assumeRolePolicy?.addStatements(...adminTrustDenials(names));
  const policy = (id: string, name: string, statements: iam.PolicyStatement[]) =>
    new iam.ManagedPolicy(stack, id, { managedPolicyName: name, statements });
  policy('User', names.userPolicy, userStatements(names));
  policy('Admin', names.adminPolicy, adminStatements(names));
  policy('Boundary', names.boundary, boundaryStatements(names, config));
  policy('CdkExecution', names.cdkExecutionPolicy, cdkExecutionStatements(names, config));
  return Synthesized.fromStack(stack).toJSON() as Template;
}
