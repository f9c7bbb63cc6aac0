import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TargetConfig } from '../config.ts';
import type { Names } from '../names.ts';
import { Failure } from './failure.ts';

const TEMPLATE = 'node_modules/aws-cdk/lib/api/bootstrap/bootstrap-template.yaml';

/** The text between two marks, with the first and without the second. */
interface Cut {
  from: string;
  to: string;
  with: (found: string) => string;
}

/**
 * The CDK's own bootstrap, with less in it: its deploy role may change every stack of the account and write into every bucket of others, and its lookup role may
 * read everything, the records of this launcher included. Here the deploy role knows the stacks of the target, and the lookup role what networks look like.
 * What CloudFormation then does is bounded by the execution policy and the boundary, which the stack has made.
 * @throws Failure when the template is not the one that this was written for
 */
export function boundedTemplate(template: string, { target }: TargetConfig): string {
  const stacks = target.stacks
    .map(
      (name) => `                  - Fn::Sub: "arn:\${AWS::Partition}:cloudformation:\${AWS::Region}:\${AWS::AccountId}:stack/${name}/*"`,
    )
    .join('\n');
  const onStacks = (found: string): string => once(found, 'Resource: "*"', `Resource:\n${stacks}`);
  const cuts: Cut[] = [
    { from: '- Sid: DeployPermissions', to: '- Sid: PipelineCrossAccountArtifactsBucket', with: onStacks },
    { from: '- Sid: PipelineCrossAccountArtifactsBucket', to: '- Action: iam:PassRole', with: () => '' },
    {
      from: '- Sid: CliPermissions',
      to: '- Sid: CliStagingBucket',
      with: (found) => onStacks(once(found, '                  - sts:GetCallerIdentity\n', '')),
    },
    { from: '- Sid: Refactor', to: "            Version: '2012-10-17'", with: () => '' },
  ];
  const bounded = cuts.reduce(cut, template);
  return once(bounded, ':iam::aws:policy/ReadOnlyAccess"', ':iam::aws:policy/AmazonVPCReadOnlyAccess"');
}

export const readBootstrapTemplate = (root: string): string => readFileSync(join(root, TEMPLATE), 'utf8');

const OTHER =
  'the version of aws-cdk in package.json is another than infra/commands/bootstrap.ts was written for: npm ci, or look at what changed';

function cut(text: string, { from, to, with: change }: Cut): string {
  const start = text.indexOf(from);
  const end = text.indexOf(to, start);
  if (start < 0 || end < 0 || text.indexOf(from, start + 1) >= 0) throw new Failure(`the bootstrap of the CDK has no "${from}"`, OTHER);
  return text.slice(0, start) + change(text.slice(start, end)) + text.slice(end);
}

function once(text: string, from: string, to: string): string {
  const parts = text.split(from);
  if (parts.length !== 2) throw new Failure(`the bootstrap of the CDK has ${parts.length - 1} times "${from}", and not once`, OTHER);
  return parts.join(to);
}

/** Words of `cdk bootstrap` for the deploys of boxes. */
export const bootstrapWords = (names: Names, templatePath: string, policyArn: string, tags: { key: string; value: string }[]): string[] => [
  'bootstrap',
  `aws://${names.account}/${names.region}`,
  ...['--template', templatePath],
  ...['--toolkit-stack-name', names.cdkToolkitStack],
  ...['--qualifier', names.cdkQualifier],
  ...['--cloudformation-execution-policies', policyArn],
  ...['--custom-permissions-boundary', names.boundary],
  ...tags.flatMap(({ key, value }) => ['--tags', `${key}=${value}`]),
];
