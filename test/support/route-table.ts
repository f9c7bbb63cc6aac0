import { OPERATIONS, type Operation, type OperationId } from '../../launcher/contract/routes.ts';

/** A request of an operation that is right in every way, for the things that `ids` names. */
export interface Example {
  params?: Record<string, string>;
  query?: Record<string, string>;
  body?: Record<string, unknown>;
}

export interface Things {
  session: string;
  workspace: string;
  token: string;
}

/** One good request for each operation that a user may call. The compiler asks for a new one when there is a new operation. */
export function examples(ids: Things): Record<Exclude<OperationId, 'boxDisk' | 'registerBox' | 'heartbeat'>, Example> {
  const session = { params: { id: ids.session } };
  const workspace = { params: { name: ids.workspace } };
  return {
    createSession: { body: { workspace: 'fresh' } },
    listSessions: {},
    getSession: session,
    endSession: session,
    parkSession: session,
    wakeSession: session,
    createSnapshot: { ...session, body: {} },
    createHold: { ...session, body: { name: 'build', for: '1h' } },
    deleteHold: { params: { id: ids.session, hold: 'build' } },
    interruptSession: { ...session, body: {} },
    why: session,
    events: { ...session, query: { follow: 'false' } },
    logs: session,
    exec: { ...session, body: { argv: ['both', '0'] } },
    attach: session,
    connectBox: { ...session, body: {} },
    putFiles: { ...session, query: { path: 'a' } },
    getFiles: { ...session, query: { path: 'a' } },
    importSource: session,
    listWorkspaces: {},
    getWorkspace: workspace,
    updateWorkspace: { ...workspace, body: { setupAllowed: true } },
    deleteWorkspace: workspace,
    listSnapshots: workspace,
    deleteSnapshot: { params: { name: ids.workspace, snapshot: 'snap_1' } },
    pruneSnapshots: { ...workspace, body: {} },
    forkWorkspace: { ...workspace, body: {} },
    restoreWorkspace: { ...workspace, body: { snapshot: 'snap_1' } },
    pool: {},
    costs: {},
    listTokens: {},
    createToken: { body: { name: 'ci' } },
    revokeToken: { params: { id: ids.token } },
    whoami: {},
    reap: { body: {} },
    recover: { body: {} },
    info: {},
    launcherLogs: {},
    healthz: {},
    readyz: {},
    metrics: {},
    openapi: {},
    docs: {},
  };
}

export type UserOperation = keyof ReturnType<typeof examples>;
export const operationOf = (id: OperationId): Operation => OPERATIONS[id];

/** Path and query of an example. */
export function pathOf(id: OperationId, { params = {}, query = {} }: Example): string {
  const path = operationOf(id).path.replace(/\{(\w+)\}/g, (_, name: string) => params[name] ?? name);
  const search = new URLSearchParams(query).toString();
  return search === '' ? path : `${path}?${search}`;
}
