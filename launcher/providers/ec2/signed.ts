import { SignatureV4, type SignatureV4CryptoInit, type SignatureV4Init } from '@smithy/signature-v4';
import type { AwsError } from './api.ts';

const ANSWER_MS = 8000;
/** No answer that is read here is longer. */
export const ANSWER_CHARS = 200_000;

export interface SignedConnection extends SignatureV4CryptoInit, Pick<SignatureV4Init, 'credentials'> {
  region: string;
  /** One server for all services, for tests. */
  endpoint?: string;
}

export interface Ask {
  service: 'sts' | 'iam' | 'servicequotas' | 'lambda' | 'secretsmanager';
  method: 'GET' | 'POST';
  path?: string;
  headers?: Record<string, string>;
  body?: string;
}

/** The text of the first element of this name: the answers that are read here have no attributes, and nothing escaped, in it. */
export const element = (xml: string, name: string): string | null => new RegExp(`<${name}>([^<]*)</${name}>`).exec(xml)?.[1] ?? null;

/** IAM is one service for a whole partition, and is signed for one region of it. */
function iamOf(region: string): { host: string; region: string } {
  if (region.startsWith('cn-')) return { host: 'iam.cn-north-1.amazonaws.com.cn', region: 'cn-north-1' };
  if (region.startsWith('us-gov-')) return { host: 'iam.us-gov.amazonaws.com', region: 'us-gov-west-1' };
  return { host: 'iam.amazonaws.com', region: 'us-east-1' };
}

export function addressOf({ region, endpoint }: SignedConnection, service: Ask['service']): URL {
  if (endpoint !== undefined) return new URL(endpoint);
  if (service === 'iam') return new URL(`https://${iamOf(region).host}`);
  return new URL(`https://${service}.${region}.amazonaws.com${region.startsWith('cn-') ? '.cn' : ''}`);
}

/** One signed call, for which no client is worth its size. @throws AwsError with the code of AWS as its name; errors of the way to it */
export async function send(connection: SignedConnection, { service, method, path = '/', headers = {}, body }: Ask): Promise<string> {
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

export async function fetched(address: URL, init: RequestInit): Promise<Response> {
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
