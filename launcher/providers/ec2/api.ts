import type {
  AttachVolumeRequest,
  CopyVolumesRequest,
  CopyVolumesResult,
  CreateFleetRequest,
  CreateFleetResult,
  CreateLaunchTemplateRequest,
  CreateLaunchTemplateResult,
  CreateSnapshotRequest,
  CreateTagsRequest,
  CreateVolumeRequest,
  DeleteSnapshotRequest,
  DeleteVolumeRequest,
  DescribeImagesRequest,
  DescribeImagesResult,
  DescribeInstancesRequest,
  DescribeInstancesResult,
  DescribeInstanceTypeOfferingsRequest,
  DescribeInstanceTypeOfferingsResult,
  DescribeInstanceTypesRequest,
  DescribeInstanceTypesResult,
  DescribeLaunchTemplatesRequest,
  DescribeLaunchTemplatesResult,
  DescribeRegionsRequest,
  DescribeRegionsResult,
  DescribeRouteTablesRequest,
  DescribeRouteTablesResult,
  DescribeSecurityGroupsRequest,
  DescribeSecurityGroupsResult,
  DescribeSnapshotsRequest,
  DescribeSnapshotsResult,
  DescribeSpotInstanceRequestsRequest,
  DescribeSpotInstanceRequestsResult,
  DescribeSpotPriceHistoryRequest,
  DescribeSpotPriceHistoryResult,
  DescribeSubnetsRequest,
  DescribeSubnetsResult,
  DescribeVolumesRequest,
  DescribeVolumesResult,
  DetachVolumeRequest,
  GetEbsEncryptionByDefaultResult,
  Reservation,
  RunInstancesRequest,
  Snapshot,
  StartInstancesRequest,
  StartInstancesResult,
  StopInstancesRequest,
  StopInstancesResult,
  TerminateInstancesRequest,
  TerminateInstancesResult,
  Volume,
  VolumeAttachment,
} from '@aws-sdk/client-ec2';
import type {
  GetCommandInvocationRequest,
  GetCommandInvocationResult,
  GetConnectionStatusRequest,
  GetConnectionStatusResponse,
  GetParameterRequest,
  GetParameterResult,
  SendCommandRequest,
  SendCommandResult,
  StartSessionRequest,
  StartSessionResponse,
  TerminateSessionRequest,
  TerminateSessionResponse,
} from '@aws-sdk/client-ssm';

/**
 * What an operation that AWS refused throws: `name` is the code of AWS (`InvalidVolume.NotFound`). An answer that did not
 * come is an error too (`TimeoutError`, `ECONNRESET`), and then nothing is known of what the operation did.
 */
export interface AwsError extends Error {
  $metadata: { httpStatusCode?: number; requestId?: string; attempts?: number };
}

/**
 * The operations of EC2 that devctl uses, one call of AWS each, never repeated by itself: whoever calls knows which may
 * be. With a ClientToken (which the caller must give) `createFleet`, `runInstances`, `createVolume`, `copyVolumes` and
 * `createLaunchTemplate` may be repeated; `createSnapshot`, `attachVolume` and `detachVolume` have none. Describing is
 * eventually consistent. Lists come in pages, and a page may be short, or empty, with more to come after it.
 */
export interface Ec2Api {
  /** Type `instant`: a success may carry fewer instances than wanted, or none, with the reasons per pool in `Errors`. */
  createFleet(input: CreateFleetRequest): Promise<CreateFleetResult>;
  /** The token counts within one Availability Zone: the same token in another one starts a second instance. */
  runInstances(input: RunInstancesRequest): Promise<Reservation>;
  startInstances(input: StartInstancesRequest): Promise<StartInstancesResult>;
  stopInstances(input: StopInstancesRequest): Promise<StopInstancesResult>;
  /** One unknown id and none is terminated. */
  terminateInstances(input: TerminateInstancesRequest): Promise<TerminateInstancesResult>;
  describeInstances(input: DescribeInstancesRequest): Promise<DescribeInstancesResult>;
  describeSpotInstanceRequests(input: DescribeSpotInstanceRequestsRequest): Promise<DescribeSpotInstanceRequestsResult>;

  createVolume(input: CreateVolumeRequest): Promise<Volume>;
  copyVolumes(input: CopyVolumesRequest): Promise<CopyVolumesResult>;
  attachVolume(input: AttachVolumeRequest): Promise<VolumeAttachment>;
  detachVolume(input: DetachVolumeRequest): Promise<VolumeAttachment>;
  deleteVolume(input: DeleteVolumeRequest): Promise<object>;
  describeVolumes(input: DescribeVolumesRequest): Promise<DescribeVolumesResult>;

  createSnapshot(input: CreateSnapshotRequest): Promise<Snapshot>;
  deleteSnapshot(input: DeleteSnapshotRequest): Promise<object>;
  describeSnapshots(input: DescribeSnapshotsRequest): Promise<DescribeSnapshotsResult>;

  createTags(input: CreateTagsRequest): Promise<object>;

  createLaunchTemplate(input: CreateLaunchTemplateRequest): Promise<CreateLaunchTemplateResult>;
  describeLaunchTemplates(input: DescribeLaunchTemplatesRequest): Promise<DescribeLaunchTemplatesResult>;
  describeImages(input: DescribeImagesRequest): Promise<DescribeImagesResult>;
  describeSubnets(input: DescribeSubnetsRequest): Promise<DescribeSubnetsResult>;
  describeInstanceTypes(input: DescribeInstanceTypesRequest): Promise<DescribeInstanceTypesResult>;
  describeInstanceTypeOfferings(input: DescribeInstanceTypeOfferingsRequest): Promise<DescribeInstanceTypeOfferingsResult>;
  describeSpotPriceHistory(input: DescribeSpotPriceHistoryRequest): Promise<DescribeSpotPriceHistoryResult>;

  describeRouteTables(input: DescribeRouteTablesRequest): Promise<DescribeRouteTablesResult>;
  describeSecurityGroups(input: DescribeSecurityGroupsRequest): Promise<DescribeSecurityGroupsResult>;
  describeRegions(input: DescribeRegionsRequest): Promise<DescribeRegionsResult>;
  getEbsEncryptionByDefault(input: object): Promise<GetEbsEncryptionByDefaultResult>;
}

/** The operations of Systems Manager that devctl uses: reaching into a box, and the id of the newest image. */
export interface SsmApi {
  startSession(input: StartSessionRequest): Promise<StartSessionResponse>;
  terminateSession(input: TerminateSessionRequest): Promise<TerminateSessionResponse>;
  getConnectionStatus(input: GetConnectionStatusRequest): Promise<GetConnectionStatusResponse>;
  /** There is no ClientToken: repeated, the command runs twice. */
  sendCommand(input: SendCommandRequest): Promise<SendCommandResult>;
  getCommandInvocation(input: GetCommandInvocationRequest): Promise<GetCommandInvocationResult>;
  getParameter(input: GetParameterRequest): Promise<GetParameterResult>;
}

/** What `doctor` asks of the account itself. Nothing here changes anything, and each may be repeated. */
export interface AccountApi {
  /** Whose credentials these are. STS answers this to everybody. */
  callerIdentity(): Promise<{ accountId: string; arn: string }>;
  /** A quota of EC2 by its code (`L-34B43A08`): what was granted, or what everybody has. */
  ec2Quota(code: string): Promise<number>;
  hasRole(name: string): Promise<boolean>;
  /** Names of the roles in an instance profile; null where there is no such profile. */
  rolesOfProfile(name: string): Promise<string[] | null>;
  /** Null where there is no such function in the region. `state` and `update` as Lambda names them: `Active`, `Successful`. */
  functionState(name: string): Promise<{ state: string; update: string; reason: string | null } | null>;
  /** What an issuer of web identity tokens says that it is called. It needs no credentials. */
  issuerAt(address: string): Promise<string>;
  /** What time it is at AWS, ms since the epoch, to the second. It needs no credentials. */
  serverTime(): Promise<number>;
}
