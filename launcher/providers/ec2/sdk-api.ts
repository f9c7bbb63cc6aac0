import {
  AttachVolumeCommand,
  CopyVolumesCommand,
  CreateFleetCommand,
  CreateLaunchTemplateCommand,
  CreateSnapshotCommand,
  CreateTagsCommand,
  CreateVolumeCommand,
  DeleteSnapshotCommand,
  DeleteVolumeCommand,
  DescribeImagesCommand,
  DescribeInstancesCommand,
  DescribeInstanceTypeOfferingsCommand,
  DescribeInstanceTypesCommand,
  DescribeLaunchTemplatesCommand,
  DescribeRegionsCommand,
  DescribeRouteTablesCommand,
  DescribeSecurityGroupsCommand,
  DescribeSnapshotsCommand,
  DescribeSpotInstanceRequestsCommand,
  DescribeSpotPriceHistoryCommand,
  DescribeSubnetsCommand,
  DescribeVolumesCommand,
  DetachVolumeCommand,
  EC2Client,
  GetEbsEncryptionByDefaultCommand,
  RunInstancesCommand,
  StartInstancesCommand,
  StopInstancesCommand,
  TerminateInstancesCommand,
} from '@aws-sdk/client-ec2';
import {
  GetCommandInvocationCommand,
  GetConnectionStatusCommand,
  GetParameterCommand,
  SendCommandCommand,
  SSMClient,
  StartSessionCommand,
  TerminateSessionCommand,
} from '@aws-sdk/client-ssm';
import { createAccountApi } from './account-api.ts';
import type { AccountApi, Ec2Api, SsmApi } from './api.ts';

/** Time-outs of one call over the network. An instant fleet answers only when its instances are on their way. */
const CONNECT_MS = 3000;
const ANSWER_MS = 20_000;

const WARNING_SWITCH = 'AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED';

export interface AwsConnection {
  region: string;
  /** Another server than that of AWS, for tests. */
  endpoint?: string;
  /** @default what the machine has: environment, profile, instance role */
  credentials?: { accessKeyId: string; secretAccessKey: string; sessionToken?: string };
}

/**
 * EC2 and Systems Manager over the SDK, and the account with the same credentials. The SDK's models are large: import this file with `import()`, and only where
 * boxes are on EC2.
 */
export function connectAws(connection: AwsConnection): { ec2: Ec2Api; ssm: SsmApi; account: AccountApi; close(): void } {
  const config = {
    ...connection,
    // The provider repeats what may be repeated: it knows which calls have a token, and how long the user still waits.
    maxAttempts: 1,
    defaultsMode: 'standard' as const,
    cacheMiddleware: true,
    requestHandler: { connectionTimeout: CONNECT_MS, requestTimeout: ANSWER_MS, throwOnRequestTimeout: true },
  };
  const { ec2, ssm } = withoutAgeWarning(() => ({ ec2: new EC2Client(config), ssm: new SSMClient(config) }));
  const close = () => {
    ec2.destroy();
    ssm.destroy();
  };
  const { credentials, sha256 } = ec2.config;
  const account = createAccountApi({ ...connection, credentials, sha256 });
  return { ec2: ec2Api(ec2), ssm: ssmApi(ssm), account, close };
}

/** `engines` in package.json says which Node is supported. */
function withoutAgeWarning<T>(make: () => T): T {
  const before = process.env[WARNING_SWITCH];
  process.env[WARNING_SWITCH] = 'true';
  try {
    return make();
  } finally {
    if (before === undefined) delete process.env[WARNING_SWITCH];
    else process.env[WARNING_SWITCH] = before;
  }
}

const ec2Api = (client: EC2Client): Ec2Api => ({
  createFleet: (input) => client.send(new CreateFleetCommand(input)),
  runInstances: (input) => client.send(new RunInstancesCommand(input)),
  startInstances: (input) => client.send(new StartInstancesCommand(input)),
  stopInstances: (input) => client.send(new StopInstancesCommand(input)),
  terminateInstances: (input) => client.send(new TerminateInstancesCommand(input)),
  describeInstances: (input) => client.send(new DescribeInstancesCommand(input)),
  describeSpotInstanceRequests: (input) => client.send(new DescribeSpotInstanceRequestsCommand(input)),
  createVolume: (input) => client.send(new CreateVolumeCommand(input)),
  copyVolumes: (input) => client.send(new CopyVolumesCommand(input)),
  attachVolume: (input) => client.send(new AttachVolumeCommand(input)),
  detachVolume: (input) => client.send(new DetachVolumeCommand(input)),
  deleteVolume: (input) => client.send(new DeleteVolumeCommand(input)),
  describeVolumes: (input) => client.send(new DescribeVolumesCommand(input)),
  createSnapshot: (input) => client.send(new CreateSnapshotCommand(input)),
  deleteSnapshot: (input) => client.send(new DeleteSnapshotCommand(input)),
  describeSnapshots: (input) => client.send(new DescribeSnapshotsCommand(input)),
  createTags: (input) => client.send(new CreateTagsCommand(input)),
  createLaunchTemplate: (input) => client.send(new CreateLaunchTemplateCommand(input)),
  describeLaunchTemplates: (input) => client.send(new DescribeLaunchTemplatesCommand(input)),
  describeImages: (input) => client.send(new DescribeImagesCommand(input)),
  describeSubnets: (input) => client.send(new DescribeSubnetsCommand(input)),
  describeInstanceTypes: (input) => client.send(new DescribeInstanceTypesCommand(input)),
  describeInstanceTypeOfferings: (input) => client.send(new DescribeInstanceTypeOfferingsCommand(input)),
  describeSpotPriceHistory: (input) => client.send(new DescribeSpotPriceHistoryCommand(input)),
  describeRouteTables: (input) => client.send(new DescribeRouteTablesCommand(input)),
  describeSecurityGroups: (input) => client.send(new DescribeSecurityGroupsCommand(input)),
  describeRegions: (input) => client.send(new DescribeRegionsCommand(input)),
  getEbsEncryptionByDefault: (input) => client.send(new GetEbsEncryptionByDefaultCommand(input)),
});

const ssmApi = (client: SSMClient): SsmApi => ({
  startSession: (input) => client.send(new StartSessionCommand(input)),
  terminateSession: (input) => client.send(new TerminateSessionCommand(input)),
  getConnectionStatus: (input) => client.send(new GetConnectionStatusCommand(input)),
  sendCommand: (input) => client.send(new SendCommandCommand(input)),
  getCommandInvocation: (input) => client.send(new GetCommandInvocationCommand(input)),
  getParameter: (input) => client.send(new GetParameterCommand(input)),
});
