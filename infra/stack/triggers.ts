import { Duration } from 'aws-cdk-lib';
import { type EventPattern, Rule, Schedule } from 'aws-cdk-lib/aws-events';
import { LambdaFunction as LambdaTarget } from 'aws-cdk-lib/aws-events-targets';
import type { Function as LambdaFunction } from 'aws-cdk-lib/aws-lambda';
import { Queue, QueueEncryption } from 'aws-cdk-lib/aws-sqs';
import { Construct } from 'constructs';
import type { Names } from '../names.ts';

/** The longest that SQS keeps anything: somebody has to look at it. */
const KEEP = Duration.days(14);
/** Each event only says "look again": the cron does so anyhow, a minute later. */
const RETRIES = 3;
const EVENT_AGE_MAX = Duration.minutes(5);
/** A minute is also the least that EventBridge takes. */
const CRON_AGE_MAX = Duration.minutes(1);

/** What could not be handed over. One that is empty costs nothing. */
export class DeadLetters extends Construct {
  readonly rules: Queue;
  readonly calls: Queue;

  constructor(scope: Construct, id: string, names: Names) {
    super(scope, id);
    const queue = (queueId: string, queueName: string): Queue =>
      new Queue(this, queueId, { queueName, encryption: QueueEncryption.SQS_MANAGED, enforceSSL: true, retentionPeriod: KEEP });
    this.rules = queue('Rules', names.deadLetters.rules);
    this.calls = queue('Calls', names.deadLetters.calls);
  }
}

/** Events of EC2 cannot be chosen by tag: the launcher knows which of them are its own. */
const EVENTS: Readonly<Record<string, { description: string; pattern: EventPattern }>> = {
  'instance-state': {
    description: 'A box came up, went down, or was taken away',
    pattern: { source: ['aws.ec2'], detailType: ['EC2 Instance State-change Notification'] },
  },
  'spot-interruption': {
    description: 'AWS takes a spot machine back in two minutes',
    pattern: { source: ['aws.ec2'], detailType: ['EC2 Spot Instance Interruption Warning'] },
  },
  rebalance: {
    description: 'AWS is more likely than usual to take a spot machine back',
    pattern: { source: ['aws.ec2'], detailType: ['EC2 Instance Rebalance Recommendation'] },
  },
  snapshot: {
    description: 'A snapshot of a workspace is complete, or failed',
    pattern: { source: ['aws.ec2'], detailType: ['EBS Snapshot Notification'] },
  },
  volume: {
    description: 'A volume of a workspace was made, attached or deleted, or could not be',
    pattern: { source: ['aws.ec2'], detailType: ['EBS Volume Notification'] },
  },
};

const ruleNameOf = ({ deployment }: Pick<Names, 'deployment'>, rule: string): string => `${deployment}-${rule}`;

/** Of every rule that wakes the launcher. */
export const ruleNames = (names: Pick<Names, 'deployment'>): string[] =>
  ['minute', ...Object.keys(EVENTS)].map((rule) => ruleNameOf(names, rule));

interface TriggersProps {
  names: Names;
  events: LambdaFunction;
  deadLetters: Queue;
}

/** What wakes the launcher up. */
export class Triggers extends Construct {
  constructor(scope: Construct, id: string, { names, events, deadLetters }: TriggersProps) {
    super(scope, id);
    const target = (maxEventAge: Duration, retryAttempts: number) =>
      new LambdaTarget(events, { deadLetterQueue: deadLetters, maxEventAge, retryAttempts });
    new Rule(this, 'minute', {
      ruleName: ruleNameOf(names, 'minute'),
      description: 'What is due: sessions, saves, what nobody owns',
      schedule: Schedule.rate(Duration.minutes(1)),
      targets: [target(CRON_AGE_MAX, 1)],
    });
    for (const [name, { description, pattern }] of Object.entries(EVENTS))
      new Rule(this, name, {
        ruleName: ruleNameOf(names, name),
        description,
        eventPattern: pattern,
        targets: [target(EVENT_AGE_MAX, RETRIES)],
      });
  }
}
