import { inject } from 'vitest';
import { createDynamoClient } from '../../launcher/stores/dynamo/client.ts';
import { storeContract } from '../contract/store.suite.ts';

storeContract("Amazon's DynamoDB Local", async () => ({
  connect: () =>
    createDynamoClient({
      region: 'local',
      endpoint: inject('dynamodbLocalUrl'),
      credentials: { accessKeyId: 'test', secretAccessKey: 'test' },
      // A hundred calls at once on a busy machine take their time; how long is not what is tested.
      requestHandler: { connectionTimeout: 30_000, requestTimeout: 30_000, throwOnRequestTimeout: true },
    }),
  close: async () => {},
}));
