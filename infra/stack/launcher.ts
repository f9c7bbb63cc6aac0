import { Duration, RemovalPolicy } from 'aws-cdk-lib';
import type { Role } from 'aws-cdk-lib/aws-iam';
import {
  Architecture,
  Code,
  type FunctionUrl,
  FunctionUrlAuthType,
  InvokeMode,
  Function as LambdaFunction,
  Runtime,
} from 'aws-cdk-lib/aws-lambda';
import { SqsDestination } from 'aws-cdk-lib/aws-lambda-destinations';
import { LogGroup, RetentionDays } from 'aws-cdk-lib/aws-logs';
import { CfnSecret } from 'aws-cdk-lib/aws-secretsmanager';
import type { Queue } from 'aws-cdk-lib/aws-sqs';
import { Construct } from 'constructs';
import type { LambdaSettingsInput } from '../../launcher/serve/lambda-settings.ts';
import type { TargetConfig } from '../config.ts';
import type { Names } from '../names.ts';
import type { Subnet } from './network.ts';

/** As long as a call of Lambda can: waits and commands last. Streams of events end sooner, and are taken up where they ended. */
const API_TIMEOUT = Duration.minutes(15);
/** A look takes seconds; the next minute's goes on where one was cut. */
const EVENTS_TIMEOUT = Duration.minutes(5);
/** A quarter of a processor more or less decides how long a cold start takes. */
const MEMORY_MIB = 1024;
const RETRIES = 2;
/** What is older was looked at by the cron meanwhile. */
const CALL_AGE_MAX = Duration.minutes(10);
const SECRET_CHARS = 64;
const MICRO_USD = 1_000_000;

interface LauncherProps {
  names: Names;
  config: TargetConfig;
  role: Role;
  subnets: Subnet[];
  /** Calls that failed each time. */
  deadLetters: Queue;
  /** Folder with `index.mjs` or `index.cjs`: dist/lambda. */
  codeFolder: string;
}

/** Two functions of one bundle: one answers people and boxes, the other does the work that takes longer than an answer. */
export class Launcher extends Construct {
  readonly api: LambdaFunction;
  readonly events: LambdaFunction;
  readonly url: FunctionUrl;

  constructor(scope: Construct, id: string, props: LauncherProps) {
    super(scope, id);
    const { names, config, deadLetters } = props;
    const secret = new CfnSecret(this, 'Secret', {
      name: names.masterSecret,
      description: `What keys of boxes and cursors of ${names.deployment} are derived from`,
      generateSecretString: { passwordLength: SECRET_CHARS, excludePunctuation: true },
    });
    const settings = JSON.stringify(settingsOf(props, secret.ref));
    const code = Code.fromAsset(props.codeFolder);
    const limits = config.reservedConcurrency;
    this.api = this.#function('Api', props, {
      code,
      settings,
      name: names.apiFunction,
      logs: names.logGroups.api,
      handler: 'index.api',
      timeout: API_TIMEOUT,
      concurrency: limits?.api,
    });
    this.events = this.#function('Events', props, {
      code,
      settings,
      name: names.eventsFunction,
      logs: names.logGroups.events,
      handler: 'index.events',
      timeout: EVENTS_TIMEOUT,
      concurrency: limits?.events,
    });
    this.events.configureAsyncInvoke({
      retryAttempts: RETRIES,
      maxEventAge: CALL_AGE_MAX,
      onFailure: new SqsDestination(deadLetters),
    });
    this.url = this.api.addFunctionUrl({ authType: FunctionUrlAuthType.AWS_IAM, invokeMode: InvokeMode.RESPONSE_STREAM });
  }

  #function(
    id: string,
    { role }: LauncherProps,
    of: {
      code: Code;
      settings: string;
      name: string;
      logs: string;
      handler: string;
      timeout: Duration;
      concurrency: number | undefined;
    },
  ): LambdaFunction {
    // A later stack of the same name takes the group up again; what is in it goes by itself.
    const logGroup = new LogGroup(this, `${id}Logs`, {
      logGroupName: of.logs,
      retention: RetentionDays.ONE_WEEK,
      removalPolicy: RemovalPolicy.RETAIN,
    });
    return new LambdaFunction(this, id, {
      functionName: of.name,
      description: `devctl: ${of.handler}`,
      runtime: Runtime.NODEJS_24_X,
      architecture: Architecture.ARM_64,
      memorySize: MEMORY_MIB,
      handler: of.handler,
      code: of.code,
      role,
      timeout: of.timeout,
      logGroup,
      environment: { DEVCTL_SETTINGS: of.settings },
      ...(of.concurrency !== undefined && { reservedConcurrentExecutions: of.concurrency }),
    });
  }
}

function settingsOf({ names, config, subnets }: LauncherProps, masterSecret: string): LambdaSettingsInput {
  const perArchitecture = <T>(of: Record<'x86_64' | 'arm64', T>) =>
    Object.fromEntries(config.architectures.map((arch) => [arch, of[arch]]));
  const { volumeInitializationRate, pool } = config;
  return {
    deployment: names.deployment,
    region: names.region,
    table: names.table,
    subnets,
    launchTemplates: perArchitecture(names.launchTemplates),
    imageParameters: perArchitecture(names.imageParameters),
    masterSecret,
    eventsFunction: names.eventsFunction,
    boxRole: names.boxRole,
    adminRole: names.adminRole,
    volumeGiB: config.volumeGiB,
    ttl: config.ttl,
    budgets: {
      deploymentMicroUsd: Math.round(config.budgetUsd * MICRO_USD),
      ownerMicroUsd: config.ownerBudgetUsd === null ? null : Math.round(config.ownerBudgetUsd * MICRO_USD),
    },
    ...(pool !== undefined && { pool }),
    ...(volumeInitializationRate !== undefined && { volumeInitializationRate }),
  };
}
