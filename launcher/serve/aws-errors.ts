import { DevctlError } from '../contract/errors.ts';
import { ComputeError } from '../ports/compute.ts';

/** Names of what the SDK throws when it finds nothing to sign with, or what it found is no good. */
const CREDENTIALS = new Set([
  'CredentialsProviderError',
  'AuthFailure',
  'InvalidClientTokenId',
  'UnrecognizedClientException',
  'ExpiredToken',
  'ExpiredTokenException',
  'RequestExpired',
  'SignatureDoesNotMatch',
]);
const DENIED = /AccessDenied|UnauthorizedOperation/;

/** Why a launcher cannot start in an account, with the next step; what is no error of AWS as it is. */
export function asAwsError(error: unknown, { region }: { region: string }): unknown {
  if (error instanceof DevctlError || !(error instanceof Error)) return error;
  const { name, message } = error;
  if (CREDENTIALS.has(name))
    return new DevctlError('unauthorized', `there are no AWS credentials that hold: ${message}`, {
      hint: 'log in (aws sso login), or set AWS_PROFILE, and try again',
      cause: error,
    });
  if (name === 'ParameterNotFound')
    return new DevctlError('invalid_request', `images: ${message}`, { hint: 'bake an image, or name one as ami-…', cause: error });
  if (DENIED.test(name))
    return new DevctlError('forbidden', `AWS in ${region}: ${message}`, {
      hint: 'see docs/EC2.md for what a launcher must be allowed',
      cause: error,
    });
  if (error instanceof ComputeError || '$metadata' in error || 'code' in error)
    return new DevctlError('unavailable', `AWS in ${region} cannot be used: ${name}: ${message}`, {
      hint: 'see devctl doctor',
      cause: error,
    });
  return error;
}
