import { createHash, createHmac, randomUUID, timingSafeEqual } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { PassThrough, type Writable } from 'node:stream';
import { SignatureV4 } from '@smithy/signature-v4';
import type { LambdaContext, ResponseHead, StreamHandler, StreamingRuntime } from '../../launcher/serve/lambda/runtime.ts';

/** A principal as AWS tells of it, and the key that it signs with. */
export interface Key {
  secretAccessKey: string;
  sessionToken?: string;
  iam: IamBlock;
}

export interface IamBlock {
  accessKey: string;
  accountId: string;
  callerId: string;
  cognitoIdentity: null;
  principalOrgId: string | null;
  userArn: string;
  userId: string;
}

export const ACCOUNT_ID = '123456789012';
export const ROLES = { accountId: ACCOUNT_ID, boxRole: 'devctl-box', adminRole: 'devctl-admin' };

/** The block of a user (`user/alice`), or of a session of a role (`assumed-role/devctl-box/i-0123456789abcdef0`). */
export function iamBlock(name: string, accountId = ACCOUNT_ID): IamBlock {
  const [kind, ...rest] = name.split('/');
  const mark = createHash('sha256')
    .update(rest[0] ?? name)
    .digest('hex')
    .slice(0, 16)
    .toUpperCase();
  const isSession = kind === 'assumed-role';
  const userId = isSession ? `AROA${mark}:${rest.at(-1)}` : `AIDA${mark}`;
  const userArn = `arn:aws:${isSession ? 'sts' : 'iam'}::${accountId}:${name}`;
  return { accessKey: `ASIA${mark}`, accountId, callerId: userId, cognitoIdentity: null, principalOrgId: null, userArn, userId };
}

/** Keys of the three kinds of principal, for tests: their access key is their name. */
export const TEST_KEYS: Readonly<Record<string, Key>> = {
  AKIAALICE: { secretAccessKey: 'secret of alice', iam: iamBlock('user/alice') },
  ASIABOB: {
    secretAccessKey: 'secret of bob',
    sessionToken: 'session of bob',
    iam: iamBlock('assumed-role/AWSReservedSSO_dev_0123456789abcdef/bob@example.com'),
  },
  ASIAADMIN: { secretAccessKey: 'secret of admin', sessionToken: 'session of admin', iam: iamBlock('assumed-role/devctl-admin/carol') },
};

/** What Lambda gives a program: the head of an answer is told before the first of its bytes. */
export const RUNTIME: StreamingRuntime = {
  streamifyResponse: (handler) => handler,
  HttpResponseStream: {
    from(stream, head) {
      (stream as AnswerStream).onHead?.(head);
      return stream;
    },
  },
};

/** A stream of the runtime's side, which is told its head. */
type AnswerStream = Writable & { onHead?: (head: ResponseHead) => void };

export const contextFor = (timeoutMs: number): LambdaContext => {
  const endMs = Date.now() + timeoutMs;
  return { awsRequestId: randomUUID(), getRemainingTimeInMillis: () => Math.max(0, endMs - Date.now()) };
};

export interface FunctionUrlOptions {
  handler: StreamHandler;
  region?: string;
  keys?: Readonly<Record<string, Key>> | ((accessKeyId: string) => Key | undefined);
  port?: number;
  /** The function's time. @default 15 minutes */
  timeoutMs?: number;
}

/** A Function URL of AuthType AWS_IAM and InvokeMode RESPONSE_STREAM on this machine's loopback. */
export async function startFunctionUrl(options: FunctionUrlOptions): Promise<{ url: string; close(): Promise<void> }> {
  const server = createServer((incoming, outgoing) => void serve(options, incoming, outgoing).catch(() => outgoing.destroy()));
  await new Promise<void>((resolve) => void server.listen(options.port ?? 0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

const BODY_MAX_BYTES = 6 * 1024 ** 2;

async function serve(options: FunctionUrlOptions, incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
  const chunks: Buffer[] = [];
  for await (const chunk of incoming) chunks.push(chunk as Buffer);
  const body = Buffer.concat(chunks);
  if (body.length > BODY_MAX_BYTES) return refuse(outgoing, 413, 'Request must be smaller than 6291456 bytes');
  const signer = await signerOf(options, incoming, body);
  if (typeof signer === 'string') return refuse(outgoing, 403, signer);
  const stream: AnswerStream = new PassThrough();
  stream.onHead = ({ statusCode, headers }) => void outgoing.writeHead(statusCode, headers);
  stream.on('error', () => outgoing.destroy());
  outgoing.on('close', () => stream.destroy());
  (stream as PassThrough).pipe(outgoing);
  await options.handler(eventOf(incoming, body, signer), stream, contextFor(options.timeoutMs ?? 900_000));
}

function refuse(outgoing: ServerResponse, status: number, Message: string): void {
  outgoing.writeHead(status, { 'content-type': 'application/json', 'x-amzn-errortype': 'AccessDeniedException' });
  outgoing.end(JSON.stringify({ Message }));
}

/** The event that Lambda makes of a request. Source: Lambda Developer Guide, "Invoking Lambda function URLs". */
export function eventOf(
  request: Pick<IncomingMessage, 'url' | 'method' | 'headers'>,
  body: Buffer,
  iam: IamBlock | undefined,
): Record<string, unknown> {
  const { url = '/', method = 'GET', headers } = request;
  const [rawPath = '/', ...query] = url.split('?');
  const domainName = headers.host ?? 'localhost';
  const sent = Object.entries(headers).filter(([name]) => name !== 'authorization');
  const isText = /json|text/.test(headers['content-type'] ?? '');
  return {
    version: '2.0',
    routeKey: '$default',
    rawPath,
    rawQueryString: query.join('?'),
    headers: Object.fromEntries(sent.map(([name, value]) => [name, String(value)])),
    requestContext: {
      accountId: iam?.accountId ?? 'anonymous',
      apiId: 'local',
      authentication: null,
      ...(iam && { authorizer: { iam } }),
      domainName,
      domainPrefix: 'local',
      http: { method, path: rawPath, protocol: 'HTTP/1.1', sourceIp: '127.0.0.1', userAgent: headers['user-agent'] ?? '' },
      requestId: randomUUID(),
      routeKey: '$default',
      stage: '$default',
      time: new Date().toUTCString(),
      timeEpoch: Date.now(),
    },
    ...(body.length > 0 && { body: body.toString(isText ? 'utf8' : 'base64') }),
    isBase64Encoded: body.length > 0 && !isText,
  };
}

/** Whose signature it is, or why it is none. */
async function signerOf(
  { keys = TEST_KEYS, region = 'eu-central-1' }: FunctionUrlOptions,
  { url = '/', method = 'GET', headers }: IncomingMessage,
  body: Buffer,
) {
  const pattern =
    /^AWS4-HMAC-SHA256 Credential=([^/]+)\/(\d{8})\/([^/]+)\/([^/]+)\/aws4_request, ?SignedHeaders=([^,]+), ?Signature=([0-9a-f]{64})$/;
  const [, id = '', day, signedRegion, service, names = '', given = ''] = pattern.exec(headers.authorization ?? '') ?? [];
  if (id === '') return 'Forbidden';
  const key = typeof keys === 'function' ? keys(id) : keys[id];
  if (key === undefined) return 'The security token included in the request is invalid.';
  if (service !== 'lambda' || signedRegion !== region)
    return `Credential should be scoped to a valid region and to service lambda, not ${signedRegion} ${service}`;
  if (key.sessionToken !== headers['x-amz-security-token']) return 'The security token included in the request is invalid.';
  const at = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(String(headers['x-amz-date']));
  const signedAtMs =
    at === null ? Number.NaN : Date.UTC(+(at[1] ?? 0), +(at[2] ?? 0) - 1, +(at[3] ?? 0), +(at[4] ?? 0), +(at[5] ?? 0), +(at[6] ?? 0));
  if (!(Math.abs(Date.now() - signedAtMs) < 300_000) || !String(headers['x-amz-date']).startsWith(day ?? '')) return 'Signature expired';
  const signed = names.split(';');
  if (!signed.includes('host')) return 'Host must be signed';
  const place = new URL(url, `http://${headers.host}`);
  const query: Record<string, string[]> = {};
  for (const [name, value] of place.searchParams) query[name] = [...(query[name] ?? []), value];
  const signer = new SignatureV4({
    service: 'lambda',
    region,
    credentials: { accessKeyId: id, secretAccessKey: key.secretAccessKey, ...(key.sessionToken && { sessionToken: key.sessionToken }) },
    sha256: Sha256,
  });
  const request = {
    method,
    protocol: 'http:',
    hostname: place.hostname,
    path: place.pathname,
    query,
    headers: Object.fromEntries(signed.map((name) => [name, String(headers[name])])),
    ...(body.length > 0 && { body }),
  };
  const wanted = (await signer.sign(request, { signingDate: new Date(signedAtMs) })).headers['authorization'] ?? '';
  const signature = /Signature=([0-9a-f]{64})$/.exec(wanted)?.[1] ?? '';
  return signature.length === 64 && timingSafeEqual(Buffer.from(signature), Buffer.from(given))
    ? key.iam
    : 'The request signature we calculated does not match the signature you provided.';
}

/** SHA-256 as the signer wants it: with a key it is an HMAC. */
export class Sha256 {
  readonly #hash: ReturnType<typeof createHash> | ReturnType<typeof createHmac>;

  constructor(key?: string | ArrayBuffer | ArrayBufferView) {
    this.#hash = key === undefined ? createHash('sha256') : createHmac('sha256', bytesOf(key));
  }

  update(data: Uint8Array): void {
    this.#hash.update(data);
  }

  async digest(): Promise<Uint8Array> {
    return this.#hash.digest();
  }
}

const bytesOf = (key: string | ArrayBuffer | ArrayBufferView): string | Uint8Array =>
  typeof key === 'string'
    ? key
    : ArrayBuffer.isView(key)
      ? new Uint8Array(key.buffer, key.byteOffset, key.byteLength)
      : new Uint8Array(key);

/** A request with the signature of one of the keys. */
export async function signedFetch(
  base: string,
  id: string,
  ask: { method?: string; path: string; body?: unknown; headers?: Record<string, string>; signal?: AbortSignal; region?: string },
  key: Key | undefined = TEST_KEYS[id],
): Promise<Response> {
  const address = new URL(ask.path, base);
  const body = ask.body === undefined ? undefined : JSON.stringify(ask.body);
  const signer = new SignatureV4({
    service: 'lambda',
    region: ask.region ?? 'eu-central-1',
    credentials: {
      accessKeyId: id,
      secretAccessKey: key?.secretAccessKey ?? '',
      ...(key?.sessionToken && { sessionToken: key.sessionToken }),
    },
    sha256: Sha256,
  });
  const signed = await signer.sign({
    method: ask.method ?? 'GET',
    protocol: address.protocol,
    hostname: address.hostname,
    path: address.pathname,
    query: Object.fromEntries(address.searchParams),
    headers: { host: address.host, ...(body !== undefined && { 'content-type': 'application/json' }), ...ask.headers },
    ...(body !== undefined && { body }),
  });
  const { host: _, ...headers } = signed.headers;
  return fetch(address, {
    method: ask.method ?? 'GET',
    headers,
    ...(body !== undefined && { body }),
    ...(ask.signal && { signal: ask.signal }),
  });
}
