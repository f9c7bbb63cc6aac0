import type * as z from 'zod';
import { idempotencyKeySchema } from '../contract/api.ts';
import { DevctlError, notFound } from '../contract/errors.ts';
import { invalid, invalidRequest } from './problems.ts';

/**
 * Only requests that were meant for this launcher: a page of another site that has its own name point at this address
 * (DNS rebinding) shows in Host, one that calls across sites shows in Origin. Forwarding headers are not looked at.
 * @throws DevctlError host_not_allowed
 */
export function assertHost(request: Request, allowedHosts: readonly string[]): void {
  const inUrl = new URL(request.url).host;
  const host = (request.headers.get('host') ?? inUrl).toLowerCase();
  if (!allowedHosts.includes(host) || !allowedHosts.includes(inUrl))
    throw new DevctlError('host_not_allowed', `Host ${JSON.stringify(host.slice(0, 100))} is not one of this launcher`);
  const origin = request.headers.get('origin');
  if (origin !== null && !allowedHosts.some((allowed) => origin === `http://${allowed}` || origin === `https://${allowed}`))
    throw new DevctlError('host_not_allowed', `Origin ${JSON.stringify(origin.slice(0, 100))} is not one of this launcher`);
}

/**
 * One way to write each path: no path of ours needs an escape or an empty part, so that nothing in front of the launcher
 * can read a path otherwise than it does.
 * @throws DevctlError not_found
 */
export function assertPlainPath(url: string): void {
  const start = url.indexOf('/', url.indexOf('://') + 3);
  const path = url.slice(start).split(/[?#]/, 1)[0] ?? '';
  if (/[%\\]|\/\/|[^\x21-\x7e]/.test(path)) throw notFound('path', 'there is no such path');
}

/** @throws DevctlError invalid_request */
export function parseWith<T extends z.ZodType>(schema: T, input: unknown): z.output<T> {
  const result = schema.safeParse(input);
  if (!result.success) throw invalid(result.error, input);
  return result.data;
}

/** Query parameters, each at most once. @throws DevctlError invalid_request */
export function readQuery(url: string, schema: z.ZodObject | undefined): unknown {
  const given = [...new URL(url).searchParams];
  const names = given.map(([name]) => name);
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) throw invalidRequest([{ field: twice.slice(0, 80), message: 'is given more than once' }]);
  if (schema !== undefined) return parseWith(schema, Object.fromEntries(given));
  if (names.length > 0)
    throw invalidRequest(names.slice(0, 20).map((name) => ({ field: name.slice(0, 80), message: 'is not known here' })));
  return undefined;
}

/** @throws DevctlError invalid_request */
export function readIdempotencyKey(header: string | undefined): string | null {
  if (header === undefined) return null;
  const result = idempotencyKeySchema.safeParse(header);
  if (result.success) return result.data;
  const message = result.error.issues[0]?.message ?? 'is not valid';
  throw invalidRequest([{ field: 'Idempotency-Key', message, got: JSON.stringify(header.slice(0, 80)) }]);
}
