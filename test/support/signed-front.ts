import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import { createServer, type IncomingMessage, request, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** Source: IAM User Guide, "Signature Version 4": requests have to come within five minutes of their time stamp. */
const SIGNATURE_HOLDS_MS = 300_000;
/** Source: Lambda Developer Guide, "Lambda quotas": 6 MB for what a function is given. */
const BODY_MAX_BYTES = 6 * 1024 * 1024;

export interface FrontOptions {
  region: string;
  /** Secret keys by their ids; with a session token where the credentials are temporary. */
  keys: Record<string, { secret: string; token?: string }>;
  answer: (incoming: IncomingMessage, body: Buffer, answer: ServerResponse) => void;
}

/**
 * Stands before a launcher as a Function URL with IAM does: what is not signed well, is of another time or region, is too large or wants a
 * WebSocket is refused, in the words of AWS, and the launcher never sees it. Signatures are computed here from the documents of AWS.
 */
export class SignedFront {
  url = '';
  /** Added to its clock, ms. */
  skewMs = 0;
  /** Key ids that may not use the function. */
  readonly denied = new Set<string>();
  /** Key ids whose session is over. */
  readonly expired = new Set<string>();
  readonly requests: string[] = [];
  readonly #options: FrontOptions;
  readonly #server: Server;

  private constructor(options: FrontOptions) {
    this.#options = options;
    this.#server = createServer((incoming, answer) => void this.#take(incoming, answer).catch(() => answer.destroy()));
    this.#server.on('upgrade', (_incoming, socket) =>
      socket.end('HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\nconnection: close\r\n\r\n'),
    );
  }

  static async open(options: FrontOptions): Promise<SignedFront> {
    const front = new SignedFront(options);
    await new Promise<void>((resolve) => front.#server.listen(0, '127.0.0.1', resolve));
    front.url = `http://127.0.0.1:${(front.#server.address() as AddressInfo).port}`;
    return front;
  }

  close(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }

  async #take(incoming: IncomingMessage, answer: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of incoming as AsyncIterable<Buffer>) chunks.push(chunk);
    const body = Buffer.concat(chunks);
    answer.setHeader('date', new Date(Date.now() + this.skewMs).toUTCString());
    const refusal = this.#refusalOf(incoming, body);
    this.requests.push(`${incoming.method} ${incoming.url} ${refusal === null ? 'let in' : refusal.type}`);
    if (refusal === null) this.#options.answer(incoming, body, answer);
    else {
      answer.writeHead(refusal.status, { 'content-type': 'application/json', 'x-amzn-errortype': refusal.type });
      answer.end(JSON.stringify({ [refusal.field]: refusal.text }));
    }
  }

  #refusalOf(incoming: IncomingMessage, body: Buffer) {
    const refuse = (type: string, text: string, status = 403, field = 'message') => ({ type, text, status, field });
    if (body.length > BODY_MAX_BYTES)
      return refuse(
        'RequestEntityTooLargeException',
        `Request must be smaller than ${BODY_MAX_BYTES} bytes for the InvokeFunction operation`,
        413,
      );
    const header = incoming.headers.authorization ?? '';
    const [, id = '', day = '', region = '', service = '', names = '', signature = ''] =
      /^AWS4-HMAC-SHA256 Credential=([^/]+)\/(\d{8})\/([^/]+)\/([^/]+)\/aws4_request, ?SignedHeaders=([^,]+), ?Signature=([0-9a-f]{64})$/.exec(
        header,
      ) ?? [];
    const forbidden =
      'Forbidden. For troubleshooting Function URL authorization issues, see: https://docs.aws.amazon.com/lambda/latest/dg/urls-auth.html';
    if (id === '' || service !== 'lambda') return refuse('AccessDeniedException', forbidden, 403, 'Message');
    const key = this.#options.keys[id];
    if (!key || (key.token ?? '') !== (incoming.headers['x-amz-security-token'] ?? ''))
      return refuse('UnrecognizedClientException', 'The security token included in the request is invalid.');
    if (region !== this.#options.region)
      return refuse('InvalidSignatureException', `Credential should be scoped to a valid region, not '${region}'. `);
    const at = String(incoming.headers['x-amz-date'] ?? '');
    const now = Date.now() + this.skewMs;
    const atMs = Date.parse(at.replace(/^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/, '$1-$2-$3T$4:$5:$6Z'));
    if (!(Math.abs(now - atMs) < SIGNATURE_HOLDS_MS))
      return refuse(
        'InvalidSignatureException',
        `Signature ${atMs < now ? 'expired' : 'not yet current'}: ${at} is now too far from ${new Date(now).toISOString()}`,
      );
    const wanted = signatureOf({ incoming, body, names: names.split(';'), day, region, at, secret: key.secret });
    if (!timingSafeEqual(Buffer.from(wanted), Buffer.from(signature)))
      return refuse('InvalidSignatureException', 'The request signature we calculated does not match the signature you provided.');
    if (this.expired.has(id)) return refuse('ExpiredTokenException', 'The security token included in the request is expired');
    if (this.denied.has(id)) return refuse('AccessDeniedException', forbidden, 403, 'Message');
    return null;
  }
}

interface Signed {
  incoming: IncomingMessage;
  body: Buffer;
  names: string[];
  day: string;
  region: string;
  at: string;
  secret: string;
}

/** Source: IAM User Guide, "Create a signed AWS API request". */
function signatureOf({ incoming, body, names, day, region, at, secret }: Signed): string {
  const [path = '/', search = ''] = (incoming.url ?? '/').split('?');
  const query = search
    .split('&')
    .filter((pair) => pair !== '')
    .sort()
    .join('&');
  const hash = createHash('sha256').update(body).digest('hex');
  // Lambda takes no payload that is not signed.
  const said = incoming.headers['x-amz-content-sha256'];
  if (!['host', 'x-amz-date'].every((name) => names.includes(name)) || (said !== undefined && said !== hash)) return '0'.repeat(64);
  const headers = names.map((name) => `${name}:${String(incoming.headers[name] ?? '').trim()}\n`).join('');
  const canonical = [incoming.method, path, query, headers, names.join(';'), hash].join('\n');
  const scope = `${day}/${region}/lambda/aws4_request`;
  const text = ['AWS4-HMAC-SHA256', at, scope, createHash('sha256').update(canonical).digest('hex')].join('\n');
  const key = [day, region, 'lambda', 'aws4_request'].reduce<Buffer | string>(
    (from, part) => createHmac('sha256', from).update(part).digest(),
    `AWS4${secret}`,
  );
  return createHmac('sha256', key).update(text).digest('hex');
}

/** Passes what was let in on to a launcher that knows tokens, and says of it that its boxes are reached directly. */
export function launcherBehind(url: () => string, token: () => string): FrontOptions['answer'] {
  return (incoming, body, answer) => {
    const target = new URL(url());
    const { host: _, authorization: _signature, ...kept } = incoming.headers;
    const headers = {
      ...kept,
      host: target.host,
      authorization: `Bearer ${token()}`,
      ...(body.length > 0 && { 'content-length': body.length }),
    };
    const onward = request(
      { hostname: target.hostname, port: target.port, method: incoming.method, path: incoming.url, headers },
      (reply) => {
        if (incoming.url !== '/whoami') {
          answer.writeHead(reply.statusCode ?? 502, reply.headers);
          reply.pipe(answer);
          return;
        }
        let text = '';
        reply.setEncoding('utf8').on('data', (chunk: string) => {
          text += chunk;
        });
        reply.on('end', () => {
          answer.writeHead(reply.statusCode ?? 502, { 'content-type': 'application/json' });
          answer.end(JSON.stringify({ ...(JSON.parse(text) as object), reach: 'direct' }));
        });
      },
    );
    onward.on('error', () => answer.destroy());
    answer.on('close', () => onward.destroy());
    onward.end(body);
  };
}
