import { type FileHandle, open } from 'node:fs/promises';
import { arch, platform, release, totalmem } from 'node:os';
import { resolve } from 'node:path';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import { pack } from 'tar-stream';
import { type Client, collect } from '../../client/client.ts';
import { REDACTED, redactSecrets } from '../../contract/redact.ts';
import { reasonOf } from '../../contract/system-errors.ts';
import { localChecks } from '../checks.ts';
import type { Cli } from '../cli.ts';
import { localToken } from '../embedded.ts';
import { EXTRA_ENV, KNOWN_ENV } from '../flags.ts';
import { readIfThere } from '../home.ts';
import { findLauncher } from '../launcher-process.ts';
import { CLI_LIMITS } from '../limits.ts';
import { UsageError } from '../usage-error.ts';
import type { Run } from '../verb.ts';
import { VERSION } from '../version.ts';

type Part = readonly [name: string, make: () => Promise<string>];

const document = (value: unknown): string => `${JSON.stringify(value, null, 2)}\n`;

async function textOf(stream: Readable): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream as AsyncIterable<Buffer>) chunks.push(chunk);
  return Buffer.concat(chunks).toString('utf8');
}

function localParts(cli: Cli): Part[] {
  const secret = new Set<string>(EXTRA_ENV.map((extra) => extra.env).filter((name) => name === 'DEVCTL_TOKEN'));
  const settings = KNOWN_ENV.filter((name) => cli.env[name] !== undefined).map((name) => [
    name,
    secret.has(name) ? '(set)' : cli.env[name],
  ]);
  const machine = {
    devctl: VERSION,
    node: process.version,
    platform: platform(),
    release: release(),
    arch: arch(),
    memoryBytes: totalmem(),
    target: cli.target.kind,
  };
  const parts: Part[] = [
    ['machine.json', async () => document({ ...machine, settings: Object.fromEntries(settings) })],
    ['checks.json', async () => document(await localChecks(cli.home, cli.embedded))],
    ['launcher.json', async () => document(findLauncher(cli.home))],
  ];
  if (cli.embedded) parts.push(['launcher.stderr.log', async () => lastLines(readIfThere(`${cli.home.logDir}/launcher.stderr.log`) ?? '')]);
  return parts;
}

const lastLines = (text: string): string => text.split('\n').slice(-CLI_LIMITS.bundleLogLines).join('\n');

function launcherParts(client: Client): Part[] {
  const sessions = async () =>
    (await collect(client.list('listSessions', { query: { all: 'true', limit: 200 } }))).slice(0, CLI_LIMITS.bundleSessions);
  return [
    ['info.json', async () => document(await client.call('info', {}))],
    ['sessions.json', async () => document(await sessions())],
    ['workspaces.json', async () => document(await collect(client.list('listWorkspaces', { query: { limit: 200 } })))],
    ['launcher.log', async () => textOf(await client.text('launcherLogs', { query: { tail: CLI_LIMITS.bundleLogLines } }))],
    ['metrics.txt', async () => textOf(await client.text('metrics', {}))],
    [
      'events.json',
      async () => {
        const all: Record<string, unknown> = {};
        for (const session of await sessions()) all[session.id] = await collect(client.events(session.id, { follow: false }));
        return document(all);
      },
    ],
  ];
}

/** Text without the secrets that are known, nor what looks like one. */
function withoutSecrets(text: string, known: readonly string[]): string {
  const rest = known.reduce((left, secret) => left.replaceAll(secret, REDACTED), text);
  return redactSecrets(rest);
}

/** @throws UsageError when it is there already, or cannot be made */
async function createNew(file: string): Promise<FileHandle> {
  try {
    return await open(file, 'wx', 0o600);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST')
      throw new UsageError(`${file} is there already`, 'give another FILE; nothing was written');
    throw new UsageError(`${file} cannot be written: ${reasonOf(error)}`, 'give a FILE in a folder of yours');
  }
}

export const run: Run = async (cli, { args }) => {
  const stamp = new Date().toISOString().replace(/[-:]|\.\d+/g, '');
  const file = resolve(cli.surroundings.cwd(), args[0] ?? `devctl-support-${stamp}.tar.gz`);
  const secrets = [localToken(cli.home), cli.env['DEVCTL_TOKEN']].filter(
    (secret): secret is string => secret !== undefined && secret !== '',
  );
  const parts = [...localParts(cli), ...(cli.isRunning() ? launcherParts(await cli.client()) : [])];
  const target = await createNew(file);
  const tar = pack();
  const writing = pipeline(tar as unknown as Readable, createGzip(), target.createWriteStream());
  writing.catch(() => undefined);
  const names: string[] = [];
  for (const [name, make] of parts) {
    const text = await make().catch((error: unknown) => `not available: ${reasonOf(error)}\n`);
    tar.entry({ name: `devctl-support/${name}`, mode: 0o600 }, withoutSecrets(text, secrets));
    names.push(name);
  }
  tar.finalize();
  await writing;
  if (cli.form === 'json') cli.print(document({ file, parts: names }));
  else cli.print(`${file}\n`);
  cli.say(`${names.join(', ')}; secrets were taken out, but look through it before you send it`);
  return undefined;
};
