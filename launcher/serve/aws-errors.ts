import { DevctlError, type ErrorCode } from '../contract/errors.ts';
import { ComputeError } from '../ports/compute.ts';
import { type Refusal, refusalOf } from '../providers/ec2/errors.ts';

interface Told {
  code: ErrorCode;
  /** In what words; the region and the words of AWS come after them. */
  what: string;
  hint: string;
}

const NO_CREDENTIALS: Told = {
  code: 'unauthorized',
  what: 'there are no AWS credentials that hold',
  hint: 'log in (aws sso login), or set AWS_PROFILE, and try again',
};
const UNAVAILABLE: Told = { code: 'unavailable', what: 'AWS cannot be used', hint: 'see devctl doctor' };

const TOLD: Readonly<Record<Refusal, Told>> = {
  no_credentials: NO_CREDENTIALS,
  expired_credentials: NO_CREDENTIALS,
  unknown_credentials: NO_CREDENTIALS,
  denied: { code: 'forbidden', what: 'AWS does not allow it', hint: 'see docs/EC2.md for what a launcher must be allowed' },
  clock: {
    code: 'unavailable',
    what: 'AWS refuses what is signed at another time',
    hint: 'set the clock of this machine (timedatectl set-ntp true), and try again',
  },
  none: { code: 'invalid_request', what: 'images: AWS has no such image or parameter', hint: 'bake an image, or name one as ami-…' },
  throttled: { code: 'unavailable', what: 'too many calls are made in this account', hint: 'try again in a minute' },
  unreachable: { code: 'unavailable', what: 'AWS is not reached', hint: 'see whether this machine reaches it (proxy, firewall, DNS)' },
};

/** Why a launcher cannot start in an account, with the next step; what is no error of AWS as it is. */
export function asAwsError(error: unknown, { region }: { region: string }): unknown {
  if (error instanceof DevctlError || !(error instanceof Error)) return error;
  const refusal = refusalOf(error instanceof ComputeError ? error.cause : error);
  if (refusal === null && !(error instanceof ComputeError || '$metadata' in error || 'code' in error)) return error;
  const { code, what, hint } = refusal === null ? UNAVAILABLE : TOLD[refusal];
  const { name, message } = error;
  return new DevctlError(code, `${what} (${region}): ${name === 'ComputeError' ? '' : `${name}: `}${message}`, { hint, cause: error });
}
