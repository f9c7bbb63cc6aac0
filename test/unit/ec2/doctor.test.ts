import { describe, expect, it } from 'vitest';
import { credentialSources } from '../../../launcher/providers/ec2/doctor/account.ts';
import { refusalOf } from '../../../launcher/providers/ec2/errors.ts';

describe('where credentials are looked for', () => {
  it.each([
    [{}, 'the profile "default", the role of the machine'],
    [{ AWS_PROFILE: 'dev', AWS_ACCESS_KEY_ID: 'AKIAIOSFODNN7EXAMPLE' }, 'the profile "dev" (AWS_PROFILE)'],
    [{ AWS_PROFILE: '', AWS_ACCESS_KEY_ID: 'AKIAIOSFODNN7EXAMPLE' }, 'AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY'],
    [{ AWS_WEB_IDENTITY_TOKEN_FILE: '/run/token' }, 'AWS_WEB_IDENTITY_TOKEN_FILE, the profile "default", the role of the machine'],
  ])('names settings and never what is in them: %j', (env, said) => {
    expect(credentialSources(env)).toBe(said);
  });
});

describe('why AWS tells nothing', () => {
  const error = (name: string, message = '', code?: string) => Object.assign(new Error(message), { name, ...(code && { code }) });
  it.each([
    [error('UnauthorizedOperation'), 'denied'],
    [error('CredentialsProviderError'), 'no_credentials'],
    [error('ExpiredTokenException'), 'expired_credentials'],
    [error('SignatureDoesNotMatch', 'The request signature we calculated does not match'), 'unknown_credentials'],
    [error('SignatureDoesNotMatch', 'Signature expired: 20260101T000000Z is now earlier than'), 'clock'],
    [error('InvalidSignatureException', 'Signature not yet current: 20260101T000000Z is still later than'), 'clock'],
    [error('RequestLimitExceeded'), 'throttled'],
    [error('Error', 'getaddrinfo ENOTFOUND', 'ENOTFOUND'), 'unreachable'],
    [error('ParameterNotFound'), 'none'],
    [error('InternalError'), null],
    ['no error', null],
  ])('%s is %s', (thrown, kind) => {
    expect(refusalOf(thrown)).toBe(kind);
  });
});
