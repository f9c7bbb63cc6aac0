import { createHash, createHmac, type Hash, type Hmac } from 'node:crypto';
import { SignatureV4 } from '@smithy/signature-v4';
import type { Metadata } from './metadata.ts';

const LIFE_S = 900;
/** A token is not used any more when it has less than this left. */
const SPARE_MS = 120_000;
const ANSWER_MS = 5_000;

interface IdentityOptions {
  metadata: Metadata;
  region: string;
  /** Who the token is for: the launcher's address. */
  audience: string;
}

/**
 * Tokens that say which instance this is: STS signs them for the instance's role, and they hold for one launcher only.
 * Source: STS API Reference, GetWebIdentityToken.
 */
export class InstanceIdentity {
  readonly #options: IdentityOptions;
  #token: { text: string; untilMs: number } | null = null;

  constructor(options: IdentityOptions) {
    this.#options = options;
  }

  async token(): Promise<string> {
    if (this.#token === null || Date.now() >= this.#token.untilMs)
      this.#token = { text: await this.#ask(), untilMs: Date.now() + LIFE_S * 1000 - SPARE_MS };
    return this.#token.text;
  }

  /** The launcher did not take it. */
  forget(): void {
    this.#token = null;
  }

  async #ask(): Promise<string> {
    const { metadata, region, audience } = this.#options;
    const address = new URL(process.env['AWS_ENDPOINT_URL_STS'] ?? `https://sts.${region}.amazonaws.com/`);
    const body = new URLSearchParams({
      Action: 'GetWebIdentityToken',
      Version: '2011-06-15',
      'Audience.member.1': audience,
      SigningAlgorithm: 'ES384',
      DurationSeconds: String(LIFE_S),
    }).toString();
    const signer = new SignatureV4({ service: 'sts', region, credentials: await metadata.credentials(), sha256: Sha256 });
    const { headers } = await signer.sign(
      {
        method: 'POST',
        protocol: address.protocol,
        hostname: address.hostname,
        path: address.pathname,
        query: {},
        headers: { host: address.host, 'content-type': 'application/x-www-form-urlencoded' },
        body,
      },
      // STS takes what was signed in the last five minutes.
      { signingDate: new Date(metadata.now()) },
    );
    const { host: _, ...sent } = headers;
    const answer = await fetch(address, { method: 'POST', headers: sent, body, signal: AbortSignal.timeout(ANSWER_MS) });
    const text = await answer.text();
    const token = /<WebIdentityToken>([^<]+)</.exec(text)?.[1];
    if (!answer.ok || token === undefined)
      throw new Error(
        `STS gives this box no identity: ${/<Code>([^<]+)</.exec(text)?.[1] ?? ''} ${/<Message>([^<]+)</.exec(text)?.[1] ?? answer.status}`,
      );
    return token;
  }
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
