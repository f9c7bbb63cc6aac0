import type { AwsAuth } from './aws.ts';
import { awsAuthOf, checkAddress, checkToken, contextNamed, LOCAL, readContexts, readTokenFile } from './contexts.ts';
import type { Home } from './home.ts';
import { findLauncher } from './launcher-process.ts';
import type { Env } from './parse.ts';
import { UsageError } from './usage-error.ts';
import type { Call } from './verb.ts';

/** Which launcher a command speaks to. `name` is what folders are remembered under. */
export type Target = { kind: 'embedded'; name: string } | RemoteTarget;
export interface RemoteTarget {
  kind: 'remote';
  name: string;
  url: string;
  token: string | undefined;
  /** Set where requests are signed with AWS credentials, and carry no token. */
  aws?: AwsAuth;
}

/**
 * A flag wins over a variable, an address over a context of the same kind, and both over the context that is in use.
 * An address that is the embedded launcher's own gets its token.
 */
export function resolveTarget(call: Call, env: Env, home: Home, localToken: () => string | undefined): Target {
  const { flags } = call;
  const words = { url: call.given.has('url'), on: call.given.has('on') };
  if (words.url && words.on) throw new UsageError('--url and --on cannot be given together');
  const token = env['DEVCTL_TOKEN'] ? checkToken(env['DEVCTL_TOKEN'], 'DEVCTL_TOKEN') : undefined;
  const byUrl = flags.url !== undefined && !words.on;
  if (byUrl) {
    const url = checkAddress(flags.url as string, words.url ? '--url' : 'DEVCTL_URL');
    const aws = awsAuthOf(url);
    if (aws) return { kind: 'remote', name: url, url, token: undefined, aws };
    const running = token === undefined ? findLauncher(home) : null;
    const own = running !== null && checkAddress(running.url, 'launcher.json') === url;
    return { kind: 'remote', name: own ? LOCAL : url, url, token: token ?? (own ? localToken() : undefined) };
  }
  const contexts = readContexts(home);
  const name = flags.on ?? contexts.current;
  const context = contextNamed(contexts, name);
  if (context === null) return { kind: 'embedded', name: LOCAL };
  if (context.aws) return { kind: 'remote', name, url: context.url, token: undefined, aws: context.aws };
  return {
    kind: 'remote',
    name,
    url: context.url,
    token: token ?? (context.tokenFile === null ? undefined : readTokenFile(context.tokenFile)),
  };
}
