import type { Client, Session, Workspace } from '../client/client.ts';
import { DevctlError, isDevctlError } from '../contract/errors.ts';
import { nearest } from '../contract/nearest.ts';
import type { Cli } from './cli.ts';
import { workspaceAround } from './folders.ts';
import { UsageError } from './usage-error.ts';

const SESSION_ID = /^ses_[0-9a-z]{16,32}$/;
const NAME = /^[a-z0-9](?:[a-z0-9-]{0,46}[a-z0-9])?$/;

export const isSessionId = (text: string): boolean => SESSION_ID.test(text);
export const isWorkspaceName = (text: string): boolean => NAME.test(text);

/** The name of the workspace that is meant: the one that was given, or that of this folder. */
export function workspaceName(cli: Cli, given: string | undefined): string {
  if (given !== undefined) {
    if (!isWorkspaceName(given)) throw new UsageError(`${JSON.stringify(given)} is not the name of a workspace`, 'see devctl workspace ls');
    return given;
  }
  const here = cli.surroundings.cwd();
  const known = workspaceAround(cli.home, cli.target.name, here);
  if (known) return known.name;
  throw new DevctlError('not_found', `this folder (${cli.tilde(here)}) has no workspace`, {
    hint: 'make one with devctl up, or name one: see devctl workspace ls',
  });
}

/** The client for a verb that is about one session: what can be said without a launcher is said before one is started. */
export async function clientFor(cli: Cli, given: string | undefined): Promise<Client> {
  const what = given !== undefined && isSessionId(given) ? `session ${given}` : `workspace ${JSON.stringify(workspaceName(cli, given))}`;
  if (!cli.hasLauncher()) throw new DevctlError('not_found', `there is no ${what}`, { hint: 'make one with devctl up' });
  return cli.client();
}

/** The live session of a workspace, or the session with an id; null when the workspace has none. */
export async function findSession(cli: Cli, client: Client, given: string | undefined): Promise<Session | null> {
  if (given !== undefined && isSessionId(given)) return client.call('getSession', { params: { id: given } });
  const name = workspaceName(cli, given);
  const { items } = await client.call('listSessions', { query: { workspace: name, limit: 1 } });
  return items[0] ?? null;
}

/** The live session that is meant. */
export async function needSession(cli: Cli, client: Client, given: string | undefined): Promise<Session> {
  const session = await findSession(cli, client, given);
  if (session) return session;
  const { name } = await needWorkspace(client, workspaceName(cli, given));
  throw new DevctlError('not_found', `workspace ${name} has no live session`, {
    hint: `start one with devctl up ${given === undefined ? '' : name}`.trim(),
  });
}

/** The latest session of a workspace, ended or not. */
export async function latestSession(cli: Cli, client: Client, given: string | undefined): Promise<Session> {
  const live = await findSession(cli, client, given);
  if (live) return live;
  const name = workspaceName(cli, given);
  const { items } = await client.call('listSessions', { query: { workspace: name, all: 'true', limit: 1 } });
  return items[0] ?? needSession(cli, client, given);
}

/** A workspace; null when there is none of that name. */
export async function findWorkspace(client: Client, name: string): Promise<Workspace | null> {
  try {
    return await client.call('getWorkspace', { params: { name } });
  } catch (error) {
    if (isDevctlError(error, 'not_found')) return null;
    throw error;
  }
}

/** @throws DevctlError not_found, with the name that was most likely meant */
export async function needWorkspace(client: Client, name: string): Promise<Workspace> {
  return (await findWorkspace(client, name)) ?? Promise.reject(await unknownWorkspace(client, name));
}

/** Does something with a workspace. That there is none of that name is told with the name that was most likely meant. */
export async function withWorkspace<T>(client: Client, name: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (isDevctlError(error, 'not_found')) await needWorkspace(client, name);
    throw error;
  }
}

export async function unknownWorkspace(client: Client, name: string): Promise<DevctlError> {
  const names: string[] = [];
  for await (const workspace of client.list('listWorkspaces', { query: { limit: 200 } })) names.push(workspace.name);
  const near = nearest(name, names);
  return new DevctlError('not_found', `there is no workspace ${JSON.stringify(name)}`, {
    hint: near ? `did you mean ${near}?` : 'see devctl workspace ls',
  });
}
