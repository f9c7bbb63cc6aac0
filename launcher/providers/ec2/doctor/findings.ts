import type { Check } from '../../../contract/api.ts';
import { warn } from '../../../contract/checks.ts';
import { redactSecrets } from '../../../contract/redact.ts';
import { everyPage, type Page } from '../batcher.ts';
import { type Refusal, refusalOf } from '../errors.ts';
import { EC2_LIMITS } from '../limits.ts';
import { type Time, within } from '../timers.ts';

/** One check, all its calls counted. */
const LOOK_MS = 9000;
const SAID_CHARS = 300;

/** A question that was not answered, with the permission that it needs. */
class NotAnswered extends Error {
  override readonly name = 'NotAnswered';
  constructor(
    readonly permission: string,
    error: unknown,
  ) {
    super(`${permission} was not answered`, { cause: error });
  }
}

/** Waits for an answer of AWS. @param permission what a policy calls the operation: `ec2:DescribeSubnets` */
export async function answer<T>(permission: string, asked: Promise<T>): Promise<T> {
  try {
    return await asked;
  } catch (error) {
    throw new NotAnswered(permission, error);
  }
}

/** The same, and null where AWS says that there is no such thing. */
export const answerIfAny = <T>(permission: string, asked: Promise<T>): Promise<T | null> =>
  answer(
    permission,
    asked.catch((error: unknown) => {
      if (refusalOf(error) === 'none') return null;
      throw error;
    }),
  );

/** Every page of a list. */
export async function answerPages<View>(permission: string, page: (next: { NextToken?: string }) => Promise<Page<View>>): Promise<View[]> {
  const pages = everyPage((next) => page(next === undefined ? {} : { NextToken: next }), EC2_LIMITS.pages);
  return (await answer(permission, pages)).views;
}

/** What was found; what could not be looked at is a finding, too. It never throws. */
export async function findings(name: string, time: Time, look: () => Promise<Check[]>): Promise<Check[]> {
  try {
    return await within(time, LOOK_MS, look(), () =>
      Object.assign(new Error(`no answer within ${LOOK_MS / 1000} s`), { name: 'TimeoutError' }),
    );
  } catch (error) {
    return [notSeen(name, error)];
  }
}

const FIXES: Readonly<Record<Exclude<Refusal, 'denied' | 'none'>, string>> = {
  no_credentials: 'see the check of the credentials',
  expired_credentials: 'see the check of the credentials',
  unknown_credentials: 'see the checks of the credentials and the region',
  clock: 'see the check of the AWS clock',
  throttled: 'too many calls are made in this account now: run devctl doctor again in a minute',
  unreachable: 'see the check of the region, and whether this machine reaches AWS (proxy, firewall, DNS)',
};

function notSeen(name: string, error: unknown): Check {
  const { permission, cause } = error instanceof NotAnswered ? error : { permission: null, cause: error };
  const refusal = refusalOf(cause);
  if (refusal === 'denied' && permission !== null)
    return warn(
      name,
      `cannot be looked at: ${permission} is not allowed`,
      `allow ${permission} to whom the check of the credentials names`,
    );
  const fix = refusal === null || refusal === 'none' || refusal === 'denied' ? 'run devctl doctor again in a minute' : FIXES[refusal];
  return warn(name, `cannot be looked at: ${permission === null ? '' : `${permission}: `}${said(cause)}`, fix);
}

/** Name and words of an error on one line, with no secret and no end of it. */
export function said(error: unknown): string {
  const { name, message } = error instanceof Error ? error : { name: 'Error', message: String(error) };
  const line = redactSecrets(message).replaceAll(/\s+/g, ' ').trim();
  const words = line.length > SAID_CHARS ? `${line.slice(0, SAID_CHARS)}…` : line;
  return name === 'Error' ? words : `${name}: ${words}`;
}

/** A command of the AWS command line in the region. */
export const awsCommand = (region: string, words: string): string => `aws ${words} --region ${region}`;

export const several = (count: number, one: string, many = `${one}s`): string => `${count} ${count === 1 ? one : many}`;
