import { readFileSync } from 'node:fs';
import { nearest } from '../contract/nearest.ts';
import { reasonOf } from '../contract/system-errors.ts';
import type { AwsAuth } from './aws.ts';
import { type Home, readJson, writeWhole } from './home.ts';
import { UsageError } from './usage-error.ts';

/** The embedded launcher of this machine: always there, never written down. */
export const LOCAL = 'local';

export interface Context {
  url: string;
  /** Where the token is; null when DEVCTL_TOKEN is to be used. Tokens themselves are never copied. */
  tokenFile: string | null;
  /** Set where requests are signed with AWS credentials: then there is no token. */
  aws?: AwsAuth;
}
export interface Contexts {
  current: string;
  contexts: Record<string, Context>;
}

const isRecord = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null;

export function readContexts(home: Home): Contexts {
  const stored = readJson(home.contextsFile);
  const contexts: Record<string, Context> = {};
  if (isRecord(stored) && isRecord(stored['contexts'])) {
    for (const [name, value] of Object.entries(stored['contexts'])) {
      if (!isRecord(value) || typeof value['url'] !== 'string') continue;
      const aws = readAws(value['aws']);
      contexts[name] = {
        url: value['url'],
        tokenFile: typeof value['tokenFile'] === 'string' ? value['tokenFile'] : null,
        ...(aws && { aws }),
      };
    }
  }
  const current = isRecord(stored) && typeof stored['current'] === 'string' ? stored['current'] : LOCAL;
  return { current: current === LOCAL || Object.hasOwn(contexts, current) ? current : LOCAL, contexts };
}

function readAws(stored: unknown): AwsAuth | null {
  if (!isRecord(stored) || typeof stored['region'] !== 'string') return null;
  return { region: stored['region'], ...(typeof stored['profile'] === 'string' && { profile: stored['profile'] }) };
}

/** A Function URL says in which region it is, and takes signed requests only; null for any other address. */
export function awsAuthOf(url: string): AwsAuth | null {
  const region = /^https:\/\/[a-z0-9]+\.lambda-url\.([a-z0-9-]+)\.on\.aws$/.exec(url)?.[1];
  return region === undefined ? null : { region };
}

export const writeContexts = (home: Home, contexts: Contexts): void =>
  writeWhole(home.contextsFile, `${JSON.stringify(contexts, null, 2)}\n`);

/** The context with this name; null for the embedded launcher. */
export function contextNamed(contexts: Contexts, name: string): Context | null {
  if (name === LOCAL) return null;
  if (Object.hasOwn(contexts.contexts, name)) return contexts.contexts[name] as Context;
  const near = nearest(name, [LOCAL, ...Object.keys(contexts.contexts)]);
  throw new UsageError(
    `there is no context ${JSON.stringify(name)}`,
    near ? `did you mean ${near}? See devctl context ls` : 'see devctl context ls',
  );
}

/** An address of a launcher, as it is kept. */
export function checkAddress(text: string, name: string): string {
  let url: URL;
  try {
    url = new URL(text);
  } catch {
    throw new UsageError(`${name} ${JSON.stringify(text)} is not an address`, 'write http://127.0.0.1:7070 or https://…');
  }
  if (url.protocol !== 'http:' && url.protocol !== 'https:') throw new UsageError(`${name} must begin with http:// or https://`);
  if (url.username || url.password) throw new UsageError(`${name} must not carry a user or password`, 'give the token in DEVCTL_TOKEN');
  return url.href.replace(/\/+$/, '');
}

/** A token without the space and line end around it. @throws UsageError when it cannot be sent */
export function checkToken(text: string, name: string): string {
  const token = text.trim();
  if (!/^[\x21-\x7e]+$/.test(token))
    throw new UsageError(`${name} is not a token: it has ${/\s/.test(token) ? 'spaces or lines' : 'characters'} that no token has`, ADVICE);
  return token;
}

const ADVICE = 'a token is one word that begins with dvt_: make one with devctl token create';

/** @throws UsageError when there is none in the file */
export function readTokenFile(path: string): string {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    throw new UsageError(
      `the token file ${path} cannot be read: ${reasonOf(error)}`,
      'give the token in DEVCTL_TOKEN, or another --token-file',
    );
  }
  if (text.trim() === '') throw new UsageError(`there is no token in ${path}`, 'write one into it, or give it in DEVCTL_TOKEN');
  return checkToken(text, path);
}
