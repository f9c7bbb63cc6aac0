import { CreateTableCommand, UpdateContinuousBackupsCommand, UpdateTimeToLiveCommand } from '@aws-sdk/client-dynamodb';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { createDynamoClient } from '../../launcher/stores/dynamo/client.ts';
import { tableChecks } from '../../launcher/stores/dynamo/doctor.ts';
import { EXPIRY_ATTRIBUTE, ensureTable } from '../../launcher/stores/dynamo/table.ts';

describe('doctor on a table of AWS, on moto', () => {
  let client: ReturnType<typeof createDynamoClient>;
  beforeAll(() => {
    const credentials = { accessKeyId: 'test', secretAccessKey: 'test' };
    client = createDynamoClient({ region: 'us-east-1', endpoint: inject('motoUrl'), credentials });
  });
  afterAll(() => client?.destroy());
  const levels = async (table: string) => (await tableChecks(client, table)).map(({ name, level }) => `${name} ${level}`);

  it('a table that is not there is one that serve makes', async () => {
    expect(await levels('doctor-none')).toEqual(['table warn', 'table expiry warn', 'table backups warn']);
  });

  it('expiry and backups, each with the command that mends it', async () => {
    await ensureTable(client, 'doctor');
    const [table, expiry, backups] = await tableChecks(client, 'doctor');
    expect(table).toMatchObject({ level: 'ok', detail: 'doctor is ACTIVE' });
    expect(expiry?.fix).toBe(
      'aws dynamodb update-time-to-live --table-name doctor --time-to-live-specification Enabled=true,AttributeName=expirySec --region us-east-1',
    );
    expect(backups?.fix).toContain('update-continuous-backups --table-name doctor');
    const ttl = (AttributeName: string, Enabled: boolean) =>
      client.send(new UpdateTimeToLiveCommand({ TableName: 'doctor', TimeToLiveSpecification: { Enabled, AttributeName } }));
    await ttl('other', true);
    expect((await tableChecks(client, 'doctor'))[1]?.detail).toBe('rows go by other, and not by expirySec');
    await ttl('other', false);
    await ttl(EXPIRY_ATTRIBUTE, true);
    const PointInTimeRecoverySpecification = { PointInTimeRecoveryEnabled: true };
    await client.send(new UpdateContinuousBackupsCommand({ TableName: 'doctor', PointInTimeRecoverySpecification }));
    expect(await levels('doctor')).toEqual(['table ok', 'table expiry ok', 'table backups ok']);
  });

  it("somebody else's table is not taken for ours", async () => {
    await client.send(
      new CreateTableCommand({
        TableName: 'theirs',
        BillingMode: 'PAY_PER_REQUEST',
        AttributeDefinitions: [{ AttributeName: 'id', AttributeType: 'S' }],
        KeySchema: [{ AttributeName: 'id', KeyType: 'HASH' }],
      }),
    );
    expect((await tableChecks(client, 'theirs'))[0]).toMatchObject({
      level: 'error',
      detail: expect.stringContaining('not one of devctl'),
    });
  });

  it('says what is wrong with a table that cannot be looked at, and throws nothing', async () => {
    const nobody = createDynamoClient({
      region: 'us-east-1',
      endpoint: 'http://127.0.0.1:2',
      credentials: { accessKeyId: 'test', secretAccessKey: 'never-shown' },
      maxAttempts: 1,
    });
    const checks = await tableChecks(nobody, 'doctor');
    nobody.destroy();
    expect(checks.map(({ level }) => level)).toEqual(['warn', 'warn', 'warn']);
    expect(JSON.stringify(checks)).not.toContain('never-shown');
  });
});
