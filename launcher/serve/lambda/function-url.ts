import type { Writable } from 'node:stream';
import * as z from 'zod';
import type { Bindings } from '../../api/app.ts';
import { DevctlError } from '../../contract/errors.ts';
import type { Telemetry } from '../../ports/telemetry.ts';
import { END_MARGIN_MS, type LambdaContext, type StreamHandler, type StreamingRuntime } from './runtime.ts';

/**
 * An event of a Function URL: payload format 2.0, of which nothing else is read.
 * Source: Lambda Developer Guide, "Invoking Lambda function URLs".
 */
const eventSchema = z.object({
  version: z.literal('2.0'),
  rawPath: z.string().startsWith('/'),
  rawQueryString: z.string(),
  headers: z.record(z.string(), z.string()),
  body: z.string().optional(),
  isBase64Encoded: z.boolean(),
  requestContext: z.object({
    domainName: z.string().regex(/^[a-z0-9.:[\]-]{1,255}$/),
    http: z.object({ method: z.string(), sourceIp: z.string() }),
    authorizer: z.object({ iam: z.unknown() }).nullish(),
  }),
});
type FunctionUrlEvent = z.output<typeof eventSchema>;

/** Events are followed for so long by one request; the client comes back with the last id that it has seen. */
const FOLLOW_MS = 240_000;

/** What answers requests. */
export interface Served {
  fetch(request: Request, bindings: Bindings): Promise<Response>;
  /** Waits for what the request has set going. Never throws. */
  settle(): Promise<void>;
  telemetry: Pick<Telemetry, 'error'>;
}

/**
 * The API behind a Function URL, its answers streamed. Whoever waits is answered before the function's time is over, as if they had
 * asked for less; an answer that breaks off is not ended as if it were whole.
 */
export const apiHandler =
  (runtime: StreamingRuntime, open: () => Promise<Served>): StreamHandler =>
  async (given, stream, context) => {
    const life = lifeOf(stream, context);
    const { fetch, settle, telemetry } = await open().catch(unopened);
    try {
      const event = eventSchema.safeParse(given).data;
      const request = event && requestOf(event, life.signal);
      const response = event && request ? await fetch(request, bindingsOf(event, stream)) : noRequest();
      if (response.headers.get('content-type')?.startsWith('text/event-stream')) life.endIn(FOLLOW_MS);
      // Whatever follows is looked at by then also if nobody reads the answer to its end.
      if (response.body === null || !isStream(response)) await settle();
      await send(runtime.HttpResponseStream.from(stream, headOf(response)), response);
    } catch (error) {
      telemetry.error({ op: 'lambda.api', outcome: 'error', requestId: context.awsRequestId, detail: String(error) });
      stream.destroy(error instanceof Error ? error : new Error(String(error)));
    } finally {
      life.over();
      await settle();
    }
  };

const isStream = ({ headers }: Response): boolean => !/json/.test(headers.get('content-type') ?? '');

/** Until the client has gone, or the function's time is nearly over. */
function lifeOf(stream: Writable, context: LambdaContext) {
  const control = new AbortController();
  const abort = (): void => control.abort();
  let timer: NodeJS.Timeout;
  const endIn = (ms: number): void => {
    clearTimeout(timer);
    timer = setTimeout(abort, Math.max(0, Math.min(ms, context.getRemainingTimeInMillis() - END_MARGIN_MS)));
  };
  endIn(Number.POSITIVE_INFINITY);
  stream.once('error', abort);
  stream.once('close', abort);
  return { signal: control.signal, endIn, over: () => clearTimeout(timer) };
}

function bindingsOf({ requestContext }: FunctionUrlEvent, stream: Writable): Bindings {
  const { domainName, http, authorizer } = requestContext;
  const hangUp = (): void => void stream.destroy(new Error('the answer broke off'));
  return { host: domainName, remote: http.sourceIp, signedBy: authorizer?.iam, hangUp };
}

/** Null for what no request can be made of: a method or a header that there is none of. */
function requestOf(event: FunctionUrlEvent, signal: AbortSignal): Request | null {
  const { rawPath, rawQueryString, headers, body, isBase64Encoded, requestContext } = event;
  const query = rawQueryString === '' ? '' : `?${rawQueryString}`;
  const { method } = requestContext.http;
  const isRead = method === 'GET' || method === 'HEAD';
  const bytes = body === undefined || isRead ? null : Buffer.from(body, isBase64Encoded ? 'base64' : 'utf8');
  try {
    return new Request(`https://${requestContext.domainName}${rawPath}${query}`, { method, headers, signal, body: bytes });
  } catch {
    return null;
  }
}

/** What answers while the launcher itself cannot be opened: its secret is not to be had now. */
function unopened(error: unknown): Served {
  const answer = problemResponse(new DevctlError('unavailable', 'the launcher cannot be opened now', { cause: error }));
  const log = (fields: object): void => void process.stdout.write(`${JSON.stringify({ level: 'error', ...fields })}\n`);
  log({ op: 'lambda.open', outcome: 'error', detail: String(error) });
  return { fetch: async () => answer, settle: async () => {}, telemetry: { error: log } };
}

/** Nothing that a Function URL sends: whoever invokes the function by hand is told so. */
const noRequest = (): Response => problemResponse(new DevctlError('invalid_request', 'this is no request of a Function URL'));

function problemResponse(error: DevctlError): Response {
  const problem = error.toProblem();
  return new Response(JSON.stringify(problem), { status: problem.status, headers: { 'content-type': 'application/problem+json' } });
}

const headOf = (response: Response) => ({ statusCode: response.status, headers: Object.fromEntries(response.headers) });

async function send(stream: Writable, response: Response): Promise<void> {
  // The head goes with what is written first: an answer without a body has to write, too.
  stream.write('');
  const reader = response.body?.getReader();
  const left = (): void => void reader?.cancel().catch(() => undefined);
  stream.once('close', left);
  for (;;) {
    const { done = true, value } = (await reader?.read()) ?? {};
    if (done || stream.destroyed) break;
    if (!stream.write(value)) await new Promise<void>((resolve) => void stream.once('drain', resolve).once('close', resolve));
  }
  if (stream.destroyed) return;
  stream.off('close', left);
  await new Promise<void>((resolve) => stream.end(resolve));
}
