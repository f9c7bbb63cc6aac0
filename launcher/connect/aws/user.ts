import { ReachError } from '../errors.ts';
import type { SessionStarter } from '../tunnels.ts';
import { awsRefused, isClockRefusal, noCredentials, refusalIn } from './refusals.ts';
import type { Signer } from './sdk.ts';

/** AWS takes a signature whose time is up to five minutes off. */
const CLOCK_OFF_MS = 240_000;
const ANSWER_MS = 20_000;
const THROTTLE_TRIES = 4;
const THROTTLE_REST_MS = 400;
/** What is signed, besides what the signer adds: no proxy has a reason to touch it. */
const SIGNED = new Set(['content-type', 'x-amz-target']);

export interface SignableRequest {
  method: string;
  /** With its query, which is written anew as it was signed. */
  url: URL;
  headers: Record<string, string>;
  body?: string | Uint8Array | undefined;
}

export interface AwsIdentity {
  arn: string;
  accountId: string;
  userId: string;
  /** What time it was at AWS, ms since the epoch, to the second; null where the answer does not say. */
  atMs: number | null;
}

/** Somebody who has AWS credentials, as the SDK finds them: environment, profile, single sign-on, process. */
export interface AwsUser {
  readonly region: string;
  readonly profile: string | undefined;
  /** Signs for a function of Lambda. @throws DevctlError unauthorized when there are no credentials that hold */
  sign(request: SignableRequest): Promise<{ headers: Record<string, string>; path: string }>;
  /** What time the other side has, from its Date header. @returns whether the same request is worth signing again */
  heard(date: string | undefined): boolean;
  /** How far the clock of this machine is behind that of AWS, ms; 0 until AWS has minded. */
  readonly behindMs: number;
  /** Until when the credentials hold; null: they have no end. @throws DevctlError unauthorized */
  expiration(): Promise<Date | null>;
  /** @throws DevctlError */
  identity(): Promise<AwsIdentity>;
  /** Sessions of Systems Manager. */
  readonly sessions: SessionStarter;
}

interface AwsUserOptions {
  region: string;
  /** @default AWS_PROFILE, else what the environment says */
  profile?: string | undefined;
  env: NodeJS.ProcessEnv;
}

/** Loads the SDK. */
export async function openAwsUser(options: AwsUserOptions): Promise<AwsUser> {
  const { createSigner } = await import('./sdk.ts');
  return new SigningUser(options, createSigner(options));
}

class SigningUser implements AwsUser {
  readonly region: string;
  readonly profile: string | undefined;
  readonly sessions: SessionStarter;
  readonly #env: NodeJS.ProcessEnv;
  readonly #signer: Signer;
  behindMs = 0;

  constructor({ region, profile, env }: AwsUserOptions, signer: Signer) {
    this.region = region;
    this.profile = profile ?? env['AWS_PROFILE'] ?? undefined;
    this.#env = env;
    this.#signer = signer;
    this.sessions = {
      start: (request) => this.#startSession(request),
      terminate: (SessionId) => this.#ssm('TerminateSession', { SessionId }),
    };
  }

  sign(request: SignableRequest): Promise<{ headers: Record<string, string>; path: string }> {
    return this.#sign('lambda', request);
  }

  heard(date: string | undefined): boolean {
    const atMs = Date.parse(date ?? '');
    if (Number.isNaN(atMs)) return false;
    const offMs = atMs - Date.now();
    if (Math.abs(offMs - this.behindMs) < CLOCK_OFF_MS) return false;
    this.behindMs = offMs;
    return true;
  }

  async expiration(): Promise<Date | null> {
    return (await this.#credentials()).expiration ?? null;
  }

  async identity(): Promise<AwsIdentity> {
    const body = 'Action=GetCallerIdentity&Version=2011-06-15';
    const headers = { 'content-type': 'application/x-www-form-urlencoded' };
    const { text, date } = await this.#ask('sts', { headers, body }, 'STS');
    const element = (name: string) => new RegExp(`<${name}>([^<]*)</${name}>`).exec(text)?.[1] ?? '';
    return { arn: element('Arn'), accountId: element('Account'), userId: element('UserId'), atMs: date };
  }

  async #credentials() {
    try {
      return await this.#signer.credentials();
    } catch (error) {
      throw noCredentials(error, this);
    }
  }

  async #sign(service: string, { method, url, headers, body }: SignableRequest) {
    // Told apart from what else may go wrong with a signature.
    await this.#credentials();
    const query = Object.fromEntries(url.searchParams);
    const parts = {
      method,
      protocol: url.protocol,
      hostname: url.hostname,
      path: url.pathname,
      query,
      headers: { ...Object.fromEntries(Object.entries(headers).filter(([name]) => SIGNED.has(name))), host: url.host },
      ...(body !== undefined && { body }),
    };
    const { host: _, ...added } = await this.#signer.sign(service, parts, new Date(Date.now() + this.behindMs));
    const search = Object.entries(query).map(([name, value]) => `${escaped(name)}=${escaped(value)}`);
    return { headers: { ...headers, ...added }, path: url.pathname + (search.length > 0 ? `?${search.join('&')}` : '') };
  }

  async #startSession(request: { Target: string }): Promise<{ SessionId?: string | undefined }> {
    return this.#ssm('StartSession', request, request.Target) as Promise<{ SessionId?: string }>;
  }

  async #ssm(operation: string, input: object, target = 'Systems Manager'): Promise<object> {
    const headers = { 'content-type': 'application/x-amz-json-1.1', 'x-amz-target': `AmazonSSM.${operation}` };
    const { text } = await this.#ask('ssm', { headers, body: JSON.stringify(input) }, target);
    return JSON.parse(text || '{}') as object;
  }

  /** @throws DevctlError, ReachError where the box is not online */
  async #ask(
    service: 'sts' | 'ssm',
    request: { headers: Record<string, string>; body: string },
    doing: string,
  ): Promise<{ text: string; date: number | null }> {
    const own = this.#env[`AWS_ENDPOINT_URL_${service.toUpperCase()}`];
    const url = new URL(own ?? `https://${service}.${this.region}.amazonaws.com${this.region.startsWith('cn-') ? '.cn' : ''}`);
    for (let tries = 1; ; tries += 1) {
      const { headers } = await this.#sign(service, { method: 'POST', url, ...request });
      const answer = await this.#post(url, headers, request.body, doing);
      const text = await answer.text();
      const atMs = Date.parse(answer.headers.get('date') ?? '');
      if (answer.ok) return { text, date: Number.isNaN(atMs) ? null : atMs };
      const refusal = refusalIn(answer.status, Object.fromEntries(answer.headers), text) ?? {
        status: answer.status,
        code: /<Code>([^<]*)</.exec(text)?.[1] ?? '',
        message: /<Message>([^<]*)</.exec(text)?.[1] ?? `HTTP ${answer.status}`,
      };
      if (refusal.code === 'TargetNotConnected')
        throw new ReachError('unreachable', `Systems Manager does not reach ${doing} now`, { isComing: true });
      const error = awsRefused(refusal, doing, this);
      const mayRepeat = error.code === 'rate_limited' || (isClockRefusal(refusal) && this.heard(answer.headers.get('date') ?? undefined));
      if (!mayRepeat || tries >= THROTTLE_TRIES) throw error;
      await new Promise((resolve) => setTimeout(resolve, THROTTLE_REST_MS * tries));
    }
  }

  async #post(url: URL, headers: Record<string, string>, body: string, doing: string): Promise<Response> {
    try {
      return await fetch(url, { method: 'POST', headers, body, redirect: 'error', signal: AbortSignal.timeout(ANSWER_MS) });
    } catch (error) {
      const cause = error instanceof TypeError && error.cause instanceof Error ? error.cause : error;
      throw new ReachError(
        'unreachable',
        `${url.host} is not reached for ${doing}: ${cause instanceof Error ? cause.message : String(cause)}`,
        {
          cause: error,
        },
      );
    }
  }
}

/** As AWS writes a query: everything but what RFC 3986 leaves alone. */
const escaped = (text: string): string =>
  encodeURIComponent(text).replace(/[!'()*]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`);
