import { Effect } from 'aws-cdk-lib/aws-iam';
import { describe, expect, it } from 'vitest';
import { boundaryStatements, cdkExecutionStatements } from '../../infra/access/deploys.ts';
import { userStatements } from '../../infra/access/people.ts';
import { arnsOf, secretArn, TAGGED } from '../../infra/access/statements.ts';
import { parseTargetConfig, type TargetConfigInput } from '../../infra/config.ts';
import { namesOf } from '../../infra/names.ts';
import { TAGS } from '../../launcher/providers/ec2/tags.ts';
import { IMAGE_OF } from '../../packer/images.ts';
import { synthesized } from './synthesized.ts';
import { ACCOUNT } from './who.ts';

const configOf = (target: TargetConfigInput['target']) =>
  parseTargetConfig({ region: 'eu-central-1', alertEmails: ['team@example.com'], target }, 'test');
const namesFor = (deployment: string) => namesOf(deployment, { account: ACCOUNT, region: 'eu-central-1' });

/** Whether the policy lets somebody open the data of a session, whose resource the simulator does not know. */
function opensData(who: Record<string, string>, session: string): boolean {
  const names = namesFor('devctl');
  const arn = arnsOf(names).arn('ssm', `session/${session}`);
  const matches = (pattern: string) => {
    const filled = pattern.replaceAll(/\$\{(aws:[a-z]+)\}/g, (whole, key: string) => who[key] ?? whole);
    return new RegExp(
      `^${filled
        .split('*')
        .map((part) => part.replaceAll(/[$.+^{}()|[\]\\?]/g, String.raw`\$&`))
        .join('.*')}$`,
    ).test(arn);
  };
  const effects = userStatements(names)
    .filter(({ actions, resources }) => actions.includes('ssmmessages:OpenDataChannel') && resources.some(matches))
    .map(({ effect }) => effect);
  return effects.includes(Effect.ALLOW) && !effects.includes(Effect.DENY);
}

describe('policies', () => {
  it.each([
    ['AROA:bob', 'AROA:bob-0123456789abcdef0', true],
    ['AROA:bob', 'AROA:bob-smith-0123456789abcdef0', false],
    ['AROA:bob-smith', 'AROA:bob-smith-0123456789abcdef0', true],
    ['AROA:bob-smith', 'AROA:bob-0123456789abcdef0', false],
  ])('let %s open the data of session %s: %s', (userId, session, expected) => {
    expect(opensData({ 'aws:userid': userId }, session)).toBe(expected);
    // A user of IAM has a name as well.
    const name = (of: string) => of.replace('AROA:', '');
    expect(opensData({ 'aws:userid': 'AIDAX', 'aws:username': name(userId) }, name(session))).toBe(expected);
  });

  it('go by the tags that the launcher and the bake give', () => {
    expect(TAGGED).toEqual({ deployment: TAGS.deployment, owner: TAGS.owner, imageOf: IMAGE_OF });
  });

  it('name a secret by its whole ARN, or with the end that AWS gives it', () => {
    const arn = 'arn:aws:secretsmanager:eu-central-1:123456789012:secret:npm';
    expect(secretArn(`${arn}-a1B2c3`)).toBe(`${arn}-a1B2c3`);
    expect(secretArn(arn)).toBe(`${arn}-??????`);
  });

  // What begins alike cannot be told apart by a policy.
  for (const stack of ['devctl', 'DevCtl', 'cdk', 'CDKToolkit', 'devctl-agent', 'aws'])
    it(`take no stack of the target that is called ${stack}`, () => {
      const names = namesFor('devctl');
      for (const statements of [boundaryStatements, cdkExecutionStatements])
        expect(() => statements(names, configOf({ stacks: ['GeneratorDev', stack] }))).toThrow(`target.stacks: ${stack} would also be`);
    });

  it('take a stack whose name only has one of these in it', () => {
    expect(boundaryStatements(namesFor('devctl'), configOf({ stacks: ['devctl2', 'my-cdk', 'Devctlish'] })).length).toBeGreaterThan(5);
  });

  it('say which list is too long for AWS before anything is deployed', () => {
    const stacks = Array.from({ length: 12 }, (_, index) => `GeneratorStage${index}`);
    expect(() => boundaryStatements(namesFor('devctl'), configOf({ stacks }))).toThrow(
      /^target: the permissions boundary has \d+ characters, and AWS takes 6144: name fewer stacks/,
    );
  });

  it('let boxes deploy nothing where the target has no stack, and read, run and push nothing where it has nothing', {
    timeout: 120_000,
  }, () => {
    const { template, remove } = synthesized({ target: {} });
    remove();
    const box = Object.values(template.Resources)
      .filter(({ Type, Properties }) => Type === 'AWS::IAM::Policy' && JSON.stringify(Properties['Roles']).includes('BoxRole'))
      .flatMap(
        ({ Properties }) => (Properties['PolicyDocument'] as { Statement: { Effect: string; Action: string | string[] }[] }).Statement,
      )
      .filter(({ Effect }) => Effect === 'Allow')
      .flatMap(({ Action }) => Action);
    const services = new Set(box.map((action) => action.split(':')[0]));
    expect([...services].sort()).toEqual(['cloudwatch', 'ec2messages', 'lambda', 'logs', 'ssm', 'ssmmessages']);
  });
});
