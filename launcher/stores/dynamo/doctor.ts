import {
  DescribeContinuousBackupsCommand,
  DescribeTimeToLiveCommand,
  type DynamoDBClient,
  ResourceNotFoundException,
} from '@aws-sdk/client-dynamodb';
import type { Check } from '../../contract/api.ts';
import { bad, good, warn } from '../../contract/checks.ts';
import { redactSecrets } from '../../contract/redact.ts';
import { describeTable, EXPIRY_ATTRIBUTE, otherShapeOf } from './table.ts';

const SAID_CHARS = 300;

/** What `doctor` shows of a table at AWS. Never throws. */
export const tableChecks = async (client: DynamoDBClient, tableName: string): Promise<Check[]> =>
  Promise.all([
    looked('table', 'DescribeTable', () => shapeCheck(client, tableName)),
    looked('table expiry', 'DescribeTimeToLive', () => expiryCheck(client, tableName)),
    looked('table backups', 'DescribeContinuousBackups', () => backupsCheck(client, tableName)),
  ]);

async function shapeCheck(client: DynamoDBClient, tableName: string): Promise<Check> {
  const name = 'table';
  const table = await describeTable(client, tableName);
  if (table === null)
    return warn(name, `${tableName} is not there yet`, 'devctl serve makes it; if it was there before: devctl recover --from-tags');
  const other = otherShapeOf(table, tableName);
  if (other !== null) return bad(name, other, 'give another name for the table');
  const status = table.TableStatus;
  if (status === 'ACTIVE' || status === 'UPDATING') return good(name, `${tableName} is ${status}`);
  return bad(name, `${tableName} is ${status}`, await command(client, `wait table-exists --table-name ${tableName}`));
}

async function expiryCheck(client: DynamoDBClient, tableName: string): Promise<Check> {
  const name = 'table expiry';
  const { TimeToLiveDescription: found } = await client.send(new DescribeTimeToLiveCommand({ TableName: tableName }));
  const isOn = found?.TimeToLiveStatus === 'ENABLED' || found?.TimeToLiveStatus === 'ENABLING';
  if (isOn && found?.AttributeName === EXPIRY_ATTRIBUTE) return good(name, `rows that are over go by ${EXPIRY_ATTRIBUTE}`);
  const setting = `--time-to-live-specification Enabled=true,AttributeName=${EXPIRY_ATTRIBUTE}`;
  const fix = await command(client, `update-time-to-live --table-name ${tableName} ${setting}`);
  return warn(
    name,
    isOn ? `rows go by ${found?.AttributeName}, and not by ${EXPIRY_ATTRIBUTE}` : 'rows that are over stay in the table',
    fix,
  );
}

async function backupsCheck(client: DynamoDBClient, tableName: string): Promise<Check> {
  const name = 'table backups';
  const { ContinuousBackupsDescription: found } = await client.send(new DescribeContinuousBackupsCommand({ TableName: tableName }));
  if (found?.PointInTimeRecoveryDescription?.PointInTimeRecoveryStatus === 'ENABLED')
    return good(name, 'any second of the last days can be restored');
  const setting = '--point-in-time-recovery-specification PointInTimeRecoveryEnabled=true';
  const fix = await command(client, `update-continuous-backups --table-name ${tableName} ${setting}`);
  return warn(name, 'no point-in-time recovery: records that are lost come back from tags alone', fix);
}

async function looked(name: string, operation: string, look: () => Promise<Check>): Promise<Check> {
  try {
    return await look();
  } catch (error) {
    if (error instanceof ResourceNotFoundException) return warn(name, 'the table is not there yet', 'devctl serve makes it');
    const { name: code, message } = error as Error;
    if (code === 'AccessDeniedException')
      return warn(
        name,
        `cannot be looked at: dynamodb:${operation} is not allowed`,
        `allow dynamodb:${operation} to whom the launcher runs as`,
      );
    const words = redactSecrets(message).slice(0, SAID_CHARS);
    return warn(
      name,
      `cannot be looked at: ${code}: ${words}`,
      'see the checks of the credentials and the region; run devctl doctor again',
    );
  }
}

const command = async (client: DynamoDBClient, words: string): Promise<string> =>
  `aws dynamodb ${words} --region ${await client.config.region()}`;
