import { parseArgs } from 'node:util';
import { EC2Client } from '@aws-sdk/client-ec2';
import { SSMClient } from '@aws-sdk/client-ssm';
import { DevctlError } from '../launcher/contract/errors.ts';
import { bake, missingForBake } from './bake.ts';
import { type Architecture, Images } from './images.ts';
import { type ImageSettings, readImageSettings } from './settings.ts';

const KEEP = 3;
const KEEP_MAX = 1000;
const USAGE = `usage: npm run image -- VERB --config FILE [--arch x86_64|arm64]

  bake [--ubuntu 24.04|22.04] [--keep N]   bakes an image, publishes it, prunes
  publish AMI                              makes an image the one that launchers take: a new one, or the one before
  prune [--keep N] [--forget-templates]    deregisters all but the newest N (${KEEP}), the published one and those in use, with their snapshots

FILE is what \`npm run deploy\` wrote, dist/deploy/DEPLOYMENT/image.json, or the file of a launcher of your own (docs/EC2.md);
its \`images\` names the parameter that is written. A bake needs Packer: docs/IMAGE.md.`;

class UsageError extends Error {}

/** What differs between a terminal and a test. */
export interface Surroundings {
  say(line: string): void;
  /** Folder of the repository. */
  root: string;
  env: NodeJS.ProcessEnv;
}

interface Words {
  verb: string | undefined;
  rest: string[];
  config: string | undefined;
  arch: Architecture;
  ubuntu: '24.04' | '22.04';
  keep: number;
  forgetTemplates: boolean;
  help: boolean;
}

function oneOf<T extends string>(flag: string, value: string, allowed: readonly T[]): T {
  const found = allowed.find((one) => one === value);
  if (found === undefined) throw new UsageError(`--${flag} is ${allowed.join(' or ')}, and not ${value}`);
  return found;
}

function readWords(args: string[]): Words {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      config: { type: 'string' },
      arch: { type: 'string', default: 'x86_64' },
      ubuntu: { type: 'string', default: '24.04' },
      keep: { type: 'string', default: String(KEEP) },
      'forget-templates': { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  const [verb, ...rest] = positionals;
  const keep = Number(values.keep);
  if (!Number.isInteger(keep) || keep < 1 || keep > KEEP_MAX) throw new UsageError(`--keep is 1 to ${KEEP_MAX}, and not ${values.keep}`);
  return {
    verb,
    rest,
    config: values.config,
    arch: oneOf('arch', values.arch, ['x86_64', 'arm64']),
    ubuntu: oneOf('ubuntu', values.ubuntu, ['24.04', '22.04']),
    keep,
    forgetTemplates: values['forget-templates'],
    help: values.help,
  };
}

/** The parameter that the launcher reads. */
function parameterOf({ images }: ImageSettings, arch: Architecture): string {
  const image = images[arch];
  if (image?.startsWith('/')) return image;
  throw new UsageError(`\`images.${arch}\` has to name a parameter, such as /devctl/image/${arch}, and is ${image ?? 'missing'}`);
}

async function publish(images: Images, id: string, parameter: string, say: Surroundings['say']): Promise<void> {
  const before = await images.publish(id);
  if (before === id) say(`${id} is published already, as ${parameter}`);
  else
    say(
      `published ${id} as ${parameter}${before === null ? '' : `; the way back is \`publish ${before}\``}; launchers take it when they start, in Lambda within five minutes`,
    );
}

async function prune(images: Images, { keep, forgetTemplates }: Words, say: Surroundings['say']): Promise<void> {
  const { removed, spared, strays } = await images.prune(keep, forgetTemplates);
  for (const id of removed) say(`removed ${id} and its snapshots`);
  for (const { id, why } of spared) say(`kept ${id}: ${why}`);
  for (const id of strays) say(`removed snapshot ${id}, which no image has`);
  if (removed.length + spared.length + strays.length === 0) say(`nothing to prune: no more than ${keep} images besides those in use`);
}

async function run(words: Words, surroundings: Surroundings): Promise<void> {
  const { verb, rest, config, arch } = words;
  if (!['bake', 'publish', 'prune'].includes(verb ?? '')) throw new UsageError(verb === undefined ? 'no verb' : `no verb ${verb}`);
  if (config === undefined) throw new UsageError('--config FILE is missing');
  const [id] = rest;
  if (verb === 'publish' ? rest.length !== 1 || !/^ami-[0-9a-f]{8,17}$/.test(id ?? '') : rest.length > 0)
    throw new UsageError(verb === 'publish' ? 'publish takes one image, ami-…' : `${verb} takes no more words`);
  const settings = readImageSettings(config);
  const { region, deployment, endpoint } = settings;
  const parameter = parameterOf(settings, arch);
  // `engines` in package.json says which Node is supported.
  process.env['AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED'] = 'true';
  const connection = { region, ...(endpoint !== undefined && { endpoint }) };
  const ec2 = new EC2Client(connection);
  const ssm = new SSMClient(connection);
  try {
    await haveCredentials(ec2);
    const images = new Images({ ec2, ssm, deployment, arch, parameter, now: Date.now });
    if (verb === 'bake') {
      const made = bakeImage(settings, words, surroundings);
      await publish(images, made, parameter, surroundings.say);
    } else if (verb === 'publish') await publish(images, id ?? '', parameter, surroundings.say);
    if (verb !== 'publish') await prune(images, words, surroundings.say);
  } finally {
    ec2.destroy();
    ssm.destroy();
  }
}

function bakeImage(settings: ImageSettings, { arch, ubuntu }: Words, { root, env }: Surroundings): string {
  const missing = missingForBake(root, arch, env);
  if (missing.length > 0) throw new Error(`nothing is baked:\n${missing.map((line) => `  ${line}`).join('\n')}`);
  const { region, deployment, subnets, securityGroups, instanceProfileArn } = settings;
  const [subnet = ''] = subnets;
  const [securityGroup = ''] = securityGroups;
  const version = env['npm_package_version'] ?? 'development';
  return bake({ root, arch, ubuntu, region, deployment, subnet, securityGroup, instanceProfileArn, version });
}

/** @throws Error that says where they are looked for: the SDK's own word is a list of what it tried */
async function haveCredentials(ec2: EC2Client): Promise<void> {
  try {
    await ec2.config.credentials();
  } catch {
    throw new Error('there are no AWS credentials: `aws sso login`, AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY');
  }
}

/** `npm run image -- …`. @returns the exit code: 1 when it could not be done, 2 for words that mean nothing */
export async function imageCommand(args: string[], surroundings: Surroundings): Promise<number> {
  const { say } = surroundings;
  try {
    const words = readWords(args);
    if (words.help) say(USAGE);
    else await run(words, surroundings);
    return 0;
  } catch (error) {
    const isUsage = error instanceof UsageError || (error as { code?: string }).code?.startsWith('ERR_PARSE_ARGS');
    say(`image: ${error instanceof Error ? error.message : error}`);
    if (error instanceof DevctlError) say(`  ${error.toProblem().hint}`);
    if (isUsage) say(USAGE);
    return isUsage ? 2 : 1;
  }
}
