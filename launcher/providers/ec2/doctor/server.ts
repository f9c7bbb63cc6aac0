import { isIP } from 'node:net';
import type { Check } from '../../../contract/api.ts';
import { bad, good, warn } from '../../../contract/checks.ts';
import type { AccountApi } from '../api.ts';
import { answer, awsCommand, said } from './findings.ts';

/** @param functionName null: there is none, and this process answers */
export async function functionCheck(account: AccountApi, region: string, functionName: string | null): Promise<Check[]> {
  const name = 'function';
  if (functionName === null) return [good(name, 'none: this launcher is the server, and boxes need it to run')];
  const found = await answer('lambda:GetFunctionConfiguration', account.functionState(functionName));
  const look = awsCommand(region, `lambda get-function-configuration --function-name ${functionName}`);
  if (found === null)
    return [bad(name, `there is no function ${functionName} in ${region}`, 'deploy it, or start the launcher without it')];
  const { state, update, reason } = found;
  const detail = `${functionName} is ${state}, its last update ${update}${reason === null ? '' : `: ${reason}`}`;
  if (state === 'Active' && update === 'Successful') return [good(name, detail)];
  return [state === 'Failed' || update === 'Failed' ? bad(name, detail, look) : warn(name, detail, look)];
}

/** Whether boxes can reach the launcher at the address that they are given. */
export function launcherUrlCheck(launcherUrl: string): Check {
  const name = 'launcher address';
  const fix = 'name in "launcherUrl" of the settings the https address at which boxes reach this launcher';
  const url = URL.canParse(launcherUrl) ? new URL(launcherUrl) : null;
  if (url === null) return bad(name, 'what boxes are given is no address', fix);
  const shown = `${url.protocol}//${url.host}`;
  const host = url.hostname.replace(/^\[|\]$/g, '');
  if (isLoopback(host)) return bad(name, `${shown} is this machine alone: no box reaches it`, fix);
  if (url.protocol !== 'https:')
    return bad(name, `${shown} is not https: whoever is on the way reads and changes what boxes are told`, fix);
  if (isPrivate(host)) return warn(name, `${shown} is a private address: boxes reach it in that network only`, fix);
  return good(name, shown);
}

/** Boxes show tokens of the account's own issuer, and are believed only if it is the one that the launcher was told. */
export async function identityCheck(account: AccountApi, issuer: string): Promise<Check[]> {
  const name = 'box identity';
  const fix = 'aws iam get-outbound-web-identity-federation-info names it; aws iam enable-outbound-web-identity-federation turns it on';
  const found = await account.issuerAt(issuer).catch((error: unknown) => ({ why: said(error) }));
  if (typeof found !== 'string') return [bad(name, `${issuer} cannot be asked, so no box can register: ${found.why}`, fix)];
  return [found === issuer ? good(name, issuer) : bad(name, `${issuer} calls itself ${found}, so no box can register`, fix)];
}

const isLoopback = (host: string): boolean =>
  host === 'localhost' ||
  host.endsWith('.localhost') ||
  host === '::1' ||
  host === '0.0.0.0' ||
  host === '::' ||
  (isIP(host) === 4 && host.startsWith('127.'));

const isPrivate = (host: string): boolean =>
  isIP(host) !== 0 &&
  /^(10\.|192\.168\.|172\.(1[6-9]|2\d|3[01])\.|169\.254\.|100\.(6[4-9]|[7-9]\d|1[01]\d|12[0-7])\.|f[cd]|fe80)/i.test(host);
