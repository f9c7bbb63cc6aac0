import type { OPERATIONS, OperationId } from '../contract/routes.ts';

/**
 * Method and path of every operation, free of the schemas so that a command which only lists does not pay for building
 * them. The compiler holds it equal to the contract: a difference in any word does not compile.
 */
export const WIRE = {
  createSession: { method: 'POST', path: '/sessions' },
  listSessions: { method: 'GET', path: '/sessions' },
  getSession: { method: 'GET', path: '/sessions/{id}' },
  endSession: { method: 'DELETE', path: '/sessions/{id}' },
  parkSession: { method: 'POST', path: '/sessions/{id}/park' },
  wakeSession: { method: 'POST', path: '/sessions/{id}/wake' },
  createSnapshot: { method: 'POST', path: '/sessions/{id}/snapshots' },
  createHold: { method: 'POST', path: '/sessions/{id}/holds' },
  deleteHold: { method: 'DELETE', path: '/sessions/{id}/holds/{hold}' },
  interruptSession: { method: 'POST', path: '/sessions/{id}/interrupt' },
  why: { method: 'GET', path: '/sessions/{id}/why' },
  events: { method: 'GET', path: '/sessions/{id}/events' },
  logs: { method: 'GET', path: '/sessions/{id}/logs' },
  exec: { method: 'POST', path: '/sessions/{id}/exec' },
  attach: { method: 'GET', path: '/sessions/{id}/attach' },
  connectBox: { method: 'POST', path: '/sessions/{id}/connect' },
  putFiles: { method: 'PUT', path: '/sessions/{id}/files' },
  getFiles: { method: 'GET', path: '/sessions/{id}/files' },
  importSource: { method: 'PUT', path: '/sessions/{id}/import' },
  listWorkspaces: { method: 'GET', path: '/workspaces' },
  getWorkspace: { method: 'GET', path: '/workspaces/{name}' },
  updateWorkspace: { method: 'PATCH', path: '/workspaces/{name}' },
  deleteWorkspace: { method: 'DELETE', path: '/workspaces/{name}' },
  listSnapshots: { method: 'GET', path: '/workspaces/{name}/snapshots' },
  deleteSnapshot: { method: 'DELETE', path: '/workspaces/{name}/snapshots/{snapshot}' },
  pruneSnapshots: { method: 'POST', path: '/workspaces/{name}/prune' },
  forkWorkspace: { method: 'POST', path: '/workspaces/{name}/fork' },
  restoreWorkspace: { method: 'POST', path: '/workspaces/{name}/restore' },
  costs: { method: 'GET', path: '/costs' },
  pool: { method: 'GET', path: '/pool' },
  listTokens: { method: 'GET', path: '/tokens' },
  createToken: { method: 'POST', path: '/tokens' },
  revokeToken: { method: 'DELETE', path: '/tokens/{id}' },
  whoami: { method: 'GET', path: '/whoami' },
  reap: { method: 'POST', path: '/reap' },
  recover: { method: 'POST', path: '/recover' },
  info: { method: 'GET', path: '/info' },
  launcherLogs: { method: 'GET', path: '/launcher/logs' },
  healthz: { method: 'GET', path: '/healthz' },
  readyz: { method: 'GET', path: '/readyz' },
  metrics: { method: 'GET', path: '/metrics' },
  openapi: { method: 'GET', path: '/openapi.json' },
  docs: { method: 'GET', path: '/docs' },
  boxDisk: { method: 'POST', path: '/boxes/disk' },
  registerBox: { method: 'POST', path: '/boxes/register' },
  heartbeat: { method: 'POST', path: '/boxes/heartbeat' },
} as const satisfies { [Id in OperationId]: Pick<(typeof OPERATIONS)[Id], 'method' | 'path'> };

type KeyedId = { [Id in OperationId]: (typeof OPERATIONS)[Id] extends { idempotent: true } ? Id : never }[OperationId];

/** Operations that take an Idempotency-Key, and so may be repeated although they create something. */
const KEYED = {
  createSession: true,
  createSnapshot: true,
  createHold: true,
  forkWorkspace: true,
  restoreWorkspace: true,
} as const satisfies Record<KeyedId, true>;

export const takesIdempotencyKey = (id: OperationId): boolean => id in KEYED;

/** Repeating it changes nothing: it only reads, sets or removes, or it carries a key. Uploads are streams and cannot be sent twice. */
export function isRepeatable(id: OperationId): boolean {
  const { method } = WIRE[id];
  return method === 'GET' || method === 'DELETE' || method === 'PATCH' || takesIdempotencyKey(id);
}

/** The path of an operation with its parameters and query filled in. Every part is percent-encoded. */
export function fillPath(
  id: OperationId,
  params: Readonly<Record<string, unknown>> = {},
  query: Readonly<Record<string, unknown>> = {},
): string {
  const path = WIRE[id].path.replace(/\{(\w+)\}/g, (_, name: string) => {
    const value = params[name];
    if (value === undefined || value === '' || value === '.' || value === '..') throw new TypeError(`${id} needs the parameter ${name}`);
    return encodeURIComponent(String(value));
  });
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) if (value !== undefined) search.set(name, String(value));
  const text = search.toString();
  return text ? `${path}?${text}` : path;
}
