import { describe, expect, it } from 'vitest';
import { createSessionSchema } from '../../../launcher/contract/api.ts';
import { mayBeSecret, parseSecretReference, SECRETS_MAX, secretsSchema } from '../../../launcher/contract/secrets.ts';

const ARN = 'arn:aws:secretsmanager:eu-central-1:123456789012:secret:team/npm-a1B2c3';
const VERSION = '01234567-89ab-cdef-0123-456789abcdef';

describe('a reference to a secret', () => {
  it.each([
    [ARN, null, null, null],
    [`${ARN}:token::`, 'token', null, null],
    [`${ARN}::AWSPREVIOUS:`, null, 'AWSPREVIOUS', null],
    [`${ARN}:user name::${VERSION}`, 'user name', null, VERSION],
    [`${ARN}:::`, null, null, null],
  ])('%s is read as ECS does', (text, jsonKey, versionStage, versionId) => {
    expect(parseSecretReference(text)).toEqual({ arn: ARN, partition: 'aws', region: 'eu-central-1', jsonKey, versionStage, versionId });
  });

  it('may be in another partition', () => {
    expect(parseSecretReference(ARN.replace(':aws:', ':aws-cn:').replace('eu-central-1', 'cn-north-1'))).toMatchObject({
      partition: 'aws-cn',
      region: 'cn-north-1',
    });
    expect(parseSecretReference(ARN.replace('eu-central-1', 'us-gov-west-1'))).toMatchObject({ region: 'us-gov-west-1' });
  });

  it.each([
    ['npm_abcdefghijklmnop', /not the ARN of a secret/],
    ['team/npm', /not the ARN/],
    [ARN.replace('secretsmanager', 'ssm'), /not the ARN/],
    [ARN.replace('eu-central-1', 'evil.example.com/'), /not the ARN/],
    [ARN.replace('123456789012', '12345'), /not the ARN/],
    [`${ARN}:token`, /has not all parts/],
    [`${ARN}:token:::`, /has not all parts/],
    [`${ARN}:a\u0007b::`, /control character/],
    [`${ARN}::no stage:`, /no usable version stage/],
    [`${ARN}:::short`, /no usable version id/],
    [`${ARN}::AWSCURRENT:${VERSION}`, /names a version twice/],
  ])('%s is refused', (text, why) => {
    expect(parseSecretReference(text)).toMatch(why);
  });
});

describe('the secrets of a session', () => {
  const issuesOf = (secrets: unknown) =>
    createSessionSchema.safeParse({ workspace: 'shop', secrets }).error?.issues.map(({ path, message }) => `${path.join('.')}: ${message}`);

  it('have names of variables, each once, and each wrong field is named', () => {
    expect(secretsSchema.parse([{ name: 'NPM_TOKEN', valueFrom: ARN }])).toHaveLength(1);
    expect(issuesOf([{ name: 'NPM-TOKEN', valueFrom: ARN }])?.[0]).toMatch(/^secrets\.0\.name: use 1 to 128/);
    expect(issuesOf([{ name: '../x', valueFrom: 'x' }])?.map((text) => text.split(':')[0])).toEqual([
      'secrets.0.name',
      'secrets.0.valueFrom',
    ]);
    expect(
      issuesOf([
        { name: 'A', valueFrom: ARN },
        { name: 'A', valueFrom: ARN },
      ]),
    ).toEqual(['secrets.1.name: is there twice: use each name once']);
    expect(issuesOf([{ name: 'A', valueFrom: ARN, value: 'x' }])?.[0]).toMatch(/^secrets\.0: /);
    expect(issuesOf(Array.from({ length: SECRETS_MAX + 1 }, (_, n) => ({ name: `A${n}`, valueFrom: ARN })))).toHaveLength(1);
  });

  it('are never shown where they were refused: it may be a value', () => {
    expect([['secrets', 0, 'valueFrom'], ['secretFiles', 0], ['workspace']].map(mayBeSecret)).toEqual([true, true, false]);
  });
});
