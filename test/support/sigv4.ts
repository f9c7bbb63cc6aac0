import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';

/** Source: IAM User Guide, "Signature Version 4": requests have to come within five minutes of their time stamp. */
const SIGNATURE_HOLDS_MS = 300_000;
const CREDENTIAL =
  /^AWS4-HMAC-SHA256 Credential=([^/]+)\/(\d{8})\/([^/]+)\/([^/]+)\/aws4_request, ?SignedHeaders=([^,]+), ?Signature=([0-9a-f]{64})$/;
const FORBIDDEN =
  'Forbidden. For troubleshooting Function URL authorization issues, see: https://docs.aws.amazon.com/lambda/latest/dg/urls-auth.html';

export interface SecretKey {
  secretAccessKey: string;
  /** Where the credentials are temporary. */
  sessionToken?: string;
}

/** What AWS answers in place of the function, in its words. */
export interface Refusal {
  type: string;
  text: string;
  status: number;
  field: 'message' | 'Message';
}

interface Asked {
  incoming: Pick<IncomingMessage, 'url' | 'method' | 'headers'>;
  body: Buffer;
}

interface Verifier<K extends SecretKey> {
  region: string;
  keyOf: (accessKeyId: string) => K | undefined;
  /** The clock of AWS, ms. */
  nowMs: number;
}

const refusal = (type: string, text: string): Refusal => ({ type, text, status: 403, field: 'message' });
export const notAllowed = (): Refusal => ({ type: 'AccessDeniedException', text: FORBIDDEN, status: 403, field: 'Message' });

/** Whose signature a request has, or why it is none. Computed from the documents of AWS, and not by its SDK, which those sign with who are let in. */
export function verify<K extends SecretKey>(asked: Asked, { region, keyOf, nowMs }: Verifier<K>): { id: string; key: K } | Refusal {
  const { headers } = asked.incoming;
  const [, id = '', day = '', scoped = '', service = '', names = '', signature = ''] = CREDENTIAL.exec(headers.authorization ?? '') ?? [];
  if (id === '' || service !== 'lambda') return notAllowed();
  const key = keyOf(id);
  if (key === undefined || (key.sessionToken ?? '') !== (headers['x-amz-security-token'] ?? ''))
    return refusal('UnrecognizedClientException', 'The security token included in the request is invalid.');
  if (scoped !== region) return refusal('InvalidSignatureException', `Credential should be scoped to a valid region, not '${scoped}'. `);
  const at = String(headers['x-amz-date'] ?? '');
  const atMs = Date.parse(at.replace(/^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/, '$1-$2-$3T$4:$5:$6Z'));
  if (!(Math.abs(nowMs - atMs) < SIGNATURE_HOLDS_MS) || !at.startsWith(day))
    return refusal(
      'InvalidSignatureException',
      `Signature ${atMs < nowMs ? 'expired' : 'not yet current'}: ${at} is now too far from ${new Date(nowMs).toISOString()}`,
    );
  const wanted = signatureOf(asked, { names: names.split(';'), day, region, at, secret: key.secretAccessKey });
  if (wanted === null || !timingSafeEqual(Buffer.from(wanted), Buffer.from(signature)))
    return refusal('InvalidSignatureException', 'The request signature we calculated does not match the signature you provided.');
  return { id, key };
}

interface Scope {
  names: string[];
  day: string;
  region: string;
  at: string;
  secret: string;
}

const sha256 = (data: string | Buffer): string => createHash('sha256').update(data).digest('hex');

/** Source: IAM User Guide, "Create a signed AWS API request". @returns null for what AWS takes with no signature at all */
function signatureOf({ incoming, body }: Asked, { names, day, region, at, secret }: Scope): string | null {
  const { url = '/', method, headers } = incoming;
  const [path = '/', search = ''] = url.split('?');
  const query = search
    .split('&')
    .filter((pair) => pair !== '')
    .sort()
    .join('&');
  const hash = sha256(body);
  // Lambda takes no payload that is not signed.
  const said = headers['x-amz-content-sha256'];
  if (!['host', 'x-amz-date'].every((name) => names.includes(name)) || (said !== undefined && said !== hash)) return null;
  const lines = names.map((name) => `${name}:${String(headers[name] ?? '').trim()}\n`).join('');
  // A path is encoded once more than it is sent, but for S3.
  const twice = encodeURIComponent(path)
    .replaceAll('%2F', '/')
    .replace(/[!'()*]/g, (sign) => `%${sign.charCodeAt(0).toString(16).toUpperCase()}`);
  const canonical = [method, twice, query, lines, names.join(';'), hash].join('\n');
  const text = ['AWS4-HMAC-SHA256', at, `${day}/${region}/lambda/aws4_request`, sha256(canonical)].join('\n');
  const key = [day, region, 'lambda', 'aws4_request'].reduce<Buffer | string>(
    (from, part) => createHmac('sha256', from).update(part).digest(),
    `AWS4${secret}`,
  );
  return createHmac('sha256', key).update(text).digest('hex');
}
