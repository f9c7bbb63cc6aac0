import { createHash, createHmac, type Hash, type Hmac } from 'node:crypto';
import { SignatureV4 } from '@smithy/signature-v4';
import type { RoleCredentials } from './metadata.ts';

/** AWS takes a signature whose time is up to five minutes off. */
const CLOCK_OFF_MS = 240_000;

interface SignedPost {
  service: string;
  region: string;
  address: URL;
  headers: Record<string, string>;
  body: string;
  credentials: Pick<RoleCredentials, 'accessKeyId' | 'secretAccessKey' | 'sessionToken'>;
  timeoutMs: number;
}

/** What came back, whatever it was. */
export interface Answer {
  ok: boolean;
  status: number;
  text: string;
}

/** How far the clock of this machine is behind that of AWS. */
let behindMs = 0;

/**
 * Posts to a service of AWS in the name of a role. A refusal that comes with another time than that of this machine is asked again with it.
 * @throws Error when there is no answer in time
 */
export async function signedPost(request: SignedPost): Promise<Answer> {
  const { answer, atMs } = await send(request);
  const offMs = atMs === null ? 0 : atMs - Date.now();
  if (answer.ok || Math.abs(offMs - behindMs) < CLOCK_OFF_MS) return answer;
  behindMs = offMs;
  return (await send(request)).answer;
}

async function send({ service, region, address, headers, body, credentials, timeoutMs }: SignedPost) {
  const { accessKeyId, secretAccessKey, sessionToken } = credentials;
  const signer = new SignatureV4({ service, region, credentials: { accessKeyId, secretAccessKey, sessionToken }, sha256: Sha256 });
  const signed = await signer.sign(
    {
      method: 'POST',
      protocol: address.protocol,
      hostname: address.hostname,
      path: address.pathname,
      query: {},
      headers: { host: address.host, ...headers },
      body,
    },
    { signingDate: new Date(Date.now() + behindMs) },
  );
  const { host: _, ...sent } = signed.headers;
  const reply = await fetch(address, { method: 'POST', headers: sent, body, redirect: 'error', signal: AbortSignal.timeout(timeoutMs) });
  const date = Date.parse(reply.headers.get('date') ?? '');
  const answer: Answer = { ok: reply.ok, status: reply.status, text: await reply.text() };
  return { answer, atMs: Number.isNaN(date) ? null : date };
}

/** SHA-256 as the signer wants it: with a key it is an HMAC. */
class Sha256 {
  readonly #hash: Hash | Hmac;

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

function bytesOf(key: string | ArrayBuffer | ArrayBufferView): Uint8Array | string {
  if (typeof key === 'string') return key;
  return ArrayBuffer.isView(key) ? new Uint8Array(key.buffer, key.byteOffset, key.byteLength) : new Uint8Array(key);
}
