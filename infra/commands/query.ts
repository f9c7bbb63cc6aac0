import { createHash, createHmac } from 'node:crypto';
import { SignatureV4 } from '@smithy/signature-v4';
import { Failure } from './failure.ts';

const TIMEOUT_MS = 30_000;

interface Credentials {
  accessKeyId: string;
  secretAccessKey: string;
  sessionToken?: string;
}

/** API versions of the services that are spoken to in their Query protocol: three, each for one or two calls, which is not worth an SDK. */
const VERSIONS = { sts: '2011-06-15', cloudformation: '2010-05-15', iam: '2010-05-08' } as const;
type Service = keyof typeof VERSIONS;

export interface QueryOptions {
  credentials: () => Promise<Credentials>;
  region: string;
  /** Instead of AWS, for trying it out. */
  endpoint: string | undefined;
}

/** AWS said no, and how it calls that. */
export class QueryError extends Error {
  override name = 'QueryError';
  readonly code: string;
  constructor(code: string, message: string) {
    super(message);
    this.code = code;
  }
}

/** Gives the XML of the answer. @throws QueryError when AWS refuses; Failure when it cannot be reached */
export async function query(
  { credentials, region, endpoint }: QueryOptions,
  service: Service,
  form: Record<string, string>,
): Promise<string> {
  // IAM is one for all regions, and signs for the first of them.
  const signedRegion = service === 'iam' ? 'us-east-1' : region;
  const url = new URL(endpoint ?? (service === 'iam' ? 'https://iam.amazonaws.com' : `https://${service}.${region}.amazonaws.com`));
  const body = new URLSearchParams({ ...form, Version: VERSIONS[service] }).toString();
  const headers = { 'content-type': 'application/x-www-form-urlencoded; charset=utf-8' };
  const answer = await post({ credentials, region: signedRegion, service, url, headers, body });
  const xml = await answer.text();
  if (answer.ok) return xml;
  throw new QueryError(textIn(xml, 'Code') ?? String(answer.status), textIn(xml, 'Message') ?? `${service} answered ${answer.status}`);
}

/** Two calls of EventBridge, which speaks AWS JSON 1.1. @throws QueryError when AWS refuses; Failure when it cannot be reached */
export async function switchRule(
  { credentials, region, endpoint }: QueryOptions,
  action: 'DisableRule' | 'EnableRule',
  Name: string,
): Promise<void> {
  const url = new URL(endpoint ?? `https://events.${region}.amazonaws.com`);
  const headers = { 'content-type': 'application/x-amz-json-1.1', 'x-amz-target': `AWSEvents.${action}` };
  const answer = await post({ credentials, region, service: 'events', url, headers, body: JSON.stringify({ Name }) });
  const text = await answer.text();
  if (answer.ok) return;
  // `namespace#Code` in some services.
  const code = /"__type"\s*:\s*"(?:[^"#]*#)?([^"]+)"/.exec(text)?.[1] ?? String(answer.status);
  throw new QueryError(code, `EventBridge answered ${answer.status} to ${action} of ${Name}: ${code}`);
}

interface Post {
  credentials: QueryOptions['credentials'];
  region: string;
  service: string;
  url: URL;
  headers: Record<string, string>;
  body: string;
}

/** Signed, to the root of a service. @throws Failure when it cannot be reached */
async function post({ credentials, region, service, url, headers: plain, body }: Post): Promise<Response> {
  const { headers } = await new SignatureV4({ credentials, region, service, sha256: Sha256 }).sign({
    method: 'POST',
    protocol: url.protocol,
    hostname: url.hostname,
    ...(url.port !== '' && { port: Number(url.port) }),
    path: '/',
    headers: { host: url.host, ...plain },
    body,
  });
  try {
    return await fetch(new URL('/', url), { method: 'POST', headers, body, signal: AbortSignal.timeout(TIMEOUT_MS) });
  } catch (error) {
    throw new Failure(`${url.host} cannot be reached`, 'is there a network, and is the region right?', { cause: error });
  }
}

/** Text of the first element of this name; undefined without one. */
export const textIn = (xml: string, element: string): string | undefined => new RegExp(`<${element}>([^<]*)</${element}>`).exec(xml)?.[1];

export const textsIn = (xml: string, element: string): string[] =>
  [...xml.matchAll(new RegExp(`<${element}>([^<]*)</${element}>`, 'g'))].map(([, text]) => text ?? '');

/** As the signer wants it: SHA-256, or its HMAC when there is a key. */
class Sha256 {
  readonly #hash;
  constructor(secret?: string | ArrayBuffer | ArrayBufferView) {
    this.#hash = secret === undefined ? createHash('sha256') : createHmac('sha256', bytesOf(secret));
  }
  update(chunk: string | ArrayBuffer | ArrayBufferView): void {
    this.#hash.update(bytesOf(chunk));
  }
  async digest(): Promise<Uint8Array> {
    return this.#hash.digest();
  }
}

function bytesOf(chunk: string | ArrayBuffer | ArrayBufferView): Buffer {
  if (typeof chunk === 'string') return Buffer.from(chunk);
  if (ArrayBuffer.isView(chunk)) return Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
  return Buffer.from(chunk);
}
