import type { TagSpecification } from '@aws-sdk/client-ec2';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Ec2Api, SsmApi } from '../../launcher/providers/ec2/api.ts';
import { ec2Checks } from '../../launcher/providers/ec2/doctor.ts';
import { createEc2Reach } from '../../launcher/providers/ec2/reach.ts';
import { tableChecks } from '../../launcher/stores/dynamo/doctor.ts';
import { BOX_GROUP, REGION } from '../sim/catalog.ts';
import { poolLife, wholeLife } from '../sim/ec2-life.ts';
import { DEPLOYMENT } from '../sim/ec2-subject.ts';
import { Ec2World } from '../sim/ec2-world.ts';
import { SeededRandom } from '../support/faults.ts';
import { type Database, openDatabase } from '../support/table.ts';
import { Users } from '../support/users.ts';
import { AccountUnderTest, exampleInput } from './account.ts';
import { type Authorization, Authorizations } from './iam/authorizations.ts';
import { evaluate } from './iam/evaluate.ts';
import { ACCOUNT } from './who.ts';

/** Whole lives go by, and the stack is synthesized. */
const LIVES_MS = 240_000;
const TRIES = 5;

/** What a launcher in Lambda does not call, and why. */
const NOT_CALLED: Readonly<Record<string, string>> = {
  createLaunchTemplate: 'templates are the stack’s',
  describeSpotInstanceRequests: 'an instant fleet leaves none behind',
  runInstances: 'machines are launched by fleets',
  startSession: 'people open sessions with permissions of their own',
  terminateSession: 'as above',
  getConnectionStatus: 'as above',
};

/** What the role has for calls that are made by Lambda itself, or outside of the store and the provider. */
const CALLED_ELSEWHERE = new Set([
  'iam:CreateServiceLinkedRole',
  'lambda:InvokeFunction',
  'logs:CreateLogStream',
  'logs:PutLogEvents',
  'secretsmanager:GetSecretValue',
  // The CDK gives them to whoever has a queue for calls that fail.
  'sqs:GetQueueAttributes',
  'sqs:GetQueueUrl',
  'sqs:SendMessage',
]);

/** Calls that make the table: a deployment's is the stack's. */
const OF_THE_STACK = new Set(['CreateTableCommand', 'UpdateTableCommand', 'UpdateTimeToLiveCommand', 'UpdateContinuousBackupsCommand']);

/** A call of DynamoDB, on the deployment's table in place of the one that a test made. */
function ofTheTable(names: AccountUnderTest['names'], commandName: string, input: object): Authorization[] {
  if (OF_THE_STACK.has(commandName)) return [];
  const table = `arn:aws:dynamodb:${REGION}:${ACCOUNT}:table/${names.table}`;
  const index = 'IndexName' in input && input.IndexName !== undefined ? `/index/${input.IndexName}` : '';
  return [{ action: `dynamodb:${commandName.replace(/Command$/, '')}`, resource: `${table}${index}`, context: {} }];
}

/** Questions of the account that `doctor` signs by itself (launcher/providers/ec2/account-api.ts). STS answers who one is to everybody. */
function ofTheAccount(names: AccountUnderTest['names']): Readonly<Record<string, Authorization[]>> {
  const ask = (action: string, resource: string): Authorization => ({ action, resource, context: {} });
  const iam = (of: string) => `arn:aws:iam::${ACCOUNT}:${of}`;
  return {
    callerIdentity: [],
    issuerAt: [],
    serverTime: [],
    ec2Quota: [
      ask('servicequotas:GetServiceQuota', `arn:aws:servicequotas:${REGION}:${ACCOUNT}:ec2/L-34B43A08`),
      ask('servicequotas:GetAWSDefaultServiceQuota', '*'),
    ],
    hasRole: ['ec2fleet', 'spot'].map((service) =>
      ask(
        'iam:GetRole',
        iam(`role/aws-service-role/${service}.amazonaws.com/AWSServiceRoleForEC2${service === 'spot' ? 'Spot' : 'Fleet'}`),
      ),
    ),
    rolesOfProfile: [ask('iam:GetInstanceProfile', iam(`instance-profile/${names.instanceProfile}`))],
    functionState: [ask('lambda:GetFunctionConfiguration', `arn:aws:lambda:${REGION}:${ACCOUNT}:function:${names.apiFunction}`)],
  };
}

const IDS = /\b(i|vol|snap|ami|lt|subnet)-[0-9a-z]+/g;
const SAME = new Set(['deployment', 'image-of'].map((tag) => `devctl:${tag}`));

/** Everything that was asked of AWS, as what IAM is asked for it. What differs in ids and in whose it is alone is one question. */
class Asked {
  readonly #questions = new Map<string, Authorization & { op: string }>();
  readonly ops = new Set<string>();

  add(op: string, authorizations: readonly Authorization[]): void {
    this.ops.add(op);
    for (const authorization of authorizations) {
      const { action, resource, context } = authorization;
      const rest = Object.entries(context).map(([key, value]) => {
        const isOwners = key.includes('Tag/') && !SAME.has(key.split('Tag/')[1] ?? '');
        return [key, isOwners ? '' : JSON.stringify(value).replaceAll(IDS, '$1')];
      });
      this.#questions.set(JSON.stringify([op, action, resource.replaceAll(IDS, '$1'), rest]), { ...authorization, op });
    }
  }

  get questions() {
    return [...this.#questions.values()];
  }
}

/** Tags that launch templates of the stack give to what is launched from them. */
function templateTags({ template, config, names }: AccountUnderTest): TagSpecification[] {
  const [first] = Object.values(template.Resources).filter(
    ({ Type, Properties }) =>
      Type === 'AWS::EC2::LaunchTemplate' &&
      Properties?.['LaunchTemplateName'] === names.launchTemplates[config.architectures[0] ?? 'x86_64'],
  );
  const data = first?.Properties?.['LaunchTemplateData'] as { TagSpecifications?: TagSpecification[] };
  if (data.TagSpecifications === undefined) throw new Error('the template gives no tags');
  return data.TagSpecifications;
}

/** A world whose launcher has the templates of a stack, and whose every call of AWS is looked at before it is made. */
async function watchedWorld(database: Database, asked: Asked, account: AccountUnderTest): Promise<Ec2World> {
  const { names } = account;
  const world = await Ec2World.open(database, { hasStack: true });
  const { cloud, ec2, ssm } = world.aws;
  // As a bake tags them (packer/images.ts).
  for (const [id, image] of cloud.catalog.images) cloud.catalog.images.set(id, { ...image, tags: { 'devctl:image-of': names.deployment } });
  const authorizations = new Authorizations(cloud, names, templateTags(account));
  for (const api of [ec2, ssm] as unknown as Record<string, (input: unknown) => unknown>[])
    for (const [op, call] of Object.entries(api))
      api[op] = (input) => {
        if (!(op in NOT_CALLED)) asked.add(op, authorizations.of(op, input));
        return call(input);
      };
  return world;
}

/** A box is frozen, and tells what it did: by commands, as where there is no tunnel. */
async function commandLife(world: Ec2World): Promise<void> {
  const id = await new Users(world).up('shop');
  await world.settle();
  const { box, generation } = await world.session(id);
  const { clock: time } = world;
  const reach = createEc2Reach({
    ssm: world.aws.ssm,
    time,
    random: new SeededRandom(1),
    region: REGION,
    agentPort: 881,
    accessKey: () => 'key',
    env: {},
  });
  // The agent of Systems Manager comes up minutes after the machine.
  for (let tries = 0; tries < TRIES; tries += 1) {
    const frozen = reach.channel.freeze({ boxId: box?.id ?? '', sessionId: id, generation }, 1000).catch(() => {});
    await time.pass(60_000);
    await time.run(frozen);
  }
}

async function forkLife(world: Ec2World): Promise<void> {
  const users = new Users(world);
  const id = await users.up('shop');
  await world.settle();
  await users.write(id, 'a', '1');
  await users.forkLive('shop', id, 'fork');
  await world.settle();
  await users.up('fork', { instanceTypes: ['t3a.small'] });
  await world.settle();
}

/** What `doctor` asks of an account, and of its table. */
async function doctorLife(world: Ec2World, database: Database, asked: Asked, names: AccountUnderTest['names']): Promise<void> {
  const { ec2, ssm, accountApi, cloud } = world.aws;
  const account = Object.fromEntries(
    Object.entries(accountApi).map(([op, call]) => [
      op,
      (input: never) => {
        asked.add(op, ofTheAccount(names)[op] ?? []);
        return call(input);
      },
    ]),
  ) as unknown as typeof accountApi;
  const settings = {
    region: REGION,
    subnetIds: [...cloud.catalog.subnets.keys()],
    securityGroupIds: [BOX_GROUP],
    images: { x86_64: names.imageParameters.x86_64 },
    instanceProfile: names.instanceProfile,
    identityIssuer: 'https://issuer.example.com',
    launcherUrl: 'https://devctl.example.com',
    functionName: names.apiFunction,
    credentialsIn: 'the role of the function',
  };
  cloud.catalog.parameters.set(names.imageParameters.x86_64, [...cloud.catalog.images.keys()][0] ?? '');
  await world.clock.run(ec2Checks({ ec2, ssm, account, time: world.clock, settings }));
  await tableChecks(database.client, 'not-there');
}

describe('what a launcher calls', () => {
  const asked = new Asked();
  let database: Database;
  let account: AccountUnderTest;
  let apis: { ec2: Ec2Api; ssm: SsmApi; account: object };
  beforeAll(async () => {
    account = new AccountUnderTest(exampleInput({ deployment: DEPLOYMENT, region: REGION }));
    const { names } = account;
    database = await openDatabase();
    database.client.middlewareStack.add(
      (next, { commandName = '' }) =>
        (args) => {
          asked.add(commandName, ofTheTable(names, commandName, args.input));
          return next(args);
        },
      { step: 'initialize' },
    );
    for (const life of [wholeLife, poolLife, forkLife, commandLife]) await life(await watchedWorld(database, asked, account));
    const last = await watchedWorld(database, asked, account);
    await doctorLife(last, database, asked, names);
    apis = { ec2: last.aws.ec2, ssm: last.aws.ssm, account: last.aws.accountApi };
  }, LIVES_MS);
  afterAll(() => database.close());

  it('its role lets it do, each with the resources, tags and parameters that are really sent', { timeout: LIVES_MS }, async () => {
    const principal = account.session(account.names.launcherRole, account.names.apiFunction);
    const denied: string[] = [];
    for (const { op, action, resource, context } of asked.questions)
      if ((await evaluate({ principal, action, resource, context }, ACCOUNT)) === 'denied')
        denied.push(`${op}: ${action} on ${resource} with ${JSON.stringify(context)}`);
    expect(denied).toEqual([]);
    expect(asked.questions.length).toBeGreaterThan(80);
  });

  it('is every operation of EC2, of Systems Manager and of the account that it knows, but for those that have a reason', () => {
    const known = Object.values(apis).flatMap((api) => Object.keys(api));
    expect(known.filter((op) => !asked.ops.has(op)).sort()).toEqual(Object.keys(NOT_CALLED).sort());
  });

  it('is all that its role is for', () => {
    const actions = new Set(asked.questions.map(({ action }) => action));
    const statements = account.access.roles.get(account.names.launcherRole)?.policies.flatMap(({ policy }) => policy.Statement) ?? [];
    const may = new Set((statements as { Action: string | string[] }[]).flatMap(({ Action }) => Action));
    expect([...may].filter((action) => !actions.has(action) && !CALLED_ELSEWHERE.has(action)).sort()).toEqual([]);
  });
});
