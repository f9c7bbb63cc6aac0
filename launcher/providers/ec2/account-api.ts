import { SignatureV4, type SignatureV4CryptoInit, type SignatureV4Init } from '@smithy/signature-v4';
import type { AccountApi, AwsError } from './api.ts';

const ANSWER_MS = 8000;
/** No answer that is read here is longer. */
const ANSWER_CHARS = 200_000;

export interface AccountConnection extends SignatureV4CryptoInit, Pick<SignatureV4Init, 'credentials'> {
  region: string;
  /** One server for all services, for tests. */
  endpoint?: string;
}

interface Ask {
  service: 'sts' | 'iam' | 'servicequotas' | 'lambda';
  method: 'GET' | 'POST';
  path?: string;
  headers?: Record<string, string>;
  body?: string;
}

/** Questions about the account, signed one by one: four read-only calls do not need four more clients (decision 22). */
export function createAccountApi(connection: AccountConnection): AccountApi {
  const ask = (request: Ask) => send(connection, request);
  const query = (service: 'sts' | 'iam', version: string, fields: Record<string, string>) =>
    ask({
      service,
      method: 'POST',
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      body: new URLSearchParams({ Version: version, ...fields }).toString(),
    });
  const quota = async (operation: 'GetServiceQuota' | 'GetAWSDefaultServiceQuota', code: string) => {
    const text = await ask({
      service: 'servicequotas',
      method: 'POST',
      headers: { 'content-type': 'application/x-amz-json-1.1', 'x-amz-target': `ServiceQuotasV20190624.${operation}` },
      body: JSON.stringify({ ServiceCode: 'ec2', QuotaCode: code }),
    });
    const value = (JSON.parse(text) as { Quota?: { Value?: number } }).Quota?.Value;
    if (typeof value !== 'number') throw new Error(`the answer about quota ${code} has no value`);
    return value;
  };
  return {
    async callerIdentity() {
      const text = await query('sts', '2011-06-15', { Action: 'GetCallerIdentity' });
      return { accountId: element(text, 'Account') ?? '', arn: element(text, 'Arn') ?? '' };
    },
    // A quota that was never raised has no entry of its own.
    ec2Quota: async (code) => (await unless(isNone, () => quota('GetServiceQuota', code))) ?? quota('GetAWSDefaultServiceQuota', code),
    hasRole: async (name) => (await unless(isNone, () => query('iam', '2010-05-08', { Action: 'GetRole', RoleName: name }))) !== null,
    async rolesOfProfile(name) {
      const fields = { Action: 'GetInstanceProfile', InstanceProfileName: name };
      const text = await unless(isNone, () => query('iam', '2010-05-08', fields));
      return text === null ? null : [...text.matchAll(/<RoleName>([^<]*)<\/RoleName>/g)].map(([, role = '']) => role);
    },
    async functionState(name) {
      const path = `/2015-03-31/functions/${encodeURIComponent(name)}/configuration`;
      const text = await unless(isNone, () => ask({ service: 'lambda', method: 'GET', path }));
      if (text === null) return null;
      const found = JSON.parse(text) as Partial<Record<'State' | 'LastUpdateStatus' | 'StateReason' | 'LastUpdateStatusReason', string>>;
      const reason = found.StateReason ?? found.LastUpdateStatusReason ?? null;
      return { state: found.State ?? 'Active', update: found.LastUpdateStatus ?? 'Successful', reason };
    },
    async issuerAt(address) {
      const place = new URL(`${address.replace(/\/$/, '')}/.well-known/openid-configuration`);
      const response = await fetched(place, { method: 'GET', redirect: 'error' });
      const text = (await response.text()).slice(0, ANSWER_CHARS);
      if (!response.ok) throw new Error(`${place.host} answered HTTP ${response.status}`);
      return String((JSON.parse(text) as { issuer?: unknown }).issuer);
    },
    async serverTime() {
      const { headers, body } = await fetched(addressOf(connection, 'sts'), { method: 'GET', redirect: 'manual' });
      await body?.cancel();
      const atMs = Date.parse(headers.get('date') ?? '');
      if (Number.isNaN(atMs)) throw new Error('the answer of AWS has no date');
      return atMs;
    },
  };
}

const isNone = (error: Error): boolean => ['NoSuchEntity', 'NoSuchResourceException', 'ResourceNotFoundException'].includes(error.name);

async function unless<T>(isIt: (error: Error) => boolean, work: () => Promise<T>): Promise<T | null> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof Error && isIt(error)) return null;
    throw error;
  }
}

/** The text of the first element of this name: the answers that are read here have no attributes, and nothing escaped, in it. */
const element = (xml: string, name: string): string | null => new RegExp(`<${name}>([^<]*)</${name}>`).exec(xml)?.[1] ?? null;

/** IAM is one service for a whole partition, and is signed for one region of it. */
function iamOf(region: string): { host: string; region: string } {
  if (region.startsWith('cn-')) return { host: 'iam.cn-north-1.amazonaws.com.cn', region: 'cn-north-1' };
  if (region.startsWith('us-gov-')) return { host: 'iam.us-gov.amazonaws.com', region: 'us-gov-west-1' };
  return { host: 'iam.amazonaws.com', region: 'us-east-1' };
}

function addressOf({ region, endpoint }: AccountConnection, service: Ask['service']): URL {
  if (endpoint !== undefined) return new URL(endpoint);
  if (service === 'iam') return new URL(`https://${iamOf(region).host}`);
  return new URL(`https://${service}.${region}.amazonaws.com${region.startsWith('cn-') ? '.cn' : ''}`);
}

/** @throws AwsError with the code of AWS as its name; errors of the way to it */
async function send(connection: AccountConnection, { service, method, path = '/', headers = {}, body }: Ask): Promise<string> {
  const address = addressOf(connection, service);
  const signer = new SignatureV4({
    service,
    region: service === 'iam' ? iamOf(connection.region).region : connection.region,
    credentials: connection.credentials,
    sha256: connection.sha256,
  });
  const signed = await signer.sign({
    method,
    protocol: address.protocol,
    hostname: address.hostname,
    path,
    query: {},
    headers: { ...headers, host: address.host },
    ...(body !== undefined && { body }),
  });
  const { host: _, ...sent } = signed.headers;
  const response = await fetched(new URL(path, address), { method, headers: sent, ...(body !== undefined && { body }) });
  const text = (await response.text()).slice(0, ANSWER_CHARS);
  if (response.ok) return text;
  throw errorOf(response, text);
}

async function fetched(address: URL, init: RequestInit): Promise<Response> {
  try {
    return await fetch(address, { ...init, signal: AbortSignal.timeout(ANSWER_MS) });
  } catch (error) {
    // What the system said, and not only that it failed.
    throw error instanceof TypeError && error.cause instanceof Error ? error.cause : error;
  }
}

/** Three services, three ways to say what was wrong: an element, a field with a namespace before it, a header with an address behind it. */
function errorOf(response: Response, text: string): AwsError {
  const { status: httpStatusCode, headers } = response;
  const field = (name: string) => new RegExp(`"${name}"\\s*:\\s*"([^"]*)"`, 'i').exec(text)?.[1] ?? null;
  const code = element(text, 'Code') ?? headers.get('x-amzn-errortype')?.split(':')[0] ?? field('__type')?.split('#').pop();
  const message = element(text, 'Message') ?? field('message') ?? `HTTP ${httpStatusCode}`;
  return Object.assign(new Error(message), { name: code ?? `Http${httpStatusCode}`, $metadata: { httpStatusCode, attempts: 1 } });
}
