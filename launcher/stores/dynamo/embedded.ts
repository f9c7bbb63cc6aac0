import { join } from 'node:path';
import type { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { Engine } from '../embedded/engine.ts';
import { openFailure, prepareStateFolder } from '../embedded/state-folder.ts';
import { createDynamoClient } from './client.ts';
import { EXPIRY_ATTRIBUTE } from './table.ts';

export { StateFolderInUseError, StateFolderUnusableError, StateFolderVersionError } from '../embedded/state-folder.ts';

export interface EmbeddedDynamo {
  client: DynamoDBClient;
  /** Removes rows whose time is over, as DynamoDB does by itself. @returns how many */
  removeExpired(tableName: string, nowMs: number): Promise<number>;
  /** Waits for what is under way and flushes. */
  close(): Promise<void>;
}

export interface EmbeddedOptions {
  /** Folder of the database, made with mode 0700. Nothing else belongs in it. */
  dir: string;
  /**
   * Fsync each write: what was acknowledged survives a power cut. Without it, only the death of this process.
   * @default true
   */
  sync?: boolean;
}

/** Middleware that dresses a request for the network. Without it a call takes a quarter less CPU. */
const OF_NO_USE_HERE = ['hostHeaderMiddleware', 'loggerMiddleware', 'recursionDetectionMiddleware', 'getUserAgentMiddleware'];

interface WireRequest {
  headers: Record<string, string>;
  body?: unknown;
}

const bodyText = (body: unknown): string => (typeof body === 'string' ? body : new TextDecoder().decode(body as Uint8Array));

/** The SDK's transport, ending in this process: there is no socket that a box could find. */
function handlerOf(engine: Engine) {
  return {
    metadata: { handlerProtocol: 'embedded' },
    async handle(request: WireRequest) {
      const operation = (request.headers['x-amz-target'] ?? '').split('.')[1] ?? '';
      const answer = await engine.handle(operation, bodyText(request.body));
      return {
        response: {
          statusCode: answer.status,
          headers: { 'content-type': 'application/x-amz-json-1.0' },
          body: Buffer.from(answer.body),
        },
      };
    },
    updateHttpClientConfig() {},
    httpHandlerConfigs: () => ({}),
    destroy() {},
  };
}

/** A client of the engine in this process. It takes nothing from the user's files or variables, and opens no connection. */
export function createEmbeddedClient(engine: Engine): DynamoDBClient {
  const client = createDynamoClient({
    region: 'local',
    endpoint: 'http://embedded',
    credentials: { accessKeyId: 'embedded', secretAccessKey: 'embedded' },
    // Nobody is there to check a signature.
    signer: { sign: async (request) => request },
    requestHandler: handlerOf(engine),
  });
  for (const name of OF_NO_USE_HERE) client.middlewareStack.remove(name);
  return client;
}

/**
 * Opens the database in `dir`, and a DynamoDB client that talks to it.
 * @throws StateFolderInUseError, StateFolderVersionError, StateFolderUnusableError
 */
export async function openEmbeddedDynamo({ dir, sync = true }: EmbeddedOptions): Promise<EmbeddedDynamo> {
  await prepareStateFolder(dir);
  const engine = await Engine.open(join(dir, 'table'), { sync }).catch((error: unknown) => {
    throw openFailure(dir, error);
  });
  const client = createEmbeddedClient(engine);
  return {
    client,
    removeExpired: (tableName, nowMs) => engine.removeExpired(tableName, EXPIRY_ATTRIBUTE, Math.floor(nowMs / 1000)),
    close: async () => {
      await engine.close();
      client.destroy();
    },
  };
}
