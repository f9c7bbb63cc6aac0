/** A finding of the AWS Solutions rules that stays, and why. */
export interface Exception {
  rule: string;
  /** Constructs whose finding it is. */
  path: RegExp;
  /** What in brackets behind the rule says: an action or a resource. */
  finding?: RegExp;
  reason: string;
}

const ROLE = /\/Access\/(LauncherRole|BoxRole|AdminRole)\//;
const PEOPLE = /\/Access\/(UserPolicy|AdminRole\/)/;
const DEPLOYS = /\/Access\/(Boundary|CdkExecutionPolicy)\//;
const LAUNCHER = /\/Access\/LauncherRole\//;

/** What each policy may do in the end is tried row by row (policies.table.ts): here it is said why a star stands in it. */
export const EXCEPTIONS: Exception[] = [
  {
    rule: 'AwsSolutions-S1',
    path: /\/Bucket\/Resource$/,
    reason:
      'an access log would need a bucket of its own, and what is logged in it would be of use to nobody: nobody but roles of this account gets in',
  },
  {
    rule: 'AwsSolutions-VPC7',
    path: /\/Network\/Vpc$/,
    reason: 'flow logs cost by the gigabyte, and boxes say themselves what they reach; nothing comes in that they could show',
  },
  { rule: 'AwsSolutions-SQS3', path: /\/DeadLetters\//, reason: 'they are the dead-letter queues' },
  {
    rule: 'AwsSolutions-SMG4',
    path: /\/Launcher\/Secret$/,
    reason:
      'keys of boxes that run are derived from it: another value in the middle would lock them out, and nobody but the launcher ever has it',
  },
  {
    rule: 'AwsSolutions-IAM5',
    path: LAUNCHER,
    finding: /^Resource::arn:<AWS::Partition>:ec2:[a-z0-9-]+:(\d{12})?:[a-z-]+\/(vol-)?\*$/,
    reason: 'ids of machines, disks and the like are not known before they are made; conditions on tags of the deployment say which',
  },
  {
    rule: 'AwsSolutions-IAM5',
    path: ROLE,
    finding: /^Resource::\*$/,
    reason: 'only with actions for which IAM knows no resource, and in denials',
  },
  {
    rule: 'AwsSolutions-IAM5',
    path: LAUNCHER,
    finding:
      /^Resource::arn:<AWS::Partition>:(servicequotas:[^:]+:\d{12}:ec2\/\*|dynamodb:[^:]+:\d{12}:table\/devctl\/index\/\*|ssm:[^:]+:\*:document\/AWS-RunShellScript)$/,
    reason: 'figures of quotas, the indexes of the one table, and a document of AWS, whose account is none',
  },
  {
    rule: 'AwsSolutions-IAM5',
    path: /\/Access\/(LauncherRole|BoxRole|AdminRole)\//,
    finding: /^Resource::arn:<AWS::Partition>:logs:[^:]+:\d{12}:log-group:[^*]+:(log-stream:)?\*$/,
    reason: 'the streams of a group that is named',
  },
  {
    rule: 'AwsSolutions-IAM5',
    path: PEOPLE,
    finding:
      /^Resource::arn:<AWS::Partition>:(ec2:[^:]+:\d{12}:instance\/\*|ssm:[^:]+:(\d{12}:session\/(<aws:user(id|name)>-)?\*|\*:document\/AWS-StartPortForwardingSession))$/,
    reason: 'machines by the tag of their owner, sessions by who opened them, and a document of AWS',
  },
  {
    rule: 'AwsSolutions-IAM5',
    path: /\/Access\/BoxRole\//,
    finding:
      /^Resource::arn:<AWS::Partition>:ecs:[^:]+:\d{12}:(task|service|task-definition)\/?[a-z]+[/:]\*$|^Resource::arn:<AWS::Partition>:(ecs|kms):[^:]+:\d{12}:[a-z-]+\/([a-z]+[/:])?\*$/,
    reason:
      'tasks and services of the cluster that is named, revisions of a family that is named; keys only through secrets that are named',
  },
  {
    rule: 'AwsSolutions-IAM5',
    path: /\/Access\/BoxRole\//,
    finding: /^Resource::arn:<AWS::Partition>:s3:::[a-z0-9-]+\/build\/<aws:userid>\/\*$/,
    reason: 'what a box puts in its own folder, for a build',
  },
  {
    rule: 'AwsSolutions-IAM5',
    path: DEPLOYS,
    reason:
      'what a stack of the target may consist of: services by verb, resources by the name of the stack; the launcher and all roles without the boundary are denied',
  },
  {
    rule: 'AwsSolutions-IAM5',
    path: /\/Fallback\/Role\//,
    reason: 'objects below build/ of the bucket, and the streams of the log of its own builds',
  },
];
