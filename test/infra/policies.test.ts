import { beforeAll, describe, expect, it } from 'vitest';
import { AccountUnderTest, exampleInput } from './account.ts';
import type { NamedPolicy, PolicyDocument } from './iam/access.ts';
import { evaluate, type Principal } from './iam/evaluate.ts';
import { exampleTable } from './policies.table.ts';
import { BOX, type Row, type Who } from './table/rows.ts';
import { ACCOUNT } from './who.ts';

/** The CDK is asked for a stack and for its bootstrap. */
const SYNTHESIS_MS = 120_000;

const policyOf = (name: string, ...Action: string[]): NamedPolicy => ({
  name,
  policy: { Version: '2012-10-17', Statement: [{ Effect: 'Allow', Action, Resource: '*' }] },
});
/** The usual trust policy of a role and policy of a key: whoever of the account may do it by their own policies. */
const wholeAccount = (Action: string): PolicyDocument => ({
  Version: '2012-10-17',
  Statement: [{ Effect: 'Allow', Action, Resource: '*', Principal: { AWS: `arn:aws:iam::${ACCOUNT}:root` } }],
});

function principalsOf(account: AccountUnderTest): Readonly<Record<Who, Principal>> {
  const { names } = account;
  const { cdkRoles } = names;
  const user = account.managed(names.userPolicy);
  const service = (arn: string): Principal => ({ arn, policies: [], context: {} });
  return {
    launcher: account.session(names.launcherRole, names.apiFunction),
    box: account.session(names.boxRole, BOX),
    user: account.user('alice', [user]),
    'federated user': account.foreignSession('people', 'carol@example.com', [user]),
    stranger: account.user('stranger', []),
    administrator: account.session(names.adminRole, 'alice'),
    'member of admins': account.user('alice', [account.managed(names.adminPolicy)]),
    'anybody with sts:*': account.user('root-like', [policyOf('sts', 'sts:*')]),
    'deploy role': account.session(cdkRoles.deploy, 'aws-cdk-dev'),
    'look-up role': account.session(cdkRoles.lookup, 'aws-cdk-dev'),
    'file role': account.session(cdkRoles.filePublishing, 'aws-cdk-dev'),
    CloudFormation: account.session(cdkRoles.cfnExec, 'AWSCloudFormation'),
    // The most that a stack can give a role of its own: everything, within the boundary.
    'role of a stack': account.foreignSession('GeneratorDev-Helper', 'x', [policyOf('everything', '*')], [account.managed(names.boundary)]),
    'ec2.amazonaws.com': service('ec2.amazonaws.com'),
    'lambda.amazonaws.com': service('lambda.amazonaws.com'),
  };
}

const rows = exampleTable();

describe('the policies of a deployment, as IAM reads them in its template', () => {
  let account: AccountUnderTest;
  let principals: Readonly<Record<Who, Principal>>;
  beforeAll(() => {
    account = new AccountUnderTest(exampleInput());
    principals = principalsOf(account);
  }, SYNTHESIS_MS);

  /** Two services ask the policy of the resource, too: those of roles in the templates are theirs, others are the usual ones. */
  const policyOfResource = (action: string, resource: string): PolicyDocument | undefined => {
    if (action === 'kms:Decrypt') return wholeAccount('kms:*');
    if (action !== 'sts:AssumeRole') return undefined;
    return account.access.roles.get(resource.split(':role/')[1] ?? '')?.trust ?? wholeAccount('sts:AssumeRole');
  };
  const ask = ({ who, action, resource, context }: Row) => {
    const resourcePolicy = policyOfResource(action, resource);
    return evaluate({ principal: principals[who], action, resource, context, ...(resourcePolicy && { resourcePolicy }) }, ACCOUNT);
  };

  for (const who of new Set(rows.map((row) => row.who)))
    describe(who, () => {
      for (const row of rows.filter((each) => each.who === who))
        it(`${row.answer === 'allowed' ? 'may' : 'may not'}: ${row.name}`, async () => {
          expect(await ask(row)).toBe(row.answer);
        });
    });

  it('are asked by enough, each need and threat once', () => {
    const asked = rows.map(({ who, name }) => `${who} ${name}`);
    expect(asked.length).toBeGreaterThan(200);
    expect(new Set(asked).size).toBe(asked.length);
  });

  it('name documents of AWS as AWS does, without an account', () => {
    const { launcherRole, userPolicy } = account.names;
    const documents = [...(account.access.roles.get(launcherRole)?.policies ?? []), account.managed(userPolicy)]
      .flatMap(({ policy }) => policy.Statement as { Resource: string | string[] }[])
      .flatMap(({ Resource }) => Resource)
      .filter((resource) => resource.includes(':document/AWS-'));
    expect(documents.map((arn) => arn.replace(':*:', '::')).sort()).toEqual([
      `arn:aws:ssm:${account.region}::document/AWS-RunShellScript`,
      `arn:aws:ssm:${account.region}::document/AWS-StartPortForwardingSession`,
    ]);
  });

  it('open with a key of the account nothing but the secrets of the target', () => {
    const { names, access, region, config } = account;
    const statements = access.roles
      .get(names.boxRole)
      ?.policies.flatMap(({ policy }) => policy.Statement as { Action: unknown; Condition: unknown }[]);
    expect(statements?.filter(({ Action }) => JSON.stringify(Action).includes('kms:')).map(({ Condition }) => Condition)).toEqual([
      {
        StringEquals: { 'kms:ViaService': `secretsmanager.${region}.amazonaws.com` },
        StringLike: { 'kms:EncryptionContext:SecretARN': config.target.secrets },
      },
    ]);
  });

  it('go by tags that the stack gives to what it makes', () => {
    const { template, names } = account;
    const own = JSON.stringify({ Key: 'devctl:deployment', Value: names.deployment });
    const tagsOf = (type: string) =>
      Object.values(template.Resources)
        .filter(({ Type }) => Type === type)
        .map(({ Properties }) => JSON.stringify(Properties?.['TagSpecifications'] ?? Properties?.['Tags']));
    for (const type of ['AWS::EC2::LaunchTemplate', 'AWS::EC2::SecurityGroup']) {
      expect(tagsOf(type).length, type).toBeGreaterThan(0);
      for (const tags of tagsOf(type)) expect(tags).toContain(own);
    }
  });

  it('are no longer than AWS takes', () => {
    const lengthOf = (policy: PolicyDocument) => JSON.stringify(policy).length;
    for (const [arn, policy] of account.access.managed) expect(lengthOf(policy), arn).toBeLessThanOrEqual(6144);
    for (const { arn, policies } of account.access.roles.values()) {
      const inline = policies.filter(({ name }) => !name.startsWith('arn:')).reduce((sum, { policy }) => sum + lengthOf(policy), 0);
      expect(inline, arn).toBeLessThanOrEqual(10_240);
    }
  });
});
