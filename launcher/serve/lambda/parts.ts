import { createHash } from 'node:crypto';
import { createSignedApp } from '../../api/app.ts';
import { identifyByIam } from '../../api/iam.ts';
import { PORT_DOCUMENT } from '../../connect/tunnels.ts';
import { AGENT_PORT } from '../../contract/agent-config.ts';
import type { Check } from '../../contract/api.ts';
import { DevctlError } from '../../contract/errors.ts';
import { ARCHITECTURES } from '../../contract/fields.ts';
import type { Random } from '../../ports/clock.ts';
import type { Provider } from '../../ports/provider.ts';
import { Calls } from '../../providers/ec2/calls.ts';
import { findings } from '../../providers/ec2/doctor/findings.ts';
import { imageCheck } from '../../providers/ec2/doctor/images.ts';
import { createEc2Provider } from '../../providers/ec2/index.ts';
import { EC2_LIMITS } from '../../providers/ec2/limits.ts';
import { namedTemplates } from '../../providers/ec2/templates.ts';
import { createWhose, type Whose } from '../../providers/ec2/whose.ts';
import { tableChecks } from '../../stores/dynamo/doctor.ts';
import { createTelemetry, type LauncherTelemetry } from '../../telemetry/index.ts';
import type { LambdaSettings } from '../lambda-settings.ts';
import { assemble, type ForProvider, type Parts } from '../parts.ts';
import type { Surroundings } from './aws.ts';
import type { Served } from './function-url.ts';
import { createInvokeSignals, type InvokeSignals } from './signals.ts';

export interface LambdaParts extends Parts<InvokeSignals> {
  app: ReturnType<typeof createSignedApp>;
  whose: Whose;
  accountId: string;
}

/** Counters that are told to CloudWatch, by their names there. */
const TOLD = {
  devctl_reaper_passes_total: 'ReaperPass',
  devctl_orphans_found_total: 'OrphansFound',
  devctl_reconcile_errors_total: 'Failures',
  devctl_session_failures_total: 'Failures',
  devctl_function_errors_total: 'Failures',
  devctl_throttles_total: 'Throttles',
  devctl_unknown_events_total: 'UnknownEvents',
} as const;

const SECRET_MIN_CHARS = 32;

/** The launcher of a stack: nothing of it is on a disk. @throws DevctlError; errors of AWS when its secret cannot be read */
export async function openLambda(settings: LambdaSettings, around: Surroundings): Promise<LambdaParts> {
  const { deployment, budgets, pool } = settings;
  const clock = { now: () => around.time.now() };
  const telemetry = createTelemetry({
    clock,
    onLine: (line) => around.write(line),
    told: { namespace: `devctl/${deployment}`, names: TOLD },
  });
  const signals = createInvokeSignals((event) => around.functions.invokeLater(settings.eventsFunction, event), telemetry);
  const accountId = settings.masterSecret.split(':')[4] ?? '';
  const identify = identifyByIam({ accountId, boxRole: settings.boxRole, adminRole: settings.adminRole });
  const callsBy = (random: Random) => callsOf(around, random, telemetry);
  let whose: Whose | undefined;
  const parts = await assemble({
    table: { client: around.dynamo, name: settings.table },
    telemetry,
    signals,
    clock,
    master: masterOf(await around.functions.secretText(settings.masterSecret)),
    budgets,
    pool,
    config: { allowedHosts: [], reach: 'direct' },
    identify,
    async openProvider(deps) {
      whose = createWhose({ calls: callsBy(deps.random).ec2, deployment });
      return providerOf(settings, around, { ...deps, ssm: callsBy(deps.random).ssm, telemetry });
    },
    checks: () => checksOf(settings, around),
  });
  return { ...parts, app: createSignedApp({ ...parts.api, identify }), whose: whose as Whose, accountId };
}

/** Its API. */
export const servedBy = ({ app, telemetry, controller }: LambdaParts): Served => ({
  fetch: async (request, bindings) => app.fetch(request, bindings),
  settle: () => controller.signals.settle(),
  telemetry,
});

/** The secret is a text that Secrets Manager has made up. */
function masterOf(secret: string): Buffer {
  if (secret.length < SECRET_MIN_CHARS)
    throw new DevctlError('invalid_request', `the secret of the launcher has less than ${SECRET_MIN_CHARS} characters`, {
      hint: 'deploy the stack again: it makes one',
    });
  return createHash('sha256').update(secret).digest();
}

const throttleCount = (telemetry: LauncherTelemetry) => (operation: string) => telemetry.count('devctl_throttles_total', { operation });

function callsOf({ ec2, ssm, time }: Surroundings, random: Random, telemetry: LauncherTelemetry) {
  const common = { time, random, limits: EC2_LIMITS, onThrottled: throttleCount(telemetry) };
  return { ec2: new Calls({ ...common, api: ec2 }), ssm: new Calls({ ...common, api: ssm }) };
}

type ForLambda = ForProvider & { ssm: ReturnType<typeof callsOf>['ssm']; telemetry: LauncherTelemetry };

function providerOf(settings: LambdaSettings, around: Surroundings, { random, accessKey, ssm, telemetry }: ForLambda): Provider {
  const { region, deployment, subnets, volumeGiB, ttl, launchTemplates, imageParameters } = settings;
  const { ec2, time } = around;
  const reach = around.reach({ random, accessKey });
  const provider = createEc2Provider({
    ec2,
    time,
    random,
    channel: reach.channel,
    region,
    deployment,
    subnets,
    volumeGiB,
    ttl,
    templates: namedTemplates({ ssm, time, names: launchTemplates, imageParameters }),
    volumeInitializationRate: settings.volumeInitializationRate ?? null,
    onThrottled: throttleCount(telemetry),
  });
  return {
    ...provider,
    ...reach.access,
    isolation: 'instance',
    machines: { boxIdOf: noTokens, accessKey, sessionManager: { region, agentPort: AGENT_PORT, document: PORT_DOCUMENT } },
    doctorChecks: async () => [],
    start: async () => {},
    stop: () => reach.close(),
  };
}

/** A box is known by who has signed its request. */
const noTokens = async (): Promise<never> => {
  throw new DevctlError('unauthorized', 'a box signs its requests with its role');
};

async function checksOf({ table, region, imageParameters }: LambdaSettings, { dynamo, ec2, ssm, time }: Surroundings): Promise<Check[]> {
  const images = ARCHITECTURES.flatMap((arch) => {
    const source = imageParameters[arch];
    return source === undefined ? [] : [findings(`image ${arch}`, time, () => imageCheck({ ec2, ssm, time, region }, arch, source))];
  });
  return (await Promise.all([tableChecks(dynamo, table), ...images])).flat();
}
