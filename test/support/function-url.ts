import { createHash, createHmac, randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { PassThrough, type Writable } from 'node:stream';
import { SignatureV4 } from '@smithy/signature-v4';
import type { LambdaContext, ResponseHead, StreamHandler, StreamingRuntime } from '../../launcher/serve/lambda/runtime.ts';
import { notAllowed, type Refusal, type SecretKey, verify } from './sigv4.ts';

/** A principal as AWS tells of it, and the key that it signs with. */
export interface Key extends SecretKey {
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

/** Source: Lambda Developer Guide, "Lambda quotas": 6 MB for what a function is given. */
const BODY_MAX_BYTES = 6 * 1024 ** 2;

/**
 * A Function URL of AuthType AWS_IAM and InvokeMode RESPONSE_STREAM on this machine's loopback: what is not signed well, is of another
 * time or region, is too large or wants a WebSocket is refused, in the words of AWS, and the function never sees it.
 */
export class FunctionUrl {
  url = '';
  /** Added to its clock, ms. */
  skewMs = 0;
  /** Key ids that may not use the function. */
  readonly denied = new Set<string>();
  /** Key ids whose session is over. */
  readonly expired = new Set<string>();
  /** What was asked, each with what became of it. */
  readonly requests: string[] = [];
  readonly #options: FunctionUrlOptions;
  readonly #server: Server;

  constructor(options: FunctionUrlOptions) {
    this.#options = options;
    this.#server = createServer((incoming, outgoing) => void this.#serve(incoming, outgoing).catch(() => outgoing.destroy()));
    this.#server.on('upgrade', (_, socket) => socket.end('HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\nconnection: close\r\n\r\n'));
  }

  async listen(): Promise<this> {
    await new Promise<void>((resolve) => void this.#server.listen(this.#options.port ?? 0, '127.0.0.1', resolve));
    this.url = `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
    return this;
  }

  readonly close = (): Promise<void> =>
    new Promise((resolve) => {
      this.#server.close(() => resolve());
      this.#server.closeAllConnections();
    });

  async #serve(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of incoming) chunks.push(chunk as Buffer);
    const body = Buffer.concat(chunks);
    const nowMs = Date.now() + this.skewMs;
    outgoing.setHeader('date', new Date(nowMs).toUTCString());
    const signer = this.#signerOf({ incoming, body }, nowMs);
    this.requests.push(`${incoming.method} ${incoming.url} ${'type' in signer ? signer.type : 'let in'}`);
    if ('type' in signer) return refuse(outgoing, signer);
    const stream: AnswerStream = new PassThrough();
    stream.onHead = ({ statusCode, headers }) => void outgoing.writeHead(statusCode, headers);
    stream.on('error', () => outgoing.destroy());
    outgoing.on('close', () => stream.destroy());
    (stream as PassThrough).pipe(outgoing);
    await this.#options.handler(eventOf(incoming, body, signer.iam), stream, contextFor(this.#options.timeoutMs ?? 900_000));
  }

  #signerOf(asked: { incoming: IncomingMessage; body: Buffer }, nowMs: number): { iam: IamBlock } | Refusal {
    const { keys = TEST_KEYS, region = 'eu-central-1' } = this.#options;
    if (asked.body.length > BODY_MAX_BYTES) return TOO_LARGE;
    const signer = verify(asked, { region, keyOf: typeof keys === 'function' ? keys : (id) => keys[id], nowMs });
    if ('type' in signer) return signer;
    if (this.expired.has(signer.id)) return EXPIRED;
    return this.denied.has(signer.id) ? notAllowed() : { iam: signer.key.iam };
  }
}

const TOO_LARGE: Refusal = {
  type: 'RequestEntityTooLargeException',
  text: `Request must be smaller than ${BODY_MAX_BYTES} bytes for the InvokeFunction operation`,
  status: 413,
  field: 'message',
};
const EXPIRED: Refusal = {
  type: 'ExpiredTokenException',
  text: 'The security token included in the request is expired',
  status: 403,
  field: 'message',
};

export const startFunctionUrl = (options: FunctionUrlOptions): Promise<FunctionUrl> => new FunctionUrl(options).listen();

function refuse(outgoing: ServerResponse, { type, text, status, field }: Refusal): void {
  outgoing.writeHead(status, { 'content-type': 'application/json', 'x-amzn-errortype': type });
  outgoing.end(JSON.stringify({ [field]: text }));
}

/** What a function of a test reads of such an event. */
export interface UrlEvent {
  rawPath: string;
  rawQueryString: string;
  headers: Record<string, string>;
  body?: string;
  isBase64Encoded: boolean;
  requestContext: { http: { method: string } };
}

export const bodyIn = ({ body = '', isBase64Encoded }: UrlEvent): Buffer => Buffer.from(body, isBase64Encoded ? 'base64' : 'utf8');

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
