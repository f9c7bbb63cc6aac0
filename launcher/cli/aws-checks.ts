import { openAwsUser } from '../connect/aws/user.ts';
import { ReachError } from '../connect/errors.ts';
import { pluginCheck } from '../connect/tunnels.ts';
import type { Check } from '../contract/api.ts';
import { bad, good, warn } from '../contract/checks.ts';
import { DevctlError } from '../contract/errors.ts';
import type { AwsAuth } from './aws.ts';
import type { Cli } from './cli.ts';
import { clockTime } from './text.ts';

/** AWS takes five minutes; from here on something is wrong with a clock. */
const CLOCK_WARN_MS = 30_000;

/** What this machine needs for a launcher in Lambda, and whether it has it. */
export async function awsChecks(cli: Cli, auth: AwsAuth): Promise<Check[]> {
  const user = await openAwsUser({ ...auth, env: cli.env });
  const checks: Check[] = [];
  try {
    const until = await user.expiration();
    const from = user.profile === undefined ? 'as the environment says' : `of the profile ${user.profile}`;
    checks.push(good('AWS credentials', until === null ? from : `${from} · until ${clockTime(until, new Date())}`));
    const { arn, userId, atMs } = await user.identity();
    checks.push(good('AWS identity', `${arn} · ${userId}`));
    if (atMs !== null) checks.push(clockOf(atMs - Date.now()));
  } catch (error) {
    checks.push(failed(checks.length === 0 ? 'AWS credentials' : 'AWS identity', error));
  }
  return [...checks, await pluginCheck(cli.env, 'here')];
}

function clockOf(behindMs: number): Check {
  const seconds = Math.round(Math.abs(behindMs) / 1000);
  return seconds * 1000 <= CLOCK_WARN_MS
    ? good('AWS clock', 'agrees with that of this machine')
    : warn('AWS clock', `${seconds} s away from that of this machine`, 'set the clock here (timedatectl set-ntp true)');
}

/** Without STS one may still be let in: who is refused by the launcher is told so there. */
function failed(name: string, error: unknown): Check {
  if (error instanceof ReachError) return warn(name, error.message, 'see whether this machine reaches AWS (proxy, firewall, DNS)');
  if (!(error instanceof DevctlError)) throw error;
  return bad(name, error.detail, error.extra.hint ?? 'see aws sts get-caller-identity');
}
