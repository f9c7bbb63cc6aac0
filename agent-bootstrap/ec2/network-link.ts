import { BOX_OWNER_HEADER, type BoxDisk, type Orders } from '../../launcher/contract/box.ts';
import { DevctlError } from '../../launcher/contract/errors.ts';
import { problemSchema } from '../../launcher/contract/problem.ts';
import type { LauncherLink } from '../ports.ts';
import type { InstanceIdentity } from './identity.ts';
import type { Metadata, RoleCredentials } from './metadata.ts';
import { type Answer, signedPost } from './signed-post.ts';

const ANSWER_MS = 10_000;
/** Function URLs of Lambda. Source: Lambda Developer Guide, "Creating and managing Lambda function URLs". */
const FUNCTION_URL = /\.lambda-url\.([a-z0-9-]+)\.on\.aws$/;

/** Sends a body so that the launcher knows which instance it comes from. */
type Send = (address: URL, headers: Record<string, string>, body: string) => Promise<Answer>;

interface NetworkLinkOptions {
  url: string;
  owner: string;
  send: Send;
  onOrders: (orders: Orders) => void;
}

/** The launcher over a network. */
export function networkLink({ url, owner, send, onOrders }: NetworkLinkOptions): LauncherLink {
  const ask = async (path: string, body: unknown): Promise<unknown> => {
    const headers = { [BOX_OWNER_HEADER]: owner, 'content-type': 'application/json' };
    const { ok, text } = await send(new URL(path, url), headers, JSON.stringify(body));
    const parsed: unknown = JSON.parse(text);
    if (!ok) throw DevctlError.fromProblem(problemSchema.parse(parsed));
    return parsed;
  };
  return {
    async post(path, body) {
      const orders = (await ask(path, body)) as Orders;
      onOrders(orders);
      return orders;
    },
    disk: (body) => ask('/boxes/disk', body) as Promise<BoxDisk>,
  };
}

/** To a launcher behind a Function URL AWS itself says who calls, by the signature of the instance's role; to any other a token of STS does. */
export function sendAs(url: string, { identity, metadata }: { identity: InstanceIdentity; metadata: Metadata }): Send {
  const region = regionOfFunction(url);
  return region === null ? byToken(identity) : bySignature(metadata, region);
}

/** Of a Function URL; null of every other address. */
export const regionOfFunction = (url: string): string | null => FUNCTION_URL.exec(new URL(url).hostname)?.[1] ?? null;

function byToken(identity: InstanceIdentity): Send {
  return async (address, headers, body) => {
    const sent = { ...headers, authorization: `Bearer ${await identity.token()}` };
    const answer = await fetch(address, { method: 'POST', headers: sent, body, signal: AbortSignal.timeout(ANSWER_MS) });
    if (answer.status === 401) identity.forget();
    return { ok: answer.ok, status: answer.status, text: await answer.text() };
  };
}

export function bySignature(role: { credentials(): Promise<Omit<RoleCredentials, 'expiration'>> }, region: string): Send {
  return async (address, headers, body) =>
    signedPost({ service: 'lambda', region, address, headers, body, credentials: await role.credentials(), timeoutMs: ANSWER_MS });
}
