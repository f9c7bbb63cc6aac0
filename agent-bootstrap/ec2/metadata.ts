import { setTimeout as sleep } from 'node:timers/promises';
import { routesChanged } from './routes.ts';

const TOKEN_TTL_S = 21_600;
const ANSWER_MS = 2_000;
/** The service tells whole seconds, and an answer takes its time. */
const CLOCK_TOLERANCE_MS = 5_000;
/** Where the metadata service is on every instance; the variable is the one that AWS's own tools look at. */
const ENDPOINT = process.env['AWS_EC2_METADATA_SERVICE_ENDPOINT'] ?? 'http://169.254.169.254';

/** Temporary credentials of the instance's role. */
export interface RoleCredentials {
  accessKeyId: string;
  secretAccessKey: string;
  sessionToken: string;
  /** When they end, as the metadata service writes it. */
  expiration: string;
}

interface MetadataOptions {
  /** @default where it is on every instance */
  endpoint?: string;
  /** Resolves when another way to it may be there; never, once the signal is given. @default when the routes of this machine change */
  changed?: (signal: AbortSignal) => Promise<void>;
}

/** The instance metadata service, version 2. Source: EC2 User Guide, "Use instance metadata". */
export class Metadata {
  #token: { text: string; untilMs: number } | null = null;
  #clockIsBehindMs = 0;
  #isReached = false;
  readonly #endpoint: string;
  readonly #changed: (signal: AbortSignal) => Promise<void>;

  constructor({ endpoint = ENDPOINT, changed = routesChanged }: MetadataOptions = {}) {
    this.#endpoint = endpoint;
    this.#changed = changed;
  }

  /** The time, also where the clock of this machine is wrong: each answer of the service says it. */
  now(): number {
    return Date.now() + this.#clockIsBehindMs;
  }

  /** Text at a path under /latest/; null when there is none. @throws Error when the service does not answer */
  async get(path: string): Promise<string | null> {
    const answer = await this.#ask(path, { headers: { 'x-aws-ec2-metadata-token': await this.#session() } });
    if (answer.status === 404) return null;
    if (answer.status === 401) this.#token = null;
    if (!answer.ok) throw new Error(`the metadata service answered ${answer.status} to ${path}`);
    return answer.text();
  }

  /** @throws Error when it is not there */
  async need(path: string): Promise<string> {
    const text = await this.get(path);
    if (text === null || text === '') throw new Error(`the metadata service has no ${path}`);
    return text.trim();
  }

  /** Until it is worth another try: at the latest after this time, and at once when the network of a machine that boots has come up. */
  async pause(ms: number): Promise<void> {
    const given = new AbortController();
    await Promise.race([sleep(ms), ...(this.#isReached ? [] : [this.#changed(given.signal)])]);
    given.abort();
  }

  async credentials(): Promise<RoleCredentials> {
    const role = (await this.need('meta-data/iam/security-credentials/')).split('\n', 1)[0];
    const found = JSON.parse(await this.need(`meta-data/iam/security-credentials/${role}`)) as Record<string, string>;
    const {
      AccessKeyId: accessKeyId = '',
      SecretAccessKey: secretAccessKey = '',
      Token: sessionToken = '',
      Expiration: expiration = '',
    } = found;
    if (accessKeyId === '') throw new Error(`the role of this instance has no credentials: ${found['Code'] ?? 'no reason given'}`);
    return { accessKeyId, secretAccessKey, sessionToken, expiration };
  }

  async #session(): Promise<string> {
    if (this.#token !== null && Date.now() < this.#token.untilMs) return this.#token.text;
    const headers = { 'x-aws-ec2-metadata-token-ttl-seconds': String(TOKEN_TTL_S) };
    const answer = await this.#ask('api/token', { method: 'PUT', headers });
    if (!answer.ok) throw new Error(`the metadata service gives no token: ${answer.status}`);
    this.#token = { text: await answer.text(), untilMs: Date.now() + (TOKEN_TTL_S * 1000) / 2 };
    return this.#token.text;
  }

  async #ask(path: string, init: RequestInit): Promise<Response> {
    const answer = await this.#answer(path, init);
    const behindMs = Date.parse(answer.headers.get('date') ?? '') - Date.now();
    this.#clockIsBehindMs = Math.abs(behindMs) > CLOCK_TOLERANCE_MS ? behindMs : 0;
    return answer;
  }

  async #answer(path: string, init: RequestInit): Promise<Response> {
    const watch = new AbortController();
    const lost = new AbortController();
    // Before the first answer a question may be on its way to nowhere: it was asked while the network came up, and nobody refuses it.
    if (!this.#isReached) void this.#changed(watch.signal).then(() => lost.abort(new Error('the network has changed')));
    try {
      const signal = AbortSignal.any([AbortSignal.timeout(ANSWER_MS), lost.signal]);
      const answer = await fetch(`${this.#endpoint}/latest/${path}`, { ...init, signal });
      this.#isReached = true;
      return answer;
    } finally {
      watch.abort();
    }
  }
}
