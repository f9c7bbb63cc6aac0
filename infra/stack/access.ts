import { Duration } from 'aws-cdk-lib';
import { CfnInstanceProfile, ManagedPolicy, type PolicyStatement, Role } from 'aws-cdk-lib/aws-iam';
import { Construct } from 'constructs';
import { boxStatements } from '../access/box.ts';
import { boundaryStatements, cdkExecutionStatements } from '../access/deploys.ts';
import { launcherStatements } from '../access/launcher.ts';
import { adminRoleStatements, adminStatements, userStatements } from '../access/people.ts';
import { adminTrust, adminTrustDenials, boxTrust, launcherTrust } from '../access/trust.ts';
import type { TargetConfig } from '../config.ts';
import type { Names } from '../names.ts';

const ADMIN_SESSION = Duration.hours(1);

interface AccessProps {
  names: Names;
  config: TargetConfig;
}

/** Who may do what: infra/access says it, and here it is given to whom. */
export class Access extends Construct {
  readonly launcherRole: Role;
  readonly instanceProfileArn: string;
  readonly userPolicyArn: string;
  readonly cdkExecutionPolicyArn: string;

  constructor(scope: Construct, id: string, { names, config }: AccessProps) {
    super(scope, id);
    this.launcherRole = new Role(this, 'LauncherRole', {
      roleName: names.launcherRole,
      description: `Launcher of ${names.deployment}`,
      assumedBy: launcherTrust(),
    });
    give(this.launcherRole, launcherStatements(names));
    this.instanceProfileArn = this.#boxes(names, config);
    this.#administrator(names);
    const policy = (policyId: string, name: string, description: string, statements: PolicyStatement[]): string =>
      new ManagedPolicy(this, policyId, { managedPolicyName: name, description, statements }).managedPolicyArn;
    this.userPolicyArn = policy('UserPolicy', names.userPolicy, `Use of ${names.deployment}`, userStatements(names));
    policy('AdminPolicy', names.adminPolicy, `Administration of ${names.deployment}`, adminStatements(names));
    policy('Boundary', names.boundary, `The most that a role made by a deploy from a box may do`, boundaryStatements(names, config));
    this.cdkExecutionPolicyArn = policy(
      'CdkExecutionPolicy',
      names.cdkExecutionPolicy,
      `What a deploy from a box may do`,
      cdkExecutionStatements(names, config),
    );
  }

  #boxes(names: Names, config: TargetConfig): string {
    const role = new Role(this, 'BoxRole', {
      roleName: names.boxRole,
      description: `Boxes of ${names.deployment}`,
      assumedBy: boxTrust(),
    });
    give(role, boxStatements(names, config));
    return new CfnInstanceProfile(this, 'BoxProfile', { instanceProfileName: names.instanceProfile, roles: [role.roleName] }).attrArn;
  }

  #administrator(names: Names): void {
    const role = new Role(this, 'AdminRole', {
      roleName: names.adminRole,
      description: `Administrators of ${names.deployment}`,
      assumedBy: adminTrust(),
      maxSessionDuration: ADMIN_SESSION,
    });
    give(role, adminRoleStatements(names));
    role.assumeRolePolicy?.addStatements(...adminTrustDenials(names));
  }
}

const give = (role: Role, statements: PolicyStatement[]): void => {
  for (const statement of statements) role.addToPolicy(statement);
};
