import type { Names } from '../../../infra/names.ts';
import { ACCOUNT, roleIdOf, userIdOf } from '../who.ts';

/** Who asks, each a principal with exactly the policies that a deployment gives it (policies.test.ts), and who that is. */
export const WHO = {
  launcher: 'role of both functions',
  box: 'role of every box, and with `--aws` of what runs in it',
  user: 'an IAM user with the policy for users; her boxes have her id as their tag',
  'federated user': 'the same policy, on a role that many come by, as from IAM Identity Center',
  stranger: 'somebody of the account without a policy of the deployment',
  'member of admins': 'an IAM user with the policy for administrators',
  'anybody with sts:*': 'somebody of the account who may try to assume every role',
  administrator: 'a session of the administrator’s role',
  'ec2.amazonaws.com': 'EC2, which gives roles to machines',
  'lambda.amazonaws.com': 'Lambda, which gives roles to functions',
  'deploy role': 'role of the agent’s CDK that deploys stacks; boxes may assume it',
  'look-up role': 'role of the agent’s CDK that looks things up; boxes may assume it',
  'file role': 'role of the agent’s CDK that publishes assets; boxes may assume it',
  CloudFormation: 'role that CloudFormation has for stacks that boxes deploy',
  'role of a stack': 'a role that such a stack has made and given every permission there is, within its boundary',
} as const;
export type Who = keyof typeof WHO;

export interface Row {
  name: string;
  who: Who;
  action: string;
  resource: string;
  context: Record<string, string | string[]>;
  answer: 'allowed' | 'denied';
}

export type Context = Row['context'];

/** The machine that asks. */
export const BOX = 'i-0fedcba9876543210';
export const ALICE = userIdOf('alice');
export const BOB = userIdOf('bob');
export const FEDERATED = `${roleIdOf('people')}:carol@example.com`;

/** ARNs that rows speak of. */
export function things(names: Names, region: string) {
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

export type Things = ReturnType<typeof things>;

export const rowsOf = (who: Who) => {
  const row =
    (answer: Row['answer']) =>
    (name: string, action: string, resource: string, context: Context = {}): Row => ({ name, who, action, resource, context, answer });
  return { may: row('allowed'), mayNot: row('denied') };
};

export const ours = (names: Names): Context => ({ 'aws:ResourceTag/devctl:deployment': names.deployment });
export const others: Context = { 'aws:ResourceTag/devctl:deployment': 'another' };
export const madeOurs = (names: Names): Context => ({ 'aws:RequestTag/devctl:deployment': names.deployment });
export const image = (names: Names): Context => ({ 'aws:ResourceTag/devctl:image-of': names.deployment, 'ec2:Owner': ACCOUNT });
