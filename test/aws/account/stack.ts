import { CreateTableCommand, type CreateTableCommandInput, UpdateTimeToLiveCommand } from '@aws-sdk/client-dynamodb';
import type { CreateLaunchTemplateRequest } from '@aws-sdk/client-ec2';
import { connectAws } from '../../../launcher/providers/ec2/sdk-api.ts';
import type { LambdaSettingsInput } from '../../../launcher/serve/lambda-settings.ts';
import { createDynamoClient } from '../../../launcher/stores/dynamo/client.ts';
import { ofType, only, type Resource, resolved, synthesized, type Template } from '../../infra/synthesized.ts';
import { REGION } from './account.ts';
import { Vault } from './vault.ts';

const CREDENTIALS = { accessKeyId: 'test', secretAccessKey: 'test' };

interface StackOptions {
  deployment: string;
  /** Of the account, and of the server behind it that its owner reaches without it. */
  accountUrl: string;
  motoUrl: string;
  /** Of the launcher. */
  functionUrl: string;
}

/** What the launcher finds: the settings as the template writes them, and the times of its functions, ms. */
export interface Stack {
  settings: LambdaSettingsInput;
  timeoutsMs: { api: number; events: number };
}

/**
 * Makes in an account what the stack's template has of what a launcher meets: its table, its launch templates, its secret, the parameter
 * of an image, and its settings. What CloudFormation would fill in, is filled in with what the account has.
 */
export async function makeStack({ deployment, accountUrl, motoUrl, functionUrl }: StackOptions): Promise<Stack> {
  const { template, names, remove } = synthesized({ deployment, region: REGION, architectures: ['x86_64'], volumeGiB: 8 });
  remove();
  const { ec2, close } = connectAws({ region: REGION, endpoint: accountUrl, credentials: CREDENTIALS });
  try {
    await makeTable(template, accountUrl);
    for (const { Properties } of ofType(template, 'AWS::EC2::LaunchTemplate')) {
      const ClientToken = String(Properties['LaunchTemplateName']);
      await ec2.createLaunchTemplate({ ...launchTemplate(Properties, functionUrl), ClientToken });
    }
    const { Images = [] } = await ec2.describeImages({ Filters: [{ Name: 'architecture', Values: ['x86_64'] }] });
    const image = Images.find(({ RootDeviceType, Platform }) => RootDeviceType === 'ebs' && !Platform)?.ImageId ?? '';
    await putParameter(motoUrl, names.imageParameters.x86_64, image);
    const secret = await new Vault(motoUrl).create(names.masterSecret, 'forty-eight characters, as the stack makes them.', REGION);
    const { Subnets = [] } = await ec2.describeSubnets({ Filters: [{ Name: 'default-for-az', Values: ['true'] }] });
    const subnets = Subnets.map(({ SubnetId = '', AvailabilityZone = '' }) => ({ id: SubnetId, az: AvailabilityZone }));
    return { settings: { ...settingsOf(template, secret, subnets), endpoint: accountUrl }, timeoutsMs: timeoutsOf(template) };
  } finally {
    close();
  }
}

async function makeTable(template: Template, endpoint: string): Promise<void> {
  const { TimeToLiveSpecification, PointInTimeRecoverySpecification: _, ...table } = only(template, 'AWS::DynamoDB::Table').Properties;
  const client = createDynamoClient({ region: REGION, endpoint, credentials: CREDENTIALS });
  try {
    await client.send(new CreateTableCommand(resolved(table) as CreateTableCommandInput));
    const { AttributeName, Enabled } = TimeToLiveSpecification as { AttributeName: string; Enabled: boolean };
    const TableName = String(table['TableName']);
    await client.send(new UpdateTimeToLiveCommand({ TableName, TimeToLiveSpecification: { AttributeName, Enabled } }));
  } finally {
    client.destroy();
  }
}

/** The properties of a template are those of the call that makes one. */
function launchTemplate(properties: Record<string, unknown>, functionUrl: string): CreateLaunchTemplateRequest {
  const { LaunchTemplateName, LaunchTemplateData, TagSpecifications } = resolved(properties) as unknown as CreateLaunchTemplateRequest;
  const userData = Buffer.from(LaunchTemplateData?.UserData ?? '', 'base64')
    .toString()
    .replace(/<[^>]*FunctionUrl>/, functionUrl);
  const text = JSON.stringify({ ...LaunchTemplateData, UserData: Buffer.from(userData).toString('base64') });
  const filled = text
    .replace(/<[^>]*Group[^>]*>/g, 'sg-0123456789abcdef0')
    .replace(/<[^>]*Profile[^>]*>/g, 'arn:aws:iam::123456789012:instance-profile/box');
  if (filled.includes('<')) throw new Error(`nobody has filled in ${filled}`);
  return { LaunchTemplateName, LaunchTemplateData: JSON.parse(filled) as object, TagSpecifications };
}

function settingsOf(template: Template, secret: string, subnets: LambdaSettingsInput['subnets']): LambdaSettingsInput {
  const [api] = ofType(template, 'AWS::Lambda::Function') as [Resource, Resource];
  const { Variables } = api.Properties['Environment'] as { Variables: Record<string, unknown> };
  const filled = String(resolved(Variables['DEVCTL_SETTINGS']))
    .replace(/<[^>]*Subnet(\d)[^>]*\.AvailabilityZone>/g, (_, at) => subnets[at - 1]?.az ?? '')
    .replace(/<[^>]*Subnet(\d)[^>]*>/g, (_, at) => subnets[at - 1]?.id ?? '')
    .replace(/<[^>]*Secret[^>]*>/g, secret)
    .replace('<AWS::Region>', REGION);
  return JSON.parse(filled) as LambdaSettingsInput;
}

function timeoutsOf(template: Template): Stack['timeoutsMs'] {
  const [api, events] = ofType(template, 'AWS::Lambda::Function').map(({ Properties }) => Number(Properties['Timeout']) * 1000);
  return { api: api as number, events: events as number };
}

async function putParameter(moto: string, name: string, value: string): Promise<void> {
  const answer = await fetch(moto, {
    method: 'POST',
    headers: {
      authorization: `AWS4-HMAC-SHA256 Credential=owner/20260101/${REGION}/ssm/aws4_request, SignedHeaders=host, Signature=none`,
      'content-type': 'application/x-amz-json-1.1',
      'x-amz-target': 'AmazonSSM.PutParameter',
    },
    body: JSON.stringify({ Name: name, Value: value, Type: 'String', Overwrite: true }),
  });
  if (!answer.ok) throw new Error(`PutParameter answered ${answer.status}: ${await answer.text()}`);
}
