import type { AwsError } from '../../launcher/providers/ec2/api.ts';

const STATUS: Readonly<Record<string, number>> = {
  InternalError: 500,
  InsufficientInstanceCapacity: 500,
  InsufficientVolumeCapacity: 500,
  RequestLimitExceeded: 503,
  ServiceUnavailable: 503,
  Unavailable: 503,
  UnauthorizedOperation: 403,
};

/** An operation that was refused, as the SDK throws it. */
export class AwsRefusal extends Error implements AwsError {
  readonly $fault: 'client' | 'server';
  readonly $metadata: AwsError['$metadata'];
  constructor(code: string, message: string) {
    super(message);
    this.name = code;
    const httpStatusCode = STATUS[code] ?? 400;
    this.$fault = httpStatusCode >= 500 ? 'server' : 'client';
    this.$metadata = { httpStatusCode, attempts: 1 };
  }
}

export const refusal = (code: string, message: string): AwsRefusal => new AwsRefusal(code, message);

/** No answer came: the connection broke, or the client waited long enough. */
export function noAnswer(how: 'reset' | 'timeout'): Error {
  const error = how === 'reset' ? new Error('socket hang up') : new Error('Connection timed out after 20000 ms');
  if (how === 'timeout') error.name = 'TimeoutError';
  return Object.assign(error, { code: how === 'reset' ? 'ECONNRESET' : 'ETIMEDOUT', $metadata: { attempts: 1 } });
}

export const missing = (parameter: string): AwsRefusal =>
  refusal('MissingParameter', `The request must contain the parameter ${parameter}`);

export const unsupportedHere = (what: string): Error => new Error(`the simulated AWS does not know ${what}: teach it, or do without`);

/** The value of a parameter that must be there. */
export function required<T>(value: T | undefined, parameter: string): T {
  if (value === undefined) throw missing(parameter);
  return value;
}
