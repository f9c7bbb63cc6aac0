import { setTimeout as sleep } from 'node:timers/promises';
import { DevctlError } from '../../launcher/contract/errors.ts';
import type { SecretReference } from '../../launcher/contract/secrets.ts';
import type { Metadata } from './metadata.ts';
import { signedPost } from './signed-post.ts';

const ANSWER_MS = 5_000;
const TRIES = 3;
const PAUSE_MS = 300;
const MESSAGE_MAX = 300;
const SUFFIXES = { aws: 'amazonaws.com', 'aws-us-gov': 'amazonaws.com', 'aws-cn': 'amazonaws.com.cn' } as const;
/** What passes by itself. */
const PASSING = new Set([
  'InternalServiceError',
  'InternalServiceErrorException',
  'ThrottlingException',
  'Throttling',
  'RequestLimitExceeded',
]);

/** What to look at, by the error of AWS. Source: Secrets Manager API Reference, GetSecretValue. */
const HINTS: Readonly<Record<string, string>> = {
  ResourceNotFoundException: 'check the ARN, its region and its version: the secret may have been deleted',
  AccessDeniedException:
    'the role of boxes needs secretsmanager:GetSecretValue on it, and kms:Decrypt on its key where that is one of yours',
  DecryptionFailure: 'the role of boxes needs kms:Decrypt on the key of the secret, and the key has to be enabled',
  InvalidRequestException: 'it may be marked for deletion: aws secretsmanager describe-secret says so',
};

interface Refusal {
  name: string;
  message: string;
  passes: boolean;
}

/** Reads secrets with the role of this instance. */
export class SecretsManager {
  readonly #metadata: Metadata;

  constructor(metadata: Metadata) {
    this.#metadata = metadata;
  }

  /** @throws DevctlError secret_unavailable */
  async read(name: string, reference: SecretReference): Promise<Buffer> {
    for (let tries = 1; ; tries += 1) {
      const found = await this.#ask(reference);
      if (Buffer.isBuffer(found) || typeof found === 'string') return partOf(name, reference, found);
      if (!found.passes || tries === TRIES) throw refused(name, reference, found, tries);
      await sleep(PAUSE_MS * 2 ** tries * (0.5 + Math.random() / 2));
    }
  }

  async #ask({ arn, partition, region, versionStage, versionId }: SecretReference): Promise<string | Buffer | Refusal> {
    const endpoint = process.env['AWS_ENDPOINT_URL_SECRETS_MANAGER'] ?? `https://secretsmanager.${region}.${SUFFIXES[partition]}/`;
    const want = { SecretId: arn, ...(versionStage && { VersionStage: versionStage }), ...(versionId && { VersionId: versionId }) };
    try {
      const answer = await signedPost({
        service: 'secretsmanager',
        region,
        address: new URL(endpoint),
        headers: { 'content-type': 'application/x-amz-json-1.1', 'x-amz-target': 'secretsmanager.GetSecretValue' },
        body: JSON.stringify(want),
        credentials: await this.#metadata.credentials(),
        timeoutMs: ANSWER_MS,
      });
      return answer.ok ? valueIn(answer.text) : refusalIn(answer.status, answer.text);
    } catch (error) {
      // Of what was sent and got nothing is told: only that it was no answer.
      return { name: 'NoAnswer', message: reasonOf(error), passes: true };
    }
  }
}

function valueIn(text: string): string | Buffer | Refusal {
  const { SecretString, SecretBinary } = parsed(text);
  if (typeof SecretString === 'string') return SecretString;
  if (typeof SecretBinary === 'string') return Buffer.from(SecretBinary, 'base64');
  return { name: 'NoValue', message: 'the answer has no value in it', passes: false };
}

function refusalIn(status: number, text: string): Refusal {
  const body = parsed(text);
  // Its type may come with a namespace before it.
  const name = /[A-Za-z]+$/.exec(String(body['__type'] ?? ''))?.[0] ?? `HTTP ${status}`;
  const message = String(body['message'] ?? body['Message'] ?? '').slice(0, MESSAGE_MAX);
  return { name, message, passes: status >= 500 || status === 429 || PASSING.has(name) };
}

function parsed(text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return 'it does not answer';
  const cause = error.cause as NodeJS.ErrnoException | undefined;
  return cause?.code ?? (error.name === 'TimeoutError' ? `it did not answer within ${ANSWER_MS / 1000} s` : error.message);
}

function refused(name: string, { arn }: SecretReference, { name: code, message }: Refusal, tries: number): DevctlError {
  const after = tries > 1 ? ` (${tries} tries)` : '';
  const hint = HINTS[code];
  return new DevctlError(
    'secret_unavailable',
    `secret ${name} (${arn}): ${code}${message && `: ${message}`}${after}`,
    hint === undefined ? {} : { hint },
  );
}

/** All of the secret, or one field of its JSON, as ECS gives it to a container. @throws DevctlError secret_unavailable, with nothing of the value */
function partOf(name: string, { arn, jsonKey }: SecretReference, value: string | Buffer): Buffer {
  if (jsonKey === null) return Buffer.from(value);
  const wrong = (what: string) =>
    new DevctlError('secret_unavailable', `secret ${name} (${arn}) ${what}`, {
      hint: 'the part after the ARN is json-key:version-stage:version-id; leave all three empty for the whole secret',
    });
  const fields = typeof value === 'string' ? parsed(value) : null;
  if (fields === null || Array.isArray(fields) || Object.keys(fields).length === 0) throw wrong('is no JSON object with fields');
  if (!Object.hasOwn(fields, jsonKey)) throw wrong(`has no JSON key ${JSON.stringify(jsonKey)}`);
  const field = fields[jsonKey];
  if (typeof field === 'string') return Buffer.from(field);
  // A number may have lost some of its digits on the way.
  if (typeof field === 'boolean' || (typeof field === 'number' && String(value).includes(String(field)))) return Buffer.from(String(field));
  throw wrong(`has something else than text at JSON key ${JSON.stringify(jsonKey)}`);
}
