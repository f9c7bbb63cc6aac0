import { afterAll, describe, expect, it } from 'vitest';
import { templateData } from '../../launcher/providers/ec2/template.ts';
import { readLambdaSettings } from '../../launcher/serve/lambda-settings.ts';
import { EXPIRY_ATTRIBUTE, tableDefinition } from '../../launcher/stores/dynamo/table.ts';
import { ofType, only, type Resource, resolved, synthesized, type Template } from './synthesized.ts';

const whole = synthesized({ fallback: { codeBuild: true }, reservedConcurrency: { api: 20, events: 5 } });
const plain = synthesized({ reservedConcurrency: null, architectures: ['arm64'] }, null);
afterAll(() => {
  whole.remove();
  plain.remove();
});
const { template, assetsTemplate, names } = whole;
const every: [string, Template][] = [
  ['whole', template],
  ['without an account', plain.template],
  ['assets', assetsTemplate],
];

/** Statements of every policy of a template, whatever it is attached to. */
function statements({ Resources }: Template): { id: string; statement: Record<string, unknown> }[] {
  const documents = (value: unknown): Record<string, unknown>[] => {
    if (Array.isArray(value)) return value.flatMap(documents);
    if (typeof value !== 'object' || value === null) return [];
    const { Statement: own } = value as { Statement?: Record<string, unknown>[] };
    return [...(Array.isArray(own) ? own : []), ...Object.values(value).flatMap(documents)];
  };
  return Object.entries(Resources).flatMap(([id, { Properties }]) => documents(Properties).map((statement) => ({ id, statement })));
}

describe('the network', () => {
  it('lets nothing in', () => {
    const group = only(template, 'AWS::EC2::SecurityGroup');
    expect(group.Properties['SecurityGroupIngress']).toBeUndefined();
    expect(ofType(template, 'AWS::EC2::SecurityGroupIngress')).toEqual([]);
    const egress = group.Properties['SecurityGroupEgress'] as { FromPort: number; ToPort: number; IpProtocol: string }[];
    expect(egress.map(({ FromPort, ToPort, IpProtocol }) => `${IpProtocol} ${FromPort}-${ToPort}`)).toEqual([
      'tcp 443-443',
      'tcp 80-80',
      'tcp 22-22',
    ]);
  });

  it('has public subnets in several zones, and gateway endpoints, which cost nothing', () => {
    const subnets = ofType(template, 'AWS::EC2::Subnet');
    expect(subnets.map(({ Properties }) => resolved(Properties['AvailabilityZone']))).toEqual(
      [0, 1, 2].map((index) => ({ 'Fn::Select': [index, { 'Fn::GetAZs': '' }] })),
    );
    expect(subnets.map(({ Properties }) => Properties['CidrBlock'])).toEqual(['10.73.0.0/20', '10.73.16.0/20', '10.73.32.0/20']);
    expect(ofType(template, 'AWS::EC2::SubnetRouteTableAssociation')).toHaveLength(3);
    expect(only(template, 'AWS::EC2::Route').Properties).toMatchObject({
      DestinationCidrBlock: '0.0.0.0/0',
      GatewayId: { Ref: expect.stringMatching(/Gateway/) },
    });
    const endpoints = ofType(template, 'AWS::EC2::VPCEndpoint');
    expect(endpoints.map(({ Properties }) => [Properties['VpcEndpointType'], Properties['ServiceName']])).toEqual([
      ['Gateway', 'com.amazonaws.eu-central-1.s3'],
      ['Gateway', 'com.amazonaws.eu-central-1.dynamodb'],
    ]);
  });

  it('is one that is there when the file names it, and then only a security group is made', () => {
    const subnets = [
      { id: 'subnet-0123456789abcdef0', az: 'eu-central-1a' },
      { id: 'subnet-0123456789abcdef1', az: 'eu-central-1b' },
    ];
    const { template: own, remove } = synthesized({ network: { vpcId: 'vpc-0123456789abcdef0', subnets } });
    expect(Object.values(own.Resources).flatMap(({ Type }) => (Type.startsWith('AWS::EC2::') ? [Type] : []))).toEqual([
      'AWS::EC2::SecurityGroup',
      'AWS::EC2::LaunchTemplate',
      'AWS::EC2::LaunchTemplate',
    ]);
    expect(only(own, 'AWS::EC2::SecurityGroup').Properties['VpcId']).toBe('vpc-0123456789abcdef0');
    expect(settingsOf(own).subnets).toEqual(subnets);
    remove();
  });
});

describe('state', () => {
  it('has the table that the launcher would make itself', () => {
    const { Properties: properties, DeletionPolicy, UpdateReplacePolicy } = only(template, 'AWS::DynamoDB::Table');
    const { Tags, DeletionProtectionEnabled, PointInTimeRecoverySpecification, TimeToLiveSpecification, ...definition } = properties;
    expect(definition).toEqual(tableDefinition(names.table));
    expect(TimeToLiveSpecification).toEqual({ AttributeName: EXPIRY_ATTRIBUTE, Enabled: true });
    expect(PointInTimeRecoverySpecification).toEqual({ PointInTimeRecoveryEnabled: true });
    expect(DeletionProtectionEnabled).toBe(true);
    expect([DeletionPolicy, UpdateReplacePolicy]).toEqual(['Retain', 'Retain']);
    expect(Tags).toBeDefined();
  });

  it('has a bucket that is encrypted, closed, and empties itself', () => {
    const bucket = only(template, 'AWS::S3::Bucket');
    expect(bucket.Properties).toMatchObject({
      BucketName: names.bucket,
      BucketEncryption: { ServerSideEncryptionConfiguration: [{ ServerSideEncryptionByDefault: { SSEAlgorithm: 'AES256' } }] },
      PublicAccessBlockConfiguration: {
        BlockPublicAcls: true,
        BlockPublicPolicy: true,
        IgnorePublicAcls: true,
        RestrictPublicBuckets: true,
      },
      LifecycleConfiguration: {
        Rules: [{ ExpirationInDays: 30, Status: 'Enabled', AbortIncompleteMultipartUpload: { DaysAfterInitiation: 1 } }],
      },
    });
    expect(bucket.DeletionPolicy).toBe('Retain');
  });

  it.each(every)('lets nobody into a bucket, a queue or a topic without TLS: %s', (_, given) => {
    const policies = ['AWS::S3::BucketPolicy', 'AWS::SQS::QueuePolicy', 'AWS::SNS::TopicPolicy'].flatMap((type) => ofType(given, type));
    const holders = ['AWS::S3::Bucket', 'AWS::SQS::Queue', 'AWS::SNS::Topic'].flatMap((type) => ofType(given, type));
    expect(policies).toHaveLength(holders.length);
    for (const { Properties } of policies) {
      const { Statement: own } = Properties['PolicyDocument'] as { Statement: { Effect: string; Condition?: { Bool?: object } }[] };
      expect(
        own.some(({ Effect, Condition }) => Effect === 'Deny' && JSON.stringify(Condition?.Bool) === '{"aws:SecureTransport":"false"}'),
      ).toBe(true);
    }
  });

  it('keeps logs for a week, and those of boxes and sessions for a month', () => {
    const kept = Object.fromEntries(
      ofType(template, 'AWS::Logs::LogGroup').map(({ Properties }) => [Properties['LogGroupName'], Properties['RetentionInDays']]),
    );
    const { api, events, boxes, sessions, build } = names.logGroups;
    expect(kept).toEqual({ [api]: 7, [events]: 7, [build]: 7, [boxes]: 30, [sessions]: 30 });
  });
});

const settingsOf = (given: Template) => {
  const [{ Properties } = {} as Resource] = ofType(given, 'AWS::Lambda::Function');
  const { DEVCTL_SETTINGS: json } = (Properties['Environment'] as { Variables: { DEVCTL_SETTINGS: unknown } }).Variables;
  // As CloudFormation fills them in.
  const filled = String(resolved(json))
    .replace(/<[^>]*Subnet(\d)[^>]*\.AvailabilityZone>/g, 'eu-central-1$1')
    .replace(/<[^>]*Subnet(\d)[^>]*>/g, 'subnet-0123456789abcdef$1')
    .replace(/<[^>]*Secret[^>]*>/g, 'arn:aws:secretsmanager:eu-central-1:123456789012:secret:devctl/launcher-a1B2c3');
  return readLambdaSettings({ DEVCTL_SETTINGS: filled });
};

describe('the launcher', () => {
  const functions = ofType(template, 'AWS::Lambda::Function');

  it('is two functions of one bundle on arm64, with settings that it can read', () => {
    expect(
      functions.map(({ Properties }) => [
        Properties['FunctionName'],
        Properties['Handler'],
        Properties['Runtime'],
        Properties['Architectures'],
      ]),
    ).toEqual([
      ['devctl-api', 'index.api', 'nodejs24.x', ['arm64']],
      ['devctl-events', 'index.events', 'nodejs24.x', ['arm64']],
    ]);
    expect(functions[0]?.Properties['Code']).toEqual(functions[1]?.Properties['Code']);
    expect(functions[0]?.Properties['Environment']).toEqual(functions[1]?.Properties['Environment']);
    expect(settingsOf(template)).toMatchObject({
      deployment: 'devctl',
      launchTemplates: { x86_64: 'devctl-x86_64', arm64: 'devctl-arm64' },
      imageParameters: { x86_64: '/devctl/image/x86_64', arm64: '/devctl/image/arm64' },
      budgets: { deploymentMicroUsd: 50_000_000, ownerMicroUsd: null },
    });
    expect(settingsOf(plain.template).launchTemplates).toEqual({ arm64: 'devctl-arm64' });
  });

  it('is reached by signed requests only, and streams its answers', () => {
    expect(only(template, 'AWS::Lambda::Url').Properties).toMatchObject({ AuthType: 'AWS_IAM', InvokeMode: 'RESPONSE_STREAM' });
    const callers = ofType(template, 'AWS::Lambda::Permission').map(({ Properties }) => [Properties['Principal'], Properties['Action']]);
    expect(new Set(callers.map(String))).toEqual(new Set(['events.amazonaws.com,lambda:InvokeFunction']));
  });

  it('runs no more at once than the file says, or as the account lets', () => {
    expect(functions.map(({ Properties }) => Properties['ReservedConcurrentExecutions'])).toEqual([20, 5]);
    expect(ofType(plain.template, 'AWS::Lambda::Function').map(({ Properties }) => Properties['ReservedConcurrentExecutions'])).toEqual([
      undefined,
      undefined,
    ]);
  });

  it('settings stay below what Lambda takes for the largest file', () => {
    const subnets = Array.from({ length: 12 }, (_, n) => ({ id: `subnet-0123456789abcde${n + 10}`, az: `eu-central-1${'abc'[n % 3]}` }));
    const windows = Array.from({ length: 20 }, () => 'mon-fri 08:00-19:00 America/Argentina/Buenos_Aires=100');
    const pool = { base: 1, windows, boxSize: 'medium' as const };
    const { template: large, remove } = synthesized({
      network: { vpcId: 'vpc-0123456789abcdef0', subnets },
      pool,
      deployment: 'a-very-long-name-20c',
    });
    const [{ Properties } = {} as Resource] = ofType(large, 'AWS::Lambda::Function');
    // All variables of a function have 4 KB (Lambda quotas).
    expect(JSON.stringify(resolved(Properties['Environment'])).length).toBeLessThan(4096);
    remove();
  });
});

describe('what wakes it up', () => {
  it('is the cron of each minute and the events of EC2, each with a dead-letter queue and bounds', () => {
    const rules = ofType(template, 'AWS::Events::Rule');
    const detail = ({ Properties }: Resource) =>
      (Properties['EventPattern'] as { 'detail-type'?: string[] } | undefined)?.['detail-type']?.[0] ?? Properties['ScheduleExpression'];
    expect(rules.map(detail)).toEqual([
      'rate(1 minute)',
      'EC2 Instance State-change Notification',
      'EC2 Spot Instance Interruption Warning',
      'EC2 Instance Rebalance Recommendation',
      'EBS Snapshot Notification',
      'EBS Volume Notification',
    ]);
    for (const { Properties } of rules) {
      const [target] = Properties['Targets'] as {
        DeadLetterConfig: object;
        RetryPolicy: { MaximumRetryAttempts: number; MaximumEventAgeInSeconds: number };
      }[];
      expect(target?.DeadLetterConfig).toEqual({ Arn: { 'Fn::GetAtt': [expect.stringMatching(/^DeadLettersRules/), 'Arn'] } });
      expect(target?.RetryPolicy.MaximumRetryAttempts).toBeLessThanOrEqual(3);
      expect(target?.RetryPolicy.MaximumEventAgeInSeconds).toBeLessThanOrEqual(300);
    }
  });

  it('asynchronous calls are bounded, and kept when they fail each time', () => {
    expect(only(template, 'AWS::Lambda::EventInvokeConfig').Properties).toMatchObject({
      FunctionName: { Ref: expect.stringMatching(/^LauncherEvents/) },
      MaximumRetryAttempts: 2,
      MaximumEventAgeInSeconds: 600,
      DestinationConfig: { OnFailure: { Destination: { 'Fn::GetAtt': [expect.stringMatching(/^DeadLettersCalls/), 'Arn'] } } },
    });
  });

  it('queues are encrypted', () => {
    const queues = ofType(template, 'AWS::SQS::Queue');
    expect(queues.map(({ Properties }) => [Properties['QueueName'], Properties['SqsManagedSseEnabled']])).toEqual([
      [names.deadLetters.rules, true],
      [names.deadLetters.calls, true],
    ]);
  });
});

describe('boxes', () => {
  const templates = ofType(template, 'AWS::EC2::LaunchTemplate');

  it('start from templates that say what those of the launcher say, without an image', () => {
    expect(templates.map(({ Properties }) => Properties['LaunchTemplateName'])).toEqual(['devctl-x86_64', 'devctl-arm64']);
    const { ImageId, ...expected } = templateData({
      deployment: 'devctl',
      imageId: '',
      instanceProfileArn: 'profile',
      securityGroupIds: ['group'],
      launcherUrl: 'url',
    });
    for (const { Properties } of templates) {
      const text = JSON.stringify(resolved(Properties['LaunchTemplateData'] as object))
        .replace(/<[^>]*Profile[^>]*>/, 'profile')
        .replace(/<[^>]*Group[^>]*>/, 'group');
      const { UserData, BlockDeviceMappings, TagSpecifications, NetworkInterfaces, ...data } = JSON.parse(text);
      const { UserData: userData, NetworkInterfaces: [card] = [], ...rest } = expected;
      expect(data).toEqual(rest);
      expect(NetworkInterfaces).toEqual([{ ...card, DeleteOnTermination: true }]);
      expect(decoded(UserData).replace(/<[^>]*FunctionUrl>/, 'url')).toBe(decoded(userData ?? ''));
      expect(BlockDeviceMappings).toEqual([
        { DeviceName: '/dev/sda1', Ebs: { Encrypted: true, VolumeType: 'gp3', DeleteOnTermination: true } },
      ]);
      expect(data.MetadataOptions.HttpTokens).toBe('required');
      expect(TagSpecifications).toHaveLength(1);
    }
  });

  it('are let into as the user dev, and what is typed is kept', () => {
    const { Content, DocumentType, Name } = only(template, 'AWS::SSM::Document').Properties as {
      Content: { inputs: object };
      DocumentType: string;
      Name: string;
    };
    expect([Name, DocumentType]).toEqual([names.sessionDocument, 'Session']);
    expect(Content.inputs).toMatchObject({ runAsEnabled: true, runAsDefaultUser: 'dev', cloudWatchLogGroupName: names.logGroups.sessions });
  });

  it('no image is in the stack: publishing one is the bake', () => {
    expect(ofType(template, 'AWS::SSM::Parameter')).toEqual([]);
    expect(JSON.stringify(template)).not.toMatch(/"ImageId"|ami-/);
  });
});

const decoded = (base64: string): string => Buffer.from(base64, 'base64').toString();

describe('guardrails', () => {
  it('the budget is that of the file, and mails are sent before it is spent', () => {
    const { Budget, NotificationsWithSubscribers: notices } = only(template, 'AWS::Budgets::Budget').Properties as {
      Budget: object;
      NotificationsWithSubscribers: { Notification: { NotificationType: string; Threshold: number }; Subscribers: object[] }[];
    };
    expect(Budget).toMatchObject({ BudgetType: 'COST', TimeUnit: 'MONTHLY', BudgetLimit: { Amount: 50, Unit: 'USD' } });
    expect(notices.map(({ Notification: { NotificationType: type, Threshold: percent } }) => `${type} ${percent}`)).toEqual([
      'ACTUAL 50',
      'ACTUAL 80',
      'ACTUAL 100',
      'FORECASTED 100',
    ]);
    for (const { Subscribers } of notices) expect(Subscribers).toEqual([{ SubscriptionType: 'EMAIL', Address: 'team@example.com' }]);
  });

  it('another address makes a budget of another name, since the old one goes after it; the amount changes it in place', () => {
    const nameOf = (change: object): string => {
      const made = synthesized(change);
      const { Budget } = only(made.template, 'AWS::Budgets::Budget').Properties as { Budget: { BudgetName: string } };
      made.remove();
      return Budget.BudgetName;
    };
    const before = nameOf({});
    expect(before).toMatch(/^devctl-[0-9a-f]{8}$/);
    expect(nameOf({ budgetUsd: 20 })).toBe(before);
    expect(nameOf({ alertEmails: ['other@example.com'] })).not.toBe(before);
  });

  it('alarms tell of silence, orphans, dead letters, failures and throttles, and are the ten that cost nothing', () => {
    const alarms = ofType(template, 'AWS::CloudWatch::Alarm');
    const told = alarms.map(({ Properties }) => `${Properties['Namespace']} ${Properties['MetricName']} ${Properties['TreatMissingData']}`);
    expect(told).toEqual([
      'devctl/devctl ReaperPass breaching',
      'devctl/devctl OrphansFound notBreaching',
      'devctl/devctl Failures notBreaching',
      'devctl/devctl Throttles notBreaching',
      'AWS/SQS ApproximateNumberOfMessagesVisible notBreaching',
      'AWS/SQS ApproximateNumberOfMessagesVisible notBreaching',
      'AWS/Lambda Errors notBreaching',
      'AWS/Lambda Errors notBreaching',
      'AWS/Lambda Throttles notBreaching',
      'AWS/Lambda Throttles notBreaching',
    ]);
    const topic = Object.entries(template.Resources).find(([, { Type }]) => Type === 'AWS::SNS::Topic')?.[0];
    for (const { Properties } of alarms) {
      expect(Properties['AlarmActions']).toEqual([{ Ref: topic }]);
      // Figures of the launcher have no dimension, so an alarm with one would never see any.
      if (String(Properties['Namespace']).startsWith('devctl/')) expect(Properties['Dimensions']).toBeUndefined();
      // A figure of a math expression would count as several alarms.
      expect(Properties['Metrics']).toBeUndefined();
    }
  });

  it.each(every)('everything that can have tags has those of a sweeper: %s', (_, given) => {
    const without = Object.entries(given.Resources).flatMap(([id, resource]) =>
      tagText(resource).includes('env=dev owner=ai ttl=72h') ? [] : [`${resource.Type} ${id.replace(/[A-F0-9]{8}$/, '')}`],
    );
    // A policy of a role, a permission or an endpoint's route is part of what has them; a dashboard cannot have any yet.
    expect(without.map((line) => line.split(' ')[0] as string).filter((type) => !UNTAGGABLE.has(type))).toEqual([]);
  });

  it('the stack cannot be deleted by mistake', () => {
    expect(whole.stack.terminationProtection).toBe(true);
  });
});

/** Types of CloudFormation that know no tags, as of its resource specification. */
const UNTAGGABLE = new Set([
  'AWS::CloudWatch::Dashboard',
  'AWS::EC2::Route',
  'AWS::EC2::SubnetRouteTableAssociation',
  'AWS::EC2::VPCGatewayAttachment',
  'AWS::IAM::InstanceProfile',
  'AWS::IAM::ManagedPolicy',
  'AWS::IAM::Policy',
  'AWS::Lambda::EventInvokeConfig',
  'AWS::Lambda::Permission',
  'AWS::Lambda::Url',
  'AWS::S3::BucketPolicy',
  'AWS::SNS::Subscription',
  'AWS::SNS::TopicPolicy',
  'AWS::SQS::QueuePolicy',
]);

function tagText({ Properties }: Resource): string {
  const { Tags, ResourceTags, TagSpecifications } = Properties as Record<
    string,
    { Key: string; Value: string; Tags?: { Key: string; Value: string }[] }[] | undefined
  >;
  const list = Tags ?? ResourceTags ?? TagSpecifications?.[0]?.Tags ?? [];
  return ['env', 'owner', 'ttl'].map((key) => `${key}=${list.find(({ Key }) => Key === key)?.Value}`).join(' ');
}

describe('the whole', () => {
  it.each(every)('allows nothing to everybody: %s', (_, given) => {
    for (const { id, statement } of statements(given)) {
      if (statement['Effect'] !== 'Allow') continue;
      const principals = JSON.stringify(statement['Principal'] ?? {});
      expect(principals, id).not.toMatch(/"\*"/);
      const isAll = [statement['Action']].flat().includes('*');
      expect(isAll, `${id} allows every action`).toBe(false);
    }
    expect(statements(given).length).toBeGreaterThan(0);
  });

  it.each(every)('is only of kinds that cost nothing by being there, but for one secret: %s', (title, given) => {
    const kinds = new Set(Object.values(given.Resources).map(({ Type }) => Type));
    expect([...kinds].filter((kind) => !FREE_WHILE_IDLE.has(kind))).toEqual(title === 'assets' ? [] : ['AWS::SecretsManager::Secret']);
    if (title !== 'assets') only(given, 'AWS::SecretsManager::Secret');
  });

  it('has CodeBuild only when it is asked for', () => {
    expect(ofType(template, 'AWS::CodeBuild::Project')).toHaveLength(1);
    expect(ofType(plain.template, 'AWS::CodeBuild::Project')).toEqual([]);
  });

  it('looks nothing up, and asks for no parameter', () => {
    expect(template.Parameters).toBeUndefined();
    expect(plain.app.synth().manifest.missing).toBeUndefined();
    expect(JSON.stringify(plain.template)).not.toContain('123456789012');
  });
});

/** A NAT, an interface endpoint, an address, a key, a rotation or a load balancer is not among them. A dashboard is one of three, alarms are ten of ten. */
const FREE_WHILE_IDLE = new Set([
  'AWS::Budgets::Budget',
  'AWS::CloudWatch::Alarm',
  'AWS::CloudWatch::Dashboard',
  'AWS::CodeBuild::Project',
  'AWS::DynamoDB::Table',
  'AWS::EC2::InternetGateway',
  'AWS::EC2::LaunchTemplate',
  'AWS::EC2::Route',
  'AWS::EC2::RouteTable',
  'AWS::EC2::SecurityGroup',
  'AWS::EC2::Subnet',
  'AWS::EC2::SubnetRouteTableAssociation',
  'AWS::EC2::VPC',
  'AWS::EC2::VPCEndpoint',
  'AWS::EC2::VPCGatewayAttachment',
  'AWS::Events::Rule',
  'AWS::IAM::InstanceProfile',
  'AWS::IAM::ManagedPolicy',
  'AWS::IAM::Policy',
  'AWS::IAM::Role',
  'AWS::Lambda::EventInvokeConfig',
  'AWS::Lambda::Function',
  'AWS::Lambda::Permission',
  'AWS::Lambda::Url',
  'AWS::Logs::LogGroup',
  'AWS::S3::Bucket',
  'AWS::S3::BucketPolicy',
  'AWS::SNS::Subscription',
  'AWS::SNS::Topic',
  'AWS::SNS::TopicPolicy',
  'AWS::SQS::Queue',
  'AWS::SQS::QueuePolicy',
  'AWS::SSM::Document',
]);
