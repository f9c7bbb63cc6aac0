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
  /** An event stream that has lasted so long was no fruitless one, whatever it brought. */
  steadyStreamMs: 10_000,
  /** A JSON answer may be this long. */
  answerBytes: 64 * 1024 * 1024,
  /** One line of an event stream may be this long. */
  eventLineChars: 256 * 1024,
  pages: 1_000,
  connectMs: 10_000,
  /** Longest silence of the agent of a box that is asked for something small. */
  agentAnswerMs: 20_000,
  /** A box that is ready is reached by Session Manager some seconds later: so long it is tried, and so often. */
  boxOnlineMs: 60_000,
  boxOnlineLookMs: 1_500,
  /** Tunnels that do not open for another reason. */
  tunnelTries: 2,
  /** A tunnel that carries nothing is kept for so long. */
  tunnelIdleMs: 60_000,
  /** While bytes pass by the launcher, it is told so no more often. */
  renewEveryMs: 30_000,
  /** A command that is run as a whole, through the launcher: what a function of Lambda has time for, and some to answer. */
  wholeExec: '14m',
} as const;
