import { afterAll } from 'vitest';
import { connectAws } from '../../launcher/providers/ec2/sdk-api.ts';
import { type ComputeSubject, computeSuite } from '../contract/compute.suite.ts';
import { ASKED_OF_WHAT_RUNS_THERE, openEc2OverSdk } from '../support/ec2-over-sdk.ts';
import { CostCap, VOLUME_GIB } from './cap.ts';
import { imageIdOf, subnetsOf } from './lookup.ts';
import { DEPLOYMENT_NAME, type Environment, LIVE_DEPLOYMENT, type LiveSettings, readSettings, UNTIL_NAME } from './settings.ts';

const settings = settingsOf(process.env);
const deployment = process.env[DEPLOYMENT_NAME] ?? '';
const untilMs = Number(process.env[UNTIL_NAME]);

const { region, capMicroUsd, endpoint, securityGroupIds } = settings;
const cap = new CostCap({ capMicroUsd, region, now: Date.now, untilMs });

/** Only its run may start this: it sweeps. */
function settingsOf(env: Environment): LiveSettings {
  const read = readSettings(env, 'run');
  if ('problems' in read || !LIVE_DEPLOYMENT.test(env[DEPLOYMENT_NAME] ?? ''))
    throw new Error('this suite costs money, and leaves sweeping to its run: npm run test:live');
  return read;
}

async function open(): Promise<ComputeSubject> {
  const { ec2, ssm, close } = connectAws({ region, ...(endpoint !== null && { endpoint }) });
  return openEc2OverSdk({
    ec2: cap.guard(ec2),
    close,
    region,
    deployment,
    imageId: await imageIdOf(ssm, settings),
    subnets: await subnetsOf(ec2, settings),
    securityGroupIds,
    volumeGiB: VOLUME_GIB,
    ttl: '1h',
    request: { size: 'small' },
  });
}

computeSuite('EC2, on AWS', open, [
  {
    reason: 'it needs an image with the agent of devctl on it, and a way into it',
    tests: [
      ...ASKED_OF_WHAT_RUNS_THERE,
      'the same snapshot twice is one, and its name is never given to another',
      'everything is listed with its tags, and what is over is not',
    ],
  },
]);
afterAll(() => console.log(`at most $${(cap.committedMicroUsd / 1e6).toFixed(3)}, if what is left ran on until the end of the run`));
