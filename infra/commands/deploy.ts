import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DescribeLaunchTemplatesCommand, ModifyLaunchTemplateCommand } from '@aws-sdk/client-ec2';
import { GetFunctionConcurrencyCommand } from '@aws-sdk/client-lambda';
import { GetParameterCommand } from '@aws-sdk/client-ssm';
import { readTargetConfig, type TargetConfig } from '../config.ts';
import { type Names, namesOf } from '../names.ts';
import { OUTPUTS } from '../stack/stack.ts';
import { tagsOf } from '../stack/tags.ts';
import { type Account, checkConcurrency, openAccount } from './account.ts';
import { type Folders, foldersOf, synthesize, typed } from './assembly.ts';
import { bootstrapWords } from './bootstrap.ts';
import { cdk, run, type Tools } from './cdk.ts';
import { isFailedCreation, liftFailedCreation } from './failed-creation.ts';
import { Failure } from './failure.ts';
import { bakeLine, imageFileOf } from './image-file.ts';
import { costLines } from './money.ts';
import { describeStack } from './stacks.ts';
import { confirm, type Surroundings } from './terminal.ts';
import type { Words } from './words.ts';

type Outputs = Record<keyof typeof OUTPUTS, string>;

/** @throws Failure, ConfigError */
export async function deploy(words: Words, surroundings: Surroundings): Promise<void> {
  const config = readTargetConfig(words.configPath);
  const { root, env, say } = surroundings;
  const folders = foldersOf(root, config);
  if (words.templateOnly) return printTemplate(config, folders, surroundings);
  const account = await openAccount({ config, profile: words.profile, env });
  try {
    say(`account ${account.id} in ${account.region}, as ${account.arn}`);
    const names = namesOf(config.deployment, { account: account.id, region: account.region });
    const template = synthesize({ config, account: account.id, codeFolder: await build(surroundings), folders });
    const tools: Tools = { root, env, profile: words.profile, region: config.region };
    if (words.dryRun) return await diff(names, folders, tools);
    const isThere = await stackIsThere(account, names);
    await checkConcurrency(account, config, isThere ? await reserved(account, names) : 0);
    for (const line of costLines(config, template, typed(folders, folders.templateFile))) say(line);
    await confirm(`${isThere ? 'Update' : 'Make'} the deployment ${names.deployment} in account ${account.id}?`, words.yes, surroundings);
    await liftFailedCreation(account, names, say);
    const outputs = await deployStacks(names, folders, tools);
    await useNewestTemplates(account, names, config);
    await bootstrapForBoxes(names, config, outputs, { tools, say });
    writeImageFile(folders, { names, config, outputs });
    await context(names, outputs, words, surroundings);
    await image(account, { names, config, words, surroundings, folders });
    tell(names, outputs, say);
  } finally {
    account.close();
  }
}

/** The programs of this very source: what is deployed is what is here. */
async function build({ root, env, say }: Surroundings): Promise<string> {
  say('building the programs');
  await run(process.execPath, [join(root, '.ci/build.mjs')], { root, env }, 'npm ci, and try it again');
  const folder = join(root, 'dist/lambda');
  if (!existsSync(folder)) throw new Failure('the build has made no dist/lambda', 'npm run build, and look at what it says');
  return folder;
}

async function printTemplate(config: TargetConfig, folders: Folders, surroundings: Surroundings): Promise<void> {
  synthesize({ config, account: config.account ?? null, codeFolder: await build(surroundings), folders });
  surroundings.print(readFileSync(folders.templateFile, 'utf8'));
  surroundings.say(`${typed(folders, folders.templateFile)}: nothing was asked of an account, and nothing made`);
}

const diff = (names: Names, { outFolder }: Folders, tools: Tools): Promise<void> =>
  cdk(
    ['diff', names.assetsStack, names.stack, '--app', outFolder, '--method', 'template'],
    tools,
    'these credentials have to be allowed to read stacks of CloudFormation',
  );

async function stackIsThere(account: Account, { stack }: Names): Promise<boolean> {
  const { status } = (await describeStack(account.query, stack)) ?? { status: null };
  // In review is a stack of which nothing is made yet: a deploy ended before that.
  if (status === null || status === 'REVIEW_IN_PROGRESS' || isFailedCreation(status)) return false;
  if (status.endsWith('_IN_PROGRESS'))
    throw new Failure(`stack ${stack} is ${status}`, 'somebody else deploys it now: wait for the end of that');
  return true;
}

/** What the functions have reserved now, which an update may use again. */
async function reserved({ lambda }: Account, { apiFunction, eventsFunction }: Names): Promise<number> {
  const shares = await Promise.all(
    [apiFunction, eventsFunction].map(async (FunctionName) => {
      try {
        return (await lambda.send(new GetFunctionConcurrencyCommand({ FunctionName }))).ReservedConcurrentExecutions ?? 0;
      } catch (error) {
        if ((error as Error).name === 'ResourceNotFoundException') return 0;
        throw error;
      }
    }),
  );
  return shares.reduce((sum, share) => sum + share, 0);
}

const DEPLOY_HINT = 'what is named above has to be mended; then the same command goes on where it ended';

async function deployStacks(names: Names, { outFolder }: Folders, tools: Tools): Promise<Outputs> {
  const outputsFile = join(outFolder, 'outputs.json');
  // Table, bucket and log groups of an earlier deployment of this name are taken up again.
  const common = ['--app', outFolder, '--require-approval', 'never', '--progress', 'events', '--import-existing-resources'];
  await cdk(['deploy', names.assetsStack, ...common], tools, DEPLOY_HINT);
  await cdk(['deploy', names.stack, '--exclusively', '--outputs-file', outputsFile, ...common], tools, DEPLOY_HINT);
  const written = (JSON.parse(readFileSync(outputsFile, 'utf8')) as Record<string, Record<string, string>>)[names.stack] ?? {};
  return Object.fromEntries(
    Object.entries(OUTPUTS).map(([key, name]) => {
      const value = written[name];
      if (value === undefined) throw new Failure(`the stack has no output ${name}`, 'run it again; when it stays, destroy and deploy');
      return [key, value];
    }),
  ) as Outputs;
}

/** CloudFormation makes a new version of a template that changed, and never makes it the default one, which the launcher takes. */
async function useNewestTemplates({ ec2 }: Account, { launchTemplates }: Names, { architectures }: TargetConfig): Promise<void> {
  const LaunchTemplateNames = architectures.map((arch) => launchTemplates[arch]);
  const { LaunchTemplates: found = [] } = await ec2.send(new DescribeLaunchTemplatesCommand({ LaunchTemplateNames }));
  for (const { LaunchTemplateId, LatestVersionNumber: latest, DefaultVersionNumber: current } of found)
    if (latest !== undefined && latest !== current)
      await ec2.send(new ModifyLaunchTemplateCommand({ LaunchTemplateId, DefaultVersion: String(latest) }));
}

async function bootstrapForBoxes(
  names: Names,
  config: TargetConfig,
  { cdkExecutionPolicy }: Outputs,
  { tools, say }: { tools: Tools; say: Surroundings['say'] },
): Promise<void> {
  if (config.target.stacks.length === 0) return say('boxes may deploy no stack (`target.stacks` is empty): no roles are made for that');
  await cdk(
    bootstrapWords(names, cdkExecutionPolicy, tagsOf(config)),
    tools,
    `a bucket cdk-${names.cdkQualifier}-assets-${names.account}-${names.region} that an earlier deployment has left is in the way: aws s3 rb --force s3://…`,
  );
}

const writeImageFile = ({ imageFile }: Folders, deployed: Parameters<typeof imageFileOf>[0]): void =>
  writeFileSync(imageFile, `${JSON.stringify(imageFileOf(deployed), null, 2)}\n`);

async function context(names: Names, { url }: Outputs, { profile }: Words, { root, env, say }: Surroundings): Promise<void> {
  const words = ['context', 'add', names.deployment, url, '--aws', '--region', names.region];
  if (profile !== undefined) words.push('--profile', profile);
  try {
    await run(process.execPath, [join(root, 'dist/devctl.cjs'), ...words], { root, env }, '');
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    say(`the context of the command line was not written; by hand: devctl ${words.join(' ')}`);
  }
}

interface ImageProps {
  names: Names;
  config: TargetConfig;
  words: Words;
  surroundings: Surroundings;
  folders: Folders;
}

/** Publishing is the bake's: the stack has no image in it, and a new one needs no deploy. */
async function image({ ssm }: Account, { names, config, words, surroundings, folders }: ImageProps): Promise<void> {
  const { root, env, say } = surroundings;
  for (const arch of config.architectures) {
    const Name = names.imageParameters[arch];
    const published = await ssm.send(new GetParameterCommand({ Name })).then(
      ({ Parameter: parameter }) => parameter?.Value,
      (error: Error) => {
        if (error.name === 'ParameterNotFound') return undefined;
        throw error;
      },
    );
    if (published !== undefined) say(`boxes of ${arch} boot ${published} (${Name})`);
    else if (words.bake) {
      const bakeEnv = { ...env, AWS_REGION: names.region, ...(words.profile !== undefined && { AWS_PROFILE: words.profile }) };
      const bake = [join(root, '.ci/ts.mjs'), 'packer/main.ts', 'bake', '--config', folders.imageFile, '--arch', arch];
      await run(process.execPath, bake, { root, env: bakeEnv }, 'docs/IMAGE.md says what a bake needs');
    } else
      say(`no image for ${arch} is published, and no box can start: ${bakeLine(typed(folders, folders.imageFile), arch, words.profile)}`);
  }
}

function tell(names: Names, outputs: Outputs, say: Surroundings['say']): void {
  say(`deployed: ${outputs.url}`);
  say(`who may use it gets the policy ${outputs.userPolicy}; who runs it, ${names.adminPolicy}, which lets them assume ${names.adminRole}`);
  say('each address of `alertEmails` has a mail to confirm before alarms reach it');
  say(`next: devctl context use ${names.deployment}, then devctl up`);
}
