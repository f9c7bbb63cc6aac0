import { Readable } from 'node:stream';
import { awsRefused, isClockRefusal, refusalIn } from '../connect/aws/refusals.ts';
import type { AwsUser } from '../connect/aws/user.ts';
import { DevctlError } from '../contract/errors.ts';
import { type BaseUrl, currentUrl, type HttpTransport, readText, type WireRequest, type WireResponse } from './http.ts';

/** What a function of Lambda takes and, but for what it streams, gives. Source: Lambda Developer Guide, "Lambda quotas". */
const BODY_MAX_BYTES = 6_000_000;

type Signer = Pick<AwsUser, 'sign' | 'heard' | 'region' | 'profile'>;

/**
 * Requests to a launcher behind a Function URL, each signed anew. What AWS itself refuses, the launcher never saw: it is told in
 * the words of a person with AWS credentials. A body is hashed as a whole, since Lambda takes no unsigned one.
 */
export function signedTransport(inner: HttpTransport, baseUrl: BaseUrl, signer: () => Promise<Signer>): HttpTransport {
  async function once(wire: WireRequest, user: Signer, body: string | Uint8Array | undefined): Promise<WireResponse> {
    const base = currentUrl(baseUrl);
    const prefix = base.pathname.replace(/\/+$/, '');
    const { 'transfer-encoding': _, ...headers } = wire.headers;
    const length: Record<string, string> = typeof body === 'object' ? { 'content-length': String(body.length) } : {};
    const url = new URL(prefix + wire.path, base);
    const signed = await user.sign({ method: wire.method, url, headers: { ...headers, ...length }, body });
    const { body: _unsigned, ...rest } = wire;
    const sent = typeof body === 'object' ? Readable.from([body]) : body;
    const path = signed.path.slice(prefix.length);
    return inner.request({ ...rest, path, headers: signed.headers, ...(sent !== undefined && { body: sent }) });
  }

  return {
    async request(wire) {
      const [user, body] = await Promise.all([signer(), wholeBody(wire.body)]);
      for (let isAgain = false; ; isAgain = true) {
        const answer = await once(wire, user, body);
        if (answer.status < 400 || /problem\+json/.test(answer.headers['content-type'] ?? '')) return answer;
        const text = await readText(answer);
        const refusal = refusalIn(answer.status, answer.headers, text);
        if (refusal === null) return { ...answer, body: Readable.from([Buffer.from(text)]) };
        if (!isAgain && isClockRefusal(refusal) && user.heard(answer.headers.date)) continue;
        throw awsRefused(refusal, 'this launcher', user);
      }
    },
    close: () => inner.close(),
  };
}

async function wholeBody(body: string | Readable | undefined): Promise<string | Uint8Array | undefined> {
  if (body === undefined || typeof body === 'string') {
    if (Buffer.byteLength(body ?? '') > BODY_MAX_BYTES) throw tooLarge();
    return body;
  }
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of body as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > BODY_MAX_BYTES) throw tooLarge();
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

const tooLarge = (): DevctlError =>
  new DevctlError('too_large', `a launcher in Lambda takes ${BODY_MAX_BYTES / 1e6} MB at most in one request`, {
    hint: 'a copy or a folder goes straight to the box where session-manager-plugin is installed',
  });
