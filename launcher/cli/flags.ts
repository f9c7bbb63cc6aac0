/** One flag. Its `env` twin means the same; the flag wins. */
export interface FlagSpec {
  readonly long: string;
  readonly short?: string;
  /** `switch` takes no value and has a `--no-` form where `negatable`; `list` may be given again (its twin is split at commas). */
  readonly kind: 'switch' | 'text' | 'list';
  readonly env: string;
  readonly about: string;
  /** Name of the value in help. */
  readonly value?: string;
  readonly negatable?: true;
  /** What it is without flag and twin, in words. */
  readonly fallback?: string;
  /** The only values that are allowed. */
  readonly choices?: readonly string[];
}

/**
 * Every flag of every verb, each once. Flags that could destroy or flood when they are set for a whole shell carry their
 * verb in the name of their twin.
 */
export const FLAGS = {
  // what every verb takes
  on: { long: 'on', kind: 'text', env: 'DEVCTL_ON', value: 'CONTEXT', about: 'use this context (see devctl context)' },
  url: { long: 'url', kind: 'text', env: 'DEVCTL_URL', value: 'URL', about: 'use the launcher at this address, with DEVCTL_TOKEN' },
  home: {
    long: 'home',
    kind: 'text',
    env: 'DEVCTL_HOME',
    value: 'DIR',
    about: 'state folder of the embedded launcher and of this command',
    fallback: '$XDG_DATA_HOME/devctl or ~/.local/share/devctl',
  },
  output: {
    long: 'output',
    short: 'o',
    kind: 'text',
    env: 'DEVCTL_OUTPUT',
    value: 'FORM',
    choices: ['table', 'json', 'plain'],
    about: 'form of the data: table, json, or plain (tab-separated, no header)',
    fallback: 'table',
  },
  json: { long: 'json', kind: 'switch', env: 'DEVCTL_JSON', about: 'the same as -o json' },
  quiet: { long: 'quiet', short: 'q', kind: 'switch', env: 'DEVCTL_QUIET', about: 'no progress and no advice' },
  yes: { long: 'yes', short: 'y', kind: 'switch', env: 'DEVCTL_YES', about: 'answer yes to every question' },
  color: {
    long: 'color',
    kind: 'switch',
    negatable: true,
    env: 'DEVCTL_COLOR',
    about: 'colours',
    fallback: 'on a terminal, unless NO_COLOR is set',
  },
  help: { long: 'help', short: 'h', kind: 'switch', env: 'DEVCTL_HELP', about: 'say how the verb is used' },

  // up, fork
  size: {
    long: 'size',
    kind: 'text',
    env: 'DEVCTL_SIZE',
    value: 'SIZE',
    choices: ['small', 'medium', 'large', 'xlarge'],
    about: 'class of machine: small, medium, large, xlarge',
    fallback: 'medium',
  },
  policy: {
    long: 'policy',
    kind: 'text',
    env: 'DEVCTL_POLICY',
    value: 'POLICY',
    choices: ['spot', 'spot-preferred', 'on-demand'],
    about: 'how its machine is bought: spot, spot-preferred, on-demand; means nothing to boxes of this machine',
    fallback: 'spot-preferred',
  },
  type: {
    long: 'type',
    kind: 'list',
    env: 'DEVCTL_TYPE',
    value: 'TYPE',
    about: 'an instance type instead of a size; again for more of them, of which one is taken',
  },
  arch: {
    long: 'arch',
    kind: 'text',
    env: 'DEVCTL_ARCH',
    value: 'ARCH',
    choices: ['x86_64', 'arm64'],
    about: 'processor of the machine: x86_64, arm64',
    fallback: "that of the type, else the launcher's own",
  },
  persistent: {
    long: 'persistent',
    kind: 'switch',
    negatable: true,
    env: 'DEVCTL_PERSISTENT',
    about: 'where it would end its box is stopped and kept (on demand where machines are bought); devctl up goes on with it',
    fallback: 'no',
  },
  secret: {
    long: 'secret',
    kind: 'list',
    env: 'DEVCTL_SECRET',
    value: 'NAME=ARN',
    about:
      'a secret of Secrets Manager that commands in the box may name; ARN:json-key:version-stage:version-id for a part of it; again for more',
  },
  egress: {
    long: 'egress',
    kind: 'list',
    env: 'DEVCTL_EGRESS',
    value: 'HOST',
    about: 'the box may reach this host, and no other that is not named too; none: no host at all',
    fallback: 'every host',
  },
  aws: {
    long: 'aws',
    kind: 'switch',
    negatable: true,
    env: 'DEVCTL_AWS',
    about: 'commands in the box have the credentials of its role, where boxes are in an AWS account',
    fallback: 'no',
  },
  idle: { long: 'idle', kind: 'text', env: 'DEVCTL_IDLE', value: 'TIME', about: 'stop after this long without work', fallback: '30m' },
  max: { long: 'max', kind: 'text', env: 'DEVCTL_MAX', value: 'TIME', about: 'stop after this long in any case', fallback: '12h' },
  network: {
    long: 'network',
    kind: 'switch',
    negatable: true,
    env: 'DEVCTL_NETWORK',
    about: 'the box may use the network',
    fallback: 'yes',
  },
  name: {
    long: 'name',
    kind: 'text',
    env: 'DEVCTL_NAME',
    value: 'NAME',
    about: 'name of the workspace',
    fallback: 'made from the folder or address',
  },
  ref: { long: 'ref', kind: 'text', env: 'DEVCTL_REF', value: 'REF', about: 'branch or tag to clone', fallback: "the repository's own" },
  allowSetup: {
    long: 'allow-setup',
    kind: 'switch',
    negatable: true,
    env: 'DEVCTL_ALLOW_SETUP',
    about: 'let .devctl/setup.sh of this workspace run in its boxes, from now on',
    fallback: 'no, until it is allowed once',
  },
  import: {
    long: 'import',
    kind: 'switch',
    negatable: true,
    env: 'DEVCTL_IMPORT',
    about: 'send the folder in when the workspace is new',
    fallback: 'yes',
  },
  wait: { long: 'wait', kind: 'switch', negatable: true, env: 'DEVCTL_WAIT', about: 'wait until it is done', fallback: 'yes' },
  detach: { long: 'detach', short: 'd', kind: 'switch', env: 'DEVCTL_DETACH', about: 'the same as --no-wait' },
  timeout: { long: 'timeout', kind: 'text', env: 'DEVCTL_TIMEOUT', value: 'TIME', about: 'wait at most this long', fallback: '10m' },

  // the verbs' own
  downAll: { long: 'all', kind: 'switch', env: 'DEVCTL_DOWN_ALL', about: 'every live session of yours' },
  lsAll: { long: 'all', short: 'a', kind: 'switch', env: 'DEVCTL_LS_ALL', about: 'ended sessions too' },
  follow: { long: 'follow', short: 'f', kind: 'switch', env: 'DEVCTL_FOLLOW', about: 'go on as more comes' },
  tail: {
    long: 'tail',
    short: 'n',
    kind: 'text',
    env: 'DEVCTL_TAIL',
    value: 'LINES',
    about: 'begin with the last so many lines',
    fallback: '200',
  },
  launcherLog: { long: 'launcher', kind: 'switch', env: 'DEVCTL_LOGS_LAUNCHER', about: "the launcher's own log" },
  tty: { long: 'tty', short: 't', kind: 'switch', env: 'DEVCTL_EXEC_TTY', about: 'run it in a terminal' },
  stdin: { long: 'stdin', kind: 'switch', negatable: true, env: 'DEVCTL_EXEC_STDIN', about: 'pass standard input on', fallback: 'yes' },
  cwd: {
    long: 'cwd',
    short: 'w',
    kind: 'text',
    env: 'DEVCTL_EXEC_CWD',
    value: 'DIR',
    about: 'folder in the box to run in',
    fallback: '/workspace/src',
  },
  env: { long: 'env', short: 'e', kind: 'list', env: 'DEVCTL_EXEC_ENV', value: 'NAME=VALUE', about: 'set a variable for the command' },
  execSecret: {
    long: 'secret',
    kind: 'list',
    env: 'DEVCTL_EXEC_SECRET',
    value: 'NAME',
    about: 'a secret of the session, as a variable of the command',
  },
  secretFile: {
    long: 'secret-file',
    kind: 'list',
    env: 'DEVCTL_EXEC_SECRET_FILE',
    value: 'NAME',
    about: 'the same as a file in memory of the box, /run/devctl/secrets/NAME, which is there until the box is saved',
  },
  note: { long: 'note', kind: 'text', env: 'DEVCTL_SNAPSHOT_NOTE', value: 'TEXT', about: 'a note for people' },
  count: { long: 'count', kind: 'text', env: 'DEVCTL_FORK_COUNT', value: 'N', about: 'how many', fallback: '1' },
  names: { long: 'names', kind: 'list', env: 'DEVCTL_FORK_NAMES', value: 'NAME', about: 'name of a new workspace' },
  snapshot: {
    long: 'snapshot',
    kind: 'text',
    env: 'DEVCTL_FORK_SNAPSHOT',
    value: 'SNAPSHOT',
    about: 'begin with this one',
    fallback: 'the present state',
  },
  forkUp: { long: 'up', kind: 'switch', env: 'DEVCTL_FORK_UP', about: 'lease a box for each, too' },
  for: { long: 'for', kind: 'text', env: 'DEVCTL_HOLD_FOR', value: 'TIME', about: 'how long to hold', fallback: '2h' },
  interruptIn: { long: 'in', kind: 'text', env: 'DEVCTL_INTERRUPT_IN', value: 'TIME', about: 'time that the box has left', fallback: '2m' },
  release: { long: 'release', kind: 'switch', env: 'DEVCTL_HOLD_RELEASE', about: 'remove the hold' },
  force: { long: 'force', kind: 'switch', env: 'DEVCTL_DELETE_FORCE', about: 'even if work in it would be lost' },
  keepLast: { long: 'keep-last', kind: 'text', env: 'DEVCTL_KEEP_LAST', value: 'N', about: 'keep the newest so many' },
  keepDaily: { long: 'keep-daily', kind: 'text', env: 'DEVCTL_KEEP_DAILY', value: 'N', about: 'and the newest of each of so many days' },
  restoreForce: {
    long: 'force',
    kind: 'switch',
    env: 'DEVCTL_RESTORE_FORCE',
    about: 'if the disk is damaged, give up the work that is on it alone',
  },
  month: { long: 'month', kind: 'text', env: 'DEVCTL_COST_MONTH', value: 'YYYY-MM', about: 'that month', fallback: 'the present one' },
  costAll: { long: 'all', kind: 'switch', env: 'DEVCTL_COST_ALL', about: 'every owner (needs the scope admin)' },
  plan: { long: 'plan', kind: 'switch', env: 'DEVCTL_COST_PLAN', about: 'what a month would cost a team on AWS' },
  developers: { long: 'developers', kind: 'text', env: 'DEVCTL_PLAN_DEVELOPERS', value: 'N', about: 'people in the team', fallback: '1' },
  hours: { long: 'hours', kind: 'text', env: 'DEVCTL_PLAN_HOURS', value: 'N', about: 'that each works in a box, a month', fallback: '126' },
  workspaceGib: {
    long: 'workspace-gib',
    kind: 'text',
    env: 'DEVCTL_PLAN_WORKSPACE_GIB',
    value: 'N',
    about: 'disk of a workspace',
    fallback: '64',
  },
  planType: {
    long: 'type',
    kind: 'text',
    env: 'DEVCTL_PLAN_TYPE',
    value: 'TYPE',
    about: 'instance type',
    fallback: 'one of the size',
  },
  pool: { long: 'pool', kind: 'text', env: 'DEVCTL_PLAN_POOL', value: 'N', about: 'stopped boxes in reserve', fallback: '0' },
  template: {
    long: 'template',
    kind: 'text',
    env: 'DEVCTL_PLAN_TEMPLATE',
    value: 'FILE',
    about: 'also what the resources of this CloudFormation template cost, with and without free tiers',
  },
  dryRun: { long: 'dry-run', kind: 'switch', env: 'DEVCTL_DRY_RUN', about: 'only say what would be done' },
  fromTags: { long: 'from-tags', kind: 'switch', env: 'DEVCTL_RECOVER_FROM_TAGS', about: 'from the tags of boxes, disks and snapshots' },
  forbid: { long: 'forbid', kind: 'switch', env: 'DEVCTL_FORBID_SETUP', about: 'it may not run any more' },
  port: { long: 'port', kind: 'text', env: 'DEVCTL_PORT', value: 'PORT', about: 'port to listen on', fallback: '0, any free one' },
  host: { long: 'host', kind: 'text', env: 'DEVCTL_HOST', value: 'ADDRESS', about: 'address to listen on', fallback: '127.0.0.1' },
  provider: {
    long: 'provider',
    kind: 'text',
    env: 'DEVCTL_PROVIDER',
    value: 'NAME',
    choices: ['local', 'ec2'],
    about: 'where boxes come from: local, ec2',
    fallback: 'local',
  },
  config: {
    long: 'config',
    kind: 'text',
    env: 'DEVCTL_CONFIG',
    value: 'FILE',
    about: 'what there is in the AWS account, for --provider ec2',
  },
  budget: {
    long: 'budget',
    kind: 'text',
    env: 'DEVCTL_BUDGET',
    value: 'USD',
    about: 'dollars a month for all owners: when they are spent, no new session is leased',
    fallback: 'none',
  },
  ownerBudget: {
    long: 'owner-budget',
    kind: 'text',
    env: 'DEVCTL_OWNER_BUDGET',
    value: 'USD',
    about: 'the same for each owner',
    fallback: 'none',
  },
  servePool: {
    long: 'pool',
    kind: 'text',
    env: 'DEVCTL_POOL',
    value: 'N',
    about: 'keep so many stopped boxes in reserve, for a quicker start; each costs its root disk',
    fallback: '0',
  },
  poolSchedule: {
    long: 'pool-schedule',
    kind: 'list',
    env: 'DEVCTL_POOL_SCHEDULE',
    value: 'WINDOW',
    about:
      'another number in some hours, such as "mon-fri 08:00-19:00 Europe/Berlin=3"; again for more of them, of which the largest counts',
  },
  poolClass: {
    long: 'pool-class',
    kind: 'text',
    env: 'DEVCTL_POOL_CLASS',
    value: 'SIZE',
    choices: ['small', 'medium', 'large', 'xlarge'],
    about: 'class of the boxes in reserve: small, medium, large, xlarge; only sessions of that class take them',
    fallback: 'medium',
  },
  isolation: {
    long: 'isolation',
    kind: 'text',
    env: 'DEVCTL_ISOLATION',
    value: 'KIND',
    choices: ['auto', 'bubblewrap', 'unshare', 'none'],
    about: 'what keeps a box of the embedded launcher in: auto, bubblewrap, unshare, none',
    fallback: 'auto: the best there is, but never none',
  },
  readOnlyPath: {
    long: 'read-only-path',
    kind: 'list',
    env: 'DEVCTL_READ_ONLY_PATH',
    value: 'DIR',
    about: 'a folder of this machine that boxes of the embedded launcher may read',
  },
  allowedHost: { long: 'allowed-host', kind: 'list', env: 'DEVCTL_ALLOWED_HOST', value: 'HOST', about: 'also answer to this Host name' },
  stop: { long: 'stop', kind: 'switch', env: 'DEVCTL_SERVE_STOP', about: 'stop the launcher in the background; boxes go on' },
  serveStatus: { long: 'status', kind: 'switch', env: 'DEVCTL_SERVE_STATUS', about: 'say whether one is running' },
  tokenName: { long: 'name', kind: 'text', env: 'DEVCTL_TOKEN_NAME', value: 'NAME', about: 'what the token is for' },
  scopes: {
    long: 'scope',
    kind: 'list',
    env: 'DEVCTL_TOKEN_SCOPE',
    value: 'SCOPE',
    choices: ['read', 'write', 'admin'],
    about: 'read, write or admin',
    fallback: 'read and write',
  },
  owner: { long: 'owner', kind: 'text', env: 'DEVCTL_TOKEN_OWNER', value: 'OWNER', about: 'for another owner (needs the scope admin)' },
  expires: {
    long: 'expires',
    kind: 'text',
    env: 'DEVCTL_TOKEN_EXPIRES',
    value: 'TIME',
    about: 'ends after this long',
    fallback: 'with your own token',
  },
  tokenFile: {
    long: 'token-file',
    kind: 'text',
    env: 'DEVCTL_TOKEN_FILE',
    value: 'FILE',
    about: 'file that has the token of this context',
  },
  contextAws: {
    long: 'aws',
    kind: 'switch',
    env: 'DEVCTL_CONTEXT_AWS',
    about: 'requests are signed with your AWS credentials; of a Function URL of Lambda that is known',
  },
  profile: {
    long: 'profile',
    kind: 'text',
    env: 'DEVCTL_CONTEXT_PROFILE',
    value: 'PROFILE',
    about: 'profile of your AWS configuration that this context signs with',
    fallback: 'AWS_PROFILE, else what AWS finds',
  },
  region: {
    long: 'region',
    kind: 'text',
    env: 'DEVCTL_CONTEXT_REGION',
    value: 'REGION',
    about: 'region that the launcher is in',
    fallback: 'that of its address',
  },
} as const satisfies Record<string, FlagSpec>;

export type FlagKey = keyof typeof FLAGS;
type ValueOf<S> = S extends { kind: 'switch' } ? boolean : S extends { kind: 'list' } ? string[] : string;
export type FlagValues = { -readonly [K in FlagKey]?: ValueOf<(typeof FLAGS)[K]> };

/** What every verb takes. */
export const COMMON_FLAGS = ['on', 'url', 'home', 'output', 'json', 'quiet', 'yes', 'color', 'help'] as const satisfies readonly FlagKey[];

/** Variables that are no flag: secrets do not belong into an argument list, which every process can read. */
export const EXTRA_ENV = [
  { env: 'DEVCTL_TOKEN', about: 'token for DEVCTL_URL and for contexts without a token file' },
  { env: 'DEVCTL_BOX', about: 'set inside a box: which one it is' },
] as const;

/** Every DEVCTL_* name that means something. */
export const KNOWN_ENV: readonly string[] = [
  ...new Set([...Object.values(FLAGS).map((flag) => flag.env), ...EXTRA_ENV.map((extra) => extra.env)]),
].filter((name) => name !== FLAGS.help.env);

/** The table of docs/generated/config.md: a row for each setting. */
export function settings(): Array<{ env: string; flag: string; about: string; fallback: string }> {
  const rows = Object.values(FLAGS as Record<string, FlagSpec>)
    .filter((flag) => flag.env !== FLAGS.help.env)
    .map((flag) => ({
      env: flag.env,
      flag: `--${flag.negatable ? '[no-]' : ''}${flag.long}${flag.value ? ` ${flag.value}` : ''}`,
      about: flag.about,
      fallback: flag.fallback ?? '',
    }));
  return [...rows, ...EXTRA_ENV.map(({ env, about }) => ({ env, flag: '', about, fallback: '' }))].sort((a, b) => (a.env < b.env ? -1 : 1));
}
