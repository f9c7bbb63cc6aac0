import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { deployedDocuments } from '../../.ci/deployed.ts';
import { type Deployed, synthesize } from '../../.ci/deployment.ts';
import { graphOf } from '../../.ci/picture/graph.ts';
import type { TargetConfigInput } from '../../infra/config.ts';
import { planMonth, type Team, TYPE_OF_SIZE } from '../../launcher/contract/plan.ts';
import { planStanding } from '../../launcher/contract/plan-standing.ts';
import type { Template } from '../../launcher/contract/plan-template.ts';
import { runLine } from '../support/command-line.ts';
import { expectReadable } from '../support/drawing.ts';

const ROOT = new URL('../..', import.meta.url).pathname;
const USD = 1_000_000;
let deployed: Deployed;
let template: Template;
beforeAll(() => {
  deployed = synthesize(ROOT);
  template = deployed.template;
});

const withOne = (type: string, properties: Record<string, unknown> = {}): Template => ({
  ...template,
  resources: [...template.resources, { id: 'Another', type, properties }],
});
const api = () => template.resources.find(({ properties }) => properties['FunctionName'] === 'devctl-api')?.id;

/** Hours in boxes, as the published figures are worked. */
const team = (patch: Partial<Team> = {}): Team => ({
  developers: 1,
  hours: 126,
  type: TYPE_OF_SIZE.medium,
  workspaceGiB: 60,
  idleTtlMs: 0,
  keepVolumeMs: 0,
  pool: 0,
  ...patch,
});
const monthUsd = (patch: Partial<Team> = {}): number =>
  (planMonth(team(patch), (boxHours) => planStanding(template, boxHours).microUsd).ways[0]?.teamMicroUsd ?? Number.NaN) / USD;

describe('what the deployed system costs', () => {
  it('is at most a dollar a month while nobody works', () => {
    expect(planStanding(template).microUsd).toBeLessThanOrEqual(USD);
    expect(planStanding(template).microUsd).toBeGreaterThan(0.8 * USD);
    expect(monthUsd({ developers: 0 })).toBeLessThanOrEqual(1);
  });

  it.each([
    ['a NAT gateway', 32.85, () => withOne('AWS::EC2::NatGateway')],
    ['a key of its own', 1, () => withOne('AWS::KMS::Key')],
    [
      'an interface endpoint in two zones',
      14.6,
      () => withOne('AWS::EC2::VPCEndpoint', { VpcEndpointType: 'Interface', SubnetIds: ['a', 'b'] }),
    ],
    ['an address', 3.65, () => withOne('AWS::EC2::EIP')],
    ['an eleventh alarm', 0.1, () => withOne('AWS::CloudWatch::Alarm')],
    [
      'a function that is kept ready',
      8.76,
      () =>
        withOne('AWS::Lambda::Alias', {
          FunctionName: { Ref: api() },
          ProvisionedConcurrencyConfig: { ProvisionedConcurrentExecutions: 1 },
        }),
    ],
  ])('would be more with %s: $%d', (_, usd, changed) => {
    const { microUsd } = planStanding(changed());
    expect((microUsd - planStanding(template).microUsd) / USD).toBeCloseTo(usd, 2);
    expect(microUsd).toBeGreaterThan(0.97 * USD);
  });

  it('is not known where a type has no price', () => {
    expect(() => planStanding(withOne('AWS::ElasticLoadBalancingV2::LoadBalancer'))).toThrow('AWS::ElasticLoadBalancingV2::LoadBalancer');
  });

  it('is at most $10 for one developer, 126 h in boxes and 60 GB, and under $50 for five', () => {
    expect(monthUsd()).toBeLessThanOrEqual(10);
    expect(monthUsd({ type: 'm7a.large' })).toBeLessThanOrEqual(10);
    expect(monthUsd({ developers: 5 })).toBeLessThan(50);
    expect(monthUsd()).toBeGreaterThan(monthUsd({ developers: 0 }) + 5);
  });

  it.each<[string, Partial<TargetConfigInput>]>([
    ['both processors', { architectures: ['x86_64', 'arm64'] }],
    ['builds where there is no machine', { fallback: { codeBuild: true } }],
    [
      'a network that is there already',
      {
        network: {
          vpcId: 'vpc-0123456789abcdef0',
          subnets: [
            { id: 'subnet-0123456789abcdef0', az: 'eu-central-1a' },
            { id: 'subnet-0123456789abcdef1', az: 'eu-central-1b' },
          ],
        },
      },
    ],
  ])('is known with %s, too', (_, patch) => {
    const { template: other } = synthesize(ROOT, patch);
    expect(planStanding(other).microUsd).toBeLessThan(1.5 * USD);
    expect(graphOf(other).nodes.filter(({ group }) => group === 'others')).toEqual([]);
  });

  it('is what devctl cost says of the same template', async () => {
    const dir = mkdtempSync(join(tmpdir(), 'devctl-deployed-'));
    try {
      writeFileSync(join(dir, 'devctl.template.json'), deployed.stacks['devctl'] ?? '');
      const { code, out, err } = await runLine(dir, 'cost --plan --template devctl.template.json --json');
      expect([code, err]).toEqual([0, '']);
      const { standingMicroUsd } = JSON.parse(out) as { standingMicroUsd: number };
      // The bucket for code is in the other stack.
      expect(planStanding(template).microUsd - standingMicroUsd).toBeLessThan(0.01 * USD);
      expect(standingMicroUsd).toBeGreaterThan(0.8 * USD);
    } finally {
      rmSync(dir, { recursive: true });
    }
  });
});

describe('the picture of the deployed system', () => {
  it('has every part of it, and nothing on top of anything else', () => {
    const graph = graphOf(template);
    expect(graph.nodes.filter(({ group }) => group === 'others')).toEqual([]);
    const { 'deployed.svg': svg = '', 'deployed.md': page = '' } = deployedDocuments(template);
    expectReadable(svg);
    for (const type of new Set(template.resources.map((resource) => resource.type))) expect(page).toContain(`\`${type}\``);
  });

  it('says how it works', () => {
    const { nodes, edges } = graphOf(template);
    const titleOf = (id: string): string => nodes.find((node) => node.id === id)?.title ?? id;
    const said = edges.map(({ from, to, kind }) => `${titleOf(from)} ${kind} ${titleOf(to)}`);
    expect(said).toEqual(
      expect.arrayContaining([
        'People uses Function URL',
        'People may devctl-user',
        'Running boxes uses Function URL',
        'Running boxes may devctl-box',
        'Function URL uses devctl-api',
        'devctl-api uses devctl-events',
        'Every minute uses devctl-events',
        'Events of EC2 uses devctl-events',
        'Every minute fails devctl-rules-dead-letters',
        'devctl-events fails devctl-calls-dead-letters',
        'group:launcher uses DynamoDB table',
        'group:launcher uses Secret',
        'group:launcher uses Launch template',
        'group:launcher may devctl-launcher',
        'Launch template uses Running boxes',
        '10 alarms uses devctl-alarms',
        'devctl-alarms uses E-mail',
      ]),
    );
    expect(said).not.toContain('Running boxes uses DynamoDB table');
  });

  it('is another one when the template is', () => {
    const before = deployedDocuments(template)['deployed.svg'];
    const without = (type: string): Template => ({
      ...template,
      resources: template.resources.filter((resource) => resource.type !== type),
    });
    for (const type of [
      'AWS::Lambda::EventInvokeConfig',
      'AWS::CloudWatch::Dashboard',
      'AWS::EC2::InternetGateway',
      'AWS::SNS::Subscription',
    ])
      expect(deployedDocuments(without(type))['deployed.svg']).not.toBe(before);
  });
});
