import type { aws_iam as iam } from 'aws-cdk-lib';
import type { Names } from '../names.ts';
import { allow, arnsOf, deny, invokeApi, TAGGED, variable } from './statements.ts';

/** A terminal, copies and forwarded ports all go over a forwarded port of the agent. */
const FORWARDING = 'AWS-StartPortForwardingSession';

/** What the id of a session may begin with. */
const OWN_NAMES = [variable('aws:userid'), variable('aws:username')];

/**
 * Without this condition a session that names no document is let through whatever documents are allowed (Systems Manager guide, "Start a session with a
 * document by specifying the session documents in IAM policies").
 */
const checked = { BoolIfExists: { 'ssm:SessionDocumentAccessCheck': 'true' } };

/** Managed policy of everybody who uses the deployment: calls, and sessions on boxes that are theirs by the tag. */
export const userStatements = (names: Names): iam.PolicyStatement[] => [
  ...invokeApi(names),
  ...sessions(names, { [`ssm:resourceTag/${TAGGED.owner}`]: variable('aws:userid') }),
];

/** Managed policy of those who may become its administrator; nothing else is in it. */
export const adminStatements = (names: Names): iam.PolicyStatement[] =>
  allow('BecomeAdministrator', ['sts:AssumeRole'], [arnsOf(names).role(names.adminRole)]);

/** The administrator's role: calls with every scope, sessions on all boxes of the deployment, and what is to be looked at. Nothing of IAM. */
export function adminRoleStatements(names: Names): iam.PolicyStatement[] {
  const { arn, logGroup } = arnsOf(names);
  const groups = Object.values(names.logGroups)
    .map(logGroup)
    .flatMap((group) => [group, `${group}:*`]);
  return [
    ...invokeApi(names),
    ...sessions(names),
    ...allow(
      'ReadLogs',
      [
        'logs:DescribeLogStreams',
        'logs:FilterLogEvents',
        'logs:GetLogEvents',
        'logs:GetQueryResults',
        'logs:StartLiveTail',
        'logs:StartQuery',
      ],
      groups,
    ),
    ...allow('ReadDashboards', ['cloudwatch:GetDashboard'], [`arn:aws:cloudwatch::${names.account}:dashboard/${names.dashboard}`]),
    ...allow(
      'ReadFigures',
      ['cloudwatch:DescribeAlarms', 'cloudwatch:GetMetricData', 'cloudwatch:ListMetrics', 'logs:DescribeLogGroups'],
      ['*'],
    ),
    ...allow(
      'ReadDeadLetters',
      ['sqs:GetQueueAttributes', 'sqs:ReceiveMessage'],
      Object.values(names.deadLetters).map((name) => arn('sqs', name)),
    ),
  ];
}

/** Sessions on machines of the deployment, by the two documents; of sessions that are there, only one's own. */
function sessions(names: Names, whose: Readonly<Record<string, string>> = {}): iam.PolicyStatement[] {
  const { arn, awsDocument, document, ec2 } = arnsOf(names);
  const machines = { StringEquals: { [`ssm:resourceTag/${TAGGED.deployment}`]: names.deployment, ...whose } };
  return [
    ...allow('OpenSessions', ['ssm:StartSession'], [ec2('instance')], { ...machines, ...checked }),
    ...allow('OpenSessionsByDocument', ['ssm:StartSession'], [document(names.sessionDocument), awsDocument(FORWARDING)], checked),
    // AWS tags a session with the `aws:userid` of whoever opened it (Systems Manager guide, "Allow users to end only sessions they started"). What its
    // ARN begins with is only the name, which two roles can give to two people, and with which a longer name may begin.
    ...allow('EndAndResumeOwnSessions', ['ssm:ResumeSession', 'ssm:TerminateSession'], [arn('ssm', 'session/*')], {
      StringEquals: { 'ssm:resourceTag/aws:ssmmessages:session-id': variable('aws:userid') },
    }),
    ...allow(
      'DataOfOwnSessions',
      ['ssmmessages:OpenDataChannel'],
      OWN_NAMES.map((name) => arn('ssm', `session/${name}-*`)),
    ),
    // There is no tag to ask for here. The id of a session ends in one dash and letters without any: with a second dash it is that of a longer name.
    ...deny(
      'DataOfNoLongerName',
      ['ssmmessages:OpenDataChannel'],
      OWN_NAMES.map((name) => arn('ssm', `session/${name}-*-*`)),
    ),
  ];
}
