import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { synthesized } from './synthesized.ts';

/**
 * What keeps something, or is known elsewhere by what AWS calls it. Under another logical id CloudFormation makes a new one and lets the old one go:
 * a table would be empty, the address of the launcher another one in every context and box. A change of this file is a migration.
 */
const KEPT = [
  'AWS::DynamoDB::Table',
  'AWS::EC2::InternetGateway',
  'AWS::EC2::LaunchTemplate',
  'AWS::EC2::SecurityGroup',
  'AWS::EC2::Subnet',
  'AWS::EC2::VPC',
  'AWS::IAM::InstanceProfile',
  'AWS::IAM::ManagedPolicy',
  'AWS::IAM::Role',
  'AWS::Lambda::Function',
  'AWS::Lambda::Url',
  'AWS::Logs::LogGroup',
  'AWS::S3::Bucket',
  'AWS::SecretsManager::Secret',
  'AWS::SQS::Queue',
];

it('what a deployment keeps has the ids that it had', () => {
  const { template, assetsTemplate, remove } = synthesized({ fallback: { codeBuild: true } });
  const ids = { ...template.Resources, ...assetsTemplate.Resources };
  const kept = Object.entries(ids)
    // Policies that did not fit into a role's own are made by the CDK, by their number.
    .filter(([id, { Type }]) => KEPT.includes(Type) && !id.includes('OverflowPolicy'))
    .map(([id, { Type }]) => [id, Type] as const)
    .sort(([a], [b]) => (a < b ? -1 : 1));
  expect(Object.fromEntries(kept)).toEqual(JSON.parse(readFileSync(new URL('logical-ids.json', import.meta.url), 'utf8')));
  remove();
});
