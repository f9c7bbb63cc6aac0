import { resolve } from 'node:path';
import type { AwsAuth } from '../aws.ts';
import type { Cli } from '../cli.ts';
import { awsAuthOf, type Context, checkAddress, contextNamed, LOCAL, readContexts, readTokenFile, writeContexts } from '../contexts.ts';
import { each } from '../each.ts';
import { json } from '../output.ts';
import { UsageError } from '../usage-error.ts';
import type { Run } from '../verb.ts';

/** Nobody else hears what is said there. */
const LOOPBACK: ReadonlySet<string> = new Set(['127.0.0.1', 'localhost', '[::1]']);
const NAME = /^[a-z0-9][a-z0-9-]{0,47}$/;

/** How it is known who calls. */
function authText(cli: Cli, { tokenFile, aws }: Pick<Context, 'tokenFile' | 'aws'>): string {
  if (aws) return `signed, ${aws.profile === undefined ? 'AWS credentials' : `AWS profile ${aws.profile}`}, ${aws.region}`;
  return tokenFile === null ? 'DEVCTL_TOKEN' : cli.tilde(tokenFile);
}

export const list: Run = async (cli) => {
  const { current, contexts } = readContexts(cli.home);
  const all: Array<{ name: string } & Context> = [
    { name: LOCAL, url: '', tokenFile: null },
    ...Object.entries(contexts).map(([name, context]) => ({ name, ...context })),
  ];
  cli.show({
    json: all.map((context) => ({ ...context, current: context.name === current })),
    header: ['', 'CONTEXT', 'ADDRESS', 'TOKEN'],
    rows: all.map((context) => [
      context.name === current ? '*' : '',
      context.name,
      context.name === LOCAL ? `embedded launcher, ${cli.tilde(cli.home.dir)}` : context.url,
      context.name === LOCAL ? 'its own' : authText(cli, context),
    ]),
  });
  return undefined;
};

/** Whose credentials a new context signs with; null where it has a token. */
function awsFrom({ flags }: Cli, url: string): AwsAuth | null {
  const known = awsAuthOf(url);
  const { contextAws, profile, region = known?.region, tokenFile } = flags;
  if (known === null && !contextAws) {
    const extra = profile !== undefined ? '--profile' : flags.region !== undefined ? '--region' : null;
    if (extra !== null) throw new UsageError(`${extra} is for a launcher that is signed for`, 'add --aws');
    return null;
  }
  if (tokenFile !== undefined) throw new UsageError('--token-file is not for a launcher that is signed for', 'leave it out');
  const { protocol, hostname } = new URL(url);
  if (protocol === 'http:' && !LOOPBACK.has(hostname))
    throw new UsageError(`${url} is not https: what is signed for goes with your session`, 'write https://…');
  if (region === undefined) throw new UsageError(`${url} does not say in which region it is`, 'give it with --region');
  if (!/^[a-z]{2}(?:-[a-z]+)+-\d$/.test(region))
    throw new UsageError(`${JSON.stringify(region)} is not a region`, 'write --region eu-central-1');
  return { region, ...(profile !== undefined && { profile }) };
}

export const add: Run = async (cli, { args }) => {
  const [name, address] = args as readonly [string, string];
  if (!NAME.test(name)) throw new UsageError(`the name ${JSON.stringify(name)} is not valid`, 'use lower-case letters, digits and dashes');
  if (name === LOCAL) throw new UsageError(`${LOCAL} is the embedded launcher of this machine`, 'give another name');
  const url = checkAddress(address, 'the address');
  const aws = awsFrom(cli, url);
  const tokenFile = cli.flags.tokenFile === undefined ? null : resolve(cli.surroundings.cwd(), cli.flags.tokenFile);
  if (tokenFile !== null) readTokenFile(tokenFile);
  const stored = readContexts(cli.home);
  const context: Context = { url, tokenFile, ...(aws && { aws }) };
  writeContexts(cli.home, { ...stored, contexts: { ...stored.contexts, [name]: context } });
  cli.print(cli.form === 'json' ? json({ name, ...context }) : `context ${name} is ${url}\n`);
  if (aws && awsAuthOf(url) === null && !LOOPBACK.has(new URL(url).hostname))
    cli.warn(`${url} is no Function URL: whoever has it sees what you send, and the token of your AWS session`);
  cli.say(`use it with devctl context use ${name}, or with --on ${name}`);
  return undefined;
};

export const use: Run = async (cli, { args }) => {
  const [name] = args as readonly [string];
  const stored = readContexts(cli.home);
  contextNamed(stored, name);
  writeContexts(cli.home, { ...stored, current: name });
  cli.print(cli.form === 'json' ? json({ current: name }) : `context ${name} is in use\n`);
  return undefined;
};

export const remove: Run = async (cli, { args }) => {
  const { done, code } = await each(cli, args, false, async (name) => {
    if (name === LOCAL) throw new UsageError(`${LOCAL} is always there`);
    const stored = readContexts(cli.home);
    contextNamed(stored, name);
    const contexts = Object.fromEntries(Object.entries(stored.contexts).filter(([key]) => key !== name));
    const current = stored.current === name ? LOCAL : stored.current;
    writeContexts(cli.home, { current, contexts });
    if (cli.form !== 'json') cli.print(`context ${name} is forgotten${stored.current === name ? `; ${LOCAL} is in use` : ''}\n`);
    return { forgotten: name, current };
  });
  if (cli.form === 'json') cli.print(json(done));
  return code;
};
