import { inject } from 'vitest';
import { createDynamoClient } from '../../launcher/stores/dynamo/client.ts';
import { storeContract } from '../contract/store.suite.ts';

storeContract("Amazon's DynamoDB Local", async () => ({
  connect: () =>
    createDynamoClient({
      region: 'local',
      endpoint: inject('dynamodbLocalUrl'),
      credentials: { accessKeyId: 'test', secretAccessKey: 'test' },
    }),
  close: async () => {},
}));
