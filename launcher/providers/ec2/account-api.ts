import type { AccountApi } from './api.ts';
import { ANSWER_CHARS, type Ask, addressOf, element, fetched, type SignedConnection, send } from './signed.ts';

/** Questions about the account, signed one by one: four read-only calls do not need four more clients (decision 22). */
export function createAccountApi(connection: SignedConnection): AccountApi {
  const ask = (request: Ask) => send(connection, request);
  const query = (service: 'sts' | 'iam', version: string, fields: Record<string, string>) =>
    ask({
      service,
      method: 'POST',
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      body: new URLSearchParams({ Version: version, ...fields }).toString(),
    });
  const quota = async (operation: 'GetServiceQuota' | 'GetAWSDefaultServiceQuota', code: string) => {
    const text = await ask({
      service: 'servicequotas',
      method: 'POST',
      headers: { 'content-type': 'application/x-amz-json-1.1', 'x-amz-target': `ServiceQuotasV20190624.${operation}` },
      body: JSON.stringify({ ServiceCode: 'ec2', QuotaCode: code }),
    });
    const value = (JSON.parse(text) as { Quota?: { Value?: number } }).Quota?.Value;
    if (typeof value !== 'number') throw new Error(`the answer about quota ${code} has no value`);
    return value;
  };
  return {
    async callerIdentity() {
      const text = await query('sts', '2011-06-15', { Action: 'GetCallerIdentity' });
      return { accountId: element(text, 'Account') ?? '', arn: element(text, 'Arn') ?? '' };
    },
    // A quota that was never raised has no entry of its own.
    ec2Quota: async (code) => (await unless(isNone, () => quota('GetServiceQuota', code))) ?? quota('GetAWSDefaultServiceQuota', code),
    hasRole: async (name) => (await unless(isNone, () => query('iam', '2010-05-08', { Action: 'GetRole', RoleName: name }))) !== null,
    async rolesOfProfile(name) {
      const fields = { Action: 'GetInstanceProfile', InstanceProfileName: name };
      const text = await unless(isNone, () => query('iam', '2010-05-08', fields));
      return text === null ? null : [...text.matchAll(/<RoleName>([^<]*)<\/RoleName>/g)].map(([, role = '']) => role);
    },
    async functionState(name) {
      const path = `/2015-03-31/functions/${encodeURIComponent(name)}/configuration`;
      const text = await unless(isNone, () => ask({ service: 'lambda', method: 'GET', path }));
      if (text === null) return null;
      const found = JSON.parse(text) as Partial<Record<'State' | 'LastUpdateStatus' | 'StateReason' | 'LastUpdateStatusReason', string>>;
      const reason = found.StateReason ?? found.LastUpdateStatusReason ?? null;
      return { state: found.State ?? 'Active', update: found.LastUpdateStatus ?? 'Successful', reason };
    },
    async issuerAt(address) {
      const place = new URL(`${address.replace(/\/$/, '')}/.well-known/openid-configuration`);
      const response = await fetched(place, { method: 'GET', redirect: 'error' });
      const text = (await response.text()).slice(0, ANSWER_CHARS);
      if (!response.ok) throw new Error(`${place.host} answered HTTP ${response.status}`);
      return String((JSON.parse(text) as { issuer?: unknown }).issuer);
    },
    async serverTime() {
      const { headers, body } = await fetched(addressOf(connection, 'sts'), { method: 'GET', redirect: 'manual' });
      await body?.cancel();
      const atMs = Date.parse(headers.get('date') ?? '');
      if (Number.isNaN(atMs)) throw new Error('the answer of AWS has no date');
      return atMs;
    },
  };
}

const isNone = (error: Error): boolean => ['NoSuchEntity', 'NoSuchResourceException', 'ResourceNotFoundException'].includes(error.name);

async function unless<T>(isIt: (error: Error) => boolean, work: () => Promise<T>): Promise<T | null> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof Error && isIt(error)) return null;
    throw error;
  }
}
