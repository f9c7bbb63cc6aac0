import { createHash, createHmac, type Hash, type Hmac } from 'node:crypto';
import { defaultProvider } from '@aws-sdk/credential-provider-node';
import { SignatureV4 } from '@smithy/signature-v4';

/** A request in the parts that are signed. */
export interface SignedParts {
  method: string;
  protocol: string;
  hostname: string;
  path: string;
  query: Record<string, string>;
  headers: Record<string, string>;
  body?: string | Uint8Array;
}

export interface Signer {
  /** @returns the headers with those of the signature @throws what the SDK says when it finds no credentials */
  sign(service: string, request: SignedParts, at: Date): Promise<Record<string, string>>;
  credentials(): Promise<{ expiration?: Date }>;
}

const QUIET = { trace() {}, debug() {}, info() {}, warn() {}, error() {} };

/**
 * Signs with the credentials that the SDK finds: environment, profile, single sign-on, process. This file is a bundle of its own, which is
 * loaded by who signs: nothing of it may be told by `instanceof` elsewhere.
 */
export function createSigner({ region, profile }: { region: string; profile?: string | undefined }): Signer {
  const credentials = defaultProvider({ logger: QUIET, ...(profile !== undefined && { profile }) });
  return {
    async sign(service, request, signingDate) {
      const signer = new SignatureV4({ service, region, credentials, sha256: Sha256 });
      return (await signer.sign(request, { signingDate })).headers as Record<string, string>;
    },
    credentials,
  };
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
