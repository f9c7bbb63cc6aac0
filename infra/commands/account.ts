import { EC2Client } from '@aws-sdk/client-ec2';
import { GetAccountSettingsCommand, LambdaClient } from '@aws-sdk/client-lambda';
import { SSMClient } from '@aws-sdk/client-ssm';
import type { TargetConfig } from '../config.ts';
import { Failure } from './failure.ts';
import { QueryError, type QueryOptions, query, textIn } from './query.ts';

/** AWS keeps so many for functions without a share of their own (Lambda guide, "Configuring reserved concurrency"). */
const UNRESERVED_MIN = 100;

/** Clients of one account, with the credentials that a profile names. */
export interface Account {
  id: string;
  region: string;
  /** Who the credentials are. */
  arn: string;
  ec2: EC2Client;
  ssm: SSMClient;
  lambda: LambdaClient;
  query: QueryOptions;
  close(): void;
}

interface Where {
  config: TargetConfig;
  profile: string | undefined;
  env: NodeJS.ProcessEnv;
}

/** @throws Failure without credentials that work, or with those of another account than the file names */
export async function openAccount({ config, profile, env }: Where): Promise<Account> {
  const { region } = config;
  const endpoint = env['AWS_ENDPOINT_URL'];
  const connection = { region, ...(profile !== undefined && { profile }), ...(endpoint !== undefined && { endpoint }) };
  const ec2 = new EC2Client(connection);
  const ssm = new SSMClient(connection);
  const lambda = new LambdaClient(connection);
  const close = () => {
    for (const client of [ec2, ssm, lambda]) client.destroy();
  };
  const options: QueryOptions = { credentials: () => ec2.config.credentials(), region, endpoint };
  try {
    const { id, arn } = await identity(options, profile);
    if (config.account !== undefined && config.account !== id)
      throw new Failure(
        `these credentials are of account ${id} (${arn}), and the file says ${config.account}`,
        'give another --profile, or mend `account` in the file',
      );
    return { id, region, arn, ec2, ssm, lambda, query: options, close };
  } catch (error) {
    close();
    throw error;
  }
}

async function identity(options: QueryOptions, profile: string | undefined): Promise<{ id: string; arn: string }> {
  const login = `aws sso login${profile === undefined ? '' : ` --profile ${profile}`}`;
  try {
    await options.credentials();
  } catch (error) {
    const whose = profile === undefined ? 'there are no AWS credentials' : `profile ${profile} gives no credentials`;
    throw new Failure(`${whose}: ${error instanceof Error ? error.message : error}`, `${login}, or another --profile`, { cause: error });
  }
  try {
    const xml = await query(options, 'sts', { Action: 'GetCallerIdentity' });
    const id = textIn(xml, 'Account');
    if (id === undefined) throw new Failure('STS does not say which account this is', 'try it again');
    return { id, arn: textIn(xml, 'Arn') ?? id };
  } catch (error) {
    if (!(error instanceof QueryError)) throw error;
    throw new Failure(`AWS does not take these credentials: ${error.message}`, `${login}, or another --profile`, { cause: error });
  }
}

/** What CloudFormation would fail for after minutes; what cannot be looked at is left to it. @throws Failure */
export async function checkConcurrency(
  { lambda }: Account,
  { reservedConcurrency: wanted }: TargetConfig,
  existing: number,
): Promise<void> {
  if (wanted === null) return;
  const { AccountLimit: limit } = await lambda.send(new GetAccountSettingsCommand({})).catch(() => ({ AccountLimit: undefined }));
  if (limit?.UnreservedConcurrentExecutions === undefined) return;
  const free = limit.UnreservedConcurrentExecutions + existing - UNRESERVED_MIN;
  const sum = wanted.api + wanted.events;
  if (sum <= free) return;
  throw new Failure(
    `this account lets ${limit.ConcurrentExecutions} functions run at once, ${Math.max(0, free)} of which may be reserved; reservedConcurrency wants ${sum}`,
    'set `reservedConcurrency` to null in the file, or ask for more in Service Quotas ("Concurrent executions" of AWS Lambda), which costs nothing',
  );
}
