import { DevctlError } from '../../contract/errors.ts';

/** Whose credentials they are, for what to do next. */
export interface CredentialsNote {
  /** Profile of the AWS configuration; none: what the environment says. */
  profile?: string | undefined;
}

const flag = ({ profile }: CredentialsNote): string => (profile === undefined ? '' : ` --profile ${profile}`);
const named = ({ profile }: CredentialsNote): string => (profile === undefined ? '' : ` of the profile ${profile}`);

/** Why the chain of the SDK gave no credentials. Its errors have names of their own, and say the rest in words. */
export function noCredentials(error: unknown, note: CredentialsNote): DevctlError {
  const said = error instanceof Error ? error.message : String(error);
  const refuse = (detail: string, hint: string) => new DevctlError('unauthorized', detail, { hint, cause: error });
  // A login of `aws login` says so in its advice; the same words without sso are not that of Identity Center.
  if (/re-authenticate using aws login|login_session/i.test(said))
    return refuse(`the AWS login${named(note)} has run out`, `run aws login${flag(note)}, and try again`);
  if (/\bsso\b/i.test(said) && !/required parameters|conflicting/i.test(said))
    return refuse(`the AWS login${named(note)} has run out`, `run aws sso login${flag(note)}, and try again`);
  if (note.profile !== undefined && /could not (?:resolve|load) credentials|could not be found|was not found/i.test(said))
    return refuse(
      `there are no credentials for the AWS profile ${note.profile}`,
      'see aws configure list-profiles, and name another with devctl context add --profile, or in AWS_PROFILE',
    );
  if (/could not load credentials from any providers|unable to find environment/i.test(said))
    return refuse('there are no AWS credentials', 'log in (aws sso login), or set AWS_PROFILE, and try again');
  return refuse(`there are no AWS credentials${named(note)}: ${said}`, 'see aws sts get-caller-identity: it needs the same ones');
}

/** What AWS itself refused with, before anything of a launcher or a box saw the request. */
export interface AwsRefusal {
  status: number;
  /** Code of AWS, without its namespace; empty where none was told. */
  code: string;
  message: string;
}

/** The code and words of an error answer of AWS, which is JSON; null for what is no such answer. */
export function refusalIn(status: number, headers: Record<string, unknown>, text: string): AwsRefusal | null {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    return null;
  }
  if (typeof parsed !== 'object' || parsed === null) return null;
  const field = (name: string): string | null => {
    const value = (parsed as Record<string, unknown>)[name];
    return typeof value === 'string' ? value : null;
  };
  const header = headers['x-amzn-errortype'];
  const code = (typeof header === 'string' ? header : (field('__type') ?? '')).split(':')[0]?.split('#').pop() ?? '';
  const message = field('Message') ?? field('message');
  return message === null && code === '' ? null : { status, code, message: message ?? code };
}

/** The clocks of the two differ by more than AWS allows, which is five minutes. */
export const isClockRefusal = ({ code, message }: AwsRefusal): boolean =>
  code === 'RequestTimeTooSkewed' || /^Signature (?:expired|not yet current)/.test(message);

const EXPIRED = /token included in the request is expired|ExpiredToken/;
const UNKNOWN = /security token included in the request is invalid|UnrecognizedClient|InvalidClientTokenId|MissingAuthenticationToken/;
const OTHER_REGION = /Credential should be scoped to a valid region/;
const BAD_SIGNATURE = /signature we calculated does not match|InvalidSignature/;

/**
 * The same in our words, with the next step.
 * @param doing what was refused: `the launcher`, `a session with i-…`
 */
export function awsRefused(refusal: AwsRefusal, doing: string, note: CredentialsNote & { region: string }): DevctlError {
  const { status, code, message } = refusal;
  const all = `${code} ${message}`;
  const said = `AWS says: ${message}`;
  if (isClockRefusal(refusal))
    return new DevctlError('unavailable', `the clock of this machine is too far off for AWS: ${message}`, {
      hint: 'set it (timedatectl set-ntp true), and try again',
    });
  if (EXPIRED.test(all))
    return new DevctlError('unauthorized', `the AWS credentials${named(note)} have run out`, {
      hint: `run aws sso login${flag(note)}, or renew them as you got them`,
    });
  if (OTHER_REGION.test(all))
    return new DevctlError('invalid_request', `${doing} is not in ${note.region}. ${said}`, {
      hint: 'add the context again, with the right --region',
    });
  if (UNKNOWN.test(all))
    return new DevctlError('unauthorized', `AWS does not know the credentials${named(note)} in ${note.region}. ${said}`, {
      hint: 'see aws sts get-caller-identity, and devctl doctor',
    });
  if (BAD_SIGNATURE.test(all))
    return new DevctlError('unauthorized', `AWS does not accept the signature of these credentials${named(note)}`, {
      hint: 'the secret key may be wrong, or a proxy changes requests on their way: see devctl doctor',
    });
  if (status === 429 || /Throttl|TooManyRequests/.test(code))
    return new DevctlError('rate_limited', `too much is asked of ${doing} at once. ${said}`, { retryAfterS: 1 });
  if (status === 413 || code === 'RequestEntityTooLargeException')
    return new DevctlError('too_large', `${doing} takes 6 MB at most. ${said}`, { hint: 'files go by devctl cp and devctl up' });
  if (status >= 500) return new DevctlError('unavailable', `${doing} does not answer as it should (${status}). ${said}`);
  if (status === 404) return new DevctlError('not_found', `AWS knows no such thing as ${doing}. ${said}`);
  if (status === 403 || /AccessDenied|UnauthorizedOperation/.test(code))
    return new DevctlError('forbidden', `AWS does not let you use ${doing}. ${said}`, {
      hint: 'ask for the policy of its users (devctl-user, as the deployment is called) on your role; devctl doctor says who you are',
    });
  return new DevctlError('invalid_request', `AWS refuses the request to ${doing} (${status}). ${said}`);
}
