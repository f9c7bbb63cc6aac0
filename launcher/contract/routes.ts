import * as z from 'zod';
import * as api from './api.ts';
import { heartbeatSchema, ordersSchema, registerSchema } from './box.ts';
import { costsQuerySchema, costsSchema } from './costs.ts';
import type { ErrorCode } from './errors.ts';
import { holdNameSchema, sessionIdSchema, snapshotIdSchema, tokenIdSchema, workspaceNameSchema } from './fields.ts';
import { eventSchema, type Scope } from './records.ts';

/** One operation of the API. From this table come the routes, the OpenAPI document, the typed client and the checks of the CLI. */
export interface Operation {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** With `{name}` for parameters, as OpenAPI writes them. */
  readonly path: string;
  readonly summary: string;
  /** Scope that the token needs (`read` never reaches into a box, nor keeps one alive); `public` needs no token, `box` needs the token of the live generation. */
  readonly scope: Scope | 'public' | 'box';
  readonly params?: z.ZodObject;
  readonly query?: z.ZodObject;
  readonly body?: z.ZodType;
  /** A body that is not JSON. */
  readonly upload?: 'application/x-tar';
  /** Takes an Idempotency-Key header. */
  readonly idempotent?: true;
  readonly status: 200 | 201 | 202 | 204;
  readonly response?: z.ZodType;
  /** An answer that is not one JSON document. `frames` is an upgrade to a WebSocket that carries exec frames. */
  readonly stream?: 'text/event-stream' | 'application/x-tar' | 'text/plain' | 'text/html' | 'application/json' | 'frames';
  /** Codes beyond those that every operation may answer (COMMON_ERRORS). */
  readonly errors: readonly ErrorCode[];
}

export const COMMON_ERRORS = [
  'invalid_request',
  'unauthorized',
  'forbidden',
  'host_not_allowed',
  'rate_limited',
  'unavailable',
  'internal',
] as const satisfies readonly ErrorCode[];

const session = z.strictObject({ id: sessionIdSchema });
const workspace = z.strictObject({ name: workspaceNameSchema });

export const OPERATIONS = {
  createSession: {
    method: 'POST',
    path: '/sessions',
    summary: 'Lease a box for a workspace, which is made if it is new',
    scope: 'write',
    query: api.waitQuerySchema,
    body: api.createSessionSchema,
    idempotent: true,
    status: 201,
    response: api.sessionSchema,
    errors: [
      'workspace_in_use',
      'quota_exceeded',
      'idempotency_mismatch',
      'conflict',
      'wrong_phase',
      'no_capacity',
      'bootstrap_failed',
      'source_unavailable',
      'setup_failed',
      'workspace_quarantined',
      'timeout',
      'too_large',
      'unsupported_media_type',
    ],
  },
  listSessions: {
    method: 'GET',
    path: '/sessions',
    summary: 'Your sessions, newest first',
    scope: 'read',
    query: api.sessionListQuerySchema,
    status: 200,
    response: api.listOf(api.sessionSchema),
    errors: ['invalid_cursor'],
  },
  getSession: {
    method: 'GET',
    path: '/sessions/{id}',
    summary: 'One session',
    scope: 'read',
    params: session,
    query: api.waitQuerySchema,
    status: 200,
    response: api.sessionSchema,
    errors: ['not_found', 'timeout'],
  },
  endSession: {
    method: 'DELETE',
    path: '/sessions/{id}',
    summary: 'Make it quiet, snapshot it and let the box go. Repeating it is fine',
    scope: 'write',
    params: session,
    query: api.downQuerySchema,
    status: 202,
    response: api.sessionSchema,
    errors: ['not_found', 'snapshot_failed', 'timeout'],
  },
  createSnapshot: {
    method: 'POST',
    path: '/sessions/{id}/snapshots',
    summary: 'Checkpoint of a live session: it goes on afterwards',
    scope: 'write',
    params: session,
    body: api.createSnapshotSchema,
    idempotent: true,
    status: 201,
    response: api.snapshotSchema,
    errors: ['not_found', 'wrong_phase', 'snapshot_failed', 'idempotency_mismatch', 'timeout'],
  },
  createHold: {
    method: 'POST',
    path: '/sessions/{id}/holds',
    summary: 'Keep the session for a time, whatever it does. The same name again moves its end',
    scope: 'write',
    params: session,
    body: api.createHoldSchema,
    idempotent: true,
    status: 201,
    response: api.holdViewSchema,
    errors: ['not_found', 'wrong_phase', 'lease_ended', 'quota_exceeded', 'idempotency_mismatch'],
  },
  deleteHold: {
    method: 'DELETE',
    path: '/sessions/{id}/holds/{hold}',
    summary: 'Remove a hold',
    scope: 'write',
    params: session.extend({ hold: holdNameSchema }),
    status: 204,
    errors: ['not_found'],
  },
  interruptSession: {
    method: 'POST',
    path: '/sessions/{id}/interrupt',
    summary: 'Drill: take its box away as a spot interruption does. The session goes on in the next box',
    scope: 'write',
    params: session,
    body: api.interruptSchema,
    status: 202,
    response: api.sessionSchema,
    errors: ['not_found', 'wrong_phase'],
  },
  why: {
    method: 'GET',
    path: '/sessions/{id}/why',
    summary: 'What keeps it alive, or will stop it, and when',
    scope: 'read',
    params: session,
    status: 200,
    response: api.whySchema,
    errors: ['not_found'],
  },
  events: {
    method: 'GET',
    path: '/sessions/{id}/events',
    summary: 'Events as a stream, resumed with Last-Event-ID; ends when the session is over and all is sent',
    scope: 'read',
    params: session,
    query: z.strictObject({ follow: z.enum(['true', 'false']).default('true') }),
    status: 200,
    response: eventSchema,
    stream: 'text/event-stream',
    errors: ['not_found'],
  },
  logs: {
    method: 'GET',
    path: '/sessions/{id}/logs',
    summary: 'What the box and its setup script wrote',
    scope: 'read',
    params: session,
    query: api.logsQuerySchema,
    status: 200,
    stream: 'text/plain',
    errors: ['not_found', 'box_unreachable'],
  },
  exec: {
    method: 'POST',
    path: '/sessions/{id}/exec',
    summary: 'Run a command to its end and get its output (1 MB of each stream)',
    scope: 'write',
    params: session,
    body: api.execRequestSchema,
    status: 200,
    response: api.execResultSchema,
    errors: ['not_found', 'wrong_phase', 'lease_ended', 'box_unreachable'],
  },
  attach: {
    method: 'GET',
    path: '/sessions/{id}/attach',
    summary: 'Run a command or terminal over a WebSocket that carries exec frames',
    scope: 'write',
    params: session,
    status: 200,
    stream: 'frames',
    errors: ['not_found', 'wrong_phase', 'lease_ended', 'box_unreachable'],
  },
  putFiles: {
    method: 'PUT',
    path: '/sessions/{id}/files',
    summary: 'Unpack a tar stream under a path in the box',
    scope: 'write',
    params: session,
    query: api.filesQuerySchema,
    upload: 'application/x-tar',
    status: 200,
    response: api.importResultSchema,
    errors: [
      'not_found',
      'wrong_phase',
      'lease_ended',
      'box_unreachable',
      'invalid_archive',
      'too_large',
      'disk_full',
      'unsupported_media_type',
      'request_timeout',
    ],
  },
  getFiles: {
    method: 'GET',
    path: '/sessions/{id}/files',
    summary: 'A file or folder of the box as a tar stream',
    scope: 'write',
    params: session,
    query: api.filesQuerySchema,
    status: 200,
    stream: 'application/x-tar',
    errors: ['not_found', 'wrong_phase', 'lease_ended', 'box_unreachable'],
  },
  importSource: {
    method: 'PUT',
    path: '/sessions/{id}/import',
    summary: 'Fill the empty workspace of a session from a tar stream: all of it or nothing',
    scope: 'write',
    params: session,
    upload: 'application/x-tar',
    status: 200,
    response: api.importResultSchema,
    errors: [
      'not_found',
      'wrong_phase',
      'lease_ended',
      'workspace_not_empty',
      'box_unreachable',
      'invalid_archive',
      'too_large',
      'disk_full',
      'unsupported_media_type',
      'request_timeout',
    ],
  },
  listWorkspaces: {
    method: 'GET',
    path: '/workspaces',
    summary: 'Your workspaces, by name',
    scope: 'read',
    query: api.pageQuerySchema,
    status: 200,
    response: api.listOf(api.workspaceSchema),
    errors: ['invalid_cursor'],
  },
  getWorkspace: {
    method: 'GET',
    path: '/workspaces/{name}',
    summary: 'One workspace',
    scope: 'read',
    params: workspace,
    status: 200,
    response: api.workspaceSchema,
    errors: ['not_found'],
  },
  updateWorkspace: {
    method: 'PATCH',
    path: '/workspaces/{name}',
    summary: 'Allow its setup script, or change how many snapshots are kept',
    scope: 'write',
    params: workspace,
    body: api.updateWorkspaceSchema,
    status: 200,
    response: api.workspaceSchema,
    errors: ['not_found', 'conflict'],
  },
  deleteWorkspace: {
    method: 'DELETE',
    path: '/workspaces/{name}',
    summary: 'Delete a workspace with its snapshots. Unsaved or unpushed work needs force',
    scope: 'write',
    params: workspace,
    query: api.deleteWorkspaceQuerySchema,
    status: 204,
    errors: ['not_found', 'workspace_in_use', 'unsaved_work', 'in_use', 'conflict'],
  },
  listSnapshots: {
    method: 'GET',
    path: '/workspaces/{name}/snapshots',
    summary: 'Its snapshots, newest first',
    scope: 'read',
    params: workspace,
    query: api.pageQuerySchema,
    status: 200,
    response: api.listOf(api.snapshotSchema),
    errors: ['not_found', 'invalid_cursor'],
  },
  deleteSnapshot: {
    method: 'DELETE',
    path: '/workspaces/{name}/snapshots/{snapshot}',
    summary: 'Delete one snapshot; never the head, nor one that a fork needs',
    scope: 'write',
    params: workspace.extend({ snapshot: snapshotIdSchema }),
    status: 204,
    errors: ['not_found', 'in_use'],
  },
  pruneSnapshots: {
    method: 'POST',
    path: '/workspaces/{name}/prune',
    summary: 'Delete the snapshots that its retention no longer keeps',
    scope: 'write',
    params: workspace,
    body: api.reapSchema,
    status: 200,
    response: z.object({ removed: z.array(snapshotIdSchema), kept: z.int() }).meta({ id: 'PruneResult' }),
    errors: ['not_found'],
  },
  forkWorkspace: {
    method: 'POST',
    path: '/workspaces/{name}/fork',
    summary: 'New workspaces that begin with the state of this one, which stays as it is',
    scope: 'write',
    params: workspace,
    body: api.forkSchema,
    idempotent: true,
    status: 201,
    response: api.forkResultSchema,
    errors: [
      'not_found',
      'wrong_phase',
      'unsaved_work',
      'in_use',
      'conflict',
      'quota_exceeded',
      'snapshot_failed',
      'idempotency_mismatch',
      'timeout',
    ],
  },
  restoreWorkspace: {
    method: 'POST',
    path: '/workspaces/{name}/restore',
    summary: 'Make an earlier snapshot the head; the newer ones stay',
    scope: 'write',
    params: workspace,
    body: api.restoreSchema,
    idempotent: true,
    status: 200,
    response: api.workspaceSchema,
    errors: ['not_found', 'workspace_in_use', 'unsaved_work', 'in_use', 'conflict', 'idempotency_mismatch'],
  },
  costs: {
    method: 'GET',
    path: '/costs',
    summary: 'What a month costs, by owner, workspace and session',
    scope: 'read',
    query: costsQuerySchema,
    status: 200,
    response: costsSchema,
    errors: [],
  },
  listTokens: {
    method: 'GET',
    path: '/tokens',
    summary: 'Your tokens, without their secrets',
    scope: 'read',
    query: api.pageQuerySchema,
    status: 200,
    response: api.listOf(api.tokenSchema),
    errors: ['invalid_cursor'],
  },
  createToken: {
    method: 'POST',
    path: '/tokens',
    summary: 'A new token, with no more scopes than your own, and no longer life; shown once',
    scope: 'write',
    body: api.createTokenSchema,
    status: 201,
    response: api.createdTokenSchema,
    errors: ['quota_exceeded'],
  },
  revokeToken: {
    method: 'DELETE',
    path: '/tokens/{id}',
    summary: 'Revoke a token at once; what is open with it is cut',
    scope: 'write',
    params: z.strictObject({ id: tokenIdSchema }),
    status: 204,
    errors: ['not_found'],
  },
  whoami: {
    method: 'GET',
    path: '/whoami',
    summary: 'Whose token this is',
    scope: 'read',
    status: 200,
    response: api.whoamiSchema,
    errors: [],
  },
  reap: {
    method: 'POST',
    path: '/reap',
    summary: 'One pass of the reaper and the garbage collector',
    scope: 'admin',
    body: api.reapSchema,
    status: 200,
    response: api.reapResultSchema,
    errors: [],
  },
  info: {
    method: 'GET',
    path: '/info',
    summary: 'Version, provider, isolation and their checks',
    scope: 'read',
    status: 200,
    response: api.infoSchema,
    errors: [],
  },
  launcherLogs: {
    method: 'GET',
    path: '/launcher/logs',
    summary: "The launcher's own log, JSON lines, secrets redacted",
    scope: 'admin',
    query: api.logsQuerySchema,
    status: 200,
    stream: 'text/plain',
    errors: [],
  },
  healthz: {
    method: 'GET',
    path: '/healthz',
    summary: 'The process is alive',
    scope: 'public',
    status: 200,
    response: api.healthSchema,
    errors: [],
  },
  readyz: {
    method: 'GET',
    path: '/readyz',
    summary: 'The store answers',
    scope: 'public',
    status: 200,
    response: api.healthSchema,
    errors: [],
  },
  metrics: {
    method: 'GET',
    path: '/metrics',
    summary: 'Prometheus text format',
    scope: 'admin',
    status: 200,
    stream: 'text/plain',
    errors: [],
  },
  openapi: {
    method: 'GET',
    path: '/openapi.json',
    summary: 'This document',
    scope: 'public',
    status: 200,
    stream: 'application/json',
    errors: [],
  },
  docs: {
    method: 'GET',
    path: '/docs',
    summary: 'This document, for people',
    scope: 'public',
    status: 200,
    stream: 'text/html',
    errors: [],
  },
  registerBox: {
    method: 'POST',
    path: '/boxes/register',
    summary: 'The agent of a box is up and its workspace is mounted',
    scope: 'box',
    body: registerSchema,
    status: 200,
    response: ordersSchema,
    errors: ['stale_generation'],
  },
  heartbeat: {
    method: 'POST',
    path: '/boxes/heartbeat',
    summary: 'State and evidence of a box, answered with its orders',
    scope: 'box',
    body: heartbeatSchema,
    status: 200,
    response: ordersSchema,
    errors: ['stale_generation'],
  },
} as const satisfies Record<string, Operation>;

export type OperationId = keyof typeof OPERATIONS;
type Operations = typeof OPERATIONS;

type InputOf<T> = T extends z.ZodType ? z.input<T> : never;
type OutputOf<T> = T extends z.ZodType ? z.output<T> : never;
type Field<Op, K extends string> = Op extends { [P in K]: infer T } ? T : undefined;

/** What a caller of an operation gives, before the schemas have looked at it. */
export interface OperationInput<Id extends OperationId> {
  params: Field<Operations[Id], 'params'> extends z.ZodType ? InputOf<Field<Operations[Id], 'params'>> : undefined;
  query: Field<Operations[Id], 'query'> extends z.ZodType ? InputOf<Field<Operations[Id], 'query'>> : undefined;
  body: Field<Operations[Id], 'body'> extends z.ZodType ? InputOf<Field<Operations[Id], 'body'>> : undefined;
}

/** What the schemas made of it: what a handler gets. */
export interface OperationRequest<Id extends OperationId> {
  params: Field<Operations[Id], 'params'> extends z.ZodType ? OutputOf<Field<Operations[Id], 'params'>> : undefined;
  query: Field<Operations[Id], 'query'> extends z.ZodType ? OutputOf<Field<Operations[Id], 'query'>> : undefined;
  body: Field<Operations[Id], 'body'> extends z.ZodType ? OutputOf<Field<Operations[Id], 'body'>> : undefined;
}

export type OperationResponse<Id extends OperationId> =
  Field<Operations[Id], 'response'> extends z.ZodType ? OutputOf<Field<Operations[Id], 'response'>> : undefined;
