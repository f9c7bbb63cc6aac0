import { beforeAll, describe, expect, it } from 'vitest';
import { ACCOUNT, AccountUnderTest, exampleConfig } from './account.ts';
import type { NamedPolicy } from './iam/access.ts';
import { evaluate, type Principal } from './iam/evaluate.ts';
import { policyTable, type Row, type Who } from './policies.table.ts';

const policyOf = (name: string, ...Action: string[]): NamedPolicy => ({
  name,
  policy: { Version: '2012-10-17', Statement: [{ Effect: 'Allow', Action, Resource: '*' }] },
});
/** Trust policy of roles that are of no template here: the whole account, as that of the CDK's usual bootstrap. */
const WHOLE_ACCOUNT = {
  Version: '2012-10-17',
  Statement: [{ Effect: 'Allow', Action: 'sts:AssumeRole', Principal: { AWS: `arn:aws:iam::${ACCOUNT}:root` } }],
};

function principalsOf(account: AccountUnderTest): Readonly<Record<Who, Principal>> {
  const { names } = account;
  const { cdkRoles } = names;
  const user = account.managed(names.userPolicy);
  const service = (arn: string): Principal => ({ arn, policies: [], context: {} });
  return {
    launcher: account.session(names.launcherRole, names.apiFunction),
    box: account.session(names.boxRole, 'i-0fedcba9876543210'),
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

const account = new AccountUnderTest(exampleConfig());
const rows = policyTable(account.names, account.region);

describe('the policies of a deployment, as IAM reads them in its template', () => {
  let principals: Readonly<Record<Who, Principal>>;
  beforeAll(() => {
    principals = principalsOf(account);
  });

  const ask = ({ who, action, resource, context }: Row) => {
    const role = resource.split(':role/')[1] ?? '';
    const trust = account.access.roles.get(role)?.trust ?? WHOLE_ACCOUNT;
    const question = { principal: principals[who], action, resource, context };
    return evaluate(action === 'sts:AssumeRole' ? { ...question, resourcePolicy: trust } : question, ACCOUNT);
  };

  for (const who of new Set(rows.map((row) => row.who)))
    describe(who, () => {
      for (const row of rows.filter((each) => each.who === who))
        it(`${row.answer === 'allowed' ? 'may' : 'may not'}: ${row.name}`, async () => {
          expect(await ask(row)).toBe(row.answer);
        });
    });

  it('are asked by enough, each need and threat once', () => {
    const names = rows.map(({ who, name }) => `${who} ${name}`);
    expect(names.length).toBeGreaterThan(120);
    expect(new Set(names).size).toBe(names.length);
  });
});
