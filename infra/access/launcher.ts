import { Aws, type aws_iam as iam } from 'aws-cdk-lib';
import type { Names } from '../names.ts';
import { allow, arnsOf, becomesOurs, isOurs, TAGGED } from './statements.ts';

/** The launcher's way into a box without a tunnel (launcher/providers/ec2/commands.ts). */
const COMMAND_DOCUMENT = 'AWS-RunShellScript';

/** Roles that AWS makes for itself at the first fleet and the first spot machine of an account. */
const SERVICE_ROLES = [
  { service: 'ec2fleet.amazonaws.com', role: 'AWSServiceRoleForEC2Fleet' },
  { service: 'spot.amazonaws.com', role: 'AWSServiceRoleForEC2Spot' },
] as const;

/** What EC2 tells about the account; none of it has resources in IAM (Service Authorization Reference, Amazon EC2). */
const LOOKS = [
  'ec2:DescribeImages',
  'ec2:DescribeInstanceTypeOfferings',
  'ec2:DescribeInstanceTypes',
  'ec2:DescribeInstances',
  'ec2:DescribeLaunchTemplates',
  'ec2:DescribeRegions',
  'ec2:DescribeRouteTables',
  'ec2:DescribeSecurityGroups',
  'ec2:DescribeSnapshots',
  'ec2:DescribeSpotPriceHistory',
  'ec2:DescribeSubnets',
  'ec2:DescribeVolumes',
  'ec2:GetEbsEncryptionByDefault',
];

/** Role of both functions: exactly what the launcher calls. */
export const launcherStatements = (names: Names): iam.PolicyStatement[] => [
  ...launches(names),
  ...machines(names),
  ...disks(names),
  ...tags(names),
  ...records(names),
  ...allow('LookAtEc2', LOOKS, ['*']),
  ...passing(names),
  ...reach(names),
  ...checks(names),
];

/**
 * A fleet is authorized as CreateFleet, and the machines that it makes at once as RunInstances by the same caller. Each resource of a launch is
 * authorized by itself, so that no statement here opens another one's: a machine needs a template, and the template needs the deployment's tag.
 */
function launches(names: Names): iam.PolicyStatement[] {
  const { ec2, ec2Shared } = arnsOf(names);
  const template = { ArnLike: { 'ec2:LaunchTemplate': ec2('launch-template') } };
  const imageOf = { [`aws:ResourceTag/${TAGGED.imageOf}`]: names.deployment };
  return [
    ...allow('LaunchMachines', ['ec2:RunInstances'], [ec2('instance'), ec2('volume')], { ...becomesOurs(names), ...template }),
    ...allow('LaunchInFleets', ['ec2:CreateFleet'], [ec2('instance'), ec2('volume')], becomesOurs(names)),
    // An instant fleet is gone with its answer, and gets no tag.
    ...allow('MakeFleets', ['ec2:CreateFleet'], [ec2('fleet')]),
    ...allow('LaunchFromOwnTemplates', ['ec2:RunInstances', 'ec2:CreateFleet'], [ec2('launch-template')], isOurs(names)),
    ...allow('LaunchOwnImages', ['ec2:RunInstances', 'ec2:CreateFleet'], [ec2Shared('image')], {
      StringEquals: { ...imageOf, 'ec2:Owner': names.account },
    }),
    ...allow('LaunchFromOwnSnapshots', ['ec2:RunInstances'], [ec2Shared('snapshot')], isOurs(names)),
    ...allow('LaunchFromSnapshotsOfImages', ['ec2:RunInstances'], [ec2Shared('snapshot')], { StringEquals: imageOf }),
    ...allow('LaunchInSubnets', ['ec2:CreateFleet'], [ec2('subnet')]),
    ...allow('LaunchWithTemplate', ['ec2:RunInstances'], [ec2('subnet'), ec2('network-interface')], template),
    // Only the groups that the template names: whoever could choose one could open a box.
    ...allow('LaunchInGroupsOfTheTemplate', ['ec2:RunInstances'], [ec2('security-group')], {
      ...template,
      Bool: { 'ec2:IsLaunchTemplateResource': 'true' },
    }),
    ...allow('AskForSpot', ['ec2:RunInstances'], [ec2('spot-instances-request')]),
  ];
}

const machines = (names: Names): iam.PolicyStatement[] =>
  allow(
    'TurnOwnMachines',
    ['ec2:StartInstances', 'ec2:StopInstances', 'ec2:TerminateInstances'],
    [arnsOf(names).ec2('instance')],
    isOurs(names),
  );

function disks(names: Names): iam.PolicyStatement[] {
  const { arn, ec2, ec2Shared } = arnsOf(names);
  const [volume, snapshot] = [ec2('volume'), ec2Shared('snapshot')];
  return [
    ...allow('MakeVolumes', ['ec2:CreateVolume', 'ec2:CopyVolumes'], [volume], becomesOurs(names)),
    // AWS has no condition on the tags of a volume that is copied: the copy is tagged, what it is a copy of may be any volume of the account.
    ...allow('CopyVolumes', ['ec2:CopyVolumes'], [arn('ec2', 'volume/vol-*')]),
    ...allow('MakeVolumesOfOwnSnapshots', ['ec2:CreateVolume'], [snapshot], isOurs(names)),
    ...allow('AttachOwnVolumes', ['ec2:AttachVolume', 'ec2:DetachVolume'], [volume, ec2('instance')], isOurs(names)),
    ...allow('MakeSnapshots', ['ec2:CreateSnapshot'], [snapshot], becomesOurs(names)),
    ...allow('MakeSnapshotsOfOwnVolumes', ['ec2:CreateSnapshot', 'ec2:DeleteVolume'], [volume], isOurs(names)),
    ...allow('DeleteOwnSnapshots', ['ec2:DeleteSnapshot'], [snapshot], isOurs(names)),
  ];
}

/** Tags come with what is made. Only machines are tagged again, when a session takes one of the reserve or wakes its own. */
function tags(names: Names): iam.PolicyStatement[] {
  const { ec2, ec2Shared } = arnsOf(names);
  const made = (sid: string, resources: string[], by: string[]) =>
    allow(sid, ['ec2:CreateTags'], resources, {
      StringEquals: { 'ec2:CreateAction': by, [`aws:RequestTag/${TAGGED.deployment}`]: names.deployment },
    });
  return [
    ...made('TagNewMachines', [ec2('instance')], ['RunInstances', 'CreateFleet']),
    // By the tags that the template has for it (infra/stack/boxes.ts).
    ...made('TagNewNetworkLinks', [ec2('network-interface')], ['RunInstances', 'CreateFleet']),
    ...made('TagNewVolumes', [ec2('volume')], ['RunInstances', 'CreateFleet', 'CreateVolume', 'CopyVolumes']),
    ...made('TagNewSnapshots', [ec2Shared('snapshot')], ['CreateSnapshot']),
    ...allow('TagOwnMachinesAgain', ['ec2:CreateTags'], [ec2('instance')], {
      ...isOurs(names),
      StringEqualsIfExists: { [`aws:RequestTag/${TAGGED.deployment}`]: names.deployment },
      'ForAllValues:StringLike': { 'aws:TagKeys': ['devctl:*', 'env', 'owner', 'ttl'] },
    }),
  ];
}

function records(names: Names): iam.PolicyStatement[] {
  const { arn } = arnsOf(names);
  const table = arn('dynamodb', `table/${names.table}`);
  const rows = ['dynamodb:GetItem', 'dynamodb:PutItem', 'dynamodb:UpdateItem', 'dynamodb:DeleteItem', 'dynamodb:Query'];
  const looks = ['dynamodb:DescribeTable', 'dynamodb:DescribeTimeToLive', 'dynamodb:DescribeContinuousBackups'];
  return [...allow('Records', rows, [table, `${table}/index/*`]), ...allow('LookAtTheTable', looks, [table])];
}

function passing(names: Names): iam.PolicyStatement[] {
  const { role } = arnsOf(names);
  return [
    ...allow('PassTheRoleOfBoxes', ['iam:PassRole'], [role(names.boxRole)], {
      StringEquals: { 'iam:PassedToService': 'ec2.amazonaws.com' },
    }),
    ...SERVICE_ROLES.flatMap(({ service, role: name }) =>
      allow(`First${name}`, ['iam:CreateServiceLinkedRole'], [role(`aws-service-role/${service}/${name}`)], {
        StringEquals: { 'iam:AWSServiceName': service },
      }),
    ),
  ];
}

function reach(names: Names): iam.PolicyStatement[] {
  const { awsDocument, ec2, function: functionArn, logStreams, parameter, secret } = arnsOf(names);
  const { api, events } = names.logGroups;
  return [
    ...allow('CommandBoxes', ['ssm:SendCommand'], [ec2('instance')], {
      StringEquals: { [`ssm:resourceTag/${TAGGED.deployment}`]: names.deployment },
    }),
    ...allow('CommandByOneDocument', ['ssm:SendCommand'], [awsDocument(COMMAND_DOCUMENT)]),
    ...allow('LookAtCommands', ['ssm:GetCommandInvocation'], ['*']),
    ...allow('ReadImages', ['ssm:GetParameter'], Object.values(names.imageParameters).map(parameter)),
    ...allow('ReadTheMasterSecret', ['secretsmanager:GetSecretValue'], [secret(names.masterSecret)]),
    ...allow('HandWorkOn', ['lambda:InvokeFunction'], [functionArn(names.eventsFunction)]),
    ...allow('OwnLogs', ['logs:CreateLogStream', 'logs:PutLogEvents'], [logStreams(api), logStreams(events)]),
  ];
}

/** What only `devctl doctor` asks. */
function checks(names: Names): iam.PolicyStatement[] {
  const { arn, function: functionArn, role } = arnsOf(names);
  const profile = `arn:${Aws.PARTITION}:iam::${names.account}:instance-profile/${names.instanceProfile}`;
  // One that is not there has no path yet.
  const roles = SERVICE_ROLES.flatMap(({ service, role: name }) => [role(name), role(`aws-service-role/${service}/${name}`)]);
  return [
    ...allow('LookAtRoles', ['iam:GetRole'], roles),
    ...allow('LookAtTheProfile', ['iam:GetInstanceProfile'], [profile]),
    ...allow('LookAtTheFunctions', ['lambda:GetFunctionConfiguration'], [names.apiFunction, names.eventsFunction].map(functionArn)),
    ...allow('LookAtQuotas', ['servicequotas:GetServiceQuota'], [arn('servicequotas', 'ec2/*')]),
    ...allow('LookAtQuotasOfAws', ['servicequotas:GetAWSDefaultServiceQuota'], ['*']),
  ];
}
