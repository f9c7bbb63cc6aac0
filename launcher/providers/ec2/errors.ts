import { ComputeError, type ComputeErrorKind } from '../../ports/compute.ts';

/** What an error of AWS means for whoever made the call. */
export type ErrorClass =
  /** No machine in this pool now. */
  | 'no_capacity'
  /** The account may have no more of this market. */
  | 'quota'
  /** The account may have no more storage. */
  | 'storage_quota'
  /** Refused for too many calls: nothing was done. */
  | 'throttled'
  /** Passes by itself; nobody knows whether it was done. */
  | 'passing'
  /** No answer came; nobody knows whether it was done. */
  | 'no_answer'
  /** To be had again after a rest. */
  | 'timed'
  /** Its state does not allow it now: look at it again. */
  | 'state'
  /** The token was used with other parameters. */
  | 'token'
  /** What calls are signed with has run out, or is of another time: nothing was done, and whoever renews it may ask again. */
  | 'credentials'
  /** Not there, or not to be seen yet. */
  | 'not_found'
  | 'fatal';

const NAMES: Readonly<Record<Exclude<ErrorClass, 'fatal' | 'no_answer'>, readonly string[]>> = {
  no_capacity: [
    'InsufficientInstanceCapacity',
    'UnfulfillableCapacity',
    'Unsupported',
    'InsufficientFreeAddressesInSubnet',
    'SpotMaxPriceTooLow',
    'InsufficientCapacity',
  ],
  quota: ['MaxSpotInstanceCountExceeded', 'VcpuLimitExceeded', 'MaxFleetCountExceeded', 'InstanceLimitExceeded'],
  storage_quota: ['VolumeLimitExceeded', 'MaxIOPSLimitExceeded', 'SnapshotLimitExceeded'],
  throttled: [
    'RequestLimitExceeded',
    'Throttling',
    'ThrottlingException',
    'EC2ThrottledException',
    'RequestThrottled',
    'TooManyRequestsException',
  ],
  passing: ['InternalError', 'InternalFailure', 'ServiceUnavailable', 'Unavailable', 'ConcurrentTagAccess', 'InsufficientVolumeCapacity'],
  timed: [
    'SnapshotCreationPerVolumeRateExceeded',
    'ConcurrentSnapshotLimitExceeded',
    'PendingSnapshotLimitExceeded',
    'CopyVolumesLimitExceeded',
    'ConcurrentCopyVolumeLimitExceeded',
  ],
  state: ['VolumeInUse', 'IncorrectState', 'IncorrectInstanceState', 'InvalidSnapshot.InUse', 'OperationNotPermitted'],
  token: ['IdempotentParameterMismatch', 'IdempotentInstanceTerminated'],
  credentials: [
    'CredentialsProviderError',
    'TokenProviderError',
    'ExpiredToken',
    'ExpiredTokenException',
    'RequestExpired',
    'RequestTimeTooSkewed',
  ],
  not_found: ['InvalidAttachment.NotFound', 'InvalidInstanceID.NotFound', 'InvalidSnapshot.NotFound', 'InvalidVolume.NotFound'],
};

const CLASS_OF = new Map(Object.entries(NAMES).flatMap(([kind, names]) => names.map((name) => [name, kind as ErrorClass] as const)));

/** By the code that AWS gave, as in `Errors` of a fleet. */
export const classOfCode = (code: string): ErrorClass => CLASS_OF.get(code) ?? 'fatal';

interface Thrown {
  name: string;
  code?: string;
  message: string;
  $metadata?: { httpStatusCode?: number };
}

/** Null for what is no error of AWS or of the way to it: a bug, and to be seen as one. */
export function classOf(error: unknown): ErrorClass | null {
  if (!(error instanceof Error)) return null;
  const { name, code, $metadata } = error as Thrown;
  const known = CLASS_OF.get(name);
  if (known !== undefined) return known;
  const status = $metadata?.httpStatusCode;
  if (status !== undefined) return status >= 500 ? 'passing' : 'fatal';
  const isUnanswered = $metadata !== undefined || name === 'TimeoutError' || name === 'AbortError' || /^E[A-Z]+$/.test(code ?? '');
  return isUnanswered ? 'no_answer' : null;
}

const KINDS: Readonly<Record<ErrorClass, ComputeErrorKind>> = {
  no_capacity: 'capacity',
  quota: 'capacity',
  storage_quota: 'disk_full',
  throttled: 'transient',
  passing: 'transient',
  no_answer: 'transient',
  timed: 'busy',
  state: 'busy',
  token: 'transient',
  credentials: 'transient',
  not_found: 'missing',
  fatal: 'fatal',
};

const DENIED = 'the launcher may not do that: devctl doctor names the permission that it lacks; then run the command again';
const NO_IMAGE = 'the image of the boxes is gone: bake one or name another in the settings of the launcher, see devctl doctor';
const NO_SUBNET = 'name a subnet that is there in the settings of the launcher, see devctl doctor';
const QUOTA = 'raise the vCPU quota of the account (devctl doctor has the command), end another box, or take a smaller --size';
export const KEY_HINT = 'enable the KMS key of the disk again, and let the launcher use it; then run devctl up again: nothing is lost';
const NO_SNAPSHOT =
  'the snapshot was deleted, or belongs to another account: go back to another one with devctl restore, see devctl snapshots';

/** What to do about it, where what it means for the caller does not say that. */
const NEXT: Readonly<Record<string, string>> = {
  UnauthorizedOperation: DENIED,
  AccessDenied: DENIED,
  AccessDeniedException: DENIED,
  'InvalidAMIID.NotFound': NO_IMAGE,
  'InvalidAMIID.Unavailable': NO_IMAGE,
  'InvalidSubnetID.NotFound': NO_SUBNET,
  MissingInput: NO_SUBNET,
  VcpuLimitExceeded: QUOTA,
  InstanceLimitExceeded: QUOTA,
  MaxSpotInstanceCountExceeded: QUOTA,
  'InvalidSnapshot.NotFound': NO_SNAPSHOT,
  KMSKeyNotAccessibleFault: KEY_HINT,
  InvalidKMSKeyState: KEY_HINT,
};

/** The next step after an error with this code of AWS; of several codes, that of the first that has one. */
export const hintOf = (...codes: string[]): string | undefined => {
  const code = codes.find((each) => Object.hasOwn(NEXT, each));
  return code === undefined ? undefined : NEXT[code];
};

/** An error of AWS in the words of the port; every other one as it is. */
export function asComputeError(error: unknown, doing: string): unknown {
  const kind = error instanceof ComputeError ? null : classOf(error);
  if (kind === null) return error;
  const { name, message } = error as Error;
  return new ComputeError(KINDS[kind], `${doing}: ${name}: ${message}`, { cause: error, hint: hintOf(name) });
}

/** Nobody answered a call in time. */
export const unanswered = (op: string, ms: number): Error =>
  Object.assign(new Error(`${op} was not answered within ${ms} ms`), { name: 'TimeoutError', $metadata: {} });

/** Why AWS tells us nothing, for whoever looks for what is wrong with an installation. */
export type Refusal =
  /** These credentials may not make this call. */
  | 'denied'
  | 'no_credentials'
  | 'expired_credentials'
  /** AWS does not know these credentials, or not in this region. */
  | 'unknown_credentials'
  /** Our clock is wrong: what we sign is of another time. */
  | 'clock'
  | 'throttled'
  /** Nobody answers at this address. */
  | 'unreachable'
  /** There is no such thing. */
  | 'none';

const REFUSALS: Readonly<Record<Exclude<Refusal, 'throttled'>, readonly string[]>> = {
  denied: ['UnauthorizedOperation', 'AccessDenied', 'AccessDeniedException'],
  no_credentials: ['CredentialsProviderError', 'TokenProviderError', 'MissingAuthenticationToken', 'MissingAuthenticationTokenException'],
  expired_credentials: ['ExpiredToken', 'ExpiredTokenException', 'TokenRefreshRequired'],
  unknown_credentials: [
    'AuthFailure',
    'InvalidClientTokenId',
    'UnrecognizedClientException',
    'SignatureDoesNotMatch',
    'InvalidSignatureException',
    'OptInRequired',
  ],
  clock: ['RequestTimeTooSkewed', 'RequestExpired', 'RequestInTheFuture'],
  unreachable: ['ENOTFOUND', 'EAI_AGAIN', 'ECONNREFUSED', 'ECONNRESET', 'EHOSTUNREACH', 'ENETUNREACH', 'ETIMEDOUT', 'TimeoutError'],
  none: ['ParameterNotFound', 'InvalidAMIID.NotFound', 'InvalidAMIID.Malformed', 'InvalidAMIID.Unavailable'],
};
const REFUSAL_OF = new Map(Object.entries(REFUSALS).flatMap(([kind, names]) => names.map((name) => [name, kind as Refusal] as const)));

/** Null for what is none of these. */
export function refusalOf(error: unknown): Refusal | null {
  if (!(error instanceof Error)) return null;
  const { name, code, message } = error as Thrown;
  const isOfAnotherTime = /^Signature (expired|not yet current)/.test(message);
  if (isOfAnotherTime) return 'clock';
  if (CLASS_OF.get(name) === 'throttled') return 'throttled';
  return REFUSAL_OF.get(name) ?? REFUSAL_OF.get(code ?? '') ?? null;
}
