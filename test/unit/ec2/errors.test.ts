import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ComputeError } from '../../../launcher/ports/compute.ts';
import { asComputeError, classOf, classOfCode, hintOf, unanswered } from '../../../launcher/providers/ec2/errors.ts';

/** As the SDK throws what AWS answered. */
const answered = (name: string, httpStatusCode: number): Error =>
  Object.assign(new Error('words'), { name, $metadata: { httpStatusCode } });

describe('what an error of AWS means', () => {
  it.each([
    ['InsufficientInstanceCapacity', 'no_capacity', 'capacity'],
    ['Unsupported', 'no_capacity', 'capacity'],
    ['VcpuLimitExceeded', 'quota', 'capacity'],
    ['VolumeLimitExceeded', 'storage_quota', 'disk_full'],
    ['RequestLimitExceeded', 'throttled', 'transient'],
    ['InternalError', 'passing', 'transient'],
    ['SnapshotCreationPerVolumeRateExceeded', 'timed', 'busy'],
    ['IncorrectState', 'state', 'busy'],
    ['IdempotentParameterMismatch', 'token', 'transient'],
    ['InvalidVolume.NotFound', 'not_found', 'missing'],
    ['RequestExpired', 'credentials', 'transient'],
    ['ExpiredToken', 'credentials', 'transient'],
    ['UnauthorizedOperation', 'fatal', 'fatal'],
    ['ANameOfTomorrow', 'fatal', 'fatal'],
  ] as const)('%s is %s, and to the controllers %s', (name, kind, told) => {
    expect(classOfCode(name)).toBe(kind);
    expect(classOf(answered(name, 400))).toBe(kind);
    const error = asComputeError(answered(name, 400), 'launch');
    expect(error).toMatchObject({ kind: told, message: `launch: ${name}: words`, cause: { name } });
  });

  it('is read from the status where the name says nothing', () => {
    expect([500, 503, 400, 403].map((status) => classOf(answered('ANameOfTomorrow', status)))).toEqual([
      'passing',
      'passing',
      'fatal',
      'fatal',
    ]);
  });

  it.each([
    ['a connection that broke', Object.assign(new Error('socket hang up'), { code: 'ECONNRESET' })],
    ['a time-out of the SDK', Object.assign(new Error('late'), { name: 'TimeoutError' })],
    ['one that was given up', Object.assign(new Error('late'), { name: 'AbortError' })],
    ['no answer that the SDK tells of', Object.assign(new Error('no answer'), { $metadata: { attempts: 3 } })],
    ['our own deadline', unanswered('createFleet', 25_000)],
  ])('%s: nobody knows whether it was done', (_, error) => {
    expect(classOf(error)).toBe('no_answer');
    expect(asComputeError(error, 'launch')).toMatchObject({ kind: 'transient' });
  });

  it.each([
    ['a mistake of ours', new TypeError('x is not a function')],
    ['no error at all', 'words'],
    ['nothing', undefined],
  ])('%s is none of AWS, and stays as it is', (_, error) => {
    expect(classOf(error)).toBeNull();
    expect(asComputeError(error, 'launch')).toBe(error);
  });

  it('in the words of the port stays as it is', () => {
    const error = new ComputeError('stranded', 'beside vol-1');
    expect(asComputeError(error, 'launch')).toBe(error);
  });

  it('tells the next step where the kind alone does not', () => {
    expect(asComputeError(answered('UnauthorizedOperation', 403), 'snapshot')).toMatchObject({
      kind: 'fatal',
      hint: expect.stringContaining('devctl doctor names the permission'),
    });
    expect(asComputeError(answered('InternalError', 500), 'snapshot')).toMatchObject({ hint: undefined });
    expect(hintOf('InsufficientInstanceCapacity', 'VcpuLimitExceeded')).toContain('raise the vCPU quota');
    expect([hintOf(), hintOf('toString', 'InternalError')]).toEqual([undefined, undefined]);
  });

  it('is known for every code and status: nothing of AWS is taken for a mistake of ours', () => {
    fc.assert(
      fc.property(fc.string(), fc.integer({ min: 300, max: 599 }), (name, status) => {
        expect(classOf(answered(name, status))).not.toBeNull();
        expect((asComputeError(answered(name, status), 'x') as ComputeError).kind).toBeTypeOf('string');
      }),
    );
  });
});
