import type { Issue, Problem } from './problem.ts';

export type { Issue, Problem };

/** What every error code must say of itself. A code without one of these does not compile. */
interface ErrorSpec {
  /** HTTP status of the problem+json answer (RFC 9457). */
  readonly status: 400 | 401 | 403 | 404 | 405 | 408 | 409 | 413 | 415 | 422 | 429 | 500 | 502 | 503 | 504 | 507;
  /** True when the very same request may succeed later with nothing changed by the caller. */
  readonly retryable: boolean;
  /** Exit code of the CLI: 1 error · 2 usage · 3 not found · 4 not allowed · 5 conflict · 6 no capacity or budget · 7 timeout · 8 pending. */
  readonly exit: 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8;
  readonly title: string;
  /** What to do next, for a person. */
  readonly hint: string;
}

export const ERRORS = {
  invalid_request: {
    status: 400,
    retryable: false,
    exit: 2,
    title: 'The request is not valid',
    hint: 'correct the named field',
  },
  invalid_cursor: {
    status: 400,
    retryable: false,
    exit: 2,
    title: 'The cursor was not made by this list',
    hint: 'start the list again without a cursor',
  },
  invalid_archive: {
    status: 422,
    retryable: false,
    exit: 2,
    title: 'The archive cannot be unpacked safely',
    hint: 'remove the named entry and try again; nothing was changed',
  },
  unauthorized: {
    status: 401,
    retryable: false,
    exit: 4,
    title: 'No valid token',
    hint: 'give a token in DEVCTL_TOKEN, or make one with devctl token create',
  },
  forbidden: {
    status: 403,
    retryable: false,
    exit: 4,
    title: 'The token may not do this',
    hint: 'use a token with the named scope',
  },
  host_not_allowed: {
    status: 403,
    retryable: false,
    exit: 4,
    title: 'The Host or Origin header is not one of this launcher',
    hint: 'use the address that devctl serve printed, or add the name with --allowed-host',
  },
  not_found: {
    status: 404,
    retryable: false,
    exit: 3,
    title: 'There is no such thing',
    hint: 'check the name or id',
  },
  method_not_allowed: {
    status: 405,
    retryable: false,
    exit: 2,
    title: 'The path does not take this method',
    hint: 'see the Allow header, or /docs',
  },
  workspace_in_use: {
    status: 409,
    retryable: false,
    exit: 5,
    title: 'Workspace has a live session',
    hint: 'use that session, or fork the workspace',
  },
  workspace_not_empty: {
    status: 409,
    retryable: false,
    exit: 5,
    title: 'Workspace already has files',
    hint: 'an import never overwrites; fork the workspace or make a new one',
  },
  unsaved_work: {
    status: 409,
    retryable: false,
    exit: 5,
    title: 'There is work that would be lost',
    hint: 'push or snapshot it first, or repeat with --force',
  },
  wrong_phase: {
    status: 409,
    retryable: true,
    exit: 5,
    title: 'The session is not in a phase that allows this',
    hint: 'see devctl status',
  },
  stale_generation: {
    status: 409,
    retryable: false,
    exit: 5,
    title: 'The box belongs to an older generation of the session',
    hint: 'this box is superseded and must end',
  },
  lease_ended: {
    status: 409,
    retryable: false,
    exit: 5,
    title: 'The lease of the session has just ended',
    hint: 'run devctl up: the workspace comes back as it was',
  },
  idempotency_mismatch: {
    status: 409,
    retryable: false,
    exit: 5,
    title: 'The Idempotency-Key was used with another body',
    hint: 'use a new key for a new request',
  },
  in_use: {
    status: 409,
    retryable: false,
    exit: 5,
    title: 'Something else still refers to it',
    hint: 'remove what refers to it first',
  },
  conflict: {
    status: 409,
    retryable: true,
    exit: 5,
    title: 'Somebody else changed it at the same time',
    hint: 'read it again and repeat',
  },
  too_large: {
    status: 413,
    retryable: false,
    exit: 2,
    title: 'The body or upload is larger than allowed',
    hint: 'send less; the limit is in the detail',
  },
  unsupported_media_type: {
    status: 415,
    retryable: false,
    exit: 2,
    title: 'The body has the wrong content type',
    hint: 'send the content type named in the detail',
  },
  quota_exceeded: {
    status: 429,
    retryable: false,
    exit: 6,
    title: 'A quota of the owner is used up',
    hint: 'end a session or delete a workspace, or raise the quota of the launcher',
  },
  budget_exceeded: {
    status: 429,
    retryable: false,
    exit: 6,
    title: 'The budget of the month is spent',
    hint: 'see devctl cost; live sessions go on, and whoever runs the launcher may raise the budget',
  },
  rate_limited: {
    status: 429,
    retryable: true,
    exit: 6,
    title: 'Too many requests',
    hint: 'wait and repeat',
  },
  no_capacity: {
    status: 503,
    retryable: true,
    exit: 6,
    title: 'No capacity for a box',
    hint: 'try another --size or --type, --policy spot-preferred or on-demand, or later; the workspace is untouched',
  },
  source_unavailable: {
    status: 422,
    retryable: true,
    exit: 1,
    title: 'The source of the workspace could not be fetched',
    hint: 'check the address and the branch; run devctl up again to retry',
  },
  setup_failed: {
    status: 422,
    retryable: true,
    exit: 1,
    title: 'The setup script of the workspace failed',
    hint: 'see devctl logs; the box is there to look into',
  },
  bootstrap_failed: {
    status: 502,
    retryable: true,
    exit: 1,
    title: 'The box did not come up',
    hint: 'see devctl logs, then devctl up again; the workspace is untouched',
  },
  snapshot_failed: {
    status: 507,
    retryable: true,
    exit: 1,
    title: 'The snapshot could not be made',
    hint: 'nothing was deleted: free some space and run devctl down again',
  },
  workspace_quarantined: {
    status: 422,
    retryable: false,
    exit: 1,
    title: 'The disk of the workspace is damaged',
    hint: 'nothing was deleted: go back to an earlier snapshot with devctl restore, see devctl snapshots',
  },
  disk_unavailable: {
    status: 502,
    retryable: true,
    exit: 1,
    title: 'The box cannot use the disk of its workspace',
    hint: 'nothing was changed on it: devctl up again takes another box',
  },
  park_failed: {
    status: 502,
    retryable: true,
    exit: 1,
    title: 'The box could not be parked',
    hint: 'it goes on, and is parked at the end of its lease; devctl down ends it with a snapshot',
  },
  box_unreachable: {
    status: 502,
    retryable: true,
    exit: 1,
    title: 'The box does not answer',
    hint: 'see devctl status and devctl why',
  },
  disk_full: {
    status: 507,
    retryable: true,
    exit: 1,
    title: 'There is no space left',
    hint: 'free some space, or prune snapshots with devctl workspace prune',
  },
  records_missing: {
    status: 503,
    retryable: false,
    exit: 1,
    title: 'The table has no record of things that are there',
    hint: 'nothing was deleted: an administrator runs devctl recover --from-tags, which brings them back',
  },
  unavailable: {
    status: 503,
    retryable: true,
    exit: 1,
    title: 'The launcher cannot answer now',
    hint: 'repeat in a moment; see devctl doctor',
  },
  timeout: {
    status: 504,
    retryable: true,
    exit: 7,
    title: 'It took longer than was allowed',
    hint: 'it goes on in the background: see devctl status',
  },
  request_timeout: {
    status: 408,
    retryable: true,
    exit: 7,
    title: 'The request body did not arrive in time',
    hint: 'send the body faster, or in smaller pieces',
  },
  secret_unavailable: {
    status: 422,
    retryable: true,
    exit: 1,
    title: 'A secret could not be had',
    hint: 'check the reference, and what the role of boxes may read: secretsmanager:GetSecretValue on it, and kms:Decrypt on its key',
  },
  unsupported: {
    status: 422,
    retryable: false,
    exit: 1,
    title: 'This provider cannot do that',
    hint: 'ask for something else; devctl doctor says what there is',
  },
  internal: {
    status: 500,
    retryable: true,
    exit: 1,
    title: 'Something went wrong inside the launcher',
    hint: 'the request id is in the log: devctl logs --launcher',
  },
} as const satisfies Record<string, ErrorSpec>;

export type ErrorCode = keyof typeof ERRORS;
export const ERROR_CODES = Object.keys(ERRORS) as [ErrorCode, ...ErrorCode[]];

interface ErrorExtra {
  /** Overrides the registry's hint where a better next step is known. */
  hint?: string;
  issues?: Issue[];
  /** The session that is in the way, or that the error is about. */
  sessionId?: string;
  /** Seconds after which it is worth repeating. */
  retryAfterS?: number;
  cause?: unknown;
}

/** The only error that crosses a module border on purpose. Everything else is `internal`. */
export class DevctlError extends Error {
  override readonly name = 'DevctlError';
  constructor(
    readonly code: ErrorCode,
    readonly detail: string,
    readonly extra: ErrorExtra = {},
  ) {
    super(detail, extra.cause === undefined ? undefined : { cause: extra.cause });
  }

  get spec(): ErrorSpec {
    return ERRORS[this.code];
  }

  toProblem(requestId?: string): Problem {
    const { status, retryable, title, hint } = this.spec;
    return {
      type: `https://devctl.dev/errors/${this.code.replaceAll('_', '-')}`,
      code: this.code,
      title,
      status,
      retryable,
      detail: this.detail,
      hint: this.extra.hint ?? hint,
      ...(requestId && { requestId }),
      ...(this.extra.issues && { issues: this.extra.issues }),
      ...(this.extra.sessionId && { sessionId: this.extra.sessionId }),
      ...(this.extra.retryAfterS && { retryAfterS: this.extra.retryAfterS }),
    };
  }

  static fromProblem(problem: Problem): DevctlError {
    const { code, detail, hint, issues, sessionId, retryAfterS } = problem;
    return new DevctlError(code, detail, {
      hint,
      ...(issues && { issues }),
      ...(sessionId && { sessionId }),
      ...(retryAfterS && { retryAfterS }),
    });
  }
}

/** Where each kind of thing is listed, for whoever asked for one that is not there. */
const LISTS = {
  workspace: 'see devctl workspace ls',
  session: 'see devctl ls --all',
  snapshot: 'see devctl snapshots',
  hold: 'see devctl hold',
  token: 'see devctl token ls',
  path: 'see /docs for the paths of this launcher',
} as const;

/** `not_found` with the place to look for the right name. */
export const notFound = (kind: keyof typeof LISTS, detail: string): DevctlError =>
  new DevctlError('not_found', detail, { hint: LISTS[kind] });

export const isDevctlError = (error: unknown, code?: ErrorCode): error is DevctlError =>
  error instanceof DevctlError && (code === undefined || error.code === code);
