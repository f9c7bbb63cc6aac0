import { parseArgs } from 'node:util';
import { apiHandler } from '../../launcher/serve/lambda/function-url.ts';
import { ApiBench, servedBy } from './api-bench.ts';
import { ROLES, RUNTIME, startFunctionUrl, TEST_KEYS } from './function-url.ts';
import { openDatabase } from './table.ts';

/**
 * A launcher as it is in Lambda, with machines that are fake, behind a Function URL on this machine:
 * `node .ci/ts.mjs test/support/function-url-main.ts [--port N] [--region R]`. Its first line is JSON: `{url, region, keys}`.
 */
async function main(): Promise<void> {
  const { values } = parseArgs({
    options: { port: { type: 'string', default: '0' }, region: { type: 'string', default: 'eu-central-1' } },
  });
  const bench = await ApiBench.open(await openDatabase(), { signed: ROLES });
  const handler = apiHandler(RUNTIME, servedBy(bench));
  const { url } = await startFunctionUrl({ handler, region: values.region, port: Number(values.port) });
  const keys = Object.entries(TEST_KEYS).map(([accessKeyId, { iam, ...key }]) => ({ accessKeyId, ...key, arn: iam.userArn }));
  process.stdout.write(`${JSON.stringify({ url, region: values.region, keys })}\n`);
}

void main();
