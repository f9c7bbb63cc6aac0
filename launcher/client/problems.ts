import { DevctlError, ERRORS, type ErrorCode, type Problem } from '../contract/errors.ts';
import { reasonOf } from '../contract/system-errors.ts';

/** An error that the launcher answered with: it knows under which request id the launcher's log has it. */
export class RemoteError extends DevctlError {
  constructor(readonly problem: Problem) {
    const { code, detail, hint, issues, sessionId, retryAfterS } = problem;
    super(code, detail, { hint, ...(issues && { issues }), ...(sessionId && { sessionId }), ...(retryAfterS && { retryAfterS }) });
  }

  get requestId(): string | undefined {
    return this.problem.requestId;
  }
}

const isRecord = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null && !Array.isArray(value);
const textOr = (value: unknown, fallback: string): string => (typeof value === 'string' && value !== '' ? value : fallback);

/** The code of ours that says most nearly what a status of somebody else (a proxy, an older launcher) means. */
function codeOfStatus(status: number): ErrorCode {
  switch (status) {
    case 401:
      return 'unauthorized';
    case 403:
      return 'forbidden';
    case 404:
      return 'not_found';
    case 408:
      return 'request_timeout';
    case 413:
      return 'too_large';
    case 415:
      return 'unsupported_media_type';
    case 429:
      return 'rate_limited';
    case 504:
      return 'timeout';
    default:
      return status >= 500 ? 'unavailable' : 'invalid_request';
  }
}

/** An error answer as an error. Codes that this version does not know, and bodies that are no problem document, keep their text. */
export function errorOfAnswer(status: number, body: string, requestId: string | undefined): RemoteError {
  let parsed: unknown;
  try {
    parsed = JSON.parse(body);
  } catch {
    parsed = undefined;
  }
  const problem = isRecord(parsed) ? parsed : {};
  const code =
    typeof problem['code'] === 'string' && Object.hasOwn(ERRORS, problem['code']) ? (problem['code'] as ErrorCode) : codeOfStatus(status);
  const spec = ERRORS[code];
  const id = textOr(problem['requestId'], requestId ?? '');
  return new RemoteError({
    ...problem,
    type: textOr(problem['type'], 'about:blank'),
    code,
    title: textOr(problem['title'], spec.title),
    status,
    retryable: typeof problem['retryable'] === 'boolean' ? problem['retryable'] : spec.retryable,
    detail: textOr(problem['detail'], textOr(problem['title'], `the answer, a ${status}, is not one of a devctl launcher`)),
    hint: textOr(problem['hint'], isRecord(parsed) ? spec.hint : 'check DEVCTL_URL and --on, and a proxy that may be between'),
    ...(id && { requestId: id }),
    retryAfterS: Number.isSafeInteger(problem['retryAfterS']) ? Number(problem['retryAfterS']) : undefined,
  });
}

/** `code` of a system error such as ECONNREFUSED. */
const systemCode = (error: unknown): string | undefined =>
  isRecord(error) && typeof error['code'] === 'string' ? error['code'] : undefined;

/** A failed connection in words that say what to do about it. */
export function errorOfConnection(error: unknown, address: string): DevctlError {
  if (error instanceof DevctlError) return error;
  const code = systemCode(error);
  const detail = (() => {
    switch (code) {
      case 'ECONNREFUSED':
      case 'ENOENT':
        return `no launcher answers at ${address}`;
      case 'ENOTFOUND':
      case 'EAI_AGAIN':
        return `the name in ${address} is not known`;
      case 'ECONNRESET':
      case 'EPIPE':
        return `the connection to ${address} was cut`;
      default:
        return `${address} cannot be reached: ${reasonOf(error)}`;
    }
  })();
  const hint =
    code === 'ECONNRESET' || code === 'EPIPE'
      ? 'repeat it; devctl logs --launcher says what happened'
      : 'start it with devctl serve, or check DEVCTL_URL and --on';
  return new DevctlError('unavailable', detail, { hint, cause: error });
}
