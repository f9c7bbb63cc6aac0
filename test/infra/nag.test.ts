import { AwsSolutionsChecks } from 'cdk-nag';
import { afterAll, describe, expect, it } from 'vitest';
import { EXCEPTIONS } from './nag.exceptions.ts';
import { synthesized } from './synthesized.ts';

const deployment = synthesized({
  fallback: { codeBuild: true },
  target: {
    cluster: 'generators',
    repositories: ['generator'],
    taskDefinitions: ['generator'],
    taskRoles: ['generator-task'],
    executionRoles: ['generator-execution'],
    secrets: ['arn:aws:secretsmanager:eu-central-1:123456789012:secret:npm-a1B2c3'],
    stacks: ['GeneratorDev'],
    logGroups: ['/ecs/generator'],
  },
});
afterAll(deployment.remove);

/** `AwsSolutions-IAM5[Resource::*]` at a construct. */
interface Finding {
  rule: string;
  finding: string;
  path: string;
}

function findings(): Finding[] {
  const { violations } = new AwsSolutionsChecks(deployment.app).validateScope(deployment.app);
  return violations.flatMap(({ ruleName, violatingResources }) => {
    const [, rule = ruleName, finding = ''] = /^([\w-]+)(?:\[(.*)\])?$/.exec(ruleName) ?? [];
    // The type has no path in it, which is there.
    const constructs = violatingResources as { constructPath?: string }[];
    return constructs.map(({ constructPath: path = '' }) => ({ rule, finding, path }));
  });
}

describe('the rules of AWS Solutions', () => {
  const found = findings();
  const explains = ({ rule, finding, path }: Finding) =>
    EXCEPTIONS.filter((each) => each.rule === rule && each.path.test(path) && (each.finding === undefined || each.finding.test(finding)));

  it('were asked', () => {
    expect(found.length).toBeGreaterThan(20);
  });

  it('find nothing without a reason', () => {
    expect(found.filter((each) => explains(each).length === 0)).toEqual([]);
  });

  it('each reason is one for something', () => {
    const used = new Set(found.flatMap(explains));
    expect(EXCEPTIONS.filter((each) => !used.has(each))).toEqual([]);
    for (const { reason } of EXCEPTIONS) expect(reason.length).toBeGreaterThan(20);
  });
});
