import { existsSync, mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { DescribeInstancesCommand, TerminateInstancesCommand } from '@aws-sdk/client-ec2';
import { readTargetConfig, type TargetConfig } from '../config.ts';
import { type Names, namesOf } from '../names.ts';
import { type Account, openAccount } from './account.ts';
import { foldersOf, synthesize } from './assembly.ts';
import { cdk, type Tools } from './cdk.ts';
import { Failure } from './failure.ts';
import { halt } from './halt.ts';
import { QueryError, query, textsIn } from './query.ts';
import { remains } from './remains.ts';
import { describeStack } from './stacks.ts';
import { confirm, type Surroundings } from './terminal.ts';
import type { Words } from './words.ts';

const POLL_MS = 3000;
/** Ten minutes: a stack with some ten empty roles and a bucket. */
const POLLS_MAX = 200;
const END_ROUNDS_MAX = 5;

/** Takes the launcher of an account away, and leaves what holds people's work. @throws Failure, ConfigError */
export async function destroy(words: Words, surroundings: Surroundings): Promise<void> {
  const config = readTargetConfig(words.configPath);
  const { root, env, say } = surroundings;
  const account = await openAccount({ config, profile: words.profile, env });
  try {
    say(`account ${account.id} in ${account.region}, as ${account.arn}`);
    const names = namesOf(config.deployment, { account: account.id, region: account.region });
    if (words.dryRun) {
      say(`would go: the stacks ${names.stack} and ${names.cdkToolkitStack}`);
      for (const obstacle of await obstacles(account, names, words, await boxesOf(account, names)))
        say(`would be refused: ${obstacle.message}\n  ${obstacle.hint}`);
      return await tellRemains(account, names, say);
    }
    const [obstacle] = await obstacles(account, names, words, await boxesOf(account, names));
    if (obstacle !== undefined) throw obstacle;
    await confirm(`Take the deployment ${names.deployment} out of account ${account.id}?`, words.yes, surroundings);
    const tools: Tools = { root, env, profile: words.profile, region: config.region };
    // A launcher that works would start machines while these end, and what it starts then nobody ends.
    const { putBack } = await halt(account, names, config, say);
    try {
      await endAll(account, names, words, say);
      // Its roles have policies of the other stack.
      await deleteStack(account, names.cdkToolkitStack, say);
    } catch (error) {
      await putBack();
      throw error;
    }
    await destroyStack(account, { names, config, tools });
    await tellRemains(account, names, say);
  } finally {
    account.close();
  }
}

interface Box {
  id: string;
  /** Of the pool, and no session has taken it: nobody's work is on it. */
  isReserve: boolean;
}

/** Machines of the deployment that are there, stopped ones too: they hold the security group and the role of the stack. */
async function boxesOf({ ec2 }: Account, { deployment }: Names): Promise<Box[]> {
  const Filters = [
    { Name: 'tag:devctl:deployment', Values: [deployment] },
    { Name: 'instance-state-name', Values: ['pending', 'running', 'stopping', 'stopped'] },
  ];
  const boxes: Box[] = [];
  let NextToken: string | undefined;
  do {
    const page = await ec2.send(new DescribeInstancesCommand({ Filters, NextToken, MaxResults: 1000 }));
    for (const { InstanceId: id, Tags: tags = [] } of (page.Reservations ?? []).flatMap(({ Instances: list = [] }) => list)) {
      const has = (key: string) => tags.some(({ Key }) => Key === key);
      if (id !== undefined) boxes.push({ id, isReserve: has('devctl:pool') && !has('devctl:session') });
    }
    NextToken = page.NextToken || undefined;
  } while (NextToken !== undefined);
  return boxes;
}

/** What is in the way of taking it out, the next step with each. */
async function obstacles(account: Account, names: Names, words: Words, boxes: Box[]): Promise<Failure[]> {
  const roles = await rolesOfDeploys(account, names);
  const work = workInTheWay(boxes, words);
  const found = work === null ? [] : [work];
  if (roles.length > 0)
    found.push(
      new Failure(
        `deploys from boxes have made roles with the boundary ${names.boundary}: ${roles.slice(0, 5).join(', ')}`,
        'delete the stacks that they are of first (`target.stacks` in the file)',
      ),
    );
  return found;
}

/** Of machines that may have work on them, which nobody said to end. */
function workInTheWay(boxes: Box[], { endBoxes }: Words): Failure | null {
  const ids = boxes.filter(({ isReserve }) => !isReserve).map(({ id }) => id);
  if (ids.length === 0 || endBoxes) return null;
  return new Failure(
    `${ids.length} ${ids.length === 1 ? 'machine is' : 'machines are'} there: ${ids.slice(0, 5).join(', ')}`,
    'devctl down for each of them saves its work (devctl ls --all shows them); --end-boxes ends them as they are, and leaves their volumes',
  );
}

/** Again until none is there: a call of the launcher that ran when it was stopped may start one more. */
async function endAll(account: Account, names: Names, words: Words, say: Surroundings['say']): Promise<void> {
  for (let round = 0; round < END_ROUNDS_MAX; round += 1) {
    const boxes = await boxesOf(account, names);
    if (boxes.length === 0) return;
    const refusal = workInTheWay(boxes, words);
    if (refusal !== null) throw refusal;
    await endBoxes(
      account,
      boxes.map(({ id }) => id),
      say,
    );
  }
  throw new Failure('new machines come while these end', 'something but the launcher starts machines with its tags: stop that first');
}

/** Roles that deploys from boxes have made keep the boundary from going, and are somebody's. */
async function rolesOfDeploys(account: Account, names: Names): Promise<string[]> {
  const arn = `arn:aws:iam::${account.id}:policy/${names.boundary}`;
  let xml: string;
  try {
    xml = await query(account.query, 'iam', { Action: 'ListEntitiesForPolicy', PolicyArn: arn, PolicyUsageFilter: 'PermissionsBoundary' });
  } catch (error) {
    if (error instanceof QueryError && error.code === 'NoSuchEntity') return [];
    throw error;
  }
  const own = new Set(Object.values(names.cdkRoles));
  return textsIn(xml, 'RoleName').filter((name) => !own.has(name));
}

async function endBoxes({ ec2 }: Account, ids: string[], say: Surroundings['say']): Promise<void> {
  say(`ending ${ids.join(', ')}`);
  await ec2.send(new TerminateInstancesCommand({ InstanceIds: ids }));
  for (let poll = 0; poll < POLLS_MAX; poll += 1) {
    const { Reservations: found = [] } = await ec2.send(new DescribeInstancesCommand({ InstanceIds: ids }));
    const states = found.flatMap(({ Instances: list = [] }) => list.map(({ State: state }) => state?.Name));
    if (states.every((state) => state === 'terminated')) return;
    await pause();
  }
  throw new Failure('the machines do not end', 'look at them in EC2, and try it again');
}

const pause = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, POLL_MS));

/** A stack that is not of this project's making; gone already is gone. */
async function deleteStack(account: Account, stack: string, say: Surroundings['say']): Promise<void> {
  const there = await describeStack(account.query, stack);
  if (there === null) return;
  say(`deleting stack ${stack}`);
  await query(account.query, 'cloudformation', { Action: 'DeleteStack', StackName: there.id });
  for (let poll = 0; poll < POLLS_MAX; poll += 1) {
    // By its id a stack is found also when it has gone.
    const now = await describeStack(account.query, there.id);
    if (now === null || now.status === 'DELETE_COMPLETE') return;
    if (now.status === 'DELETE_FAILED')
      throw new Failure(
        `stack ${stack} cannot be deleted: ${now.reason}`,
        'images in its ECR repository have to be deleted by hand; then try it again',
      );
    await pause();
  }
  throw new Failure(
    `stack ${stack} is not deleted after ${(POLLS_MAX * POLL_MS) / 60_000} minutes`,
    'look at it in CloudFormation, and try it again',
  );
}

interface DestroyProps {
  names: Names;
  config: TargetConfig;
  tools: Tools;
}

async function destroyStack(account: Account, { names, config, tools }: DestroyProps): Promise<void> {
  if ((await describeStack(account.query, names.stack)) === null) return;
  await query(account.query, 'cloudformation', {
    Action: 'UpdateTerminationProtection',
    StackName: names.stack,
    EnableTerminationProtection: 'false',
  });
  const folders = foldersOf(tools.root, config);
  const codeFolder = join(tools.root, 'dist/lambda');
  // Which code it was does not matter any more; a folder has to be there.
  if (!existsSync(codeFolder)) mkdirSync(codeFolder, { recursive: true });
  synthesize({ config, account: account.id, codeFolder, folders });
  await cdk(
    ['destroy', names.stack, '--app', folders.outFolder, '--force', '--exclusively'],
    tools,
    'what is named above is in use by something that is not of the stack; when that has gone, the same command goes on',
  );
  // Subnets and groups that it names have gone.
  rmSync(folders.imageFile, { force: true });
}

async function tellRemains(account: Account, names: Names, say: Surroundings['say']): Promise<void> {
  say('what stays, and what a month of it costs:');
  for (const line of await remains(account, names)) say(`  ${line}`);
}
