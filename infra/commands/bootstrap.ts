import type { Names } from '../names.ts';

/**
 * Words of `cdk bootstrap` for the deploys that boxes make, under a qualifier of their own. Every role of it has the boundary: as the CDK makes
 * them, the one that deploys may change each stack of the account, and the one that looks up may read everything in it.
 */
export const bootstrapWords = (names: Names, policyArn: string, tags: readonly { key: string; value: string }[]): string[] => [
  'bootstrap',
  `aws://${names.account}/${names.region}`,
  ...['--toolkit-stack-name', names.cdkToolkitStack],
  ...['--qualifier', names.cdkQualifier],
  ...['--cloudformation-execution-policies', policyArn],
  ...['--custom-permissions-boundary', names.boundary],
  '--apply-permissions-boundary-to-all-roles',
  ...tags.flatMap(({ key, value }) => ['--tags', `${key}=${value}`]),
];
