/** `unreachable`: nobody answers there now. `transient`: somebody does, but not (yet) as an agent that knows who asks. */
export type ReachErrorKind = 'unreachable' | 'transient';

/** The agent of a box was not reached. What an agent says against a request is a DevctlError instead. */
export class ReachError extends Error {
  override readonly name = 'ReachError';
  /** What has just come up will be reached in a while: worth waiting for. */
  readonly isComing: boolean;
  constructor(
    readonly kind: ReachErrorKind,
    message: string,
    { isComing = false, ...options }: { cause?: unknown; isComing?: boolean } = {},
  ) {
    super(message, options);
    this.isComing = isComing;
  }
}
