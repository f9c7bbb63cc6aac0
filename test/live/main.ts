import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { EC2Client } from '@aws-sdk/client-ec2';
import { credentialSources } from '../../launcher/providers/ec2/doctor/account.ts';
import { ec2Checks } from '../../launcher/providers/ec2/doctor.ts';
import { connectAws } from '../../launcher/providers/ec2/sdk-api.ts';
import { wallTime } from '../support/ec2-over-sdk.ts';
import { DEPLOYMENT_NAME, LIVE_DEPLOYMENT, type LiveSettings, readSettings, UNTIL_NAME } from './settings.ts';
import { sweep } from './sweep.ts';

const STOP_GRACE_MS = 10_000;

const say = (line: string): void => console.error(line);

/** Ends with a line for each reason, and nothing done. */
function refuse(problems: string[]): never {
  say('test:live runs nothing:');
  for (const problem of problems) say(`  ${problem}`);
  say('see docs/TEST-LIVE.md');
  process.exit(2);
}

function connectionOf({ region, endpoint }: LiveSettings) {
  return { region, ...(endpoint !== null && { endpoint }) };
}

/** @returns whether the account is fit for a run; what `doctor` finds is told */
async function isFit(settings: LiveSettings): Promise<boolean> {
  const { region, subnetIds, securityGroupIds, image } = settings;
  const { ec2, ssm, account, close } = connectAws(connectionOf(settings));
  const checks = await ec2Checks({
    ec2,
    ssm,
    account,
    time: wallTime,
    settings: {
      region,
      subnetIds,
      securityGroupIds,
      images: { x86_64: image },
      instanceProfile: null,
      identityIssuer: null,
      launcherUrl: 'https://devctl.example.com',
      functionName: null,
      credentialsIn: credentialSources(process.env),
    },
  });
  close();
  for (const { level, name, detail, fix } of checks)
    if (level !== 'ok' || name === 'credentials') say(`${level.padEnd(5)} ${name}: ${detail}${fix === null ? '' : ` · ${fix}`}`);
  return checks.every(({ level }) => level !== 'error');
}

/** Sweeps until nothing is left. @returns whether nothing is */
async function swept(settings: LiveSettings, deployment: string): Promise<boolean> {
  say(`sweeping ${deployment} in ${settings.region}`);
  const client = new EC2Client({ ...connectionOf(settings), maxAttempts: 8 });
  try {
    const left = await sweep(client, deployment, settings.settleMs, say);
    say(left.length === 0 ? `nothing is left of ${deployment}` : `STILL THERE, AND IT COSTS MONEY: ${left.join(', ')}`);
    return left.length === 0;
  } catch (error) {
    say(`the sweep did not come to its end: ${String(error)}`);
    return false;
  } finally {
    client.destroy();
  }
}

/** The suite, in a process of its own. @returns its exit code, or that of the signal that ended it */
async function runSuite(settings: LiveSettings, deployment: string, args: string[]): Promise<number> {
  const untilMs = Date.now() + settings.runMs;
  const suite = spawn(
    process.execPath,
    ['node_modules/vitest/vitest.mjs', 'run', '--config', 'test/vitest.config.ts', '--project', 'live', ...args],
    {
      env: { ...process.env, [DEPLOYMENT_NAME]: deployment, [UNTIL_NAME]: String(untilMs) },
      stdio: ['ignore', 'inherit', 'inherit'],
      detached: true,
    },
  );
  let code = 0;
  const stop = (because: string, exitCode: number) => {
    say(`${because}: the suite is stopped, then everything is swept`);
    code = exitCode;
    end(suite);
  };
  const onInterrupt = () => stop('interrupted', 130);
  const onTerminate = () => stop('terminated', 143);
  process.on('SIGINT', onInterrupt).on('SIGTERM', onTerminate).on('SIGHUP', onTerminate);
  const deadline = setTimeout(() => stop('its time is over', 1), settings.runMs);
  const ended = await new Promise<number | null>((resolve) => {
    suite.on('exit', resolve);
    suite.on('error', (error) => {
      say(String(error));
      resolve(1);
    });
  });
  clearTimeout(deadline);
  return code || (ended ?? 1);
}

/** With the processes that it has: none may go on launching while it is swept. */
function end({ pid }: ChildProcess): void {
  if (pid === undefined) return;
  signal(pid, 'SIGTERM');
  setTimeout(() => signal(pid, 'SIGKILL'), STOP_GRACE_MS).unref();
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(-pid, name);
  } catch {
    // It has ended.
  }
}

async function main(argv: string[]): Promise<number> {
  const [first, named = '', ...more] = argv;
  const isSweep = first === '--sweep-only';
  const settings = readSettings(process.env, isSweep ? 'sweep' : 'run');
  const unnamed = isSweep && (!LIVE_DEPLOYMENT.test(named) || more.length > 0);
  const problems = [
    'problems' in settings ? settings.problems : [],
    unnamed ? ['--sweep-only takes one deployment of a live run, as live-202612312359-0123ab'] : [],
  ];
  if ('problems' in settings || unnamed) refuse(problems.flat());
  if (isSweep) return (await swept(settings, named)) ? 0 : 1;
  if (!(await isFit(settings))) refuse(['the account is not fit for it: see the errors above']);
  const stamp = new Date().toISOString().slice(0, 16).replaceAll(/\D/g, '');
  const deployment = `live-${stamp}-${randomBytes(3).toString('hex')}`;
  say(`${deployment} in ${settings.region}: at most $${(settings.capMicroUsd / 1e6).toFixed(2)} and ${settings.runMs / 60_000} min`);
  say(`if this is cut off: npm run test:live -- --sweep-only ${deployment}`);
  const code = await runSuite(settings, deployment, argv);
  // From here on nothing ends this but its own end: what is left costs money.
  return (await swept(settings, deployment)) ? code : code || 1;
}

main(process.argv.slice(2)).then(
  (code) => {
    process.exitCode = code;
  },
  (error: unknown) => {
    say(String(error));
    process.exitCode = 1;
  },
);
