import { surroundingsOf } from './serve/lambda/aws.ts';
import { handleEvent } from './serve/lambda/events.ts';
import { apiHandler } from './serve/lambda/function-url.ts';
import { type LambdaParts, openLambda, servedBy } from './serve/lambda/parts.ts';
import type { LambdaContext, StreamHandler, StreamingRuntime } from './serve/lambda/runtime.ts';
import { readLambdaSettings } from './serve/lambda-settings.ts';

/** What Lambda gives to a handler that streams its answers. */
declare const awslambda: StreamingRuntime;

/** The launcher as two functions of AWS Lambda: `api` behind a Function URL, `events` for all that happens besides requests. */
const settings = readLambdaSettings(process.env);
const around = surroundingsOf(settings);

let opening: Promise<LambdaParts> | undefined;

/** Opened once for all that this process is run for; one that failed is tried again. */
function opened(): Promise<LambdaParts> {
  opening ??= openLambda(settings, around).catch((error: unknown) => {
    opening = undefined;
    throw error;
  });
  return opening;
}

export const api: StreamHandler = awslambda.streamifyResponse(apiHandler(awslambda, async () => servedBy(await opened())));

export async function events(event: unknown, context: LambdaContext): Promise<void> {
  await handleEvent({ parts: await opened(), settings, around }, event, context);
}
