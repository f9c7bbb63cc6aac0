import type { Writable } from 'node:stream';

/** What Lambda gives with each event. Source: Lambda Developer Guide, "Using the Lambda context object". */
export interface LambdaContext {
  awsRequestId: string;
  /** Of the time that the function may take. */
  getRemainingTimeInMillis(): number;
}

export interface ResponseHead {
  statusCode: number;
  headers: Record<string, string>;
}

/** How an answer of a Function URL is streamed: a handler that is wrapped, and a stream that is given its head. */
export interface StreamingRuntime {
  streamifyResponse(handler: StreamHandler): StreamHandler;
  HttpResponseStream: { from(stream: Writable, head: ResponseHead): Writable };
}

export type StreamHandler = (event: unknown, stream: Writable, context: LambdaContext) => Promise<void>;

/** Work that is due later than this before the end of the function's time is cut off, so that its end can still be told. */
export const END_MARGIN_MS = 5000;
