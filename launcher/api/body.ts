import { Readable, Transform } from 'node:stream';
import { DevctlError } from '../contract/errors.ts';
import { formatBytes } from '../contract/units.ts';
import type { Limits } from '../core/limits.ts';
import type { Upload } from './operation.ts';
import { findJsonAbuse } from './strict-json.ts';

const tooLarge = (maxBytes: number) => new DevctlError('too_large', `the body is larger than ${formatBytes(maxBytes)}`);
const tooSlow = (ms: number) => new DevctlError('request_timeout', `no more of the body came within ${ms / 1000} s`);

function assertDeclaredSize(request: Request, maxBytes: number): void {
  const declared = Number(request.headers.get('content-length') ?? 0);
  if (declared > maxBytes) throw tooLarge(maxBytes);
}

function assertContentType(request: Request, wanted: string): void {
  const given = request.headers.get('content-type');
  const [type = '', ...parameters] = (given ?? '').toLowerCase().split(';');
  const charset = parameters.map((part) => part.trim()).find((part) => part.startsWith('charset='));
  if (type.trim() !== wanted || (charset !== undefined && !/^charset="?utf-8"?$/.test(charset)))
    throw new DevctlError('unsupported_media_type', `send ${wanted}${given === null ? '' : `, not ${given.slice(0, 80)}`}`);
}

/** The whole body within its bounds of size and time, however it is sent. */
async function readBounded(request: Request, maxBytes: number, timeoutMs: number): Promise<Uint8Array> {
  assertDeclaredSize(request, maxBytes);
  if (request.body === null) return new Uint8Array(0);
  const reader = request.body.getReader();
  const chunks: Uint8Array[] = [];
  let size = 0;
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(tooSlow(timeoutMs)), timeoutMs);
  });
  try {
    for (;;) {
      const { done, value } = await Promise.race([reader.read(), late]);
      if (done) return Buffer.concat(chunks, size);
      size += value.byteLength;
      if (size > maxBytes) throw tooLarge(maxBytes);
      chunks.push(value);
    }
  } catch (error) {
    void reader.cancel().catch(() => undefined);
    throw error;
  } finally {
    clearTimeout(timer);
  }
}

const malformed = (message: string) =>
  new DevctlError('invalid_request', `the body ${message}`, { issues: [{ field: '', message: `the body ${message}` }] });

/** A JSON body; an empty one is `{}`. @throws DevctlError invalid_request, unsupported_media_type, too_large, request_timeout */
export async function readJson(request: Request, limits: Limits): Promise<unknown> {
  const hasType = request.headers.has('content-type');
  if (hasType) assertContentType(request, 'application/json');
  const bytes = await readBounded(request, limits.jsonBodyBytes, limits.bodyIdleMs);
  if (bytes.length === 0) return {};
  if (!hasType) assertContentType(request, 'application/json');
  let text: string;
  let value: unknown;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    value = JSON.parse(text);
  } catch {
    throw malformed('is not JSON in UTF-8');
  }
  const abuse = findJsonAbuse(text);
  if (abuse !== null) throw malformed(abuse);
  return value;
}

/** A body that is passed on as it comes, cut off when it is too long or pauses for too long. */
export function openUpload(request: Request, contentType: string, limits: Limits, onChunk: () => void): Upload {
  assertContentType(request, contentType);
  assertDeclaredSize(request, limits.uploadBytes);
  const source = request.body === null ? Readable.from([]) : Readable.fromWeb(request.body as import('node:stream/web').ReadableStream);
  let failure: Error | null = null;
  let size = 0;
  const guard = new Transform({
    transform(chunk: Uint8Array, _encoding, done) {
      size += chunk.byteLength;
      timer.refresh();
      onChunk();
      if (size > limits.uploadBytes) done(tooLarge(limits.uploadBytes));
      else done(null, chunk);
    },
  });
  // Only the sender's pauses count: while the reader holds it back, the guard is full and time is not the sender's.
  const timer = setTimeout(() => {
    if (guard.writableNeedDrain) timer.refresh();
    else guard.destroy(tooSlow(limits.bodyIdleMs));
  }, limits.bodyIdleMs);
  guard.once('error', (error) => {
    failure ??= error;
    source.destroy();
  });
  guard.once('close', () => clearTimeout(timer));
  source.once('error', (error) => guard.destroy(new DevctlError('request_timeout', 'the upload was cut off', { cause: error })));
  source.pipe(guard);
  return { stream: guard, failure: () => failure };
}
