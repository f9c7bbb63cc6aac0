import type { ClientOptions } from '../client/client.ts';
import { nodeTransport } from '../client/http.ts';
import { signedTransport } from '../client/signed.ts';
import { type AwsUser, openAwsUser } from '../connect/aws/user.ts';
import type { Env } from './parse.ts';

/** How requests to a launcher are signed. */
export interface AwsAuth {
  region: string;
  /** Of the AWS configuration; none: what the environment says. */
  profile?: string | undefined;
}

/** What a client of a launcher behind a Function URL has more. */
export function signedOptions(url: string, auth: AwsAuth, env: Env): Pick<ClientOptions, 'transport' | 'direct'> {
  let opened: Promise<AwsUser> | null = null;
  const user = () => {
    opened ??= openAwsUser({ ...auth, env });
    return opened;
  };
  return { transport: signedTransport(nodeTransport(url), url, user), direct: { user, env } };
}
