import { parseArgs } from 'node:util';
import { nearest } from '../../launcher/contract/nearest.ts';

export const CONFIG_FILE = 'devctl.target.json';

export const USAGE = `usage: npm run deploy -- --profile NAME [--config FILE] [--yes] [--dry-run | --template-only] [--bake]
       npm run destroy -- --profile NAME [--config FILE] [--yes] [--dry-run] [--end-boxes]

  deploy   takes an account to \`devctl up\`: code, stack, roles for deploys from boxes, context of the command line. Again is an update
  destroy  takes the launcher away, and leaves what holds people's work: table, disks, snapshots, images. It says what that costs

  --profile NAME    of the AWS configuration; without it, credentials are looked for as the AWS CLI does
  --config FILE     what is deployed (${CONFIG_FILE}): docs/target.example.json is one, docs/DEPLOY.md says what its fields are
  --yes             asks nothing
  --dry-run         says what would change, or go and what is in the way of that, and changes nothing
  --template-only   writes the template to standard output: no account and no credentials are needed
  --bake            bakes an image when none is published (needs Packer: docs/IMAGE.md)
  --end-boxes       ends machines that still run; what they have not saved stays on their volumes
  --help            this`;

/** Words that mean nothing: the exit code is 2. */
export class UsageError extends Error {
  override name = 'UsageError';
  readonly hint: string;
  constructor(message: string, hint = 'see npm run deploy -- --help') {
    super(message);
    this.hint = hint;
  }
}

export interface Words {
  verb: 'deploy' | 'destroy';
  profile: string | undefined;
  configPath: string;
  yes: boolean;
  dryRun: boolean;
  templateOnly: boolean;
  bake: boolean;
  endBoxes: boolean;
  help: boolean;
}

const OPTIONS = {
  profile: { type: 'string' },
  config: { type: 'string', default: CONFIG_FILE },
  yes: { type: 'boolean', default: false },
  'dry-run': { type: 'boolean', default: false },
  'template-only': { type: 'boolean', default: false },
  bake: { type: 'boolean', default: false },
  'end-boxes': { type: 'boolean', default: false },
  help: { type: 'boolean', short: 'h', default: false },
} as const;

/** @throws UsageError */
export function readWords(argv: string[]): Words {
  const { values, positionals } = parse(argv);
  const [verb, ...rest] = positionals;
  if (verb !== 'deploy' && verb !== 'destroy') throw new UsageError(verb === undefined ? 'no verb' : `no verb ${verb}: deploy or destroy`);
  if (rest.length > 0) throw new UsageError(`${verb} takes no word ${rest.join(' ')}`);
  const wrong = verb === 'deploy' ? (['end-boxes'] as const) : (['template-only', 'bake'] as const);
  for (const flag of wrong) if (values[flag]) throw new UsageError(`--${flag} is not for ${verb}`);
  if (values['template-only'] && values['dry-run']) throw new UsageError('--template-only and --dry-run are two things: choose one');
  return {
    verb,
    profile: values.profile,
    configPath: values.config,
    yes: values.yes,
    dryRun: values['dry-run'],
    templateOnly: values['template-only'],
    bake: values.bake,
    endBoxes: values['end-boxes'],
    help: values.help,
  };
}

function parse(argv: string[]) {
  const { tokens } = parseArgs({ args: argv, allowPositionals: true, options: OPTIONS, strict: false, tokens: true });
  for (const token of tokens) if (token.kind === 'option') checkFlag(token);
  return parseArgs({ args: argv, allowPositionals: true, options: OPTIONS });
}

/** In words of its own, before Node says it. @throws UsageError */
function checkFlag({ name, rawName, value }: { name: string; rawName: string; value?: string | undefined }): void {
  const type = Object.entries(OPTIONS).find(([known]) => known === name)?.[1].type;
  if (type === undefined) {
    const near = nearest(name, Object.keys(OPTIONS));
    throw new UsageError(`no flag ${rawName}${near === null ? '' : `: did you mean --${near}?`}`);
  }
  if (type === 'boolean' && value !== undefined) throw new UsageError(`${rawName} takes no value`);
  if (type === 'string' && (value === undefined || value === '' || value.startsWith('-'))) throw new UsageError(`${rawName} needs a value`);
}
