import { describe, expect, it } from 'vitest';
import { firesPerMonth } from '../../../launcher/contract/plan-schedule.ts';
import { planStanding, quantityOf, type Standing } from '../../../launcher/contract/plan-standing.ts';
import { readTemplate, TemplateError } from '../../../launcher/contract/plan-template.ts';
import { templateOf } from '../../support/template.ts';

const standing = (resources: Record<string, unknown> = {}, boxHours = 0): Standing =>
  planStanding(readTemplate(JSON.stringify(templateOf(resources))), boxHours);
const usdOf = (resources: Record<string, unknown>): number => standing(resources).microUsd / 1e6;
const line = (rate: string, resources: Record<string, unknown> = {}, boxHours = 0) =>
  standing(resources, boxHours).lines.find((known) => known.rate === rate);
/** A template of these alone. */
const only = (Resources: Record<string, unknown>, Parameters = {}) => planStanding(readTemplate(JSON.stringify({ Resources, Parameters })));
const many = (count: number, resource: unknown) => Object.fromEntries(Array.from({ length: count }, (_, n) => [`Many${n}`, resource]));
const target = (id: string) => ({ Targets: [{ Arn: { 'Fn::GetAtt': [id, 'Arn'] } }] });
const base = usdOf({});

describe('what stands while nobody works', () => {
  it('is a secret, an image and the passes of each minute: less than a dollar', () => {
    expect(line('secret')).toMatchObject({ units: 1, microUsd: 400_000, freeUnits: 0, resources: ['Secret'] });
    expect(line('image')).toMatchObject({ units: 8, microUsd: 400_000 });
    expect(line('calls')).toMatchObject({ units: 43_800, freeUnits: 43_800, microUsd: 0, withoutFreeMicroUsd: 8_760 });
    expect(line('runArm')).toMatchObject({ units: 43_800, microUsd: 0, assumed: ['2 s a call'] });
    expect(line('runArm')?.withoutFreeMicroUsd).toBe(Math.round(43_800 * 13.3334));
    expect(base).toBeGreaterThan(0.8);
    expect(base).toBeLessThan(1);
  });

  it('is the sum of its lines, each with a price, a page and a date', () => {
    const { lines, microUsd, withoutFreeMicroUsd } = standing();
    expect(lines.reduce((sum, { microUsd }) => sum + microUsd, 0)).toBe(microUsd);
    expect(lines.reduce((sum, { withoutFreeMicroUsd }) => sum + withoutFreeMicroUsd, 0)).toBe(withoutFreeMicroUsd);
    expect(withoutFreeMicroUsd).toBeGreaterThan(microUsd);
    for (const { source, priceMicroUsd } of lines) {
      expect(source).toMatch(/^[\w ]+ pricing, \d{4}-\d\d$/);
      expect(priceMicroUsd).toBeGreaterThan(0);
    }
  });

  it('names what costs nothing, and why', () => {
    expect(standing().unpriced).toEqual(
      expect.arrayContaining([
        { type: 'AWS::IAM::Role', count: 1, why: 'IAM is free' },
        { type: 'Custom::Something', count: 1, why: 'has no price of its own' },
      ]),
    );
  });

  it.each([
    ['a NAT gateway', { Type: 'AWS::EC2::NatGateway' }, 32.85],
    ['an address', { Type: 'AWS::EC2::EIP' }, 3.65],
    ['a key', { Type: 'AWS::KMS::Key' }, 1],
    ['an interface endpoint', { Type: 'AWS::EC2::VPCEndpoint', Properties: { VpcEndpointType: 'Interface', SubnetIds: ['a', 'b'] } }, 14.6],
    ['an interface endpoint of no subnet', { Type: 'AWS::EC2::VPCEndpoint', Properties: { VpcEndpointType: 'Interface' } }, 7.3],
    ['a gateway endpoint', { Type: 'AWS::EC2::VPCEndpoint' }, 0],
    [
      'provisioned concurrency',
      {
        Type: 'AWS::Lambda::Alias',
        Properties: { FunctionName: { Ref: 'Api' }, ProvisionedConcurrencyConfig: { ProvisionedConcurrentExecutions: 2 } },
      },
      (2 * 0.5 * 730 * 3600 * 3.3334) / 1e6,
    ],
    ['an alias', { Type: 'AWS::Lambda::Alias', Properties: { FunctionName: { Ref: 'Api' } } }, 0],
    ['another secret', { Type: 'AWS::SecretsManager::Secret', Properties: { ReplicaRegions: [{ Region: 'eu-west-1' }] } }, 0.8],
    ['a standard parameter', { Type: 'AWS::SSM::Parameter' }, 0],
    ['an advanced parameter', { Type: 'AWS::SSM::Parameter', Properties: { Tier: 'Advanced' } }, 0.05],
    ['a composite alarm', { Type: 'AWS::CloudWatch::CompositeAlarm' }, 0.5],
    ['an alarm by the second', { Type: 'AWS::CloudWatch::Alarm', Properties: { Period: 10 } }, 0.3],
    ['another launch template', { Type: 'AWS::EC2::LaunchTemplate' }, 0.4],
    ['a bucket', { Type: 'AWS::S3::Bucket' }, 0.0023],
    ['a disabled rule', { Type: 'AWS::Events::Rule', Properties: { ScheduleExpression: 'what', State: 'DISABLED' } }, 0],
    ['a disabled schedule', { Type: 'AWS::Scheduler::Schedule', Properties: { State: 'DISABLED' } }, 0],
  ])('%s costs what its price page says', (_, resource, usd) => expect(usdOf({ Another: resource }) - base).toBeCloseTo(usd as number, 5));

  it('charges what is more than an account has free', () => {
    expect(usdOf(many(8, { Type: 'AWS::CloudWatch::Alarm' })) - base).toBe(0);
    expect(usdOf(many(9, { Type: 'AWS::CloudWatch::Alarm' })) - base).toBeCloseTo(0.1, 9);
    expect(usdOf(many(4, { Type: 'AWS::CloudWatch::Dashboard' })) - base).toBe(3);
    expect(usdOf(many(3, { Type: 'AWS::Budgets::BudgetsAction' })) - base).toBeCloseTo(3.04, 2);
  });

  it('counts an alarm by its metrics, and metrics that are not of AWS, each once', () => {
    const metrics = [{ MetricStat: { Metric: { Namespace: 'own', MetricName: 'a' } } }, { Expression: 'a/2' }, { MetricStat: {} }];
    const more = {
      Ratio: { Type: 'AWS::CloudWatch::Alarm', Properties: { Metrics: metrics } },
      Filter: {
        Type: 'AWS::Logs::MetricFilter',
        Properties: {
          MetricTransformations: [
            { MetricNamespace: 'own', MetricName: 'a' },
            { MetricNamespace: 'own', MetricName: 'b' },
          ],
        },
      },
    };
    expect(line('alarm', more)?.units).toBe(4);
    expect(line('metric', more)?.units).toBe(3);
  });

  it('shares what is free between both processors', () => {
    const x86 = { Type: 'AWS::Lambda::Function', Properties: { MemorySize: '10240' } };
    const rule = { Type: 'AWS::Events::Rule', Properties: { ScheduleExpression: 'rate(1 minute)', ...target('Big') } };
    const { lines } = standing({ Big: x86, Often: rule });
    const free = lines.filter(({ rate }) => rate.startsWith('run')).map(({ freeUnits }) => freeUnits);
    expect(free).toEqual([43_800, 400_000 - 43_800]);
    expect(lines.find(({ rate }) => rate === 'runX86')?.microUsd).toBe(Math.round((43_800 * 20 - (400_000 - 43_800)) * 16.6667));
  });

  it('knows a function through an alias or a version', () => {
    const more = {
      Version: { Type: 'AWS::Lambda::Version', Properties: { FunctionName: { Ref: 'Events' } } },
      Alias: { Type: 'AWS::Lambda::Alias', Properties: { FunctionName: { 'Fn::GetAtt': ['Events', 'Arn'] } } },
      Daily: { Type: 'AWS::Events::Rule', Properties: { ScheduleExpression: 'rate(1 day)', Targets: [{ Arn: { Ref: 'Alias' } }] } },
      Nightly: { Type: 'AWS::Scheduler::Schedule', Properties: { ScheduleExpression: 'rate(1 day)', Target: { Arn: { Ref: 'Version' } } } },
    };
    expect(line('calls', more)?.units).toBeCloseTo(43_800 + 2 * (730 / 24), 6);
    expect(line('schedule', more)?.units).toBeCloseTo(730 / 24, 6);
    const ready = {
      Type: 'AWS::Lambda::Version',
      Properties: { FunctionName: { Ref: 'X' }, ProvisionedConcurrencyConfig: { ProvisionedConcurrentExecutions: 1 } },
    };
    expect(only({ X: { Type: 'AWS::Lambda::Function' }, V: ready }).lines).toMatchObject([{ rate: 'readyX86', units: 0.125 * 730 * 3600 }]);
  });

  it('charges the throughput of a table that is not on demand, and of its indexes', () => {
    const ProvisionedThroughput = { ReadCapacityUnits: 20, WriteCapacityUnits: { Ref: 'Writes' } };
    const Properties = { ProvisionedThroughput, GlobalSecondaryIndexes: [{ ProvisionedThroughput }] };
    const { lines } = only({ T: { Type: 'AWS::DynamoDB::Table', Properties } }, { Writes: { Default: '30' } });
    expect(lines.map(({ rate, units, freeUnits }) => [rate, units, freeUnits])).toEqual([
      ['tableStorage', 0.05, 0.05],
      ['reservedReads', 40, 25],
      ['reservedWrites', 60, 25],
    ]);
    expect(only({ T: { Type: 'AWS::DynamoDB::Table' } }).lines).toHaveLength(1);
  });

  it('counts the copies of a global table, and the recovery of each', () => {
    const recovered = { PointInTimeRecoverySpecification: { PointInTimeRecoveryEnabled: true } };
    const Properties = { BillingMode: 'PAY_PER_REQUEST', Replicas: [recovered, recovered, {}] };
    const { lines } = only({ T: { Type: 'AWS::DynamoDB::GlobalTable', Properties } });
    expect(lines.map(({ rate, units }) => [rate, units])).toEqual([
      ['tableStorage', expect.closeTo(0.15, 9)],
      ['tableBackup', 0.1],
    ]);
  });

  it('counts the polling of a queue, and the heartbeats of boxes', () => {
    const mapping = { Type: 'AWS::Lambda::EventSourceMapping', Properties: { EventSourceArn: { 'Fn::GetAtt': ['DeadLetters', 'Arn'] } } };
    expect(line('queue', { Mapping: mapping })).toMatchObject({ units: 657_000, freeUnits: 657_000, withoutFreeMicroUsd: 262_800 });
    expect(line('calls', {}, 100)?.units).toBe(43_800 + 36_000);
    expect(line('metric', {}, 730)?.units).toBe(1 + 4);
    expect(standing({}, 126).microUsd - standing().microUsd).toBeGreaterThan(50_000);
    const { Url: _, ...rest } = templateOf().Resources;
    expect(planStanding(readTemplate(JSON.stringify({ Resources: rest })), 126)).toEqual(
      planStanding(readTemplate(JSON.stringify({ Resources: rest }))),
    );
  });
});

describe('a template with values that make no sense', () => {
  const deep = JSON.parse(`${'['.repeat(50_000)}${']'.repeat(50_000)}`) as unknown;
  it.each([
    { Type: 'AWS::Events::Rule', Properties: { ScheduleExpression: 'rate(1 day)', Targets: [null, 'x'] } },
    { Type: 'AWS::DynamoDB::Table', Properties: { GlobalSecondaryIndexes: [null], PointInTimeRecoverySpecification: null } },
    { Type: 'AWS::CloudWatch::Alarm', Properties: { Metrics: [null, 1], Dimensions: deep } },
    { Type: 'AWS::DynamoDB::GlobalTable', Properties: { BillingMode: 'PAY_PER_REQUEST', Replicas: [null] } },
  ])('is read all the same, $Type', (resource) => {
    const { resources, parameters } = readTemplate(JSON.stringify(templateOf()));
    const odd = { id: 'Odd', type: resource.Type, properties: resource.Properties };
    expect(planStanding({ resources: [...resources, odd], parameters }).microUsd).toBeGreaterThan(800_000);
  });
});

describe('a quantity', () => {
  it.each([
    [43_800, 'calls', '43,800 calls'],
    [1, 'metrics of alarms', '1 metric of alarms'],
    [1, 'addresses', '1 address'],
    [0.0657, 'GB', '0.0657 GB'],
  ])('of %d %s reads %s', (units, unit, text) => expect(quantityOf({ units, unit })).toBe(text));
});

describe('what has no price', () => {
  it.each([
    ['a type that is not in the table', { Type: 'AWS::RDS::DBInstance' }, /AWS::RDS::DBInstance \(Another\)/],
    ['a name that every object has', { Type: 'constructor' }, /constructor/],
    [
      'less than nothing',
      { Type: 'AWS::Lambda::Alias', Properties: { ProvisionedConcurrencyConfig: { ProvisionedConcurrentExecutions: -1 } } },
      /no number/,
    ],
    ['a stack in the stack', { Type: 'AWS::CloudFormation::Stack' }, /AWS::CloudFormation::Stack/],
    [
      'another kind of endpoint',
      { Type: 'AWS::EC2::VPCEndpoint', Properties: { VpcEndpointType: 'GatewayLoadBalancer' } },
      /Another is a VPC/,
    ],
    [
      'an endpoint in zones that are not known',
      { Type: 'AWS::EC2::VPCEndpoint', Properties: { VpcEndpointType: 'Interface', SubnetIds: { Ref: 'x' } } },
      /zones/,
    ],
    [
      'a schedule that is not understood',
      { Type: 'AWS::Events::Rule', Properties: { ScheduleExpression: 'rate(x)', ...target('Api') } },
      /"rate\(x\)"/,
    ],
    [
      'a scheduled build',
      { Type: 'AWS::Events::Rule', Properties: { ScheduleExpression: 'rate(1 day)', ...target('DeadLetters') } },
      /by the clock/,
    ],
    [
      'readiness of an unknown function',
      { Type: 'AWS::Lambda::Version', Properties: { ProvisionedConcurrencyConfig: { ProvisionedConcurrentExecutions: 1 } } },
      /ready/,
    ],
    [
      'a call of what is elsewhere',
      { Type: 'AWS::Events::Rule', Properties: { ScheduleExpression: 'rate(1 day)', Targets: [{ Arn: { 'Fn::Join': [] } }] } },
      /by the clock/,
    ],
    [
      'a number that is none',
      { Type: 'AWS::Lambda::Alias', Properties: { ProvisionedConcurrencyConfig: { ProvisionedConcurrentExecutions: { Ref: 'x' } } } },
      /no number/,
    ],
    ['a stream', { Type: 'AWS::Lambda::EventSourceMapping' }, /no queue/],
    ['a global table by the hour', { Type: 'AWS::DynamoDB::GlobalTable' }, /throughput/],
  ])('%s is an error that names it', (_, resource, message) => {
    expect(() => standing({ Another: resource })).toThrow(TemplateError);
    expect(() => standing({ Another: resource })).toThrow(message as RegExp);
  });

  it.each([
    ['no JSON', '{', 'it is not JSON'],
    ['a list', '[]', 'it is no CloudFormation template'],
    ['nothing that is known', '{"name":"x"}', 'it is no CloudFormation template'],
    ['a resource without a type', '{"Resources":{"A":{}}}', 'it is no CloudFormation template'],
    ['no resource', '{"Resources":{}}', 'it has 0 resources'],
    ['too many', JSON.stringify({ Resources: many(501, { Type: 'AWS::SQS::Queue' }) }), 'it has 501 resources'],
  ])('a file with %s is refused', (_, text, message) => expect(() => readTemplate(text)).toThrow(message));
});

describe('how often a schedule fires', () => {
  it.each([
    ['rate(1 minute)', 43_800],
    ['rate(5 minutes)', 8_760],
    ['rate(2 hours)', 365],
    ['rate(1 day)', 730 / 24],
    ['cron(* * * * ? *)', 43_800],
    ['cron(0/15 8-17 ? * MON-FRI *)', (40 * 730) / 24],
    ['cron(10-59/10,5 0 * * ? *)', (6 * 730) / 24],
    ['cron(*/30 3 * * ? *)', (2 * 730) / 24],
    ['at(2026-12-01T00:00:00)', 0],
    ['rate(0 minutes)', null],
    ['cron(60 0 * * ? *)', null],
    ['cron(0 x * * ? *)', null],
    ['cron(0/0 1 * * ? *)', null],
    ['often', null],
  ])('%s: %s times a month', (expression, times) => {
    if (times === null) expect(firesPerMonth(expression)).toBeNull();
    else expect(firesPerMonth(expression)).toBeCloseTo(times, 6);
  });
});
