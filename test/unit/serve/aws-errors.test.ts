import { describe, expect, it } from 'vitest';
import { DevctlError } from '../../../launcher/contract/errors.ts';
import { ComputeError } from '../../../launcher/ports/compute.ts';
import { asAwsError } from '../../../launcher/serve/aws-errors.ts';

const named = (name: string, more: object = {}): Error => Object.assign(new Error('words of AWS'), { name, ...more });
const told = (error: unknown): unknown => asAwsError(error, { region: 'eu-central-1' });

describe('why a launcher cannot start in an account', () => {
  it.each([
    ['CredentialsProviderError', 'unauthorized', 'aws sso login'],
    ['ExpiredTokenException', 'unauthorized', 'aws sso login'],
    ['UnrecognizedClientException', 'unauthorized', 'aws sso login'],
    ['RequestExpired', 'unavailable', 'clock'],
    ['AccessDeniedException', 'forbidden', 'docs/EC2.md'],
    ['ParameterNotFound', 'invalid_request', 'bake an image'],
    ['ThrottlingException', 'unavailable', 'in a minute'],
    ['TimeoutError', 'unavailable', 'proxy'],
  ])('%s is %s, and the next step says %s', (name, code, hint) => {
    const error = told(named(name)) as DevctlError;
    expect(error).toBeInstanceOf(DevctlError);
    expect(error).toMatchObject({ code, detail: expect.stringContaining(`${name}: words of AWS`) });
    expect(error.extra.hint).toContain(hint);
  });

  it('is seen behind the words of the provider, too', () => {
    const error = new ComputeError('fatal', 'describeLaunchTemplates: no', { cause: named('UnauthorizedOperation') });
    expect(told(error)).toMatchObject({ code: 'forbidden' });
    expect((told(error) as DevctlError).detail).toContain('describeLaunchTemplates: no');
  });

  it('is told when AWS says something new', () => {
    expect(told(named('ANameOfTomorrow', { $metadata: {} }))).toMatchObject({ code: 'unavailable' });
  });

  it('is left as it is when it is none of AWS', () => {
    for (const error of [new TypeError('ours'), new DevctlError('conflict', 'said already'), 'words']) expect(told(error)).toBe(error);
  });
});
