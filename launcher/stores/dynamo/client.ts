import { DynamoDBClient, type DynamoDBClientConfig } from '@aws-sdk/client-dynamodb';

const WARNING_SWITCH = 'AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED';

/** Attempts of one call, the first included. A lost answer to a conditional write is recognised by reading back. */
const MAX_ATTEMPTS = 4;
/** Time-outs of one attempt over the network. */
const CONNECT_MS = 3000;
const ANSWER_MS = 5000;

/**
 * A client that takes no part of its behaviour from files or variables of the user, and does not warn of the age of Node
 * (`engines` says what is supported). Other warnings pass.
 */
export function createDynamoClient(config: DynamoDBClientConfig): DynamoDBClient {
  const before = process.env[WARNING_SWITCH];
  process.env[WARNING_SWITCH] = 'true';
  try {
    return new DynamoDBClient({
      maxAttempts: MAX_ATTEMPTS,
      retryMode: 'standard',
      defaultsMode: 'standard',
      accountIdEndpointMode: 'disabled',
      useDualstackEndpoint: false,
      useFipsEndpoint: false,
      // Middleware is resolved once per kind of command: add any before the first call.
      cacheMiddleware: true,
      requestHandler: { connectionTimeout: CONNECT_MS, requestTimeout: ANSWER_MS, throwOnRequestTimeout: true },
      ...config,
    });
  } finally {
    if (before === undefined) delete process.env[WARNING_SWITCH];
    else process.env[WARNING_SWITCH] = before;
  }
}
