import { createHash } from 'node:crypto';
import { Duration } from 'aws-cdk-lib';
import { CfnBudget } from 'aws-cdk-lib/aws-budgets';
import {
  Alarm,
  ComparisonOperator,
  Dashboard,
  GraphWidget,
  type IMetric,
  Metric,
  Stats,
  TreatMissingData,
} from 'aws-cdk-lib/aws-cloudwatch';
import { SnsAction } from 'aws-cdk-lib/aws-cloudwatch-actions';
import { Effect, PolicyStatement, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import type { Function as LambdaFunction } from 'aws-cdk-lib/aws-lambda';
import { Topic } from 'aws-cdk-lib/aws-sns';
import { EmailSubscription } from 'aws-cdk-lib/aws-sns-subscriptions';
import { Construct } from 'constructs';
import type { TargetConfig } from '../config.ts';
import type { Names } from '../names.ts';
import { tagsOf } from './tags.ts';
import type { DeadLetters } from './triggers.ts';

/** Of the month's budget, in percent. A fifth notification is the most that a budget takes. */
const SPENT_PERCENT = [50, 80, 100];
const FORECAST_PERCENT = 100;
const HASH_CHARS = 8;
const MINUTE = Duration.minutes(1);
const FIVE_MINUTES = Duration.minutes(5);
const QUARTER = Duration.minutes(15);

interface GuardrailsProps {
  names: Names;
  config: TargetConfig;
  api: LambdaFunction;
  events: LambdaFunction;
  deadLetters: DeadLetters;
}

interface Watch {
  id: string;
  description: string;
  metric: Metric;
  threshold: number;
  periods: number;
  /** Silence is what it looks for. */
  below?: true;
}

/** Who is told when money runs away or the launcher does not do its work. Ten alarms cost nothing, and these are no more. */
export class Guardrails extends Construct {
  constructor(scope: Construct, id: string, props: GuardrailsProps) {
    super(scope, id);
    const { names, config } = props;
    this.#budget(names, config);
    const topic = new Topic(this, 'Alarms', { topicName: names.alarmsTopic, enforceSSL: true });
    topic.addToResourcePolicy(
      new PolicyStatement({
        sid: 'AlarmsOfThisAccount',
        effect: Effect.ALLOW,
        principals: [new ServicePrincipal('cloudwatch.amazonaws.com')],
        actions: ['sns:Publish'],
        resources: [topic.topicArn],
        conditions: { StringEquals: { 'aws:SourceAccount': names.account } },
      }),
    );
    for (const email of config.alertEmails) topic.addSubscription(new EmailSubscription(email));
    const watches = watchesOf(props);
    for (const watch of watches) this.#alarm(names, watch, topic);
    this.#dashboard(props);
  }

  /** The whole account's: what a tag costs, AWS tells only after somebody has activated the tag by hand. Addresses need no confirmation. */
  #budget(names: Names, config: TargetConfig): void {
    const subscribers = config.alertEmails.map((address) => ({ subscriptionType: 'EMAIL', address }));
    const notice = (notificationType: 'ACTUAL' | 'FORECASTED', threshold: number) => ({
      notification: { notificationType, comparisonOperator: 'GREATER_THAN', thresholdType: 'PERCENTAGE', threshold },
      subscribers,
    });
    const notices = [...SPENT_PERCENT.map((percent) => notice('ACTUAL', percent)), notice('FORECASTED', FORECAST_PERCENT)];
    new CfnBudget(this, 'Budget', {
      budget: {
        budgetName: `${names.budget}-${hashOf(notices)}`,
        budgetType: 'COST',
        timeUnit: 'MONTHLY',
        budgetLimit: { amount: config.budgetUsd, unit: 'USD' },
      },
      notificationsWithSubscribers: notices,
      resourceTags: tagsOf(config),
    });
  }

  #alarm(names: Names, { id, description, metric, threshold, periods, below }: Watch, topic: Topic): void {
    const alarm = new Alarm(this, id, {
      alarmName: `${names.deployment}-${id}`,
      alarmDescription: description,
      metric,
      threshold,
      evaluationPeriods: periods,
      comparisonOperator: below ? ComparisonOperator.LESS_THAN_THRESHOLD : ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
      treatMissingData: below ? TreatMissingData.BREACHING : TreatMissingData.NOT_BREACHING,
    });
    alarm.addAlarmAction(new SnsAction(topic));
    alarm.addOkAction(new SnsAction(topic));
  }

  #dashboard({ names, api, events, deadLetters }: GuardrailsProps): void {
    const graph = (title: string, left: IMetric[]) => new GraphWidget({ title, left, width: 8 });
    new Dashboard(this, 'Dashboard', {
      dashboardName: names.dashboard,
      widgets: [
        [
          graph('Reaper', [own(names, 'ReaperPass', MINUTE), own(names, 'OrphansFound', QUARTER)]),
          graph('What failed', [own(names, 'Failures', FIVE_MINUTES), own(names, 'Throttles', FIVE_MINUTES)]),
          graph('Dead letters', [waiting(deadLetters.rules), waiting(deadLetters.calls)]),
        ],
        [
          graph('Calls', [api.metricInvocations(), events.metricInvocations()]),
          graph('Errors and throttles', [api.metricErrors(), events.metricErrors(), api.metricThrottles(), events.metricThrottles()]),
          graph('Duration, p95', [api.metricDuration({ statistic: Stats.p(95) }), events.metricDuration({ statistic: Stats.p(95) })]),
        ],
        [
          graph('Table, units', [ofTable(names, 'ConsumedReadCapacityUnits'), ofTable(names, 'ConsumedWriteCapacityUnits')]),
          graph('Functions at once', [running(api), running(events)]),
        ],
      ],
    });
  }
}

/**
 * A budget whose mails change is replaced (AWS::Budgets::Budget: NotificationsWithSubscribers is create-only). The new one is made before
 * the old one goes, and two cannot have one name.
 */
const hashOf = (notices: object[]): string => createHash('sha256').update(JSON.stringify(notices)).digest('hex').slice(0, HASH_CHARS);

/** What the launcher writes with its log (embedded metric format), without dimensions. */
const own = ({ metrics }: Names, metricName: string, period: Duration): Metric =>
  new Metric({ namespace: metrics, metricName, period, statistic: Stats.SUM });

const waiting = (queue: DeadLetters['rules']): Metric =>
  queue.metricApproximateNumberOfMessagesVisible({ period: FIVE_MINUTES, statistic: Stats.MAXIMUM });

const ofTable = ({ table }: Names, metricName: string): Metric =>
  new Metric({ namespace: 'AWS/DynamoDB', metricName, dimensionsMap: { TableName: table }, period: FIVE_MINUTES, statistic: Stats.SUM });

const running = (of: LambdaFunction): Metric => of.metric('ConcurrentExecutions', { statistic: Stats.MAXIMUM });

/** A figure has to be enough to be worth a mail at night, and no more. */
const watchesOf = ({ names, api, events, deadLetters }: GuardrailsProps): Watch[] => [
  {
    id: 'reaper-silent',
    description: 'No pass of the reaper for ten minutes: what is left running is not ended. See the log of the events function',
    metric: own(names, 'ReaperPass', FIVE_MINUTES),
    threshold: 1,
    periods: 2,
    below: true,
  },
  {
    id: 'orphans',
    description: 'Machines, volumes or snapshots that no record owns were found in each of two quarters of an hour: devctl gc shows them',
    metric: own(names, 'OrphansFound', QUARTER),
    threshold: 1,
    periods: 2,
  },
  {
    id: 'failures',
    description: 'Five operations failed within a quarter of an hour: devctl events, or the log of the events function',
    metric: own(names, 'Failures', QUARTER),
    threshold: 5,
    periods: 1,
  },
  {
    id: 'throttles',
    description: 'AWS slowed calls of the launcher down twenty times within a quarter of an hour',
    metric: own(names, 'Throttles', QUARTER),
    threshold: 20,
    periods: 1,
  },
  {
    id: 'dead-letters-rules',
    description: 'An event could not be handed to the launcher: the queue has it for 14 days',
    metric: waiting(deadLetters.rules),
    threshold: 1,
    periods: 1,
  },
  {
    id: 'dead-letters-calls',
    description: 'A call of the events function failed each time: the queue has it for 14 days',
    metric: waiting(deadLetters.calls),
    threshold: 1,
    periods: 1,
  },
  {
    id: 'api-errors',
    description: 'The API function ended in an error three times within five minutes',
    metric: api.metricErrors({ period: FIVE_MINUTES }),
    threshold: 3,
    periods: 1,
  },
  {
    id: 'events-errors',
    description: 'The events function ended in an error three times within five minutes',
    metric: events.metricErrors({ period: FIVE_MINUTES }),
    threshold: 3,
    periods: 1,
  },
  {
    id: 'api-throttles',
    description: 'Requests were refused, since as many as may run were running: reservedConcurrency, or the quota of the account',
    metric: api.metricThrottles({ period: FIVE_MINUTES }),
    threshold: 1,
    periods: 1,
  },
  {
    id: 'events-throttles',
    description: 'Work waited, since as many as may run were running: reservedConcurrency, or the quota of the account',
    metric: events.metricThrottles({ period: FIVE_MINUTES }),
    threshold: 1,
    periods: 3,
  },
];
