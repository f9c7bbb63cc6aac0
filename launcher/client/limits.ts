/** Every bound of the client in one place. Times in milliseconds. */
export const CLIENT_LIMITS = {
  /** Until the head of an answer is there, for calls that do no work of their own. */
  answerMs: 30_000,
  /** The same for calls that wait for a snapshot, a copy or a command. */
  slowAnswerMs: 3_600_000,
  /** Added to the time that a call asked the launcher to wait for. */
  waitMarginMs: 15_000,
  attempts: 4,
  backoffBaseMs: 150,
  backoffMaxMs: 3_000,
  /** A Retry-After beyond this is not waited for. */
  retryAfterMaxMs: 10_000,
  /** Reconnects in a row of an event stream that brought nothing new. */
  reconnects: 8,
  /** A JSON answer may be this long. */
  answerBytes: 64 * 1024 * 1024,
  /** One line of an event stream may be this long. */
  eventLineChars: 256 * 1024,
  pages: 1_000,
  connectMs: 10_000,
} as const;
