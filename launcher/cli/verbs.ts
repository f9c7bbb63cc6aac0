import type { ArgSpec, Verb, VerbGroups } from './verb.ts';
import { WISH_FLAGS } from './wish.ts';

const session: ArgSpec = { name: 'session', optional: true, complete: 'session' };
const workspace: ArgSpec = { name: 'workspace', optional: true, complete: 'workspace' };
const sessions: ArgSpec = { ...session, many: true };
const namedOnes: ArgSpec = { name: 'workspace', complete: 'workspace', many: true };
const EACH_HELP = 'Several may be named: each is answered, and the exit code is the highest.';
const SESSION_HELP = 'SESSION is the name of a workspace or the id of a session; without it, the workspace of this folder.';

const WORKING: readonly Verb[] = [
  {
    name: 'up',
    about: 'lease a box for a folder, a repository or a workspace',
    more: `SOURCE is a folder, a git address or the name of a workspace; without it, this folder. A new workspace gets the folder's
tracked and untracked files (not the ignored ones) and its git history. Later runs never overwrite what is in it.`,
    args: [{ name: 'source', optional: true, complete: 'workspace' }],
    flags: [...WISH_FLAGS, 'name', 'ref', 'allowSetup', 'import', 'wait', 'detach', 'timeout', 'isolation', 'readOnlyPath'],
    examples: [
      ['devctl up', 'a box for this folder'],
      ['devctl up https://github.com/honojs/hono', 'a box with a clone'],
      ['devctl up shop --size large --idle 2h', 'a workspace again, on a bigger box'],
      ['devctl up --persistent', 'its box is kept, and stopped while it is idle'],
      ['devctl up --policy on-demand --arch arm64', 'a machine that nobody takes away, where machines are bought'],
      ['devctl up --no-network --allow-setup', 'no network, but its setup script may run'],
      ['devctl up --secret NPM_TOKEN=arn:aws:secretsmanager:eu-central-1:123456789012:secret:npm-a1B2c3', 'a secret, by reference'],
    ],
    load: async () => (await import('./verbs/up.ts')).run,
  },
  {
    name: 'down',
    about: 'snapshot a workspace and let its box go',
    more: `${SESSION_HELP}
${EACH_HELP}`,
    args: [sessions],
    flags: ['downAll', 'wait', 'timeout'],
    examples: [
      ['devctl down', 'that of this folder; prints the receipt'],
      ['devctl down shop api', 'both, at the same time'],
      ['devctl down shop --no-wait', 'return as soon as the box is quiet'],
      ['devctl down --all --yes', 'every one, without asking'],
    ],
    load: async () => (await import('./verbs/down.ts')).run,
  },
  {
    name: 'park',
    about: 'stop the box of a persistent session and keep it; devctl up goes on with it',
    more: `${SESSION_HELP}
devctl up --persistent makes one. By itself it is parked when it is idle; devctl down ends it for good, with a snapshot.`,
    args: [session],
    flags: ['wait', 'timeout'],
    examples: [
      ['devctl park', 'that of this folder'],
      ['devctl park shop --no-wait', 'return at once'],
    ],
    load: async () => (await import('./verbs/park.ts')).run,
  },
  {
    name: 'ls',
    about: 'your sessions',
    flags: ['lsAll'],
    examples: [
      ['devctl ls', 'what is alive'],
      ['devctl ls -o json', 'the same for a program'],
    ],
    load: async () => (await import('./verbs/ls.ts')).run,
  },
  {
    name: 'status',
    about: 'everything about a session and its workspace',
    more: SESSION_HELP,
    args: [session],
    examples: [
      ['devctl status', 'that of this folder'],
      ['devctl status shop -o json', 'for a program'],
    ],
    load: async () => (await import('./verbs/status.ts')).run,
  },
  {
    name: 'why',
    about: 'what keeps a session alive, or will stop it, and when',
    more: SESSION_HELP,
    args: [session],
    examples: [['devctl why shop', 'evidence, holds and deadlines']],
    load: async () => (await import('./verbs/why.ts')).run,
  },
  {
    name: 'interrupt',
    about: 'drill: take the box away, as a spot interruption does',
    more: `The session goes on in the next box, with everything that was written. ${SESSION_HELP}`,
    args: [session],
    flags: ['interruptIn', 'wait', 'timeout'],
    examples: [['devctl interrupt shop', 'and see that it comes back']],
    load: async () => (await import('./verbs/interrupt.ts')).run,
  },
];

const INSIDE: readonly Verb[] = [
  {
    name: 'shell',
    about: 'a terminal in the box',
    more: SESSION_HELP,
    args: [session],
    flags: ['cwd', 'env', 'execSecret', 'secretFile'],
    examples: [
      ['devctl shell', 'the login shell of the box'],
      ['devctl shell shop --cwd packages/api', 'in a folder of it'],
    ],
    load: async () => (await import('./verbs/shell.ts')).run,
  },
  {
    name: 'exec',
    about: 'run a command in the box, with its exit code',
    more: `${SESSION_HELP}
Without SESSION write -- before the command. Arguments are passed as they are; no shell looks at them.`,
    args: [session],
    command: true,
    flags: ['tty', 'stdin', 'cwd', 'env', 'execSecret', 'secretFile'],
    examples: [
      ['devctl exec -- npm test', 'in the box of this folder'],
      ['devctl exec shop npm test', 'in that of a workspace'],
      ['tar c . | devctl exec shop -- tar x', 'through a pipe'],
      ['devctl exec -t shop top', 'with a terminal'],
      ['devctl exec --secret NPM_TOKEN -- npm ci', 'with a secret that devctl up --secret named'],
    ],
    load: async () => (await import('./verbs/exec.ts')).run,
  },
  {
    name: 'cp',
    about: 'copy files into or out of a box',
    more: `One side is SESSION:PATH (or :PATH for the workspace of this folder), with PATH absolute or relative to /workspace/src.
If the target is a folder, the source goes into it; DIR/. means what is in DIR. A dash is a tar stream on standard input or output.`,
    args: [
      { name: 'from', complete: 'remote-path' },
      { name: 'to', complete: 'remote-path' },
    ],
    examples: [
      ['devctl cp ./data.sql shop:', 'into /workspace/src'],
      ['devctl cp shop:dist ./out', 'a folder out of the box'],
      ['devctl cp :coverage - | tar t', 'as a tar stream'],
    ],
    load: async () => (await import('./verbs/cp.ts')).run,
  },
  {
    name: 'forward',
    about: 'make ports of a box ports of this machine, until Ctrl-C',
    more: `${SESSION_HELP}
PORT:LOCAL takes another port here, and 0 any that is free. It is for launchers whose boxes are reached directly: of the embedded one,
a port of a box is a port of this machine anyway.`,
    args: [session, { name: 'port', many: true }],
    examples: [
      ['devctl forward 3000', 'the box of this folder'],
      ['devctl forward shop 3000:8080 5432', 'its port 3000 as 8080, and 5432'],
    ],
    load: async () => (await import('./verbs/forward.ts')).run,
  },
  {
    name: 'logs',
    about: 'what the box and its setup script wrote',
    more: SESSION_HELP,
    args: [session],
    flags: ['follow', 'tail', 'launcherLog'],
    examples: [
      ['devctl logs -f', 'as it comes'],
      ['devctl logs --launcher --tail 50', "the launcher's own, JSON lines"],
    ],
    load: async () => (await import('./verbs/logs.ts')).run,
  },
  {
    name: 'events',
    about: 'what happened to a session',
    more: SESSION_HELP,
    args: [session],
    flags: ['follow'],
    examples: [
      ['devctl events shop', 'so far'],
      ['devctl events -f', 'and as it happens, until the session is over'],
    ],
    load: async () => (await import('./verbs/events.ts')).run,
  },
];

const DURABLE: readonly Verb[] = [
  {
    name: 'snapshot',
    about: 'a checkpoint of a live session, which goes on; list and delete snapshots',
    more: `${SESSION_HELP}
The snapshot of a session whose workspace is called ls or rm is made by devctl snapshot create.`,
    args: [session],
    flags: ['note'],
    examples: [['devctl snapshot --note "before the refactoring"', 'of the workspace of this folder']],
    load: async () => (await import('./verbs/snapshot.ts')).create,
    verbs: [
      {
        name: 'snapshot create',
        about: 'a checkpoint of a live session, which goes on',
        more: SESSION_HELP,
        args: [session],
        flags: ['note'],
        examples: [['devctl snapshot create shop', '']],
        load: async () => (await import('./verbs/snapshot.ts')).create,
      },
      {
        name: 'snapshot ls',
        about: 'the same as devctl snapshots',
        args: [workspace],
        examples: [['devctl snapshot ls shop', '']],
        load: async () => (await import('./verbs/snapshot.ts')).list,
      },
      {
        name: 'snapshot rm',
        alias: ['delete'],
        about: 'delete snapshots; never the head, nor one that a fork needs',
        more: `Asks first. Without WORKSPACE, those of the workspace of this folder. ${EACH_HELP}`,
        args: [
          { name: 'workspace', optional: true, complete: 'workspace' },
          { name: 'snapshot', many: true },
        ],
        examples: [['devctl snapshot rm shop snap_3 snap_4', '']],
        load: async () => (await import('./verbs/snapshot.ts')).remove,
      },
    ],
  },
  {
    name: 'snapshots',
    about: 'the snapshots of a workspace, newest first',
    args: [workspace],
    examples: [['devctl snapshots shop', 'with their sizes and parents']],
    load: async () => (await import('./verbs/snapshot.ts')).list,
  },
  {
    name: 'fork',
    about: 'new workspaces that begin with the state of this one',
    args: [workspace],
    flags: ['count', 'names', 'snapshot', 'forkUp', ...WISH_FLAGS],
    examples: [
      ['devctl fork shop --count 3 --up', 'three, each with a box'],
      ['devctl fork shop --names try-a --names try-b', 'with names of your own'],
      ['devctl fork shop --snapshot snap_41', 'from an earlier state'],
    ],
    load: async () => (await import('./verbs/fork.ts')).run,
  },
  {
    name: 'restore',
    about: 'make an earlier snapshot the state of a workspace',
    more: `Newer snapshots stay. The workspace must have no live session, and no work that is in no snapshot: run devctl up and devctl down
first. If its disk is damaged that cannot be done, and --force gives that work up.`,
    args: [{ name: 'workspace', optional: true, complete: 'workspace' }, { name: 'snapshot' }],
    flags: ['restoreForce'],
    examples: [
      ['devctl restore shop snap_41', ''],
      ['devctl restore snap_41', 'the workspace of this folder'],
    ],
    load: async () => (await import('./verbs/restore.ts')).run,
  },
  {
    name: 'hold',
    about: 'keep a session for a time, whatever it does',
    more: `${SESSION_HELP}
Without NAME it lists the holds; one word that is no workspace or session is a NAME. The same NAME again moves its end.`,
    args: [session, { name: 'name', optional: true }],
    flags: ['for', 'release'],
    examples: [
      ['devctl hold build --for 2h', 'the session of this folder'],
      ['devctl hold shop build --release', 'let it go again'],
      ['devctl hold shop', 'what holds it'],
    ],
    load: async () => (await import('./verbs/hold.ts')).run,
  },
  {
    name: 'workspace',
    about: 'list, show, delete; which snapshots are kept; allow a setup script',
    examples: [['devctl workspace ls', 'all of yours']],
    verbs: [
      {
        name: 'workspace ls',
        about: 'your workspaces',
        examples: [['devctl workspace ls', 'live or not']],
        load: async () => (await import('./verbs/workspace.ts')).list,
      },
      {
        name: 'workspace show',
        about: 'one workspace',
        args: [workspace],
        examples: [['devctl workspace show shop', '']],
        load: async () => (await import('./verbs/workspace.ts')).show,
      },
      {
        name: 'workspace delete',
        alias: ['rm'],
        about: 'delete a workspace with its snapshots',
        more: `Asks first. Work that is in no snapshot, or pushed nowhere, needs --force. ${EACH_HELP}`,
        args: [namedOnes],
        flags: ['force'],
        examples: [['devctl workspace delete shop-f1 shop-f2', '']],
        load: async () => (await import('./verbs/workspace.ts')).remove,
      },
      {
        name: 'workspace prune',
        about: 'delete the snapshots that its retention no longer keeps',
        args: [workspace],
        flags: ['dryRun'],
        examples: [['devctl workspace prune shop --dry-run', 'say which']],
        load: async () => (await import('./verbs/workspace.ts')).prune,
      },
      {
        name: 'workspace retention',
        about: 'which snapshots are kept; the others are deleted within minutes',
        more: 'Without flags it says so. The head, and what a fork begins with, is kept in any case.',
        args: [workspace],
        flags: ['keepLast', 'keepDaily'],
        examples: [['devctl workspace retention shop --keep-last 20 --keep-daily 14', '']],
        load: async () => (await import('./verbs/workspace.ts')).retention,
      },
      {
        name: 'workspace allow-setup',
        about: 'let its .devctl/setup.sh run in its boxes',
        args: [workspace],
        flags: ['forbid'],
        examples: [
          ['devctl workspace allow-setup shop', ''],
          ['devctl workspace allow-setup shop --forbid', 'no longer'],
        ],
        load: async () => (await import('./verbs/workspace.ts')).allowSetup,
      },
    ],
  },
];

const MACHINERY: readonly Verb[] = [
  {
    name: 'doctor',
    about: 'check this machine and the launcher, and say how to fix what is wrong',
    examples: [['devctl doctor', '']],
    load: async () => (await import('./verbs/doctor.ts')).run,
  },
  {
    name: 'serve',
    about: 'run the launcher in the foreground; stop or find the one in the background',
    flags: [
      'port',
      'host',
      'provider',
      'config',
      'isolation',
      'readOnlyPath',
      'allowedHost',
      'budget',
      'ownerBudget',
      'servePool',
      'poolSchedule',
      'poolClass',
      'stop',
      'serveStatus',
    ],
    examples: [
      ['devctl serve --port 7070', 'until Ctrl-C'],
      ['devctl serve --provider ec2 --config ec2.json', 'boxes in an AWS account: see docs/EC2.md'],
      ['devctl serve --status', 'is there one in the background?'],
      ['devctl serve --stop', 'stop it; boxes go on, and the next command starts it again'],
    ],
    load: async () => (await import('./verbs/serve.ts')).run,
  },
  {
    name: 'token',
    about: 'make, list and revoke tokens',
    examples: [['devctl token ls', '']],
    verbs: [
      {
        name: 'token create',
        about: 'a new token, shown once',
        flags: ['tokenName', 'scopes', 'owner', 'expires'],
        examples: [['devctl token create --name ci --scope read --expires 30d', '']],
        load: async () => (await import('./verbs/token.ts')).create,
      },
      {
        name: 'token ls',
        about: 'your tokens',
        examples: [['devctl token ls', '']],
        load: async () => (await import('./verbs/token.ts')).list,
      },
      {
        name: 'token revoke',
        alias: ['rm'],
        about: 'revoke a token at once',
        more: EACH_HELP,
        args: [{ name: 'id', many: true }],
        examples: [['devctl token revoke tok_01k2m3n4p5q6r7s8t9v0wxyz12', '']],
        load: async () => (await import('./verbs/token.ts')).revoke,
      },
    ],
  },
  {
    name: 'cost',
    about: 'what a month costs; with --plan, what it would cost a team',
    more: `A plan needs neither a launcher nor an account. It compares boxes that are let go when idle (spot), boxes that are stopped when
idle, and boxes that run day and night. With the template of a deployment it names each thing that costs money while nobody works.`,
    flags: ['month', 'costAll', 'plan', 'developers', 'hours', 'size', 'planType', 'workspaceGib', 'idle', 'pool', 'template'],
    examples: [
      ['devctl cost', 'this month so far, by workspace'],
      ['devctl cost --month 2026-10 -o json', 'an earlier one, with every session'],
      ['devctl cost --plan --developers 5 --hours 120 --size large', 'before you begin'],
      ['devctl cost --plan --template dist/deploy/devctl/devctl.template.json', 'what is deployed, line by line'],
    ],
    load: async () => (await import('./verbs/cost.ts')).run,
  },
  {
    name: 'pool',
    about: 'the stopped boxes in reserve, and what they cost a month',
    more: 'How many there are is said to the launcher: devctl serve --pool, --pool-schedule.',
    examples: [
      ['devctl pool', ''],
      ['devctl pool -o json', ''],
    ],
    load: async () => (await import('./verbs/pool.ts')).run,
  },
  {
    name: 'reap',
    about: 'one pass of the reaper and the garbage collector',
    flags: ['dryRun'],
    examples: [
      ['devctl reap --dry-run', 'only say what would go'],
      ['devctl reap -o json', 'from a cron'],
    ],
    load: async () => (await import('./verbs/reap.ts')).run,
  },
  {
    name: 'gc',
    about: 'what is left over, and what it costs; removes it',
    more: 'The same pass as devctl reap, shown with age, owner and dollars a month. Needs the scope admin.',
    flags: ['dryRun'],
    examples: [['devctl gc --dry-run', 'only say what would go']],
    load: async () => (await import('./verbs/gc.ts')).run,
  },
  {
    name: 'recover',
    about: 'rebuild the records of a table that was lost',
    more: `It shows what would be brought back, and asks. Nothing is overwritten or deleted. A workspace with several disks comes back
quarantined: devctl restore goes back to one of its snapshots. What is only a fork so far has no tags of its own, and is not found.`,
    flags: ['fromTags', 'dryRun'],
    examples: [
      ['devctl recover --from-tags --dry-run', 'what is there'],
      ['devctl recover --from-tags', 'and bring it back'],
    ],
    load: async () => (await import('./verbs/recover.ts')).run,
  },
  {
    name: 'context',
    about: 'launchers that you use, by name',
    examples: [['devctl context ls', '']],
    verbs: [
      {
        name: 'context ls',
        about: 'your contexts',
        examples: [['devctl context ls', '']],
        load: async () => (await import('./verbs/context.ts')).list,
      },
      {
        name: 'context add',
        about: 'name a launcher',
        more: 'The token stays in its file; without one, DEVCTL_TOKEN is used. A launcher in Lambda has no tokens: requests to it are signed\nwith your AWS credentials, and its boxes are reached with them too.',
        args: [{ name: 'name' }, { name: 'address' }],
        flags: ['tokenFile', 'contextAws', 'profile', 'region'],
        examples: [
          ['devctl context add team https://devctl.example.com --token-file ~/.config/devctl-team', ''],
          ['devctl context add aws https://abc123.lambda-url.eu-central-1.on.aws --profile dev', 'a launcher in Lambda'],
        ],
        load: async () => (await import('./verbs/context.ts')).add,
      },
      {
        name: 'context use',
        about: 'use a context from now on',
        args: [{ name: 'name', complete: 'context' }],
        examples: [['devctl context use local', 'the embedded launcher again']],
        load: async () => (await import('./verbs/context.ts')).use,
      },
      {
        name: 'context rm',
        alias: ['delete'],
        about: 'forget a context',
        more: EACH_HELP,
        args: [{ name: 'name', complete: 'context', many: true }],
        examples: [['devctl context rm team', '']],
        load: async () => (await import('./verbs/context.ts')).remove,
      },
    ],
  },
  {
    name: 'completion',
    about: 'a script that completes verbs, flags and names',
    args: [{ name: 'shell', complete: 'shell' }],
    examples: [
      ['source <(devctl completion bash)', 'in ~/.bashrc'],
      ['source <(devctl completion zsh)', 'in ~/.zshrc'],
      ['devctl completion fish | source', 'in config.fish'],
    ],
    load: async () => (await import('./verbs/completion.ts')).script,
  },
  {
    name: 'support-bundle',
    about: 'an archive for a bug report, with secrets taken out',
    args: [{ name: 'file', optional: true, complete: 'file' }],
    examples: [['devctl support-bundle', 'writes devctl-support-….tar.gz here']],
    load: async () => (await import('./verbs/support-bundle.ts')).run,
  },
  {
    name: 'help',
    about: 'how devctl, or a verb, is used; help settings lists every flag and variable',
    args: [{ name: 'verb', optional: true, many: true, complete: 'verb' }],
    examples: [
      ['devctl help up', ''],
      ['devctl help settings', 'every flag with its variable'],
    ],
    load: async () => (await import('./verbs/help.ts')).run,
  },
  {
    name: 'version',
    about: 'the version of this command, as devctl --version',
    examples: [['devctl version', '']],
    load: async () => (await import('./verbs/version.ts')).run,
  },
  {
    name: '__complete',
    about: 'words that may come next',
    command: true,
    hidden: true,
    examples: [],
    load: async () => (await import('./verbs/completion.ts')).complete,
  },
];

/** Groups as help shows them. */
export const VERB_GROUPS: VerbGroups = [
  ['Work', WORKING],
  ['Inside the box', INSIDE],
  ['Snapshots and workspaces', DURABLE],
  ['Machinery', MACHINERY],
];
export const VERBS: readonly Verb[] = VERB_GROUPS.flatMap(([, verbs]) => verbs);
