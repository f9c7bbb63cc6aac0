import type { Metadata } from './metadata.ts';
import { signedPost } from './signed-post.ts';

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
    const { ok, status, text } = await signedPost({
      service: 'sts',
      region,
      address,
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      body,
      credentials: await metadata.credentials(),
      timeoutMs: ANSWER_MS,
    });
    const token = /<WebIdentityToken>([^<]+)</.exec(text)?.[1];
    if (!ok || token === undefined)
      throw new Error(
        `STS gives this box no identity: ${/<Code>([^<]+)</.exec(text)?.[1] ?? ''} ${/<Message>([^<]+)</.exec(text)?.[1] ?? status}`,
      );
    return token;
  }
}
