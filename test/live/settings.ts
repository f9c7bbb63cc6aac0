import { parseUsd } from '../../launcher/contract/units.ts';

/** What a live run needs to know. Everything comes from the environment: it is as if typed, and never in a file of this repository. */
export interface LiveSettings {
  region: string;
  subnetIds: string[];
  /** An image (`ami-…`), or the parameter of Systems Manager that names one. Of x86_64. */
  image: string;
  securityGroupIds: string[];
  /** All that one run may spend, taken as if everything ran until its end. */
  capMicroUsd: number;
  /** The longest that a run takes; then it is cut off and swept. */
  runMs: number;
  /** How long nothing must be to be seen of the deployment before it counts as gone. */
  settleMs: number;
  /** Another server than that of AWS, to try the run itself. */
  endpoint: string | null;
}

const NAMES = {
  DEVCTL_LIVE: 'must be 1: what is launched costs money',
  DEVCTL_LIVE_REGION: 'the region, as us-east-1',
  DEVCTL_LIVE_SUBNETS: 'subnets with a way to the internet, with commas between them',
  DEVCTL_LIVE_IMAGE: 'an image of x86_64 (ami-…), or the parameter of Systems Manager that names one',
  DEVCTL_LIVE_SECURITY_GROUPS: 'groups for the boxes; the default group of the network when it is not given',
  DEVCTL_LIVE_MAX_USD: 'the most that a run may spend, in dollars (1)',
  DEVCTL_LIVE_MAX_MINUTES: 'the longest that a run takes (30)',
  DEVCTL_LIVE_SETTLE_SECONDS: 'how long nothing must be seen of a run before it counts as gone (20)',
  DEVCTL_LIVE_ENDPOINT: 'another server than AWS',
} as const;
type Name = keyof typeof NAMES;

/** Set by the run for its tests. */
export const DEPLOYMENT_NAME = 'DEVCTL_LIVE_RUN';
export const UNTIL_NAME = 'DEVCTL_LIVE_UNTIL';

/** Every deployment of a live run begins so: nothing else is ever swept. */
export const LIVE_DEPLOYMENT = /^live-\d{12}-[0-9a-f]{6}$/;

export type Environment = Readonly<Record<string, string | undefined>>;

/** @returns settings, or every reason why there is no run */
export function readSettings(env: Environment, needs: 'run' | 'sweep'): LiveSettings | { problems: string[] } {
  const problems: string[] = [];
  const own = [DEPLOYMENT_NAME, UNTIL_NAME];
  for (const name of Object.keys(env))
    if (/^DEVCTL_LIVE(_|$)/.test(name) && !Object.hasOwn(NAMES, name) && !own.includes(name))
      problems.push(`${name} is not known: there are ${Object.keys(NAMES).join(', ')}`);
  const text = (name: Name) => env[name]?.trim() ?? '';
  const needed = (name: Name) => {
    if (text(name) === '') problems.push(`${name} is missing: ${NAMES[name]}`);
    return text(name);
  };
  const list = (value: string) => value.split(',').filter((part) => part !== '');
  const whole = (name: Name, usual: number, most: number) => {
    const value = Number(text(name) || usual);
    if (Number.isInteger(value) && value >= 1 && value <= most) return value;
    problems.push(`${name} "${text(name)}" is not a whole number of 1 to ${most}`);
    return usual;
  };
  if (text('DEVCTL_LIVE') !== '1') problems.push(`DEVCTL_LIVE ${NAMES.DEVCTL_LIVE}`);
  const capMicroUsd = parseUsd(text('DEVCTL_LIVE_MAX_USD') || '1');
  if (capMicroUsd === null) problems.push(`DEVCTL_LIVE_MAX_USD "${text('DEVCTL_LIVE_MAX_USD')}" is not an amount of dollars`);
  const settings: LiveSettings = {
    region: needed('DEVCTL_LIVE_REGION'),
    subnetIds: list(needs === 'run' ? needed('DEVCTL_LIVE_SUBNETS') : ''),
    image: needs === 'run' ? needed('DEVCTL_LIVE_IMAGE') : '',
    securityGroupIds: list(text('DEVCTL_LIVE_SECURITY_GROUPS')),
    capMicroUsd: capMicroUsd ?? 0,
    runMs: whole('DEVCTL_LIVE_MAX_MINUTES', 30, 120) * 60_000,
    settleMs: whole('DEVCTL_LIVE_SETTLE_SECONDS', 20, 600) * 1000,
    endpoint: text('DEVCTL_LIVE_ENDPOINT') || null,
  };
  return problems.length > 0 ? { problems } : settings;
}
