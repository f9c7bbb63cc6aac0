import { timingSafeEqual } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { randomBytes } from '../lazy-crypto.ts';
import { monotonicMs } from '../monotonic.ts';
import { readNote, writeNote } from '../notes.ts';
import type { Log } from '../ports.ts';
import type { SecretMask } from '../secret-mask.ts';
import type { Metadata, RoleCredentials } from './metadata.ts';

const PATH = '/credentials';
/** The metadata service is not asked for each command of a busy workload. */
const KEEP_MS = 30_000;
const CONNECTIONS_MAX = 100;

interface CredentialsEndpointOptions {
  metadata: Pick<Metadata, 'credentials'>;
  region: string;
  /** File in memory, for the agent alone: what runs goes on to be served by the next agent. */
  notePath: string;
  mask: SecretMask;
  log: Log;
}

interface Noted {
  port: number;
  token: string;
}

/**
 * Credentials of the box's role for the workload, which cannot reach the metadata service: whoever shows the token has them. It is open only while
 * the session asks for it. Source: AWS SDKs and Tools Reference Guide, "Container credential provider".
 */
export class CredentialsEndpoint {
  readonly #options: CredentialsEndpointOptions;
  #opening: Promise<Noted> | null = null;
  #server: Server | null = null;
  #kept: { credentials: Promise<RoleCredentials>; untilMs: number } | null = null;

  constructor(options: CredentialsEndpointOptions) {
    this.#options = options;
  }

  /** Serves, and gives the variables by which a command finds it. */
  async open(): Promise<Record<string, string>> {
    this.#opening ??= this.#listen();
    const { port, token } = await this.#opening.catch((error: unknown) => {
      this.#opening = null;
      throw error;
    });
    const { region } = this.#options;
    return {
      AWS_CONTAINER_CREDENTIALS_FULL_URI: `http://127.0.0.1:${port}${PATH}`,
      AWS_CONTAINER_AUTHORIZATION_TOKEN: token,
      AWS_REGION: region,
      AWS_DEFAULT_REGION: region,
    };
  }

  close(): void {
    this.#server?.close();
    this.#server?.closeAllConnections();
    this.#server = null;
    this.#opening = null;
    this.#kept = null;
  }

  async #listen(): Promise<Noted> {
    const { notePath, mask, log } = this.#options;
    const noted = readNote<Noted>(notePath);
    const token = noted?.token ?? randomBytes(32).toString('base64url');
    mask.learn(Buffer.from(token));
    const wanted = Buffer.from(token);
    const server = createServer((incoming, answer) => void this.#answer(incoming, answer, wanted));
    server.maxConnections = CONNECTIONS_MAX;
    this.#server = server;
    const port = await listenOn(server, noted?.port ?? 0).catch(() => listenOn(server, 0));
    server.on('error', (error) => log(`the credentials endpoint: ${error.message}`));
    writeNote(notePath, { port, token } satisfies Noted);
    log(`credentials of the role of this box are served at port ${port} of loopback, as its session asks`);
    return { port, token };
  }

  async #answer(incoming: IncomingMessage, answer: ServerResponse, wanted: Buffer): Promise<void> {
    const refuse = (status: number, code: string, message: string) => {
      answer.writeHead(status, { 'content-type': 'application/json', connection: 'close' });
      answer.end(JSON.stringify({ code, message }));
    };
    const given = Buffer.from(incoming.headers.authorization ?? '');
    if (given.length !== wanted.length || !timingSafeEqual(given, wanted))
      return refuse(401, 'Unauthorized', 'the token is not that of this box');
    if (incoming.method !== 'GET' || incoming.url !== PATH) return refuse(404, 'NotFound', `there is only GET ${PATH}`);
    try {
      const { accessKeyId, secretAccessKey, sessionToken, expiration } = await this.#credentials();
      answer.writeHead(200, { 'content-type': 'application/json', 'cache-control': 'no-store' });
      answer.end(
        JSON.stringify({ AccessKeyId: accessKeyId, SecretAccessKey: secretAccessKey, Token: sessionToken, Expiration: expiration }),
      );
    } catch (error) {
      this.#options.log(`the metadata service gives no credentials: ${error instanceof Error ? error.message : error}`);
      refuse(503, 'Unavailable', 'the metadata service gives no credentials now');
    }
  }

  #credentials(): Promise<RoleCredentials> {
    if (this.#kept !== null && monotonicMs() < this.#kept.untilMs) return this.#kept.credentials;
    const credentials = this.#options.metadata.credentials().then((found) => {
      for (const value of [found.secretAccessKey, found.sessionToken]) this.#options.mask.learn(Buffer.from(value));
      return found;
    });
    credentials.catch(() => {
      this.#kept = null;
    });
    this.#kept = { credentials, untilMs: monotonicMs() + KEEP_MS };
    return credentials;
  }
}

async function listenOn(server: Server, port: number): Promise<number> {
  server.listen(port, '127.0.0.1');
  const isOpen = await Promise.race([once(server, 'listening').then(() => true), once(server, 'close').then(() => false)]);
  if (!isOpen) throw new Error('the session no longer asks for credentials');
  return (server.address() as AddressInfo).port;
}
